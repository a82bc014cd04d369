//! A job's history on the wire: the HTTP API lists it, and WebSocket messages carry its entries one by one.

use domain::{
    JobId,
    job::{self, EventKind},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::money::Money;

/// One entry of a job's history.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Event {
    /// Whose history it is.
    #[schema(value_type = String, example = "job_0193a5c07a3b7d2e8f4a5b6c7d8e9f00")]
    pub job_id: JobId,
    /// 1, 2, 3 … for each job, without gaps.
    #[schema(minimum = 1)]
    pub seq: u64,
    /// When it was committed.
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T13:00:00Z")]
    pub at: Timestamp,
    /// The job's status after it.
    pub status: Status,
    /// What happened.
    pub event: Happening,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Queued,
    Provisioning,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    TimedOut,
}

/// What can happen to a job.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Happening {
    /// The job was accepted.
    Submitted {
        /// Whether it may start at once, or waits for its owner's earlier jobs.
        admitted: bool,
    },
    /// It left its owner's queue.
    Admitted,
    /// A provider would not serve an offer; the next one is tried.
    LaunchRefused {
        attempt: u32,
        offer: Placement,
        /// In the provider's own words.
        reason: String,
    },
    /// No offer could be had.
    WaitingForCapacity { reason: String, retry_in_seconds: u32 },
    /// An offer was chosen and the provider is being asked for it.
    Provisioning { attempt: u32, offer: Placement },
    /// The provider has an instance for the attempt and bills for it.
    InstanceCreated {
        attempt: u32,
        /// The provider's own id.
        instance: String,
    },
    /// The command runs.
    Running { attempt: u32 },
    /// Somebody asked for the end of the job.
    CancelRequested,
    /// An attempt is over and its instance is given back.
    AttemptEnded {
        attempt: u32,
        outcome: Outcome,
        /// When the next attempt begins; null if there is none.
        #[schema(required = true)]
        retry_in_seconds: Option<u32>,
    },
    /// The job has its final status.
    Ended {
        /// Null if the command never ended by itself.
        #[schema(required = true, value_type = Option<Exit>)]
        exit: Option<Exit>,
        /// Why, in words.
        #[schema(required = true)]
        reason: Option<String>,
    },
    /// The description of the job changed; what did not change is absent.
    Edited {
        #[schema(value_type = Object)]
        edit: Value,
    },
}

/// Where an attempt was placed, and at which price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Placement {
    #[schema(example = "runpod")]
    pub provider: String,
    /// The provider's region; null where any will do.
    #[schema(required = true)]
    pub region: Option<String>,
    /// The model of the GPU.
    #[schema(example = "RTX 4090")]
    pub gpu: String,
    pub gpu_count: u32,
    /// Memory of one GPU.
    pub gpu_memory_gib: u32,
    /// The provider's own id of the GPU or of the instance type.
    pub instance_type: String,
    /// Null where the provider does not say.
    #[schema(required = true)]
    pub cpus: Option<u32>,
    /// Null where the provider does not say.
    #[schema(required = true)]
    pub memory_gib: Option<u32>,
    pub spot: bool,
    /// For all its GPUs together.
    pub price_per_hour: Money,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The command ended.
    Exited { exit: Exit },
    /// The provider would not serve the offer.
    Refused { reason: String },
    /// The cloud took a spot instance back.
    Preempted,
    /// The instance vanished, never booted, or fell silent.
    Lost { reason: String },
    /// The job's timeout passed.
    TimedOut,
    /// The job was cancelled before its command ended.
    Cancelled,
    /// The job has cost its `max_cost`.
    MaxCostReached,
}

/// The end of a command.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Exit {
    /// As a shell gives it: 128 + signal for a signal.
    pub code: i32,
    pub reason: ExitReason,
    /// When the platform heard of it.
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T13:00:00Z")]
    pub at: Timestamp,
    /// What the command wrote to `$GPU_OUTPUT`: any JSON; null if nothing.
    #[schema(required = true, value_type = Value, nullable)]
    pub output: Option<Value>,
    /// Why there is no output here although something was written.
    #[schema(required = true)]
    pub output_error: Option<String>,
}

/// Why a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExitReason {
    /// By itself.
    Exited,
    /// It was stopped at the job's timeout.
    Timeout,
    /// It was stopped because the job was cancelled.
    Cancelled,
    /// It could not be started.
    CommandNotStarted,
    /// The machine was being stopped under it.
    Terminated,
}

impl From<job::Event> for Event {
    fn from(event: job::Event) -> Self {
        Self {
            job_id: event.job_id,
            seq: event.seq,
            at: event.at,
            status: event.status.into(),
            event: event.kind.into(),
        }
    }
}

impl From<job::Status> for Status {
    fn from(status: job::Status) -> Self {
        match status {
            job::Status::Queued => Self::Queued,
            job::Status::Provisioning => Self::Provisioning,
            job::Status::Running => Self::Running,
            job::Status::Succeeded => Self::Succeeded,
            job::Status::Failed => Self::Failed,
            job::Status::Cancelled => Self::Cancelled,
            job::Status::TimedOut => Self::TimedOut,
        }
    }
}

impl From<EventKind> for Happening {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::Submitted { admitted } => Self::Submitted { admitted },
            EventKind::Admitted => Self::Admitted,
            EventKind::LaunchRefused { attempt, offer, reason } => {
                Self::LaunchRefused { attempt, offer: (*offer).into(), reason }
            }
            EventKind::WaitingForCapacity { reason, retry_in_seconds } => {
                Self::WaitingForCapacity { reason, retry_in_seconds }
            }
            EventKind::Provisioning { attempt, offer } => {
                Self::Provisioning { attempt, offer: (*offer).into() }
            }
            EventKind::InstanceCreated { attempt, instance } => Self::InstanceCreated { attempt, instance },
            EventKind::Running { attempt } => Self::Running { attempt },
            EventKind::CancelRequested => Self::CancelRequested,
            EventKind::AttemptEnded { attempt, outcome, retry_in_seconds } => {
                Self::AttemptEnded { attempt, outcome: outcome.into(), retry_in_seconds }
            }
            EventKind::Ended { exit, reason } => Self::Ended { exit: exit.map(Exit::from), reason },
            EventKind::Edited { edit } => {
                let mut changed = serde_json::Map::new();
                if let Some(name) = edit.name {
                    changed.insert("name".into(), name.into());
                }
                if let Some(description) = edit.description {
                    changed.insert("description".into(), description.into());
                }
                if let Some(tags) = edit.tags {
                    changed.insert("tags".into(), tags.into_iter().collect::<Value>());
                }
                if let Some(priority) = edit.priority {
                    changed.insert("priority".into(), serde_json::json!(priority));
                }
                Self::Edited { edit: changed.into() }
            }
        }
    }
}

impl From<domain::placement::Offer> for Placement {
    fn from(offer: domain::placement::Offer) -> Self {
        Self {
            provider: offer.provider.0,
            region: Some(offer.region).filter(|region| !region.is_empty()),
            gpu: offer.gpu,
            gpu_count: offer.gpu_count,
            gpu_memory_gib: offer.gpu_memory_gib,
            instance_type: offer.instance_type,
            cpus: offer.cpus,
            memory_gib: offer.memory_gib,
            spot: offer.spot,
            price_per_hour: offer.price_per_hour.into(),
        }
    }
}

impl From<job::Outcome> for Outcome {
    fn from(outcome: job::Outcome) -> Self {
        match outcome {
            job::Outcome::Exited { exit } => Self::Exited { exit: exit.into() },
            job::Outcome::Refused { reason } => Self::Refused { reason },
            job::Outcome::Preempted => Self::Preempted,
            job::Outcome::Lost { reason } => Self::Lost { reason },
            job::Outcome::TimedOut => Self::TimedOut,
            job::Outcome::Cancelled => Self::Cancelled,
            job::Outcome::MaxCostReached => Self::MaxCostReached,
        }
    }
}

impl From<job::Exit> for Exit {
    fn from(exit: job::Exit) -> Self {
        Self {
            code: exit.code,
            reason: match exit.reason {
                job::ExitReason::Exited => ExitReason::Exited,
                job::ExitReason::Timeout => ExitReason::Timeout,
                job::ExitReason::Cancelled => ExitReason::Cancelled,
                job::ExitReason::CommandNotStarted => ExitReason::CommandNotStarted,
                job::ExitReason::Terminated => ExitReason::Terminated,
            },
            at: exit.at,
            output: exit.output,
            output_error: exit.output_error,
        }
    }
}
