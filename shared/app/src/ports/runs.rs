//! Runs of workflows as they are kept.

use async_trait::async_trait;
use domain::{
    RunId, UserId, WorkflowId,
    job::NodeRef,
    workflow::{
        CachedFrom, Head, MapProgress, NodeState, NodeStatus, Outcome, Run, RunEvent, RunStatus, Tally,
    },
};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Call, Idempotency, Page, StoreError};

/// A run that begins: everything in it commits in one transaction, or nothing does.
#[derive(Debug)]
pub struct NewRun<'a> {
    pub run: &'a Run,
    /// With version 0; its events are those that follow.
    pub head: &'a Head,
    pub params: &'a Map<String, Value>,
    pub events: &'a [RunEvent],
    /// The key that a repeat of the request will find.
    pub idempotency: Option<Idempotency>,
}

/// One change of a run: everything in it commits in one transaction, or nothing does. At most [`RunCommit::NODES`] nodes.
#[derive(Debug)]
pub struct RunCommit<'a> {
    /// The head as it will be; its `version` is the one that was read. The store writes it with the next one, on the
    /// condition that the row still has this one.
    pub head: &'a Head,
    /// The nodes as they will be, each on the condition that its row has its `version`, or does not exist for version 0.
    pub nodes: &'a [NodeState],
    pub events: &'a [RunEvent],
    /// Items of a map that ended with it: added to the map's progress.
    pub map: Option<MapEnds>,
    /// Messages to be sent, each once.
    pub calls: &'a [Call],
    /// The run as it is listed, where that changes: at its end.
    pub run: Option<&'a Run>,
}

impl RunCommit<'_> {
    /// With their events, calls and the head they stay below the 100 items of a transaction.
    pub const NODES: usize = 30;
}

/// Items of a map that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapEnds {
    pub step: u32,
    pub succeeded: u32,
    pub failed: u32,
    pub cancelled: u32,
}

/// A node or an item of a map by its numbers.
pub type NodeKey = (u32, Option<u32>);

/// A gate's row: what ended of the members that a step, or one shard of them, waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GateRow {
    /// The members that ended, by what they carried. In a root with shards, a member is a shard and each counts once,
    /// in `members`, and with its tally in `tally`.
    pub tally: Tally,
    /// How many members ended.
    pub members: u32,
}

/// What closing a member of a gate did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed {
    /// The row before; the same as `after` where the member had been closed already.
    pub before: GateRow,
    pub after: GateRow,
    /// Whether this call closed it. A caller that repeats itself finds `false` and does the rest again.
    pub first: bool,
}

/// Which runs to list. Every field that is set must hold.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    pub workflow: Option<WorkflowId>,
    /// One of these; empty means any.
    pub statuses: Vec<RunStatus>,
}

/// An earlier success that may be taken instead of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct CachedResult {
    pub from: CachedFrom,
    /// What the node gave before its `outputs`.
    pub output: Value,
}

/// Runs with their nodes and events.
#[async_trait]
pub trait RunStore: Send + Sync {
    /// Begins a run. [`StoreError::Conflict`] if there is one with its id, if its key was used, or if its slot of a schedule
    /// has one.
    async fn start_run(&self, new: NewRun<'_>) -> Result<(), StoreError>;
    /// Nodes of a run that has not begun yet, as they ended in an earlier one; repeating it is harmless.
    async fn keep_nodes(&self, nodes: &[NodeState]) -> Result<(), StoreError>;
    async fn run(&self, id: RunId) -> Result<Option<Run>, StoreError>;
    /// As it stands now.
    async fn head(&self, id: RunId) -> Result<Option<Head>, StoreError>;
    /// The heads of those of the runs that there are.
    async fn heads(&self, ids: &[RunId]) -> Result<Vec<Head>, StoreError>;
    async fn params(&self, id: RunId) -> Result<Option<Map<String, Value>>, StoreError>;
    /// Remembers what the run's execution waits for.
    async fn keep_token(&self, id: RunId, token: &str) -> Result<(), StoreError>;
    async fn token(&self, id: RunId) -> Result<Option<String>, StoreError>;
    /// Writes one change; on success the rows' versions are one higher than in the values passed. Outputs too large for a
    /// row are to be kept before, with [`Self::keep_output`].
    async fn commit_run(&self, change: RunCommit<'_>) -> Result<(), StoreError>;
    /// Those of the nodes that something has happened to, in any order.
    async fn nodes(&self, id: RunId, keys: &[NodeKey]) -> Result<Vec<NodeState>, StoreError>;
    /// A page of all nodes that something has happened to, items of maps not among them, by their numbers.
    async fn node_page(
        &self,
        id: RunId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<NodeState>, StoreError>;
    /// A page of the items of a map that something has happened to, in order, with their outputs.
    async fn item_page(
        &self,
        id: RunId,
        step: u32,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<NodeState>, StoreError>;
    /// Every node and item that runs: whom a cancellation concerns.
    async fn running_nodes(&self, id: RunId) -> Result<Vec<NodeState>, StoreError>;
    /// Keeps an output in parts and answers in how many; repeating it is harmless.
    async fn keep_output(&self, id: RunId, key: NodeKey, output: &Value) -> Result<u32, StoreError>;
    /// An output that stands in that many parts.
    async fn output(&self, id: RunId, key: NodeKey, parts: u32) -> Result<Value, StoreError>;
    /// Keeps the items of a map; repeating it with the same items is harmless.
    async fn keep_items(&self, id: RunId, step: u32, items: &[Value]) -> Result<(), StoreError>;
    /// The items of a map from the first to one before the last.
    async fn items(
        &self,
        id: RunId,
        step: u32,
        range: std::ops::Range<u32>,
    ) -> Result<Vec<Value>, StoreError>;
    /// How far a map has come; nothing before its first item.
    async fn map_progress(&self, id: RunId, step: u32) -> Result<MapProgress, StoreError>;
    /// Raises the number of items that are to have been started, and answers what it was before: whoever raises it starts
    /// those between. One that is not below `target` stays.
    async fn raise_started(&self, id: RunId, step: u32, target: u32) -> Result<u32, StoreError>;
    /// Closes a member of a step's gate, or of the shard of it.
    async fn close_gate(
        &self,
        id: RunId,
        step: u32,
        shard: Option<u32>,
        member: u32,
        outcome: Outcome,
    ) -> Result<Closed, StoreError>;
    /// Closes a whole shard, a member of the step's root, with its tally.
    async fn close_shard(&self, id: RunId, step: u32, shard: u32, tally: Tally)
    -> Result<Closed, StoreError>;
    /// Up to `limit` events with a number above `after`, in order.
    async fn run_events(&self, id: RunId, after: u64, limit: usize) -> Result<Vec<RunEvent>, StoreError>;
    /// A page of an owner's runs, newest first; of one workflow, if the filter says so.
    async fn list_runs(
        &self,
        owner: UserId,
        filter: &RunFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Run>, StoreError>;
    /// Runs that have not ended, those with the earliest deadline first.
    async fn live_runs(&self, cursor: Option<&str>) -> Result<Page<Run>, StoreError>;
    /// How many of a workflow's runs stand where.
    async fn run_counts(&self, workflow: WorkflowId) -> Result<RunCounts, StoreError>;
    /// A result of this owner's under `key` that has not expired.
    async fn cached(
        &self,
        owner: UserId,
        key: &str,
        now: Timestamp,
    ) -> Result<Option<CachedResult>, StoreError>;
    /// Keeps a result under `key`; a later one takes its place.
    async fn cache(
        &self,
        owner: UserId,
        key: &str,
        result: &CachedResult,
        expires_at: Timestamp,
    ) -> Result<(), StoreError>;
}

/// A workflow's runs by where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RunCounts {
    pub running: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub timed_out: u64,
}

impl RunCounts {
    /// Of the runs that ended by themselves the part that succeeded; nothing before the first.
    pub fn success_rate(&self) -> Option<f64> {
        let ended = self.succeeded + self.failed + self.timed_out;
        (ended > 0).then(|| self.succeeded as f64 / ended as f64)
    }
}

/// Whether a node's row is of the try that somebody speaks of.
pub fn is_of(node: &NodeState, try_of: &NodeRef) -> bool {
    node.step == try_of.step
        && node.item == try_of.item
        && node.attempt == try_of.attempt
        && node.status == NodeStatus::Running
}
