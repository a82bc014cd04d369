//! Every trait that the use cases need of the world outside.

mod accounts;
mod calls;
mod jobs;
mod market;
mod money;
mod provider;
mod realtime;
mod runners;
mod runs;
mod secrets;
mod workflows;

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

pub use accounts::AccountStore;
pub use calls::{
    Answer, Call, CallClient, CallError, CallFor, CallRequest, CallResult, CallState, CallStore, Endpoint,
    EndpointStore, NodeCalls, Try, pauses,
};
pub use jobs::{
    Admission, AttemptWrite, BillCommit, Commit, Counts, Idempotency, JobFilter, JobStore, Page, Replay,
};
pub use market::{Catalogue, Failed, Measurements, Queue, Shelf, Trouble};
pub use money::{Alert, MoneyStore, PlatformBudget, Span};
pub use provider::{Instance, Launch, Observation, Paid, Phase, Provider, ProviderError, Providers};
pub use realtime::{Connection, ConnectionStore, Push, PushError, Ticket, Topic};
pub use runners::{Heard, LogChunk, LogPage, MetricsRow, Report, RunnerStore};
pub use runs::{
    CachedResult, Closed, GateRow, MapEnds, NewRun, NodeKey, RunCommit, RunCounts, RunFilter, RunStore, is_of,
};
pub use secrets::{SecretStore, UserSecret};
pub use workflows::{
    DefinitionText, Params, ScheduleRow, ScheduleStore, Sharing, VersionRow, WorkflowFilter, WorkflowRow,
    WorkflowStore,
};

/// The time of day.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;
}

/// Waits that belong to a use case: a test lets its clock run instead.
#[async_trait]
pub trait Pause: Send + Sync {
    async fn pause(&self, time: Duration);
}

/// Fresh ids and random bytes.
pub trait Ids: Send + Sync {
    /// A UUIDv7: sorted by the time it was made.
    fn uuid(&self) -> Uuid;
    /// 32 bytes that nobody can guess.
    fn secret(&self) -> [u8; 32];
}

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The row changed since it was read, or exists already: read again and decide again.
    #[error("the row changed since it was read")]
    Conflict,
    /// A write would pass its owner's limit; nothing was written.
    #[error("the limit is reached")]
    LimitReached,
    /// A cursor that this store did not give out.
    #[error("the cursor is not one of ours")]
    Cursor,
    /// The store is busy; the same call may go through later.
    #[error("the store is busy")]
    Busy(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Anything else. It is not known whether the write was done.
    #[error("the store failed")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Why Step Functions did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum WorkflowError {
    /// The token was used already, or its execution is over. Whoever sends a word that nobody waits for has nothing to do.
    #[error("nobody waits for this token any more")]
    TokenGone,
    /// An execution of that name exists with another input, or is over.
    #[error("an execution of that name exists already")]
    NameTaken,
    /// Anything else.
    #[error("the workflow service failed")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Durable executions.
#[async_trait]
pub trait Workflows: Send + Sync {
    /// Starts an execution of the job machine under a name that makes a repeat harmless.
    async fn start_job(&self, name: &str, input: &Value) -> Result<(), WorkflowError>;
    /// Starts an execution of the run machine, likewise.
    async fn start_run(&self, name: &str, input: &Value) -> Result<(), WorkflowError>;
    /// Ends the wait behind `token`.
    async fn succeed(&self, token: &str, output: &Value) -> Result<(), WorkflowError>;
    /// Tells the wait behind `token` that its runner lives.
    async fn heartbeat(&self, token: &str) -> Result<(), WorkflowError>;
    /// Whether an execution of that name is running; `None` where there never was one.
    async fn is_running(&self, name: &str) -> Result<Option<bool>, WorkflowError>;
    /// As [`Self::is_running`], of the run machine.
    async fn is_run_running(&self, name: &str) -> Result<Option<bool>, WorkflowError>;
}
