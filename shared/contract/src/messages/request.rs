//! What a client asks.

use domain::{JobId, RunId};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::outgoing::{Error, ErrorCode};

/// The longest request that is read.
pub const REQUEST_BYTES: usize = 4 * 1024;

/// A request, checked. The `id` is any JSON of the client's own and comes back with the answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Tell me what happens from now on, and what happened to the job or run after its event number `after`.
    Subscribe { id: Value, subject: Subject, after: Option<u64> },
    /// No longer.
    Unsubscribe { id: Value, subject: Subject },
    /// Where a job or a run stands, or without one: what this connection listens to.
    GetStatus { id: Value, of: Option<StatusOf> },
    /// I am still here, and still look at the jobs that I subscribed to.
    Ping { id: Value },
}

/// What a subscription is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Job(JobId),
    /// A run with all of its nodes.
    Run(RunId),
    /// Every job and run of the connection's own user, those to come too.
    All,
}

/// Whose status is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusOf {
    Job(JobId),
    Run(RunId),
}

/// What a client may send.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Wire {
    /// Hear of a job (`job_id`), of a run with all of its nodes (`run_id`), or of all jobs and runs of yours (`all`): exactly
    /// one of the three.
    Subscribe {
        /// Any JSON; the answer carries it.
        #[serde(default)]
        id: Value,
        #[schema(example = "job_0193a5c07a3b7d2e8f4a5b6c7d8e9f00")]
        job_id: Option<String>,
        #[schema(example = "run_0193a5c07a3b7d2e8f4a5b6c7d8e9f00")]
        run_id: Option<String>,
        all: Option<bool>,
        /// The number of the last event that you know of the job or run: later ones are sent again first. Not with `all`.
        after: Option<u64>,
    },
    /// Hear of it no longer.
    Unsubscribe {
        #[serde(default)]
        id: Value,
        job_id: Option<String>,
        run_id: Option<String>,
        all: Option<bool>,
    },
    /// Ask where a job (`job_id`) or a run (`run_id`) stands; without either, what this connection listens to.
    GetStatus {
        #[serde(default)]
        id: Value,
        job_id: Option<String>,
        run_id: Option<String>,
    },
    /// Keep the connection alive and the logs of the subscribed jobs coming.
    Ping {
        #[serde(default)]
        id: Value,
    },
}

impl Request {
    /// Reads a request; a refusal is the message to answer with.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let refuse = |code, message: String, id| Err(Error { code, message, id });
        if text.len() > REQUEST_BYTES {
            let message = format!("the message has {} bytes; at most {REQUEST_BYTES}", text.len());
            return refuse(ErrorCode::TooLarge, message, Value::Null);
        }
        let json: Value = match serde_json::from_str(text) {
            Ok(json) => json,
            Err(error) => return refuse(ErrorCode::InvalidJson, format!("not JSON: {error}"), Value::Null),
        };
        let Value::Object(fields) = &json else {
            let message = "expected an object such as {\"action\":\"ping\"}".into();
            return refuse(ErrorCode::InvalidMessage, message, Value::Null);
        };
        let id = fields.get("id").cloned().unwrap_or_default();
        match fields.get("action").and_then(Value::as_str) {
            Some("subscribe" | "unsubscribe" | "get_status" | "ping") => {}
            Some(_) => {
                let message = "action: expected subscribe, unsubscribe, get_status or ping".into();
                return refuse(ErrorCode::UnknownAction, message, id);
            }
            None => {
                let message = "action: is missing, or is not a text".into();
                return refuse(ErrorCode::InvalidMessage, message, id);
            }
        }
        let checked = serde_json::from_value(json).map_err(|error| error.to_string()).and_then(Self::check);
        checked.or_else(|message| refuse(ErrorCode::InvalidMessage, message, id))
    }

    fn check(wire: Wire) -> Result<Self, String> {
        Ok(match wire {
            Wire::Subscribe { id, job_id, run_id, all, after } => {
                let subject = Subject::check(job_id.as_deref(), run_id.as_deref(), all)?;
                if after.is_some() && subject == Subject::All {
                    return Err("after: event numbers are per job and run; leave it out with all".into());
                }
                Self::Subscribe { id, subject, after }
            }
            Wire::Unsubscribe { id, job_id, run_id, all } => {
                Self::Unsubscribe { id, subject: Subject::check(job_id.as_deref(), run_id.as_deref(), all)? }
            }
            Wire::GetStatus { id, job_id, run_id } => {
                let of = match (job_id, run_id) {
                    (Some(job), None) => Some(StatusOf::Job(parse("job_id", &job)?)),
                    (None, Some(run)) => Some(StatusOf::Run(parse("run_id", &run)?)),
                    (None, None) => None,
                    (Some(_), Some(_)) => return Err("run_id: leave it out with job_id".into()),
                };
                Self::GetStatus { id, of }
            }
            Wire::Ping { id } => Self::Ping { id },
        })
    }
}

impl Subject {
    fn check(job_id: Option<&str>, run_id: Option<&str>, all: Option<bool>) -> Result<Self, String> {
        match (job_id, run_id, all.unwrap_or_default()) {
            (Some(job), None, false) => parse("job_id", job).map(Self::Job),
            (None, Some(run), false) => parse("run_id", run).map(Self::Run),
            (None, None, true) => Ok(Self::All),
            (Some(_), Some(_), _) => Err("run_id: leave it out with job_id".into()),
            (Some(_), None, true) => Err("all: leave it out with job_id".into()),
            (None, Some(_), true) => Err("all: leave it out with run_id".into()),
            (None, None, false) => Err("job_id: is missing; give one, or a run_id, or \"all\": true".into()),
        }
    }
}

fn parse<T: std::str::FromStr<Err = domain::id::InvalidId>>(field: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|error: domain::id::InvalidId| format!("{field}: {error}"))
}
