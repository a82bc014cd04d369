//! The steps of the job machine: what `statemachines/job.asl.json` calls, and what the runner's words and the sweeper
//! do beside it.
//!
//! Every step reads where the job stands and goes on from there, so a step that is repeated, or that finds its work
//! done by another, does no harm. A step makes one observation and returns; the state machine does the waiting.

mod admit;
mod bills;
mod hand_over;
mod hear;
mod launch;
mod observe;
mod offers;
mod settle;
mod sweep;
mod token;
mod wait;

use std::sync::Arc;

use domain::{
    job::{Attempt, Event, IllegalTransition, Job, RunnerState, Status},
    ledger::Entry,
};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::ports::{
    Admission, AttemptWrite, Clock, Commit, ConnectionStore, Ids, JobStore, ProviderError, Providers,
    RunnerStore, StoreError, WorkflowError, Workflows,
};
use crate::{
    market::Market,
    money::Purse,
    runs::Runs,
    secrets::{HandOut, HandOutError},
};

pub use crate::admission::execution_name;
pub use hear::{Message, Reply, Stop};
pub use observe::Next;
pub use sweep::Swept;
pub use token::RunnerKey;

/// How the machine is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The public base of the API, as a runner calls it.
    pub api_url: String,
    /// Seconds between a runner's reports while nobody watches.
    pub heartbeat_seconds: f64,
    /// Seconds between them while somebody does.
    pub watched_seconds: f64,
    /// How long a boot is waited for before the provider is asked how it goes, in seconds.
    pub boot_check_seconds: u32,
    /// Seconds that a launch waits before it looks for capacity again: the first time; it doubles to [`MAX_BACKOFF`].
    pub capacity_backoff_seconds: u32,
    /// How long after an attempt was paid its cloud is asked what it billed.
    pub bill_after: SignedDuration,
}

/// The longest pause between two looks for capacity, in seconds.
pub const MAX_BACKOFF: u32 = 300;

/// A command's time between SIGTERM and SIGKILL.
pub const STOP_GRACE: SignedDuration = SignedDuration::from_secs(30);

/// The use cases around one job's life.
#[derive(Clone)]
pub struct Machine {
    pub jobs: Arc<dyn JobStore>,
    pub runners: Arc<dyn RunnerStore>,
    /// Who listens to what: a job that somebody listens to when it starts is watched from its first line.
    pub listeners: Arc<dyn ConnectionStore>,
    pub workflows: Arc<dyn Workflows>,
    pub providers: Providers,
    /// Their offers, and what was measured of them.
    pub market: Market,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub runner_key: RunnerKey,
    /// Gives commands their secret values.
    pub hand_out: HandOut,
    /// Quotas and budgets.
    pub purse: Purse,
    /// Goes on with the run of a job that is a node's.
    pub runs: Runs,
    pub settings: Settings,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Why a step did not go through. The names are what `job.asl.json` matches; a test holds the two together.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Nothing can be had now; look again after that many seconds.
    #[error("{seconds} seconds until the next look for capacity")]
    Capacity { seconds: u32 },
    /// It is not known whether the provider made an instance: look for it under the attempt's name.
    #[error("the provider's answer to the launch is unknown: {0}")]
    LaunchUnknown(String),
    /// The attempt is over and another one follows after that many seconds.
    #[error("{seconds} seconds until the next attempt")]
    AttemptAgain { seconds: u32 },
    /// The job was cancelled and its command has still time to end.
    #[error("the command is ending")]
    Draining,
    /// The cloud has not confirmed yet that the instance is gone.
    #[error("the instance is not gone yet")]
    Releasing,
    /// The attempt lives and nothing ends it: keep watching.
    #[error("the attempt still runs")]
    StillRunning,
    /// Somebody else changed the job at the same time: do the step again.
    #[error("the job changed meanwhile")]
    Collision,
    /// A dependency failed: do the step again later.
    #[error("a dependency failed")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StepError {
    /// Every name that [`Self::name`] gives.
    pub const NAMES: [&'static str; 8] = [
        "Capacity",
        "LaunchUnknown",
        "AttemptAgain",
        "Draining",
        "Releasing",
        "StillRunning",
        "Collision",
        "Unavailable",
    ];

    /// Whether the state machine goes on by it as it should: nothing failed.
    pub fn is_ordinary(&self) -> bool {
        !matches!(self, Self::Unavailable(_) | Self::LaunchUnknown(_))
    }

    /// The name that the state machine matches.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Capacity { .. } => "Capacity",
            Self::LaunchUnknown(_) => "LaunchUnknown",
            Self::AttemptAgain { .. } => "AttemptAgain",
            Self::Draining => "Draining",
            Self::Releasing => "Releasing",
            Self::StillRunning => "StillRunning",
            Self::Collision => "Collision",
            Self::Unavailable(_) => "Unavailable",
        }
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Collision,
            other => Self::Unavailable(Box::new(other)),
        }
    }
}

impl From<HandOutError> for StepError {
    fn from(error: HandOutError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl From<WorkflowError> for StepError {
    fn from(error: WorkflowError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl From<IllegalTransition> for StepError {
    /// The job is not where this step thought it was: reading it again tells.
    fn from(_: IllegalTransition) -> Self {
        Self::Collision
    }
}

impl From<ProviderError> for StepError {
    fn from(error: ProviderError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

/// What the state machine waits with: seconds for its timeouts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timers {
    /// The latest attempt's number; 0 if there is none.
    pub attempt: u32,
    /// Seconds that Boot waits before the provider is looked at.
    pub boot_seconds: u32,
    /// Seconds of silence after which the provider is looked at.
    pub silence_seconds: u32,
    /// Seconds that the command may still run, its grace included.
    pub run_seconds: u32,
}

/// How an attempt's row changes with its job.
enum Kind<'a> {
    Intend(&'a RunnerState),
    Update,
    Close,
}

/// What goes with a job's new state into its transaction.
struct Change<'a> {
    from: Status,
    events: &'a [Event],
    admission: Admission,
    paid: Option<&'a Entry>,
}

impl<'a> Change<'a> {
    /// A change from status `from` with its events and nothing else.
    fn of(from: Status, events: &'a [Event]) -> Self {
        Self { from, events, admission: Admission::Unchanged, paid: None }
    }
}

impl Machine {
    /// Writes a change; on success the values' versions are those in the store.
    async fn commit(
        &self,
        job: &mut Job,
        attempt: Option<(Kind<'_>, &mut Attempt)>,
        change: Change<'_>,
    ) -> Result<(), StoreError> {
        let write = attempt.as_ref().map(|(kind, attempt)| match kind {
            Kind::Intend(runner) => AttemptWrite::Intend(attempt, runner),
            Kind::Update => AttemptWrite::Update(attempt),
            Kind::Close => AttemptWrite::Close(attempt),
        });
        let commit = Commit {
            attempt: write,
            admission: change.admission,
            paid: change.paid,
            ..Commit::of(job, change.from, change.events)
        };
        self.jobs.commit(commit).await?;
        job.version += 1;
        if let Some((_, attempt)) = attempt {
            attempt.version += 1;
        }
        Ok(())
    }

    /// The job's latest attempt, if it has begun and not been refused.
    async fn latest(&self, job: &Job) -> Result<Option<Attempt>, StoreError> {
        if job.attempt == 0 || !matches!(job.status, Status::Provisioning | Status::Running) {
            return Ok(None);
        }
        self.jobs.attempt(job.id, job.attempt).await
    }

    fn timers(&self, job: &Job, attempt: Option<&Attempt>) -> Timers {
        let now = self.clock.now();
        let allowed = i64::from(job.spec.timeout_seconds) + run_grace(&self.settings).as_secs();
        let ran = attempt.and_then(|a| a.started_at).map_or(0, |at| now.duration_since(at).as_secs());
        let silence = self.silence().as_secs_f64().ceil() as u32;
        let timers =
            self.timers_of(attempt, silence, u32::try_from((allowed - ran).max(0)).unwrap_or(u32::MAX));
        match attempt.and_then(|attempt| job.spent_at(attempt, self.purse.rates)) {
            None => timers,
            // A runner that is heard ends the command at that time and has its grace; a boot has none.
            Some(spent_at) => {
                let left = spent_at.duration_since(now).as_secs().max(0);
                let seconds = |left: i64| u32::try_from(left).unwrap_or(u32::MAX);
                let run = seconds(left + run_grace(&self.settings).as_secs());
                let timers = self.timers_of(attempt, silence, timers.run_seconds.min(run));
                Timers { boot_seconds: timers.boot_seconds.min(seconds(left).max(1)), ..timers }
            }
        }
    }

    /// Step Functions wants a heartbeat that is shorter than the timeout beside it.
    fn timers_of(&self, attempt: Option<&Attempt>, silence: u32, run: u32) -> Timers {
        let run_seconds = run.max(2);
        Timers {
            attempt: attempt.map_or(0, |a| a.number),
            boot_seconds: self.settings.boot_check_seconds,
            silence_seconds: silence.clamp(1, run_seconds - 1),
            run_seconds,
        }
    }

    /// How long a runner may be silent: three of its reports, and time for one to be sent again.
    fn silence(&self) -> SignedDuration {
        SignedDuration::from_secs_f64((self.settings.heartbeat_seconds * 3.0).max(5.0))
    }

    /// Whether the job has cost what it may cost, `attempt` included.
    fn over_cost(&self, job: &Job, attempt: &Attempt) -> bool {
        job.spent_at(attempt, self.purse.rates).is_some_and(|at| self.clock.now() >= at)
    }

    /// Whether an attempt's command has run longer than the job allows, its grace included.
    fn over_time(&self, job: &Job, attempt: &Attempt) -> bool {
        let allowed =
            SignedDuration::from_secs(i64::from(job.spec.timeout_seconds)) + run_grace(&self.settings);
        attempt.started_at.is_some_and(|at| self.clock.now().duration_since(at) >= allowed)
    }
}

/// Beyond its timeout a command has its grace after SIGTERM, and the runner a report's time to say how it ended.
fn run_grace(settings: &Settings) -> SignedDuration {
    STOP_GRACE + SignedDuration::from_secs_f64(settings.heartbeat_seconds.min(60.0))
}
