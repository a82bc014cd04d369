//! Settle: give the instance back, and write what became of the attempt.

use domain::{
    JobId,
    job::{Attempt, BOOT_TIMEOUT_SECONDS, ExitReason, Job, Outcome, RunnerState, Status},
    ledger::Entry,
    placement::Tally,
};
use jiff::SignedDuration;

use super::{Change, Kind, Machine, STOP_GRACE, StepError};
use crate::ports::{Admission, LogChunk, Phase, Provider, ProviderError};

/// Lines fetched from the provider's log when the runner sent none.
const LOG_LINES: usize = 1_000;

impl Machine {
    /// Ends the latest attempt, and the job with it unless its policy wants another attempt.
    pub async fn settle(&self, id: JobId) -> Result<(), StepError> {
        let Some(mut job) = self.jobs.job(id).await? else { return Ok(()) };
        if job.status.is_terminal() {
            return self.after_end(&job).await;
        }
        let Some(mut attempt) = self.latest(&job).await? else {
            return self.end_without_attempt(&mut job).await;
        };
        let state = self.runners.runner(attempt.id).await?;
        if attempt.outcome.is_none() {
            attempt.outcome = Some(self.outcome(&job, &attempt, state.as_ref()).await?);
            attempt.ended_at = Some(self.clock.now());
            let from = job.status;
            // From here on a runner that still reports is told to stop.
            self.commit(&mut job, Some((Kind::Close, &mut attempt)), Change::of(from, &[])).await?;
        }
        if attempt.gone_at.is_none() {
            self.fetch_last_log(&attempt, state.as_ref()).await;
            self.give_back(&attempt).await?;
            attempt.gone_at = Some(self.clock.now());
            attempt.cost = Some(attempt.cost_at(self.clock.now()));
        }
        self.conclude(&mut job, &mut attempt).await
    }

    /// Ends a job past its deadline whose execution was lost: as `settle` does, but whatever its attempt says.
    pub(super) async fn end_by_force(&self, id: JobId) -> Result<(), StepError> {
        let Some(mut job) = self.jobs.job(id).await? else { return Ok(()) };
        if let Some(mut attempt) = self.latest(&job).await?
            && attempt.outcome.is_none()
        {
            attempt.outcome = Some(Outcome::TimedOut);
            attempt.ended_at = Some(self.clock.now());
            let from = job.status;
            self.commit(&mut job, Some((Kind::Close, &mut attempt)), Change::of(from, &[])).await?;
        }
        self.settle(id).await
    }

    /// What became of the attempt, or an error if it still works.
    async fn outcome(
        &self,
        job: &Job,
        attempt: &Attempt,
        state: Option<&RunnerState>,
    ) -> Result<Outcome, StepError> {
        let now = self.clock.now();
        if let Some(exit) = state.and_then(|state| state.exit.clone()) {
            return Ok(match exit.reason {
                ExitReason::Timeout => Outcome::TimedOut,
                ExitReason::Cancelled if job.cancel.is_some() => Outcome::Cancelled,
                ExitReason::Cancelled if self.over_cost(job, attempt) => Outcome::MaxCostReached,
                ExitReason::Terminated if attempt.offer.spot => Outcome::Preempted,
                _ => Outcome::Exited { exit },
            });
        }
        if let Some(cancel) = job.cancel {
            let heard = state.and_then(|state| state.heard_at);
            let alive = heard.is_some_and(|at| now.duration_since(at) < self.silence());
            let report = SignedDuration::from_secs_f64(self.settings.heartbeat_seconds);
            if alive && now.duration_since(cancel.at) < report + STOP_GRACE + SignedDuration::from_secs(5) {
                if state.is_some_and(|state| !state.stopping) {
                    self.runners.stop(attempt.id).await?;
                }
                return Err(StepError::Draining);
            }
            return Ok(Outcome::Cancelled);
        }
        if self.over_time(job, attempt) || job.deadline.is_some_and(|deadline| now >= deadline) {
            return Ok(Outcome::TimedOut);
        }
        if self.over_cost(job, attempt) {
            return Ok(Outcome::MaxCostReached);
        }
        let boot = SignedDuration::from_secs(i64::from(BOOT_TIMEOUT_SECONDS));
        if attempt.handle.is_none() && now.duration_since(attempt.intended_at) >= boot {
            return Ok(Outcome::Lost { reason: "the launch never came to an end".into() });
        }
        Err(StepError::StillRunning)
    }

    /// The provider's own log, where the runner could not send any.
    async fn fetch_last_log(&self, attempt: &Attempt, state: Option<&RunnerState>) {
        // A runner that was heard to the end and sent no log had none.
        let unheard = state.filter(|state| state.log_bytes == 0 && state.exit.is_none());
        let (Some(handle), Some(state)) = (&attempt.handle, unheard) else {
            return;
        };
        let Some(provider) = self.providers.get(&handle.provider) else { return };
        // The log is a help for its reader; the end of the attempt does not wait for it.
        let lines = match provider.last_log(handle, LOG_LINES).await {
            Ok(lines) if !lines.is_empty() => lines,
            Ok(_) => return,
            Err(error) => {
                tracing::info!(attempt.id = %attempt.id, %error, "the provider's log could not be had");
                return;
            }
        };
        let mut bytes = lines.join("\n").into_bytes();
        bytes.push(b'\n');
        if state.masked {
            match self.mask(attempt.id).await {
                Ok(mask) => drop(mask.piece(None, &mut bytes)),
                Err(error) => {
                    tracing::warn!(attempt.id = %attempt.id, %error, "the provider's log could not be masked, and is not kept");
                    return;
                }
            }
        }
        bytes.truncate(192 * 1024);
        let chunk = LogChunk { offset: 0, dropped: 0, bytes };
        if let Err(error) = self.runners.keep_log(state, chunk, self.clock.now()).await {
            tracing::warn!(attempt.id = %attempt.id, %error, "the provider's log could not be kept");
        }
    }

    /// Gives back everything that the provider has for the attempt, and returns once it confirms that nothing is left.
    async fn give_back(&self, attempt: &Attempt) -> Result<(), StepError> {
        let Some(provider) = self.providers.get(&attempt.offer.provider) else {
            if attempt.handle.is_none() {
                return Ok(());
            }
            tracing::error!(attempt.id = %attempt.id, provider = %attempt.offer.provider, "no credentials to give an instance back");
            return Err(StepError::Releasing);
        };
        // A create call that was delivered twice, or whose answer was lost, leaves instances that no row knows.
        let mut handles: Vec<_> = attempt.handle.iter().cloned().collect();
        let found = provider.find(attempt.id, &attempt.offer).await?;
        handles.extend(
            found.into_iter().map(|i| i.handle).filter(|handle| attempt.handle.as_ref() != Some(handle)),
        );
        let mut left = false;
        for handle in handles {
            left |= !release(provider.as_ref(), &handle).await?;
        }
        if left { Err(StepError::Releasing) } else { Ok(()) }
    }

    async fn conclude(&self, job: &mut Job, attempt: &mut Attempt) -> Result<(), StepError> {
        let now = self.clock.now();
        let from = job.status;
        let entry = Entry::of(job, attempt, now).ask_for_bill(now + self.settings.bill_after);
        let paid = Some(&entry);
        let again = job.spec.retry.next(attempt).filter(|_| job.cancel.is_none());
        if let Some(seconds) = again {
            let events = [job.retry(attempt, seconds, now)?];
            self.commit(job, Some((Kind::Close, attempt)), Change { paid, ..Change::of(from, &events) })
                .await?;
            self.measure_end(attempt).await;
            return Err(StepError::AttemptAgain { seconds });
        }
        let (status, reason) = verdict(job, attempt);
        let events = job.end(status, Some(attempt), reason, now)?;
        self.commit(
            job,
            Some((Kind::Close, attempt)),
            Change { admission: Admission::Leave, paid, ..Change::of(from, &events) },
        )
        .await?;
        self.measure_end(attempt).await;
        self.after_end(job).await
    }

    /// How the attempt's instance ended, for what is expected of its offer.
    async fn measure_end(&self, attempt: &Attempt) {
        if attempt.created_at.is_none() {
            return;
        }
        let is = |yes| u64::from(yes);
        let tally = Tally {
            ended: 1,
            preempted: is(matches!(attempt.outcome, Some(Outcome::Preempted))),
            lost: is(matches!(attempt.outcome, Some(Outcome::Lost { .. }))),
            running_millis: attempt.running_millis().try_into().unwrap_or(0),
            ..Tally::default()
        };
        self.market.measure(&attempt.offer, tally).await;
    }

    /// The job ends without any attempt under way: it was cancelled in the queue, or found no capacity in time.
    async fn end_without_attempt(&self, job: &mut Job) -> Result<(), StepError> {
        let now = self.clock.now();
        let (status, reason) = if job.cancel.is_some() {
            (Status::Cancelled, None)
        } else if now >= self.queue_deadline(job).await? {
            let hours = f64::from(job.spec.queue_timeout_seconds) / 3600.0;
            (
                Status::Failed,
                Some(format!("no offer could be had within {hours:.1} hours; widen what the job accepts")),
            )
        } else if job.deadline.is_some_and(|deadline| now >= deadline) {
            (Status::TimedOut, Some("the job's time was over before an attempt began".to_owned()))
        } else {
            return Err(StepError::StillRunning);
        };
        let from = job.status;
        let events = job.end(status, None, reason, now)?;
        let admission = if job.admitted { Admission::Leave } else { Admission::GiveUp };
        self.commit(job, None, Change { admission, ..Change::of(from, &events) }).await?;
        self.after_end(job).await
    }

    /// Why no attempt of the job may begin, if that is for want of money.
    pub(super) async fn no_money(&self, job: &Job) -> Result<Option<String>, StepError> {
        if let Some(max) = job.spec.max_cost.filter(|_| job.is_spent(self.purse.rates)) {
            return Ok(Some(format!("max_cost_reached: its attempts have cost the {max} that it may cost")));
        }
        let (allowance, _) = self.purse.allowance(job.owner).await?;
        let stop = self.purse.stop(job.owner, &allowance, self.clock.now()).await?;
        Ok(stop.map(|stop| format!("{stop}, so no attempt may begin")))
    }

    /// Ends an admitted job that has no attempt under way, because none may begin.
    pub(super) async fn end_unpaid(&self, job: &mut Job, reason: String) -> Result<(), StepError> {
        let from = job.status;
        let events = job.end(Status::Failed, None, Some(reason), self.clock.now())?;
        self.commit(job, None, Change { admission: Admission::Leave, ..Change::of(from, &events) }).await?;
        self.after_end(job).await
    }

    /// What an end leads to: a run goes on, and what waited has room. The sweeper lets in what waits too, so that a failure
    /// of it costs time and nothing else.
    async fn after_end(&self, job: &Job) -> Result<(), StepError> {
        Box::pin(self.runs.job_ended(job)).await?;
        if let Err(error) = self.admit_waiting(job.owner).await {
            tracing::warn!(job.id = %job.id, %error, "the next jobs could not be admitted");
        }
        Ok(())
    }
}

/// Whether the instance is gone for certain.
pub(super) async fn release(
    provider: &dyn Provider,
    handle: &domain::job::Handle,
) -> Result<bool, StepError> {
    match provider.terminate(handle).await {
        Ok(()) => {}
        Err(ProviderError::NotFound(_)) => return Ok(true),
        Err(error) => return Err(error.into()),
    }
    match provider.observe(handle).await {
        Ok(observation) => Ok(observation.phase == Phase::Gone),
        Err(ProviderError::NotFound(_)) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// A job's final status after its last attempt, and why in words for its owner.
fn verdict(job: &Job, attempt: &Attempt) -> (Status, Option<String>) {
    let tries = if attempt.number > 1 {
        format!(" (attempt {} of {})", attempt.number, job.spec.retry.max_attempts)
    } else {
        String::new()
    };
    match &attempt.outcome {
        Some(Outcome::Exited { exit }) if exit.reason == ExitReason::CommandNotStarted => {
            let why = match &exit.output_error {
                Some(why) => format!(": {why}"),
                None => format!(" (exit code {})", exit.code),
            };
            (Status::Failed, Some(format!("the command could not be started{why}{tries}")))
        }
        Some(Outcome::Exited { exit }) if exit.reason == ExitReason::Terminated => {
            (Status::Failed, Some(format!("the machine was stopped under the command{tries}")))
        }
        Some(Outcome::Exited { exit }) if exit.code == 0 => (Status::Succeeded, None),
        Some(Outcome::Exited { exit }) => {
            (Status::Failed, Some(format!("the command ended with exit code {}{tries}", exit.code)))
        }
        Some(Outcome::TimedOut) => (
            Status::TimedOut,
            Some(format!("the command ran longer than {} seconds", job.spec.timeout_seconds)),
        ),
        Some(Outcome::Cancelled) => (Status::Cancelled, None),
        Some(Outcome::MaxCostReached) => {
            let max = job.spec.max_cost.map_or_else(String::new, |max| format!(" {max}"));
            (Status::Failed, Some(format!("max_cost_reached: it has cost the{max} that it may cost{tries}")))
        }
        Some(Outcome::Preempted) => {
            (Status::Failed, Some(format!("the cloud took the spot instance back{tries}")))
        }
        Some(Outcome::Lost { reason } | Outcome::Refused { reason }) => {
            (Status::Failed, Some(format!("{reason}{tries}")))
        }
        None => (Status::Failed, Some("the attempt has no outcome".into())),
    }
}
