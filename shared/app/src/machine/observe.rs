//! One look at an attempt whose runner is not heard.

use domain::{
    JobId,
    job::{Attempt, BOOT_TIMEOUT_SECONDS, Exit, ExitReason, Job, Outcome, RunnerState},
};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Change, Kind, Machine, StepError, Timers};
use crate::ports::{Phase, Provider, ProviderError};

/// How many looks one execution makes before it hands over to a fresh one: a look is about a dozen history events, and
/// Step Functions ends an execution at 25,000.
const LOOKS: u32 = 1_500;

/// Lines of the provider's own log in which the runner's mark is looked for.
const LOG_LINES: usize = 200;

/// Where the state machine goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Next {
    pub go: Go,
    /// With `launch`: seconds before it.
    pub pause_seconds: u32,
    #[serde(flatten)]
    pub timers: Timers,
}

/// A state of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Go {
    /// There is no attempt and nothing ends the job: launch one.
    Launch,
    /// The attempt lives and has not started. A start that comes wakes the wait; its timeout leads to the next look.
    Boot,
    /// The attempt lives. The runner's word wakes the wait; further silence leads to the next look.
    Listen,
    /// The attempt is over.
    Settle,
    /// The execution's history grows long.
    HandOver,
}

/// Seconds before a launch is tried again that failed for another reason than capacity.
const RELAUNCH_SECONDS: u32 = 30;

impl Machine {
    /// Looks once at the attempt and its instance. What ends the attempt is written down before it is acted upon.
    pub async fn observe(&self, id: JobId, looks: u32) -> Result<Next, StepError> {
        let Some(mut job) = self.jobs.job(id).await? else { return Ok(self.go(Go::Settle)) };
        let Some(mut attempt) = self.latest(&job).await? else {
            let over =
                job.status.is_terminal() || job.cancel.is_some() || self.queue_time_is_over(&job).await?;
            return Ok(self.go(if over { Go::Settle } else { Go::Launch }));
        };
        let state = self.runners.runner(attempt.id).await?;
        let now = self.clock.now();
        let mut timers = self.timers(&job, Some(&attempt));
        let verdict = self.verdict(&job, &attempt, state.as_ref(), now).await;
        let started = matches!(verdict, Verdict::Started);
        let go = match verdict {
            Verdict::Over(outcome) => {
                if let Some(outcome) = outcome.filter(|_| attempt.outcome.is_none()) {
                    attempt.outcome = Some(outcome);
                    attempt.ended_at = Some(now);
                    let from = job.status;
                    self.commit(&mut job, Some((Kind::Update, &mut attempt)), Change::of(from, &[])).await?;
                }
                Go::Settle
            }
            Verdict::Heard => Go::Listen,
            Verdict::Alive if looks >= LOOKS => Go::HandOver,
            Verdict::Alive | Verdict::Started => {
                let seconds = pause(now.duration_since(attempt.created_at.unwrap_or(attempt.intended_at)));
                timers.boot_seconds = seconds;
                timers.silence_seconds = seconds.clamp(1, timers.run_seconds - 1);
                if started {
                    self.started_unheard(&mut job, &mut attempt, now).await?;
                }
                if attempt.started_at.is_some() { Go::Listen } else { Go::Boot }
            }
        };
        Ok(Next { go, pause_seconds: RELAUNCH_SECONDS, timers })
    }

    fn go(&self, go: Go) -> Next {
        Next { go, pause_seconds: RELAUNCH_SECONDS, timers: self.timers_of(None, 1, 2) }
    }

    async fn verdict(
        &self,
        job: &Job,
        attempt: &Attempt,
        state: Option<&RunnerState>,
        now: Timestamp,
    ) -> Verdict {
        if job.cancel.is_some() || attempt.outcome.is_some() || state.is_some_and(|s| s.exit.is_some()) {
            return Verdict::Over(None);
        }
        if self.over_time(job, attempt) {
            return Verdict::Over(Some(Outcome::TimedOut));
        }
        let heard = state.and_then(|s| s.heard_at);
        if heard.is_some_and(|at| now.duration_since(at) < self.silence()) {
            return Verdict::Heard;
        }
        if self.over_cost(job, attempt) {
            return Verdict::Over(Some(Outcome::MaxCostReached));
        }
        let Some(handle) = &attempt.handle else {
            return Verdict::Over(Some(Outcome::Lost {
                reason: "the provider never said that it has an instance".into(),
            }));
        };
        let Some(provider) = self.providers.get(&handle.provider) else { return Verdict::Alive };
        match provider.observe(handle).await {
            Ok(observation) => match observation.phase {
                Phase::Gone => {
                    Verdict::lost(observation.detail.unwrap_or_else(|| "the instance is gone".into()))
                }
                Phase::Preempted => Verdict::Over(Some(Outcome::Preempted)),
                Phase::Exited { code } => self.exited(provider.as_ref(), attempt, code, now).await,
                Phase::Starting | Phase::Running | Phase::Unknown(_) => {
                    self.silent(provider.as_ref(), job, attempt, heard.is_some(), now).await
                }
            },
            Err(ProviderError::NotFound(why)) if attempt.offer.spot => {
                tracing::info!(attempt.id = %attempt.id, why, "a spot instance is gone");
                Verdict::Over(Some(Outcome::Preempted))
            }
            Err(ProviderError::NotFound(_)) => {
                Verdict::lost("the provider does not know the instance any more".into())
            }
            // No answer is no evidence.
            Err(error) => {
                tracing::warn!(attempt.id = %attempt.id, %error, "the provider could not be asked about an instance");
                Verdict::Alive
            }
        }
    }

    /// The container ended without its runner's word.
    async fn exited(
        &self,
        provider: &dyn Provider,
        attempt: &Attempt,
        code: Option<i32>,
        now: Timestamp,
    ) -> Verdict {
        let code = match code {
            Some(code) => Some(code),
            None => self.marks(provider, attempt).await.exit,
        };
        match code {
            Some(code) => Verdict::exited(code, now),
            None => Verdict::lost("the container ended and left no exit code".into()),
        }
    }

    /// The instance is there and the runner says nothing: its log may have what it could not send.
    async fn silent(
        &self,
        provider: &dyn Provider,
        job: &Job,
        attempt: &Attempt,
        was_heard: bool,
        now: Timestamp,
    ) -> Verdict {
        let marks = self.marks(provider, attempt).await;
        if let Some(code) = marks.exit {
            return Verdict::exited(code, now);
        }
        let started = was_heard || attempt.started_at.is_some();
        if !started && marks.started {
            return Verdict::Started;
        }
        let waited = now.duration_since(attempt.created_at.unwrap_or(attempt.intended_at));
        let boot =
            SignedDuration::from_secs(i64::from(BOOT_TIMEOUT_SECONDS.max(self.settings.boot_check_seconds)));
        if !started && waited >= boot {
            let minutes = boot.as_mins();
            return Verdict::lost(format!(
                "job {} did not start within {minutes} minutes of its instance",
                job.id
            ));
        }
        Verdict::Alive
    }

    async fn marks(&self, provider: &dyn Provider, attempt: &Attempt) -> Marks {
        let Some(handle) = &attempt.handle else { return Marks::default() };
        match provider.last_log(handle, LOG_LINES).await {
            Ok(lines) => Marks {
                exit: runner::protocol::find_exit_marker(&lines, &attempt.id.to_string()),
                started: runner::protocol::find_start_marker(&lines, &attempt.id.to_string()),
            },
            Err(error) => {
                tracing::debug!(attempt.id = %attempt.id, %error, "the provider has no log of the instance");
                Marks::default()
            }
        }
    }

    /// An image without an HTTP client: only the provider's log shows that the command runs.
    async fn started_unheard(
        &self,
        job: &mut Job,
        attempt: &mut Attempt,
        now: Timestamp,
    ) -> Result<(), StepError> {
        attempt.started_at = Some(now);
        let from = job.status;
        let events = [job.run(attempt.number, now)?];
        self.commit(job, Some((Kind::Update, attempt)), Change::of(from, &events)).await?;
        self.measure_start(attempt).await;
        Ok(())
    }
}

#[derive(Default)]
struct Marks {
    exit: Option<i32>,
    started: bool,
}

enum Verdict {
    /// It ended, with this outcome or with one that is written down already.
    Over(Option<Outcome>),
    Heard,
    /// It started, as its log shows.
    Started,
    Alive,
}

impl Verdict {
    fn lost(reason: String) -> Self {
        Self::Over(Some(Outcome::Lost { reason }))
    }

    fn exited(code: i32, at: Timestamp) -> Self {
        let exit = Exit { code, reason: ExitReason::Exited, at, output: None, output_error: None };
        Self::Over(Some(Outcome::Exited { exit }))
    }
}

/// 5 % of the time that the attempt exists, from 5 seconds to 5 minutes: quick at first, cheap in the long run.
fn pause(elapsed: SignedDuration) -> u32 {
    u32::try_from(elapsed.as_secs() / 20).unwrap_or(0).clamp(5, 300)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_grow_apart_with_the_age_of_the_attempt() {
        let after = |seconds| pause(SignedDuration::from_secs(seconds));
        assert_eq!([after(-1), after(0), after(200), after(6_000), after(1_000_000)], [5, 5, 10, 300, 300]);
    }
}
