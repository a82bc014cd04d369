//! What the platform says.

use domain::{
    JobId, RunId,
    job::{self, EventKind},
};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::budget::BudgetAlert;
use crate::events::{Event, Exit, Happening, Outcome, Status};
use crate::runs::{NodeCounts, RunEvent, RunStatus};

/// No message is longer: API Gateway takes 128 KB at most.
pub const MESSAGE_BYTES: usize = 100 * 1024;

/// One message to a client. Its `type` says which; a type that a client does not know it skips.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// An entry of a job's history that neither ends the job nor is an error.
    Status(Event),
    /// An entry of a job's history: something went wrong with an attempt.
    #[serde(rename = "error")]
    JobError(JobError),
    /// The last entry of a job's history but for edits: the job has ended.
    Completion(Event),
    /// An entry of a run's history; what happens to its nodes is in it.
    RunEvent(RunEvent),
    /// How far a command says that it is.
    Progress(Progress),
    /// A piece of a job's log.
    Log(Log),
    /// What the GPUs of a job do.
    Metrics(Metrics),
    /// A subscription stands, and everything up to `seq` was sent.
    Subscribed(Subscribed),
    /// A subscription is over.
    Unsubscribed(Unsubscribed),
    /// Where a job stands.
    JobStatus(JobStatus),
    /// Where a run stands.
    RunStatus(RunState),
    /// What this connection listens to.
    ConnectionStatus(ConnectionStatus),
    /// The answer to a ping.
    Pong(Pong),
    /// One's monthly budget nears its end; once for each level and month.
    Budget(BudgetAlert),
    /// Events are missing here: fetch them over HTTP.
    Gap(Gap),
    /// A request was not done.
    #[serde(rename = "error")]
    Error(Error),
}

/// An error of a job: its history entry, and what to call it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct JobError {
    #[serde(flatten)]
    pub event: Event,
    pub code: JobErrorCode,
    /// In words.
    pub message: String,
}

/// What can go wrong with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobErrorCode {
    /// The provider would not serve the offer; the next one is tried.
    LaunchRefused,
    /// The command ended with something else than 0.
    CommandFailed,
    /// The cloud took a spot instance back.
    Preempted,
    /// The instance vanished, never booted, or fell silent.
    InstanceLost,
    /// The job's timeout passed.
    TimedOut,
    /// The job has cost its `max_cost`.
    MaxCostReached,
}

/// How far a command says that it is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Progress {
    #[schema(value_type = String)]
    pub job_id: JobId,
    pub attempt: u32,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    #[serde(flatten)]
    pub figures: ProgressFigures,
}

/// A command's own word.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ProgressFigures {
    /// 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub fraction: f64,
    /// Empty if there is none.
    pub text: String,
}

impl From<job::Progress> for ProgressFigures {
    fn from(progress: job::Progress) -> Self {
        Self { fraction: progress.fraction, text: progress.text }
    }
}

/// A piece of an attempt's log. Exactly one of `text` and `base64` is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Log {
    #[schema(value_type = String)]
    pub job_id: JobId,
    pub attempt: u32,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Where it begins in the attempt's whole log, in bytes.
    pub offset: u64,
    /// Where the next one begins: a piece with another `offset` than this means that pieces are missing between.
    pub next: u64,
    /// Bytes just before it that were never kept.
    pub dropped: u64,
    /// The piece, if it is UTF-8.
    #[schema(required = true)]
    pub text: Option<String>,
    /// The piece, if it is not: a character may be cut in two between pieces.
    #[schema(required = true)]
    pub base64: Option<String>,
}

/// What the GPUs of an attempt do.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Metrics {
    #[schema(value_type = String)]
    pub job_id: JobId,
    pub attempt: u32,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub gpus: Vec<Gpu>,
}

/// One GPU's figures; null where the driver does not say.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Gpu {
    /// Its index in the instance.
    pub gpu: u32,
    /// Per cent.
    #[schema(required = true)]
    pub utilisation: Option<f64>,
    #[schema(required = true)]
    pub memory_used_mib: Option<f64>,
    #[schema(required = true)]
    pub memory_total_mib: Option<f64>,
    #[schema(required = true)]
    pub temperature_c: Option<f64>,
    #[schema(required = true)]
    pub power_w: Option<f64>,
}

/// A subscription stands.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Subscribed {
    /// The request's own.
    #[schema(value_type = Value)]
    pub id: Value,
    /// Null if it is not about one job.
    #[schema(required = true, value_type = Option<String>)]
    pub job_id: Option<JobId>,
    /// Null if it is not about one run.
    #[schema(required = true, value_type = Option<String>)]
    pub run_id: Option<RunId>,
    /// All jobs and runs.
    pub all: bool,
    /// The last event of the job or run. Later ones come as messages; null for all.
    #[schema(required = true)]
    pub seq: Option<u64>,
    /// The job's status; null if it is not about one job.
    #[schema(required = true)]
    pub status: Option<Status>,
    /// The run's status; null if it is not about one run.
    #[schema(required = true)]
    pub run_status: Option<RunStatus>,
}

/// A subscription is over, or never was.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Unsubscribed {
    #[schema(value_type = Value)]
    pub id: Value,
    #[schema(required = true, value_type = Option<String>)]
    pub job_id: Option<JobId>,
    #[schema(required = true, value_type = Option<String>)]
    pub run_id: Option<RunId>,
    pub all: bool,
}

/// Where a job stands.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct JobStatus {
    #[schema(value_type = Value)]
    pub id: Value,
    #[schema(value_type = String)]
    pub job_id: JobId,
    pub status: Status,
    /// The number of its last event.
    pub seq: u64,
    /// The number of the latest attempt; 0 before the first.
    pub attempt: u32,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Of the latest attempt; null if the command said nothing.
    #[schema(required = true)]
    pub progress: Option<ProgressFigures>,
    /// When the latest attempt's runner was last heard.
    #[schema(required = true, value_type = Option<String>, format = DateTime)]
    pub heard_at: Option<Timestamp>,
    /// Why it ended as it did.
    #[schema(required = true)]
    pub reason: Option<String>,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RunState {
    #[schema(value_type = Value)]
    pub id: Value,
    #[schema(value_type = String)]
    pub run_id: RunId,
    pub status: RunStatus,
    /// The number of its last event.
    pub seq: u64,
    /// How many of its nodes stand where.
    pub counts: NodeCounts,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
    /// Why it ended as it did.
    #[schema(required = true)]
    pub reason: Option<String>,
}

/// What this connection listens to.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ConnectionStatus {
    #[schema(value_type = Value)]
    pub id: Value,
    #[schema(value_type = String, format = DateTime)]
    pub connected_at: Timestamp,
    /// When API Gateway closes it whatever happens: connect again before.
    #[schema(value_type = String, format = DateTime)]
    pub closes_at: Timestamp,
    #[schema(value_type = Vec<String>)]
    pub jobs: Vec<JobId>,
    #[schema(value_type = Vec<String>)]
    pub runs: Vec<RunId>,
    pub all: bool,
}

/// The answer to a ping.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Pong {
    #[schema(value_type = Value)]
    pub id: Value,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Where each subscribed job stands, so that a message that was lost is noticed.
    pub jobs: Vec<JobPosition>,
    /// Where each subscribed run stands, likewise.
    pub runs: Vec<RunPosition>,
}

/// Where a job stands, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct JobPosition {
    #[schema(value_type = String)]
    pub job_id: JobId,
    pub status: Status,
    pub seq: u64,
}

/// Where a run stands, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunPosition {
    #[schema(value_type = String)]
    pub run_id: RunId,
    pub status: RunStatus,
    pub seq: u64,
}

/// Events from `from` to `to` do not come over this connection: fetch the job or the run and its events over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Gap {
    /// Null if they are a run's.
    #[schema(required = true, value_type = Option<String>)]
    pub job_id: Option<JobId>,
    /// Null if they are a job's.
    #[schema(required = true, value_type = Option<String>)]
    pub run_id: Option<RunId>,
    pub from: u64,
    pub to: u64,
    pub message: String,
}

/// A request was not done.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Error {
    pub code: ErrorCode,
    /// What is wrong, and what to do.
    pub message: String,
    /// The request's own; null if it could not be read.
    #[schema(value_type = Value)]
    pub id: Value,
}

/// Why a request was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The message is no JSON.
    InvalidJson,
    /// A field is missing, unknown or wrong: the text names it.
    InvalidMessage,
    /// There is no such action.
    UnknownAction,
    /// The message is too long.
    TooLarge,
    /// There is no such job or run, or it is somebody else's.
    NotFound,
    /// The connection has as many subscriptions as it may.
    TooManySubscriptions,
    /// Try again in a moment.
    Unavailable,
}

impl From<job::Event> for Message {
    fn from(event: job::Event) -> Self {
        let error = match &event.kind {
            EventKind::Ended { .. } => return Self::Completion(event.into()),
            EventKind::LaunchRefused { reason, .. } => Some((JobErrorCode::LaunchRefused, reason.clone())),
            EventKind::AttemptEnded { outcome, .. } => of_outcome(outcome),
            EventKind::Submitted { .. }
            | EventKind::Admitted
            | EventKind::WaitingForCapacity { .. }
            | EventKind::Provisioning { .. }
            | EventKind::InstanceCreated { .. }
            | EventKind::Running { .. }
            | EventKind::CancelRequested
            | EventKind::Edited { .. } => None,
        };
        match error {
            Some((code, message)) => Self::JobError(JobError { event: event.into(), code, message }),
            None => Self::Status(event.into()),
        }
    }
}

fn of_outcome(outcome: &job::Outcome) -> Option<(JobErrorCode, String)> {
    match outcome {
        job::Outcome::Exited { exit } if exit.reason == job::ExitReason::Timeout => {
            Some((JobErrorCode::TimedOut, "the command was stopped at the job's timeout".into()))
        }
        job::Outcome::Exited { exit } if exit.code == 0 || exit.reason == job::ExitReason::Cancelled => None,
        job::Outcome::Exited { exit } => {
            Some((JobErrorCode::CommandFailed, format!("the command ended with {}", exit.code)))
        }
        job::Outcome::Refused { reason } => Some((JobErrorCode::LaunchRefused, reason.clone())),
        job::Outcome::Preempted => Some((JobErrorCode::Preempted, "the cloud took the instance back".into())),
        job::Outcome::Lost { reason } => Some((JobErrorCode::InstanceLost, reason.clone())),
        job::Outcome::TimedOut => Some((JobErrorCode::TimedOut, "the job's timeout passed".into())),
        job::Outcome::Cancelled => None,
        job::Outcome::MaxCostReached => {
            Some((JobErrorCode::MaxCostReached, "the job has cost what it may cost".into()))
        }
    }
}

impl From<domain::workflow::RunEvent> for Message {
    fn from(event: domain::workflow::RunEvent) -> Self {
        Self::RunEvent(event.into())
    }
}

impl Message {
    /// The message as text of at most [`MESSAGE_BYTES`]. An event whose output makes it longer comes without the output;
    /// one that is still too long, as a [`Gap`].
    pub fn encode(self) -> Result<String, serde_json::Error> {
        let text = serde_json::to_string(&self)?;
        if text.len() <= MESSAGE_BYTES {
            return Ok(text);
        }
        let mut message = self;
        let (job_id, run_id, seq) = match &mut message {
            Self::RunEvent(event) => (None, Some(event.run_id), event.seq),
            other => {
                let Some(event) = other.event_mut() else { return Ok(text) };
                event.leave_output_out();
                (Some(event.job_id), None, event.seq)
            }
        };
        let text = serde_json::to_string(&message)?;
        if text.len() <= MESSAGE_BYTES {
            return Ok(text);
        }
        let message = "the event is too long for a message; fetch it over HTTP".to_owned();
        serde_json::to_string(&Self::Gap(Gap { job_id, run_id, from: seq, to: seq, message }))
    }

    fn event_mut(&mut self) -> Option<&mut Event> {
        match self {
            Self::Status(event) | Self::Completion(event) | Self::JobError(JobError { event, .. }) => {
                Some(event)
            }
            _ => None,
        }
    }

    /// The messages of one piece of log; a piece too long for one becomes several.
    pub fn log(
        job_id: JobId,
        attempt: u32,
        at: Timestamp,
        offset: u64,
        dropped: u64,
        bytes: &[u8],
    ) -> Vec<Self> {
        let whole = Log::new(job_id, attempt, at, offset, dropped, bytes);
        // What JSON makes of it counts: an escape sequence of a coloured log takes six times its length.
        let length = serde_json::to_string(&whole).map_or(usize::MAX, |text| text.len());
        if length <= MESSAGE_BYTES || bytes.len() < 2 {
            return vec![Self::Log(whole)];
        }
        let (front, back) = bytes.split_at(cut(bytes));
        let mut pieces = Self::log(job_id, attempt, at, offset, dropped, front);
        pieces.extend(Self::log(job_id, attempt, at, offset + front.len() as u64, 0, back));
        pieces
    }
}

/// Where to cut a piece of log in two: about in the middle, behind a line if one ends near, and not in a character.
fn cut(bytes: &[u8]) -> usize {
    let middle = bytes.len() / 2;
    let near = middle / 2..middle;
    if let Some(line) = bytes[near.clone()].iter().rposition(|byte| *byte == b'\n') {
        return near.start + line + 1;
    }
    let boundary =
        (middle.saturating_sub(3)..=middle).rev().find(|at| bytes[*at] & 0b1100_0000 != 0b1000_0000);
    boundary.filter(|at| *at > 0).unwrap_or(middle)
}

impl Log {
    fn new(job_id: JobId, attempt: u32, at: Timestamp, offset: u64, dropped: u64, bytes: &[u8]) -> Self {
        let text = std::str::from_utf8(bytes).ok().map(str::to_owned);
        let base64 =
            text.is_none().then(|| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes));
        Self { job_id, attempt, at, offset, next: offset + bytes.len() as u64, dropped, text, base64 }
    }
}

impl Event {
    fn leave_output_out(&mut self) {
        let (Happening::Ended { exit: Some(exit), .. }
        | Happening::AttemptEnded { outcome: Outcome::Exited { exit }, .. }) = &mut self.event
        else {
            return;
        };
        if exit.output.is_some() {
            let note = "the output is too long for a message; fetch the job over HTTP".to_owned();
            *exit = Exit { output: None, output_error: Some(note), ..exit.clone() };
        }
    }
}

/// Packs messages for one connection into as few texts as their order and [`MESSAGE_BYTES`] allow: API Gateway counts each.
/// Several in one text are `{"type":"batch","messages":[…]}`.
pub fn pack<'a>(messages: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    const AROUND: usize = r#"{"type":"batch","messages":[]}"#.len();
    let mut texts = Vec::new();
    let mut batch: Vec<&str> = Vec::new();
    let mut length = AROUND;
    let mut close = |batch: &mut Vec<&str>| match batch.as_slice() {
        [] => {}
        [one] => texts.push((*one).to_owned()),
        several => texts.push(format!(r#"{{"type":"batch","messages":[{}]}}"#, several.join(","))),
    };
    for message in messages {
        if length + message.len() + 1 > MESSAGE_BYTES {
            close(&mut batch);
            batch.clear();
            length = AROUND;
        }
        length += message.len() + 1;
        batch.push(message);
    }
    close(&mut batch);
    texts
}
