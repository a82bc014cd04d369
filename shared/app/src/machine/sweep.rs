//! The sweeper: what no execution looks after any more.
//!
//! It ends jobs past their deadline, starts executions that were lost, admits what waits although there is room, gives
//! back instances whose attempt is over, and asks the clouds for their bills. An instance is only touched when two looks agree (the provider's list,
//! and the attempt's row read afterwards), and only if the attempt in its name is one of ours: the intent is written
//! before the instance is made, so a name without an attempt belongs to somebody else. A listing that lacks an
//! instance never says anything about it.

use domain::{
    JobId,
    job::{Attempt, Job},
};
use jiff::SignedDuration;
use serde::Serialize;

use super::{Change, Machine, StepError, execution_name, settle::release};
use crate::{
    ports::{Instance, Phase},
    runs::Repaired,
};

/// What has just ended is left alone for that long.
const SETTLING: SignedDuration = SignedDuration::from_secs(60);

/// What one sweep found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Live jobs that were looked at.
    pub jobs: usize,
    /// Instances that were looked at.
    pub instances: usize,
    /// Jobs ended because their deadline had passed.
    pub overdue: usize,
    /// Jobs whose execution was lost and started again.
    pub restarted: usize,
    /// Jobs admitted although no settlement had admitted them.
    pub admitted: usize,
    /// Instances given back because their attempt was over.
    pub orphans: usize,
    /// Runs that have not ended.
    pub runs: usize,
    /// Runs that stood still, were past their deadline or had lost their execution.
    pub runs_taken_on: usize,
    /// Paid attempts of which the cloud's own bill came.
    pub billed: usize,
    /// Parts of the sweep that failed; the next sweep does them again.
    pub failures: usize,
}

impl Swept {
    /// Things that should not have needed a sweeper.
    pub fn finds(&self) -> usize {
        self.overdue + self.restarted + self.admitted + self.orphans + self.runs_taken_on
    }
}

impl Machine {
    /// Looks at everything that lives. One part's failure does not stop the others.
    pub async fn sweep(&self) -> Result<Swept, StepError> {
        let mut swept = Swept::default();
        let mut cursor = None;
        loop {
            let page = self.jobs.live(cursor.as_deref()).await?;
            for job in page.items {
                swept.jobs += 1;
                if let Err(error) = self.sweep_job(&job, &mut swept).await {
                    tracing::error!(job.id = %job.id, error = ?error, "a job could not be swept");
                    swept.failures += 1;
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        for owner in self.jobs.owners_waiting().await? {
            match self.admit_waiting(owner).await {
                Ok(admitted) => swept.admitted += admitted,
                Err(error) => {
                    tracing::error!(user.id = %owner, error = ?error, "waiting jobs could not be admitted");
                    swept.failures += 1;
                }
            }
        }
        self.sweep_runs(&mut swept).await?;
        self.sweep_instances(&mut swept).await;
        self.check_bills(&mut swept).await;
        Ok(swept)
    }

    async fn sweep_runs(&self, swept: &mut Swept) -> Result<(), StepError> {
        let mut cursor = None;
        loop {
            let page = self.runs.runs.live_runs(cursor.as_deref()).await?;
            for run in page.items {
                swept.runs += 1;
                match Box::pin(self.runs.repair(&run)).await {
                    Ok(Repaired::Nothing) => {}
                    Ok(Repaired::Restarted | Repaired::Overdue | Repaired::TakenOn) => {
                        swept.runs_taken_on += 1;
                    }
                    Err(error) => {
                        tracing::error!(run.id = %run.id, error = ?error, "a run could not be looked after");
                        swept.failures += 1;
                    }
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    async fn sweep_job(&self, job: &Job, swept: &mut Swept) -> Result<(), StepError> {
        let now = self.clock.now();
        if job.deadline.is_some_and(|deadline| now >= deadline) {
            match self.end_by_force(job.id).await {
                Ok(()) => swept.overdue += 1,
                // The next sweep finds it in the state that follows.
                Err(StepError::AttemptAgain { .. } | StepError::Releasing) => swept.failures += 1,
                Err(error) => return Err(error),
            }
            return Ok(());
        }
        match self.workflows.is_running(&execution_name(job)).await? {
            Some(true) => {}
            None => {
                self.start(job).await?;
                swept.restarted += 1;
            }
            Some(false) => {
                // An execution that ends by itself has ended its job before, or handed it over: the row, read after the
                // execution was looked at, tells one that was lost.
                let current = self.jobs.job(job.id).await?;
                let lost = current.filter(|now| !now.status.is_terminal() && now.handover == job.handover);
                let Some(mut job) = lost else { return Ok(()) };
                let from = job.status;
                job.handover += 1;
                self.commit(&mut job, None, Change::of(from, &[])).await?;
                self.start(&job).await?;
                swept.restarted += 1;
            }
        }
        Ok(())
    }

    async fn sweep_instances(&self, swept: &mut Swept) {
        for provider in self.providers.iter() {
            let instances = match provider.list().await {
                Ok(instances) => instances,
                Err(error) => {
                    tracing::warn!(provider = %provider.name(), %error, "the provider's instances cannot be listed");
                    swept.failures += 1;
                    continue;
                }
            };
            for instance in instances {
                swept.instances += 1;
                let orphan = match self.is_orphan(&instance).await {
                    Ok(orphan) => orphan,
                    Err(error) => {
                        tracing::warn!(instance = instance.handle.id, error = ?error, "an instance could not be judged");
                        swept.failures += 1;
                        continue;
                    }
                };
                if !orphan {
                    continue;
                }
                tracing::error!(instance = instance.handle.id, provider = %instance.handle.provider, "an orphan is given back");
                match release(provider.as_ref(), &instance.handle).await {
                    Ok(_) => swept.orphans += 1,
                    Err(error) => {
                        tracing::error!(instance = instance.handle.id, error = ?error, "an orphan could not be given back");
                        swept.failures += 1;
                    }
                }
            }
        }
    }

    /// Whether the instance's attempt is over, or runs on another instance.
    async fn is_orphan(&self, instance: &Instance) -> Result<bool, StepError> {
        let Some(id) = instance.attempt.filter(|_| instance.phase != Phase::Gone) else { return Ok(false) };
        let Some(state) = self.runners.runner(id).await? else { return Ok(false) };
        let attempt = self.jobs.attempt(state.job_id, state.number).await?;
        let Some(attempt) = attempt.filter(|attempt| attempt.id == id) else {
            // A refused attempt's place was taken by the next one: its instance should not be.
            return Ok(state.closed);
        };
        if attempt.gone_at.is_some() {
            return Ok(true);
        }
        if attempt.outcome.is_some() {
            // Its execution is giving it back right now, or was lost while it did.
            return Ok(self.settled_long_ago(&attempt) && self.has_ended(attempt.job_id).await?);
        }
        Ok(attempt.handle.as_ref().is_some_and(|handle| *handle != instance.handle))
    }

    fn settled_long_ago(&self, attempt: &Attempt) -> bool {
        attempt.ended_at.is_some_and(|at| self.clock.now().duration_since(at) >= SETTLING)
    }

    async fn has_ended(&self, job: JobId) -> Result<bool, StepError> {
        Ok(self.jobs.job(job).await?.is_none_or(|job| job.status.is_terminal()))
    }
}
