//! A run as its owner sees it.

use domain::{RunId, WorkflowId, workflow};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{RunStatus, Stop};
use crate::{jobs::Priority, money::Money, workflows::FailurePolicy};

/// A run to start.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StartRun {
    /// Its parameters by name; one with a default may be left out.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    /// Its name; the workflow's if absent.
    #[serde(default)]
    #[schema(max_length = 128)]
    pub name: Option<String>,
    /// Of the workflow; the latest if absent.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub version: Option<u32>,
}

/// What is different in a run that goes on with or repeats another one.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRun {
    /// Parameters that change, by name; the others stay as they were.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
}

/// Why a run was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = RunOrigin)]
pub enum Origin {
    /// Somebody asked for it.
    Manual,
    /// A slot of a schedule was due.
    Schedule {
        #[schema(example = "sch_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
        schedule_id: String,
        #[schema(value_type = String, format = DateTime)]
        slot: Timestamp,
    },
    /// It goes on where another one stopped: what had succeeded there is kept.
    Resume {
        #[schema(example = "run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
        of: String,
    },
    /// One node of another run, and what is behind it, runs again.
    Retry { of: String, node: String },
    /// It repeats another run from its beginning.
    Rerun { of: String },
}

impl From<workflow::Origin> for Origin {
    fn from(origin: workflow::Origin) -> Self {
        match origin {
            workflow::Origin::Manual => Self::Manual,
            workflow::Origin::Schedule { schedule_id, slot } => {
                Self::Schedule { schedule_id: schedule_id.to_string(), slot }
            }
            workflow::Origin::Resume { of } => Self::Resume { of: of.to_string() },
            workflow::Origin::Retry { of, node } => Self::Retry { of: of.to_string(), node },
            workflow::Origin::Rerun { of } => Self::Rerun { of: of.to_string() },
        }
    }
}

/// A run as lists show it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Run {
    #[schema(example = "run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub id: String,
    /// Whose it is.
    #[schema(example = "usr_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub owner: String,
    #[schema(example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub workflow_id: String,
    /// The version that it started with and keeps.
    pub workflow_version: u32,
    pub name: String,
    pub origin: Origin,
    pub status: RunStatus,
    /// Why it ended as it did, in words; null while it has not, and if there is nothing to say.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// How many nodes it has, a map's items not counted.
    pub nodes: u32,
    /// How many of them stand where.
    pub counts: NodeCounts,
    /// What its ended jobs cost, one amount for each currency.
    pub cost: Vec<Money>,
    pub failure_policy: FailurePolicy,
    /// Of its jobs that name none.
    pub priority: Priority,
    /// Who or what asked for its end; null if nobody did.
    #[schema(required = true)]
    pub stop: Option<StopRequest>,
    /// The node whose failure stops the rest, under `fail_fast`; null if there is none.
    #[schema(required = true)]
    pub failing: Option<String>,
    pub started_at: Timestamp,
    #[schema(required = true)]
    pub ended_at: Option<Timestamp>,
    /// When it is stopped whatever it does.
    pub deadline: Timestamp,
    /// Seconds since its start, up to its end.
    pub seconds: f64,
    pub updated_at: Timestamp,
    /// The number of its last event: what comes after is `GET …/events?after=seq`.
    pub seq: u64,
    pub links: RunLinks,
}

/// How many nodes stand where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RunNodeCounts)]
pub struct NodeCounts {
    pub waiting: u32,
    pub ready: u32,
    pub running: u32,
    pub succeeded: u32,
    pub failed: u32,
    pub timed_out: u32,
    pub skipped: u32,
    pub cancelled: u32,
    pub upstream_failed: u32,
}

impl From<workflow::Counts> for NodeCounts {
    fn from(counts: workflow::Counts) -> Self {
        let workflow::Counts {
            waiting,
            ready,
            running,
            succeeded,
            failed,
            timed_out,
            skipped,
            cancelled,
            upstream_failed,
        } = counts;
        Self { waiting, ready, running, succeeded, failed, timed_out, skipped, cancelled, upstream_failed }
    }
}

/// Somebody, or the clock, asked for the end of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RunStop)]
pub struct StopRequest {
    pub stop: Stop,
    pub at: Timestamp,
    /// Who; null for a timeout.
    #[schema(required = true)]
    pub by: Option<String>,
}

/// Paths of what belongs to a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunLinks {
    #[serde(rename = "self")]
    pub this: String,
    pub nodes: String,
    pub events: String,
    pub graph: String,
    pub workflow: String,
}

impl RunLinks {
    fn of(id: RunId, workflow: WorkflowId) -> Self {
        let this = format!("/v1/runs/{id}");
        Self {
            nodes: format!("{this}/nodes"),
            events: format!("{this}/events"),
            graph: format!("{this}/graph"),
            workflow: format!("/v1/workflows/{workflow}"),
            this,
        }
    }
}

/// Seconds between two times; none if they are the wrong way round.
pub(super) fn seconds(from: Timestamp, until: Timestamp) -> f64 {
    (until.as_millisecond() - from.as_millisecond()).max(0) as f64 / 1_000.0
}

impl Run {
    /// The run as it is shown at `now`.
    pub fn new(run: workflow::Run, head: workflow::Head, now: Timestamp) -> Self {
        let ended = run.ended;
        Self {
            id: run.id.to_string(),
            owner: run.owner.to_string(),
            workflow_id: run.workflow_id.to_string(),
            workflow_version: run.workflow_version,
            name: run.name,
            origin: run.origin.into(),
            status: ended.as_ref().map_or(head.status, |ended| ended.status).into(),
            nodes: run.nodes,
            counts: head.counts.into(),
            cost: head.cost.into_iter().map(Into::into).collect(),
            failure_policy: run.failure_policy.into(),
            priority: run.priority.into(),
            stop: head.stop.map(|request| StopRequest {
                stop: request.stop.into(),
                at: request.at,
                by: request.by.map(|user| user.to_string()),
            }),
            failing: head.failing,
            started_at: run.started_at,
            deadline: run.deadline,
            seconds: seconds(run.started_at, ended.as_ref().map_or(now, |ended| ended.at)),
            ended_at: ended.as_ref().map(|ended| ended.at),
            reason: ended.and_then(|ended| ended.reason),
            updated_at: head.updated_at,
            seq: head.seq,
            links: RunLinks::of(run.id, run.workflow_id),
        }
    }
}

/// What a run's rows do not say.
#[derive(Debug, Clone)]
pub struct RunFacts {
    pub params: Map<String, Value>,
    /// The names of the longest chain of nodes, first to last, each with how long it took; nothing if it is not known.
    pub critical_path: Option<Vec<(String, SignedDuration)>>,
}

/// A run with its parameters and its critical path.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunDetail {
    #[serde(flatten)]
    pub run: Run,
    /// What it was started with, defaults included.
    #[schema(value_type = Object)]
    pub params: Map<String, Value>,
    /// The chain of nodes that took longest so far; null for a run of more than 2,000 nodes that has not ended.
    #[schema(required = true)]
    pub critical_path: Option<CriticalPath>,
}

/// The chain of nodes that took longest: nothing else makes the run shorter.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CriticalPath {
    /// All of them together.
    pub seconds: f64,
    /// First to last.
    pub nodes: Vec<CriticalNode>,
}

/// A node of a critical path.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct CriticalNode {
    pub node: String,
    pub seconds: f64,
}

impl RunDetail {
    /// The run as it is shown.
    pub fn new(run: Run, facts: RunFacts) -> Self {
        let path = facts.critical_path.map(|nodes| {
            let nodes: Vec<CriticalNode> = nodes
                .into_iter()
                .map(|(node, took)| CriticalNode { node, seconds: took.as_millis() as f64 / 1_000.0 })
                .collect();
            CriticalPath { seconds: nodes.iter().map(|node| node.seconds).sum(), nodes }
        });
        Self { run, params: facts.params, critical_path: path }
    }
}

/// Where the output of a node came from that did not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CachedFrom {
    #[schema(example = "run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub run_id: String,
    pub node: String,
    #[schema(example = "job_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub job_id: String,
    /// When that job had succeeded.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

impl From<workflow::CachedFrom> for CachedFrom {
    fn from(from: workflow::CachedFrom) -> Self {
        Self {
            run_id: from.run_id.to_string(),
            node: from.node,
            job_id: from.job_id.to_string(),
            at: from.at,
        }
    }
}
