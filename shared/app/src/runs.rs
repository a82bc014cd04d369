//! Runs of workflows. Nothing coordinates them: whoever learns that a node ended takes its run on from there, and a node's
//! own execution learns of its end.
//!
//! One transaction writes an end with its event, and with it those nodes behind that have no other dependency. Then the
//! gates of the others are closed, and what they let through is claimed, in transactions of many nodes; a claimed job is
//! made under the id that its node's row has. Each of these steps finds out what was done before, so that a repeat after a
//! crash does the rest.

mod batch;
mod begin;
mod control;
mod course;
mod drive;
mod ended;
mod gates;
mod map;
mod plans;
mod repair;
mod resume;
mod start;
mod stop;

use std::{fmt, sync::Arc};

use domain::job::FieldError;

use crate::{
    jobs::{JobError, Jobs},
    machine::StepError,
    ports::{CallStore, RunStore, StoreError, WorkflowError, WorkflowStore},
};

pub(crate) use begin::in_words;
pub use plans::Plans;
pub use repair::Repaired;
pub use resume::Resume;
pub use start::{Request, StartRun, Started};

/// How often a change of a run is tried again because another one came first.
const TRIES: u32 = 60;

/// The use cases around one run's life.
#[derive(Clone)]
pub struct Runs {
    pub runs: Arc<dyn RunStore>,
    /// The messages of webhook nodes.
    pub calls: Arc<dyn CallStore>,
    pub definitions: Arc<dyn WorkflowStore>,
    /// Makes and cancels the jobs of nodes.
    pub jobs: Jobs,
    /// What was read of definitions already.
    pub plans: Plans,
}

impl fmt::Debug for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runs").finish_non_exhaustive()
    }
}

/// Why a use case did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no such workflow, version or run for this caller.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The workflow is paused.
    #[error("the workflow is paused")]
    Paused,
    /// Only a run that has ended can be resumed or repeated.
    #[error("the run has not ended")]
    NotEnded,
    /// A run that has ended cannot be cancelled.
    #[error("the run has ended")]
    Ended,
    /// Fields that the caller must change.
    #[error("some fields are not acceptable")]
    Invalid(Vec<FieldError>),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The slot of the schedule has its run already.
    #[error("the slot has its run already")]
    SlotTaken,
    /// A job of the run could not be made or cancelled.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run machine failed.
    #[error(transparent)]
    Execution(#[from] WorkflowError),
    /// Taking the run on failed: asking again goes on from there.
    #[error(transparent)]
    Step(#[from] StepError),
}

impl From<JobError> for StepError {
    fn from(error: JobError) -> Self {
        match error {
            JobError::Store(error) => error.into(),
            other => Self::Unavailable(Box::new(other)),
        }
    }
}
