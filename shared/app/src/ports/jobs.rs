//! Jobs, attempts and events as they are kept.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::{
    JobId, UserId,
    account::Quota,
    job::{Attempt, Event, Job, RunnerState, Status},
    ledger::Entry,
};
use jiff::Timestamp;
use serde_json::Value;

use super::StoreError;

/// One change of one job: everything in it commits in one transaction, or nothing does.
#[derive(Debug)]
pub struct Commit<'a> {
    /// The job as it will be; its `version` is the one that was read. The store writes it with the next one, on the
    /// condition that the row still has this one (or does not exist, for a new job with version 0).
    pub job: &'a Job,
    /// The status before, `None` for a new job: the owner's counts follow from it.
    pub from: Option<Status>,
    /// The events of the change, numbered.
    pub events: &'a [Event],
    /// The attempt that changes with it.
    pub attempt: Option<AttemptWrite<'a>>,
    /// What it does to the number of its owner's admitted jobs.
    pub admission: Admission,
    /// The attempt that is paid with it: a row of the ledger, and its cost in its owner's and in the platform's spend of
    /// the entry's month.
    pub paid: Option<&'a Entry>,
    /// The key that a repeat of the request will find.
    pub idempotency: Option<Idempotency>,
}

impl<'a> Commit<'a> {
    /// A change of `job` from status `from` with its events and nothing else.
    pub fn of(job: &'a Job, from: Status, events: &'a [Event]) -> Self {
        Self {
            job,
            from: Some(from),
            events,
            attempt: None,
            admission: Admission::Unchanged,
            paid: None,
            idempotency: None,
        }
    }
}

/// What a cloud's bill changes in one paid attempt: everything in it commits in one transaction, or nothing does.
#[derive(Debug)]
pub struct BillCommit<'a> {
    /// The ledger's entry as it was read: the row must still be so.
    pub before: &'a Entry,
    /// As it will be. The difference of the two costs is added to the owner's and to the platform's spend.
    pub after: &'a Entry,
    /// The job and the attempt with the new cost in them, unless they were deleted or it is the same.
    pub rows: Option<(&'a Job, &'a Attempt)>,
}

/// How an attempt's row is written.
#[derive(Debug)]
pub enum AttemptWrite<'a> {
    /// A new intent with its runner's row. It takes the place of a refused attempt of the same number, if any.
    Intend(&'a Attempt, &'a RunnerState),
    /// A later state, on the condition that the row has the version that was read.
    Update(&'a Attempt),
    /// As `Update`, and the runner's row is closed: whoever still reports is told to stop.
    Close(&'a Attempt),
}

/// What a change does to the number of an owner's admitted jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    Unchanged,
    /// One more, on the condition that there is room for it in the quota; otherwise [`StoreError::LimitReached`]. A job
    /// that asks for more GPUs than the whole quota has room when no other runs. A new job also needs that nobody waits:
    /// it would overtake.
    Enter(Quota),
    /// A new job has to wait.
    Wait,
    /// One fewer: an admitted job has ended.
    Leave,
    /// A job has ended that waited.
    GiveUp,
}

/// A remembered request: the same key replays its answer for 24 hours.
#[derive(Debug, Clone)]
pub struct Idempotency {
    /// The `Idempotency-Key` header.
    pub key: String,
    /// A digest of method, path and body: the same key with other parameters is an error.
    pub digest: String,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The body of the answer.
    pub body: Value,
    /// When it may be forgotten.
    pub expires_at: Timestamp,
}

/// What is remembered of a key.
#[derive(Debug, Clone)]
pub struct Replay {
    pub digest: String,
    pub status: u16,
    pub body: Value,
}

/// Which jobs to list. Every field that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// One of these; empty means any.
    pub statuses: Vec<Status>,
    pub provider: Option<String>,
    /// A tag's key, with its value or with any.
    pub tag: Option<(String, Option<String>)>,
    /// Part of the name; case does not count.
    pub name: Option<String>,
    pub submitted_after: Option<Timestamp>,
    pub submitted_before: Option<Timestamp>,
}

/// Some of a list, newest first, and where it goes on.
#[derive(Debug, Clone)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Opaque; `None` at the end.
    pub next: Option<String>,
}

/// An owner's jobs by status, and how many are admitted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    pub by_status: BTreeMap<Status, u64>,
    pub admitted: u64,
    /// The GPUs that the admitted ones ask for.
    pub gpus: u64,
    /// How many wait for admission.
    pub waiting: u64,
}

/// Jobs with their attempts and events.
#[async_trait]
pub trait JobStore: Send + Sync {
    async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError>;
    async fn attempt(&self, job: JobId, number: u32) -> Result<Option<Attempt>, StoreError>;
    /// All attempts of a job, the first first.
    async fn attempts(&self, job: JobId) -> Result<Vec<Attempt>, StoreError>;
    /// Writes one change; on success the rows' versions are one higher than in the values passed.
    async fn commit(&self, change: Commit<'_>) -> Result<(), StoreError>;
    /// Writes what a cloud's bill says; [`StoreError::Conflict`] if a row is not as it was read.
    async fn commit_bill(&self, change: BillCommit<'_>) -> Result<(), StoreError>;
    /// Up to `limit` events with a number above `after`, in order.
    async fn events(&self, job: JobId, after: u64, limit: usize) -> Result<Vec<Event>, StoreError>;
    /// A page of an owner's jobs, newest first. A page may hold fewer than `limit` although there is a next one.
    async fn list(
        &self,
        owner: UserId,
        filter: &JobFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Job>, StoreError>;
    async fn counts(&self, owner: UserId) -> Result<Counts, StoreError>;
    /// Removes an ended job with all that hangs on it; repeating it is harmless.
    async fn delete(&self, job: &Job) -> Result<(), StoreError>;
    /// What a key of this user was used for in the last 24 hours.
    async fn replay(&self, owner: UserId, key: &str) -> Result<Option<Replay>, StoreError>;
    /// The jobs of `owner` that wait for admission: of each class of priority that has any, up to `limit`, oldest first.
    async fn waiting(&self, owner: UserId, limit: usize) -> Result<Vec<Job>, StoreError>;
    /// The owners who have jobs that wait for admission.
    async fn owners_waiting(&self) -> Result<Vec<UserId>, StoreError>;
    /// Admitted jobs that have not ended, those with the earliest deadline first.
    async fn live(&self, cursor: Option<&str>) -> Result<Page<Job>, StoreError>;
}
