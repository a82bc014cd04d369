//! One try of a job on one instance.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Progress;
use crate::{
    id::{AttemptId, JobId, UserId},
    money::Money,
    placement::{Offer, ProviderName},
};

/// How a provider names an instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Handle {
    pub provider: ProviderName,
    /// The region of the provider's API that knows the instance; empty where it has only one.
    pub region: String,
    /// The provider's own id.
    pub id: String,
}

/// Why the user's command ended, as its runner saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExitReason {
    /// By itself.
    Exited,
    /// The runner stopped it at the job's timeout.
    Timeout,
    /// The runner stopped it because the job was cancelled.
    Cancelled,
    /// It could not be started.
    CommandNotStarted,
    /// The machine was being stopped under it.
    Terminated,
}

/// The end of the user's command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// As a shell gives it: 128 + signal for a signal.
    pub code: i32,
    pub reason: ExitReason,
    /// When the platform heard of it.
    pub at: Timestamp,
    /// What the command wrote to `$GPU_OUTPUT`, if that was JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// Why there is no output although something was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_error: Option<String>,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The command ended.
    Exited { exit: Exit },
    /// The provider would not serve the offer; no instance ever was.
    Refused { reason: String },
    /// The cloud took a spot instance back.
    Preempted,
    /// The instance vanished, never booted, or fell silent.
    Lost { reason: String },
    /// The job's timeout passed.
    TimedOut,
    /// The job was cancelled before its command ended.
    Cancelled,
    /// The job has cost what it may cost.
    MaxCostReached,
}

impl Outcome {
    /// The word on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Exited { .. } => "exited",
            Self::Refused { .. } => "refused",
            Self::Preempted => "preempted",
            Self::Lost { .. } => "lost",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::MaxCostReached => "max_cost_reached",
        }
    }

    /// Whether the platform, not the command and not its owner, made the attempt end.
    pub fn is_loss(&self) -> bool {
        match self {
            Self::Preempted | Self::Lost { .. } | Self::Refused { .. } => true,
            Self::Exited { exit } => exit.reason == ExitReason::Terminated,
            Self::TimedOut | Self::Cancelled | Self::MaxCostReached => false,
        }
    }
}

/// The attempt's row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Also the create call's client token and the instance's name.
    pub id: AttemptId,
    pub job_id: JobId,
    pub owner: UserId,
    /// 1 for the first.
    pub number: u32,
    /// Grows by one with each write of the row.
    pub version: u64,
    /// What was asked of the provider, with the price that counts.
    pub offer: Offer,
    /// What the same thing cost on demand when a spot offer was taken; `None` where that is not known.
    #[serde(default)]
    pub on_demand_per_hour: Option<Money>,
    /// When the intent was written: before the provider is called.
    pub intended_at: Timestamp,
    /// How often the provider was asked to create it; written before each ask.
    pub asked: u32,
    /// Set once the provider's answer is known; an attempt without one is searched for by its token.
    pub handle: Option<Handle>,
    /// When billing began.
    pub created_at: Option<Timestamp>,
    /// When the runner was first heard.
    pub started_at: Option<Timestamp>,
    pub outcome: Option<Outcome>,
    /// When the outcome was known and the instance was asked to go.
    pub ended_at: Option<Timestamp>,
    /// When the provider confirmed that the instance is gone: billing ended.
    pub gone_at: Option<Timestamp>,
    /// What it cost; set with `gone_at`.
    pub cost: Option<Money>,
}

impl Attempt {
    /// The intent to try `offer`.
    pub fn intend(
        id: AttemptId,
        job_id: JobId,
        owner: UserId,
        number: u32,
        offer: Offer,
        at: Timestamp,
    ) -> Self {
        Self {
            id,
            job_id,
            owner,
            number,
            version: 0,
            offer,
            on_demand_per_hour: None,
            intended_at: at,
            asked: 1,
            handle: None,
            created_at: None,
            started_at: None,
            outcome: None,
            ended_at: None,
            gone_at: None,
            cost: None,
        }
    }

    /// How long its command ran, in milliseconds; 0 unless it began and the attempt ended.
    pub fn running_millis(&self) -> i64 {
        match (self.started_at, self.ended_at) {
            (Some(from), Some(until)) => (until.as_millisecond() - from.as_millisecond()).max(0),
            _ => 0,
        }
    }

    /// What it has cost at `at`: nothing before there is an instance, and no more after it is gone.
    pub fn cost_at(&self, at: Timestamp) -> Money {
        let Some(from) = self.created_at else { return Money::new(0, self.offer.price_per_hour.currency) };
        let until = self.gone_at.unwrap_or(at);
        self.offer.price_per_hour.for_millis(until.as_millisecond() - from.as_millisecond())
    }
}

/// What an attempt's runner said last. It is a row of its own: a report must not collide with the machine's writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunnerState {
    pub attempt_id: AttemptId,
    pub job_id: JobId,
    pub owner: UserId,
    pub number: u32,
    /// Which runner process has the attempt: the first to report.
    pub runner: Option<String>,
    /// The number of its last message.
    pub message: u64,
    pub started_at: Option<Timestamp>,
    pub heard_at: Option<Timestamp>,
    pub progress: Option<Progress>,
    /// Bytes of log received, dropped ones included.
    pub log_bytes: u64,
    pub exit: Option<Exit>,
    /// The token that the execution waits with, and which state waits.
    pub waiting: Option<Waiting>,
    /// Somebody looks at the log until then: reports come every two seconds.
    pub watched_until: Option<Timestamp>,
    /// The job was cancelled: the runner ends the command at its next report.
    pub stopping: bool,
    /// The job has cost what it may cost then: the runner ends the command.
    pub spent_at: Option<Timestamp>,
    /// The attempt is over: a runner that still reports is told to stop.
    pub closed: bool,
    /// The command has secret values: what it says is masked before it is kept.
    #[serde(default)]
    pub masked: bool,
    /// Where the last masked piece of its log begins and ends.
    #[serde(default)]
    pub seam: Option<Seam>,
}

/// A waiting state of the job's execution.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Step Functions' task token.
    pub token: String,
    /// What ends the wait.
    pub until: RunnerWord,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waiting").field("token", &"***").field("until", &self.until).finish()
    }
}

/// A word of the runner that the execution waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunnerWord {
    /// The command runs.
    Start,
    /// The command ended.
    Exit,
}

/// The edges of a masked piece of log: a secret value may be cut by either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seam {
    /// Where the piece begins, in bytes of the attempt's whole log.
    pub at: u64,
    /// What stood just before it.
    pub before: Option<Begun>,
    /// Where it ends.
    pub end: u64,
    /// What stands at its end.
    pub after: Option<Begun>,
}

impl Seam {
    /// What stands just before the piece that begins at `offset`: of the next piece, or of the same one sent again.
    pub fn before(&self, offset: u64) -> Option<Begun> {
        if self.end == offset {
            self.after
        } else if self.at == offset {
            self.before
        } else {
            None
        }
    }
}

/// A secret value that may have begun: so many bytes of that pattern of the attempt's mask. It says nothing of the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    pub pattern: u32,
    pub bytes: u32,
}

impl RunnerState {
    /// The row as it is written with the attempt's intent.
    pub fn silent(attempt: &Attempt) -> Self {
        Self {
            attempt_id: attempt.id,
            job_id: attempt.job_id,
            owner: attempt.owner,
            number: attempt.number,
            runner: None,
            message: 0,
            started_at: None,
            heard_at: None,
            progress: None,
            log_bytes: 0,
            exit: None,
            waiting: None,
            watched_until: None,
            stopping: false,
            spent_at: None,
            closed: false,
            masked: false,
            seam: None,
        }
    }
}
