//! What runners report, as it is kept: the fence, the last word, the log.

use async_trait::async_trait;
use domain::{
    AttemptId,
    job::{Exit, Progress, RunnerState, Seam, Waiting},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::StoreError;

/// One GPU's figures in one report.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MetricsRow {
    pub gpu: u32,
    /// Per cent; `None` where the driver does not say.
    pub utilisation: Option<f64>,
    pub memory_used_mib: Option<f64>,
    pub memory_total_mib: Option<f64>,
    pub temperature_c: Option<f64>,
    pub power_w: Option<f64>,
}

/// What a runner said in one message, beyond that it lives.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub progress: Option<Progress>,
    pub metrics: Vec<MetricsRow>,
    pub log: Option<LogChunk>,
    /// The command began with this message.
    pub started: bool,
    /// The provider's id of the instance that the runner is on, where it knows.
    pub instance: Option<String>,
    pub exit: Option<Exit>,
    /// What it says of the command has been masked, or needs no mask.
    pub masked: bool,
    /// The edges of its masked log.
    pub seam: Option<Seam>,
}

/// A piece of an attempt's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogChunk {
    /// Where it begins in the attempt's whole log, in bytes.
    pub offset: u64,
    /// Bytes just before it that were never kept.
    pub dropped: u64,
    /// As the command wrote it.
    pub bytes: Vec<u8>,
}

/// Pieces of a log, and where to go on.
#[derive(Debug, Clone)]
pub struct LogPage {
    pub chunks: Vec<LogChunk>,
    /// The offset behind the last byte of the page.
    pub next: u64,
}

/// What became of a message.
#[derive(Debug, Clone)]
pub enum Heard {
    /// It counts; this is the runner's state with it.
    Yes(RunnerState),
    /// It came before; this is the state as it is.
    Again(RunnerState),
    /// It did not count: its command has secret values, and what it says is to be masked first. This is the state as it is.
    Unmasked(RunnerState),
    /// Another runner has the attempt.
    Superseded,
    /// The attempt is over, or never was.
    Closed,
}

/// Runners' rows and logs.
#[async_trait]
pub trait RunnerStore: Send + Sync {
    async fn runner(&self, attempt: AttemptId) -> Result<Option<RunnerState>, StoreError>;
    /// Records message `message` of runner process `runner`. The first process to be heard claims the attempt.
    /// A report's log and metrics are pushed to whoever watches while `watched_until` is ahead.
    async fn hear(
        &self,
        attempt: AttemptId,
        runner: &str,
        message: u64,
        report: &Report,
        at: Timestamp,
    ) -> Result<Heard, StoreError>;
    /// Remembers the token that an execution waits with, and returns the state with it: the word may have come before.
    async fn wait(&self, attempt: AttemptId, waiting: &Waiting) -> Result<Option<RunnerState>, StoreError>;
    /// Somebody looks: reports come every two seconds until then.
    async fn watch(&self, attempt: AttemptId, until: Timestamp) -> Result<(), StoreError>;
    /// The runner ends the command at its next report.
    async fn stop(&self, attempt: AttemptId) -> Result<(), StoreError>;
    /// The job has cost what it may cost at that time.
    async fn limit(&self, attempt: AttemptId, spent_at: Timestamp) -> Result<(), StoreError>;
    /// Keeps a piece of log that came from the provider because the runner could not be heard.
    async fn keep_log(&self, state: &RunnerState, chunk: LogChunk, at: Timestamp) -> Result<(), StoreError>;
    /// Log from `offset` on, up to about `limit` bytes.
    async fn log(&self, attempt: AttemptId, offset: u64, limit: usize) -> Result<LogPage, StoreError>;
    /// The last `limit` bytes or so.
    async fn log_tail(&self, attempt: AttemptId, limit: usize) -> Result<LogPage, StoreError>;
    /// The GPU figures of an attempt after `after`, oldest first.
    async fn metrics(
        &self,
        attempt: AttemptId,
        after: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, Vec<MetricsRow>)>, StoreError>;
}
