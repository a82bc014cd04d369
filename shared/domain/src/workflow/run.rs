//! A run of a workflow: what is known of it from its start ([`Run`]), what changes with every node ([`Head`]), each node
//! that something has happened to ([`NodeState`]), and its history ([`RunEvent`]).
//!
//! The head is small and has no index, because each change of a node writes it; its version puts the changes of a run in
//! one order. A node without a row waits.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Counts, FailurePolicy, IllegalChange, NodeStatus, RunStatus, Stop};
use crate::{
    id::{JobId, RunId, ScheduleId, UserId, WorkflowId},
    job::Priority,
    money::{Money, add_all},
};

/// Why a run was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Origin {
    /// Somebody asked for it.
    Manual,
    /// A slot of a schedule was due.
    Schedule { schedule_id: ScheduleId, slot: Timestamp },
    /// It goes on where another one stopped: what had succeeded there is kept.
    Resume { of: RunId },
    /// One node of another run, and what is behind it, runs again.
    Retry { of: RunId, node: String },
    /// It repeats another run from its beginning.
    Rerun { of: RunId },
}

impl Origin {
    /// The run whose successes it keeps.
    pub const fn keeps(&self) -> Option<RunId> {
        match self {
            Self::Resume { of } | Self::Retry { of, .. } => Some(*of),
            Self::Manual | Self::Schedule { .. } | Self::Rerun { .. } => None,
        }
    }
}

/// A run as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    pub id: RunId,
    pub owner: UserId,
    pub workflow_id: WorkflowId,
    /// The version that it started with and keeps.
    pub workflow_version: u32,
    /// Its own name; the workflow's if none was given.
    pub name: String,
    pub origin: Origin,
    /// How many nodes it has, a map's items not counted.
    pub nodes: u32,
    pub failure_policy: FailurePolicy,
    /// Of the jobs that name none.
    pub priority: Priority,
    pub started_at: Timestamp,
    /// When it is stopped whatever it does.
    pub deadline: Timestamp,
    /// Its end, once it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndedRun>,
}

/// How and when a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndedRun {
    pub status: RunStatus,
    pub at: Timestamp,
    /// Why, in words for its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Somebody, or the clock, asked for the end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopRequest {
    pub stop: Stop,
    pub at: Timestamp,
    /// Who; nobody for a timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<UserId>,
}

/// What changes with every node of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    pub run_id: RunId,
    /// Whose run it is: its events name them.
    pub owner: UserId,
    /// Grows by one with each write; every write is conditional on the one that was read.
    pub version: u64,
    /// The number of the run's last event.
    pub seq: u64,
    pub status: RunStatus,
    pub counts: Counts,
    /// What its ended jobs cost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cost: Vec<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopRequest>,
    /// The node whose failure stops the rest, under [`FailurePolicy::FailFast`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<String>,
    pub updated_at: Timestamp,
}

/// Why nothing more may start in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It was cancelled or ran out of time.
    Asked,
    /// A node failed, and the policy is to stop at that. What takes care of failures still starts.
    Failing,
}

impl Head {
    /// Of a run that begins, with every node waiting; `kept` of them as they ended in an earlier run.
    pub fn new(run: &Run, kept: impl IntoIterator<Item = NodeStatus>) -> Self {
        let mut counts = Counts { waiting: run.nodes, ..Counts::default() };
        for status in kept {
            counts.moved(NodeStatus::Waiting, status);
        }
        Self {
            run_id: run.id,
            owner: run.owner,
            version: 0,
            seq: 0,
            status: RunStatus::Running,
            counts,
            cost: Vec::new(),
            stop: None,
            failing: None,
            updated_at: run.started_at,
        }
    }

    /// Whether nothing more may start, and why.
    pub const fn stopped(&self) -> Option<Stopped> {
        match (&self.stop, &self.failing) {
            (Some(_), _) => Some(Stopped::Asked),
            (None, Some(_)) => Some(Stopped::Failing),
            (None, None) => None,
        }
    }

    /// The next event, numbered.
    pub fn event(&mut self, kind: RunEventKind, at: Timestamp) -> RunEvent {
        self.seq += 1;
        self.updated_at = at;
        RunEvent { run_id: self.run_id, seq: self.seq, at, status: self.status, kind }
    }

    /// Adds what a job cost.
    pub fn charge(&mut self, cost: &[Money]) {
        add_all(&mut self.cost, cost);
    }
}

/// Where the output of a node came from that did not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedFrom {
    pub run_id: RunId,
    pub node: String,
    pub job_id: JobId,
    /// When that job had succeeded.
    pub at: Timestamp,
}

/// How far a map has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MapProgress {
    /// Items that have, or are to have, a row of their own.
    pub started: u32,
    pub succeeded: u32,
    pub failed: u32,
    pub cancelled: u32,
}

impl MapProgress {
    /// Items that ended.
    pub const fn ended(&self) -> u32 {
        self.succeeded + self.failed + self.cancelled
    }
}

/// A node of a run, or an item of a map, that something has happened to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeState {
    pub run_id: RunId,
    /// The number of its step in the plan.
    pub step: u32,
    /// Which item of a map, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<u32>,
    /// Its name in the definition, behind those of its groups; an item has its map's.
    pub node: String,
    pub status: NodeStatus,
    /// Grows by one with each write; 0 before the first.
    pub version: u64,
    /// Which try; 0 if none was made.
    pub attempt: u32,
    /// The job of the latest try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobId>,
    /// The jobs of earlier tries, first to last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_jobs: Vec<JobId>,
    /// What it gave; a large one stands in parts of its own and is `None` here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// In how many parts its output stands, if it is too large for this row.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub output_parts: u32,
    /// Why it ended as it did, in words for its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When its latest try may begin, if that comes after a pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// When it has to be over, its retries included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// The number of items, of a map that began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<u32>,
    /// The key that its result may be reused under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_from: Option<CachedFrom>,
    /// The earlier run that it ended in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_from: Option<RunId>,
    /// What its jobs cost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cost: Vec<Money>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(parts: &u32) -> bool {
    *parts == 0
}

impl NodeState {
    /// A node that nothing has happened to.
    pub fn waiting(run_id: RunId, step: u32, item: Option<u32>, node: &str) -> Self {
        Self {
            run_id,
            step,
            item,
            node: node.to_owned(),
            status: NodeStatus::Waiting,
            version: 0,
            attempt: 0,
            job_id: None,
            earlier_jobs: Vec::new(),
            output: None,
            output_parts: 0,
            reason: None,
            started_at: None,
            ended_at: None,
            not_before: None,
            deadline: None,
            items: None,
            cache_key: None,
            cached_from: None,
            kept_from: None,
            cost: Vec::new(),
        }
    }

    /// Adds what its latest job cost.
    pub fn charge(&mut self, cost: &[Money]) {
        add_all(&mut self.cost, cost);
    }

    /// Changes the status; a node that waits becomes ready in passing.
    ///
    /// # Errors
    /// If there is no such change.
    pub fn become_status(&mut self, to: NodeStatus, at: Timestamp) -> Result<(), IllegalChange> {
        self.status = match (self.status, to) {
            (NodeStatus::Waiting, NodeStatus::Running | NodeStatus::Succeeded | NodeStatus::Failed) => {
                NodeStatus::Waiting.change(NodeStatus::Ready)?.change(to)?
            }
            (from, to) => from.change(to)?,
        };
        if to == NodeStatus::Running {
            self.started_at.get_or_insert(at);
        }
        if to.is_terminal() {
            self.ended_at = Some(at);
        }
        Ok(())
    }
}

/// One entry of a run's history. It commits in the transaction of the change that it reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEvent {
    pub run_id: RunId,
    /// 1, 2, 3 … per run, without gaps.
    pub seq: u64,
    pub at: Timestamp,
    /// The run's status after it.
    pub status: RunStatus,
    #[serde(flatten)]
    pub kind: RunEventKind,
}

/// What can happen to a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RunEventKind {
    /// It was started.
    Started { origin: Origin },
    /// A node, or an item of a map, has a new status or a new try.
    Node {
        node: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        item: Option<u32>,
        node_status: NodeStatus,
        /// Which try; 0 if none was made.
        attempt: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job_id: Option<JobId>,
        /// The number of items, of a map that begins.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        items: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cached_from: Option<CachedFrom>,
    },
    /// It was asked to end.
    StopRequested { stop: Stop },
    /// Every node has ended.
    Ended { reason: Option<String> },
}

impl RunEventKind {
    /// What is said of a node as it stands.
    pub fn of(node: &NodeState) -> Self {
        Self::Node {
            node: node.node.clone(),
            item: node.item,
            node_status: node.status,
            attempt: node.attempt,
            job_id: node.job_id,
            items: node.items.filter(|_| !node.status.is_terminal()),
            reason: node.reason.clone(),
            cached_from: node.cached_from.clone(),
        }
    }
}
