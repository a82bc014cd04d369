//! What people do with jobs: submit, look, change, cancel, repeat, delete. What the platform does with them is
//! `machine`'s.

mod change;
mod cost;
mod create;
mod log;
mod look;

use std::sync::Arc;

use domain::{
    JobId, Principal,
    job::{Attempt, FieldError, Job},
};

use crate::{
    admission::Gate,
    money::Purse,
    ports::{Clock, Ids, JobStore, RunnerStore, SecretStore, StoreError, WorkflowError, Workflows},
    seal::SealError,
};

pub use cost::{Cost, cost_so_far};
pub use create::{Created, Draft, NodeJob, Request};
pub use log::{LogPart, LogRange};
pub use look::{EventsSeen, MetricsSeen, Seen};

/// How often a change is decided again because the job changed meanwhile.
const TRIES: u32 = 8;

/// Why a use case did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Fields that the caller must change.
    #[error("some fields are not acceptable")]
    Invalid(Vec<FieldError>),
    /// There is no such job for this caller.
    #[error("there is no such job")]
    NotFound,
    /// There is no such attempt of the job.
    #[error("the job has no such attempt")]
    NoSuchAttempt,
    /// Only a job that has ended can be deleted or repeated.
    #[error("the job has not ended")]
    NotEnded,
    /// A job that has ended cannot be cancelled.
    #[error("the job has ended")]
    Ended,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// A secret could not be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The cancellation is recorded, but the job's execution could not be woken: asking again wakes it.
    #[error("the job's execution could not be woken")]
    NotWoken(#[source] WorkflowError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The use cases.
#[derive(Clone)]
pub struct Jobs {
    pub jobs: Arc<dyn JobStore>,
    pub runners: Arc<dyn RunnerStore>,
    pub secrets: Arc<dyn SecretStore>,
    pub workflows: Arc<dyn Workflows>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    /// Quotas and budgets.
    pub purse: Purse,
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs").field("purse", &self.purse).finish_non_exhaustive()
    }
}

impl Jobs {
    fn gate(&self) -> Gate {
        Gate {
            jobs: self.jobs.clone(),
            workflows: self.workflows.clone(),
            clock: self.clock.clone(),
            purse: self.purse.clone(),
        }
    }

    /// The job, if it exists for `caller`: the only way to one.
    async fn visible(&self, caller: &Principal, id: JobId) -> Result<Job, JobError> {
        let job = self.jobs.job(id).await?.ok_or(JobError::NotFound)?;
        if caller.may_see(job.owner) { Ok(job) } else { Err(JobError::NotFound) }
    }

    /// The attempt of that number, or the latest; `None` before the first.
    async fn attempt(&self, job: &Job, number: Option<u32>) -> Result<Option<Attempt>, JobError> {
        let wanted = number.unwrap_or(job.attempt);
        if wanted == 0 {
            return Ok(None);
        }
        match self.jobs.attempt(job.id, wanted).await? {
            None if number.is_some() => Err(JobError::NoSuchAttempt),
            found => Ok(found),
        }
    }
}
