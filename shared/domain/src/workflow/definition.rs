//! A workflow as its author wrote it. JSON and YAML give the same value; [`super::validate`] says what is wrong with it.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::{Map, Value};

use super::TriggerRule;
use crate::job::Priority;

/// Bounds of a workflow. A definition is kept in parts of [`Limits::PART_BYTES`], each well below DynamoDB's 400 KB, and no
/// row of a run holds more than one node.
#[derive(Debug, Clone, Copy)]
pub struct Limits;

impl Limits {
    /// Of the text, JSON or YAML.
    pub const DEFINITION_BYTES: usize = 4 * 1024 * 1024;
    /// Values in it once aliases are followed; a text that names one value a million times is not a definition.
    pub const VALUES: usize = 500_000;
    pub const DEPTH: usize = 48;
    /// How much of a stored definition stands in one row.
    pub const PART_BYTES: usize = 350_000;
    pub const NODES: usize = 10_000;
    pub const EDGES: usize = 100_000;
    pub const NAME_CHARS: usize = 64;
    /// Groups inside groups.
    pub const GROUP_DEPTH: usize = 4;
    pub const PARAMS: usize = 100;
    pub const SCHEMA_BYTES: usize = 16 * 1024;
    /// All parameters of a run, as JSON.
    pub const PARAMS_BYTES: usize = 64 * 1024;
    pub const OUTPUTS: usize = 50;
    pub const EXPRESSION_BYTES: usize = 2_048;
    pub const WEBHOOK_BYTES: usize = 64 * 1024;
    pub const HEADERS: usize = 50;
    /// 90 days.
    pub const RUN_TIMEOUT_SECONDS: u32 = 90 * 86_400;
    /// 30 days, as a job's.
    pub const NODE_TIMEOUT_SECONDS: u32 = 30 * 86_400;
    /// A year.
    pub const CACHE_SECONDS: u32 = 366 * 86_400;
    pub const WEBHOOK_TIMEOUT_SECONDS: u32 = 60;
    /// More are counted, not listed.
    pub const ERRORS: usize = 200;
}

/// What the failure of a node means for the nodes that do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailurePolicy {
    /// Nothing new starts, and what runs is cancelled.
    #[default]
    FailFast,
    /// Whatever can still run runs to its end.
    FinishWhatCan,
}

/// A workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workflow {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Of each parameter its JSON Schema; one without a `default` must be given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Value>,
    #[serde(default)]
    pub failure_policy: FailurePolicy,
    /// How long a run may take in all.
    #[serde(default = "run_timeout")]
    pub timeout_seconds: u32,
    /// Of the jobs that name none.
    #[serde(default)]
    pub priority: Priority,
    pub nodes: BTreeMap<String, Node>,
}

const fn run_timeout() -> u32 {
    7 * 86_400
}

/// A node: exactly one of `job`, `condition`, `webhook`, `map`, `parallel` and `sequential` says what it does.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Of a member of a group; a node at the top has its key for a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The fields of a job, as in a submission; any text may hold templates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Map<String, Value>>,
    /// CEL; if it gives `false` the node is skipped, which is no failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<Box<FanOut>>,
    /// Nodes that run at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel: Option<Vec<Self>>,
    /// Nodes that run one after another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequential: Option<Vec<Self>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Dependency>,
    /// CEL, looked at when the node could start; `false` skips it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub trigger: TriggerRule,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// How long the node may take, its retries included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u32>,
    /// CEL over `output`, what the node gave; with it the node's output is the object of these.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outputs: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What a node does.
#[derive(Debug, Clone, Copy)]
pub enum Kind<'a> {
    Job(&'a Map<String, Value>),
    Condition(&'a str),
    Webhook(&'a Webhook),
    Map(&'a FanOut),
    Parallel(&'a [Node]),
    Sequential(&'a [Node]),
}

/// What a step does: a node that is no group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepKind {
    Job,
    Condition,
    Webhook,
    Map,
}

impl Kind<'_> {
    /// What it does without its details; nothing for a group.
    pub const fn step(&self) -> Option<StepKind> {
        match self {
            Self::Job(_) => Some(StepKind::Job),
            Self::Condition(_) => Some(StepKind::Condition),
            Self::Webhook(_) => Some(StepKind::Webhook),
            Self::Map(_) => Some(StepKind::Map),
            Self::Parallel(_) | Self::Sequential(_) => None,
        }
    }

    /// The key that names it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Job(_) => "job",
            Self::Condition(_) => "condition",
            Self::Webhook(_) => "webhook",
            Self::Map(_) => "map",
            Self::Parallel(_) => "parallel",
            Self::Sequential(_) => "sequential",
        }
    }
}

impl Node {
    /// Everything that it says it does; a valid node says one thing.
    pub fn kinds(&self) -> impl Iterator<Item = Kind<'_>> {
        [
            self.job.as_ref().map(Kind::Job),
            self.condition.as_deref().map(Kind::Condition),
            self.webhook.as_ref().map(Kind::Webhook),
            self.map.as_deref().map(Kind::Map),
            self.parallel.as_deref().map(Kind::Parallel),
            self.sequential.as_deref().map(Kind::Sequential),
        ]
        .into_iter()
        .flatten()
    }

    /// What it does; `None` unless it is exactly one thing.
    pub fn kind(&self) -> Option<Kind<'_>> {
        let mut kinds = self.kinds();
        kinds.next().filter(|_| kinds.next().is_none())
    }
}

/// A node that another waits for, and on what condition its success counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dependency {
    pub node: String,
    /// CEL; `false` makes the edge carry a skip.
    #[serde(rename = "if", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
}

impl<'de> Deserialize<'de> for Dependency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Full {
            node: String,
            #[serde(default, rename = "if")]
            condition: Option<String>,
        }
        struct Either;
        impl<'de> de::Visitor<'de> for Either {
            type Value = Dependency;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a node, or {node, if}")
            }

            fn visit_str<E: de::Error>(self, node: &str) -> Result<Dependency, E> {
                Ok(Dependency { node: node.to_owned(), condition: None })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Dependency, A::Error> {
                let Full { node, condition } = Full::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Dependency { node, condition })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A call to somebody else's server. Its output is `{status, body}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    #[serde(default)]
    pub method: Method,
    /// `https://…`; may hold templates.
    pub url: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Text is sent as it is, anything else as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// The statuses that are a success; none means any of 200 to 299.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<u16>,
    /// Of one call.
    #[serde(default = "webhook_timeout")]
    pub timeout_seconds: u32,
    /// Of the calls; the node's own `retry` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
}

const fn webhook_timeout() -> u32 {
    10
}

impl Webhook {
    /// Whether an answer with this status is a success.
    pub fn expects(&self, status: u16) -> bool {
        if self.expect.is_empty() { (200..300).contains(&status) } else { self.expect.contains(&status) }
    }
}

/// How a webhook is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    #[default]
    Post,
    Put,
    Patch,
    Delete,
}

/// One node for each item of a list that is known only in the run. Its output is the list of their outputs, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FanOut {
    /// A list, whose texts may hold templates; or a text: CEL that gives a list, or one template.
    pub over: Value,
    /// A job or a webhook, which may use `item` and `index`.
    pub node: Node,
    #[serde(default = "max_parallel")]
    pub max_parallel: u32,
}

const fn max_parallel() -> u32 {
    10
}

/// How often a node is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// Tries in all, the first included.
    pub max_attempts: u32,
    /// Before the second try, doubled for each further one.
    pub backoff_seconds: u32,
    pub max_backoff_seconds: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self { max_attempts: 3, backoff_seconds: 5, max_backoff_seconds: 3_600 }
    }
}

impl Retry {
    /// Seconds to wait after `attempt` failed; attempts begin with 1. `None` if it was the last.
    pub fn delay_after(self, attempt: u32) -> Option<u32> {
        (attempt < self.max_attempts).then(|| {
            let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
            self.backoff_seconds.saturating_mul(factor).min(self.max_backoff_seconds)
        })
    }
}

/// A node with it takes an earlier success with the same key instead of running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// How old the earlier success may be.
    #[serde(default = "cache_seconds")]
    pub expires_after_seconds: u32,
}

const fn cache_seconds() -> u32 {
    30 * 86_400
}

/// Where a drawing shows the node, in its own units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    pub x: f64,
    pub y: f64,
}
