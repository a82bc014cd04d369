//! Looks at jobs.

use std::collections::BTreeMap;

use domain::{
    AttemptId, JobId, Money, Principal, UserId,
    job::{Event, Job, Progress, Status},
};
use futures::future::try_join_all;
use jiff::Timestamp;

use super::{JobError, Jobs, cost_so_far};
use crate::ports::{Counts, JobFilter, MetricsRow, Page};

/// A job with what its row does not say.
#[derive(Debug, Clone)]
pub struct Seen {
    pub job: Job,
    pub attempt_id: Option<AttemptId>,
    /// What the latest attempt's command last said of itself; not looked up in lists.
    pub progress: Option<Progress>,
    /// What it cost up to `at`.
    pub cost: Vec<Money>,
    /// Why it waits for admission, in words; not looked up in lists.
    pub waits_for: Option<String>,
    /// When it was looked at.
    pub at: Timestamp,
}

/// Some of a job's history.
#[derive(Debug, Clone)]
pub struct EventsSeen {
    pub events: Vec<Event>,
    /// Whether there are more.
    pub more: bool,
}

/// What an attempt's GPUs did.
#[derive(Debug, Clone)]
pub struct MetricsSeen {
    pub attempt: Option<u32>,
    pub rows: Vec<(Timestamp, Vec<MetricsRow>)>,
}

impl Jobs {
    /// One job.
    pub async fn get(&self, caller: &Principal, id: JobId) -> Result<Seen, JobError> {
        let job = self.visible(caller, id).await?;
        self.see(job).await
    }

    /// A job as [`Self::get`] shows it.
    pub async fn see(&self, job: Job) -> Result<Seen, JobError> {
        let attempt = self.attempt(&job, None).await?;
        let runner = match &attempt {
            Some(attempt) => self.runners.runner(attempt.id).await?,
            None => None,
        };
        let at = self.clock.now();
        let waits = !job.admitted && !job.status.is_terminal();
        let waits_for = if waits { Some(self.waits_for(&job).await?) } else { None };
        Ok(Seen {
            waits_for,
            attempt_id: attempt.as_ref().map(|attempt| attempt.id),
            progress: runner.and_then(|runner| runner.progress),
            cost: cost_so_far(&job, attempt.as_ref(), at),
            job,
            at,
        })
    }

    /// Why a job waits for admission.
    async fn waits_for(&self, job: &Job) -> Result<String, JobError> {
        let (allowance, quota) = self.purse.allowance(job.owner).await?;
        if let Some(stop) = self.purse.stop(job.owner, &allowance, self.clock.now()).await? {
            return Ok(stop.to_string());
        }
        let counts = self.jobs.counts(job.owner).await?;
        let gpus = job.spec.gpu.count;
        Ok(if counts.admitted >= u64::from(quota.jobs) {
            format!("quota: {} of {} jobs run", counts.admitted, quota.jobs)
        } else if counts.gpus + u64::from(gpus) > u64::from(quota.gpus) {
            format!("quota: {} of {} GPUs are taken, and it asks for {gpus}", counts.gpus, quota.gpus)
        } else {
            "queue: jobs before it go first".to_owned()
        })
    }

    /// A page of jobs of `owner`, or of the caller, newest first.
    pub async fn list(
        &self,
        caller: &Principal,
        owner: Option<UserId>,
        filter: &JobFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Seen>, JobError> {
        let owner = owner_for(caller, owner)?;
        let page = self.jobs.list(owner, filter, limit, cursor).await?;
        let items = try_join_all(page.items.into_iter().map(|job| self.glance(job))).await?;
        Ok(Page { items, next: page.next })
    }

    /// A job as a list shows it: only one with an instance needs another read, for what that costs so far.
    async fn glance(&self, job: Job) -> Result<Seen, JobError> {
        let attempt = match job.status {
            Status::Provisioning | Status::Running => self.attempt(&job, None).await?,
            _ => None,
        };
        let at = self.clock.now();
        let cost = cost_so_far(&job, attempt.as_ref(), at);
        Ok(Seen {
            job,
            attempt_id: attempt.map(|attempt| attempt.id),
            progress: None,
            cost,
            waits_for: None,
            at,
        })
    }

    /// How many jobs `owner`, or the caller, has of each status; every status is there.
    pub async fn counts(&self, caller: &Principal, owner: Option<UserId>) -> Result<Counts, JobError> {
        let owner = owner_for(caller, owner)?;
        let counts = self.jobs.counts(owner).await?;
        let mut by_status: BTreeMap<Status, u64> =
            Status::ALL.into_iter().map(|status| (status, 0)).collect();
        by_status.extend(counts.by_status);
        Ok(Counts { by_status, ..counts })
    }

    /// Up to `limit` events of a job with a number above `after`.
    pub async fn events(
        &self,
        caller: &Principal,
        id: JobId,
        after: u64,
        limit: usize,
    ) -> Result<EventsSeen, JobError> {
        let job = self.visible(caller, id).await?;
        if after >= job.seq {
            return Ok(EventsSeen { events: Vec::new(), more: false });
        }
        let events = self.jobs.events(id, after, limit).await?;
        let more = events.last().is_some_and(|last| last.seq < job.seq);
        Ok(EventsSeen { events, more })
    }

    /// The GPU figures of an attempt.
    pub async fn metrics(
        &self,
        caller: &Principal,
        id: JobId,
        attempt: Option<u32>,
        after: Option<Timestamp>,
        limit: usize,
    ) -> Result<MetricsSeen, JobError> {
        let job = self.visible(caller, id).await?;
        let Some(attempt) = self.attempt(&job, attempt).await? else {
            return Ok(MetricsSeen { attempt: None, rows: Vec::new() });
        };
        let rows = self.runners.metrics(attempt.id, after, limit).await?;
        Ok(MetricsSeen { attempt: Some(attempt.number), rows })
    }
}

/// The user whose jobs are meant, if their jobs exist for `caller`.
fn owner_for(caller: &Principal, owner: Option<UserId>) -> Result<UserId, JobError> {
    let owner = owner.unwrap_or(caller.user);
    if caller.may_see(owner) { Ok(owner) } else { Err(JobError::NotFound) }
}
