//! What happened to a job, in order and without gaps.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Edit, Exit, Outcome, Status};
use crate::{id::JobId, placement::Offer};

/// One entry of a job's history. It commits in the transaction of the change that it reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Whose history it is.
    pub job_id: JobId,
    /// 1, 2, 3 … per job, without gaps.
    pub seq: u64,
    /// When it was committed.
    pub at: Timestamp,
    /// The job's status after it.
    pub status: Status,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What can happen to a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventKind {
    /// It was accepted; `admitted` says whether it may start at once or waits for its owner's earlier jobs.
    Submitted { admitted: bool },
    /// It left the owner's queue.
    Admitted,
    /// A provider would not serve an offer; the next one is tried.
    LaunchRefused { attempt: u32, offer: Box<Offer>, reason: String },
    /// No offer could be had; looked at again after `retry_in_seconds`.
    WaitingForCapacity { reason: String, retry_in_seconds: u32 },
    /// An offer was chosen and the provider is being asked for it.
    Provisioning { attempt: u32, offer: Box<Offer> },
    /// The provider has an instance for the attempt and bills for it.
    InstanceCreated { attempt: u32, instance: String },
    /// The runner was heard: the command runs.
    Running { attempt: u32 },
    /// Somebody asked for the end.
    CancelRequested,
    /// The provider's instance is being given back.
    AttemptEnded { attempt: u32, outcome: Outcome, retry_in_seconds: Option<u32> },
    /// The job has its final status.
    Ended { exit: Option<Exit>, reason: Option<String> },
    /// Its description changed.
    Edited { edit: Edit },
}
