//! A machine as it runs: what is left of a definition after [`check`](check::check) has accepted it.

pub(crate) mod check;
mod expressions;
pub(crate) mod json;
mod reader;
mod states;
mod template;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

pub(crate) use check::check;
pub(crate) use template::Template;

/// What AWS says about a definition it refuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// `ERROR`; warnings are never given.
    pub severity: &'static str,
    /// Such as `SCHEMA_VALIDATION_FAILED`.
    pub code: &'static str,
    /// In AWS's words where they are known.
    pub message: String,
    /// A path into the definition, such as `/States/Launch/Next`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)?;
        self.location.as_ref().map_or(Ok(()), |location| write!(f, " at {location}"))
    }
}

#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) start_at: String,
    pub(crate) states: BTreeMap<String, State>,
    /// Seconds an execution may take.
    pub(crate) timeout: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// The default. Only its fields without paths are supported: a state passes its input on.
    JsonPath,
    Jsonata,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) language: Language,
    pub(crate) kind: Kind,
    pub(crate) assign: Option<Template>,
    pub(crate) output: Option<Template>,
    /// `None` ends the execution. A choice decides for itself.
    pub(crate) next: Option<String>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Pass { result: Option<Value> },
    Task(Task),
    Choice { rules: Vec<Rule>, default: Option<String> },
    Wait(Wait),
    Succeed,
    Fail { error: Option<Template>, cause: Option<Template> },
}

impl Kind {
    /// The type's name, which begins its history events.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Pass { .. } => "Pass",
            Self::Task(_) => "Task",
            Self::Choice { .. } => "Choice",
            Self::Wait(_) => "Wait",
            Self::Succeed => "Succeed",
            Self::Fail { .. } => "Fail",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) resource: Resource,
    pub(crate) arguments: Option<Template>,
    /// Seconds an attempt may take.
    pub(crate) timeout: Option<Template>,
    /// Seconds a token may be silent.
    pub(crate) heartbeat: Option<Template>,
    pub(crate) retry: Vec<Retrier>,
    pub(crate) catch: Vec<Catcher>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// A function's own ARN: the input is the payload, the payload is the result.
    Function(String),
    /// `lambda:invoke`; with `token`, the result is what `SendTaskSuccess` brings.
    Invoke { token: bool },
}

#[derive(Debug)]
pub(crate) enum Wait {
    Seconds(Template),
    Timestamp(Template),
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) condition: Template,
    pub(crate) assign: Option<Template>,
    pub(crate) output: Option<Template>,
    pub(crate) next: String,
}

#[derive(Debug)]
pub(crate) struct Retrier {
    pub(crate) errors: Vec<String>,
    pub(crate) interval: u64,
    pub(crate) max_attempts: u32,
    pub(crate) backoff: f64,
    pub(crate) max_delay: Option<u64>,
    pub(crate) full_jitter: bool,
}

#[derive(Debug)]
pub(crate) struct Catcher {
    pub(crate) errors: Vec<String>,
    pub(crate) assign: Option<Template>,
    pub(crate) output: Option<Template>,
    pub(crate) next: String,
}
