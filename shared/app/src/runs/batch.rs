//! Changes of a run on their way into one transaction.

use domain::{
    Money,
    workflow::{CachedFrom, FailurePolicy, Head, NodeState, NodeStatus, RunEvent, RunEventKind, RunStatus},
};
use jiff::Timestamp;
use serde_json::Value;

use crate::{
    machine::StepError,
    ports::{Call, MapEnds, RunCommit},
};

/// How a node ended, or an item of a map.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ending {
    pub(super) status: NodeStatus,
    /// What others see of it.
    pub(super) output: Value,
    /// In how many parts the output was kept, if it is too large for the node's row.
    pub(super) output_parts: u32,
    pub(super) reason: Option<String>,
    pub(super) cost: Vec<Money>,
    pub(super) cached_from: Option<CachedFrom>,
}

impl Ending {
    /// Without an output.
    pub(super) fn of(status: NodeStatus, reason: impl Into<Option<String>>) -> Self {
        let reason = reason.into();
        Self { status, output: Value::Null, output_parts: 0, reason, cost: Vec::new(), cached_from: None }
    }

    /// A success.
    pub(super) fn success(output: Value) -> Self {
        Self { output, ..Self::of(NodeStatus::Succeeded, None) }
    }
}

/// Changes that commit together.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) head: Head,
    pub(super) nodes: Vec<NodeState>,
    pub(super) events: Vec<RunEvent>,
    pub(super) ends: Option<MapEnds>,
    pub(super) calls: Vec<Call>,
    at: Timestamp,
    policy: FailurePolicy,
}

impl Batch {
    pub(super) fn new(head: &Head, policy: FailurePolicy, at: Timestamp) -> Self {
        Self {
            head: head.clone(),
            nodes: Vec::new(),
            events: Vec::new(),
            ends: None,
            calls: Vec::new(),
            at,
            policy,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.nodes.len() < RunCommit::NODES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.events.is_empty()
    }

    /// The node runs.
    pub(super) fn run(&mut self, node: NodeState) -> Result<(), StepError> {
        self.change(node, NodeStatus::Running)
    }

    /// The node that runs is tried again.
    pub(super) fn run_again(&mut self, mut node: NodeState) -> Result<(), StepError> {
        node.become_status(NodeStatus::Ready, self.at).map_err(illegal)?;
        self.count(&node, NodeStatus::Running, NodeStatus::Ready);
        self.change(node, NodeStatus::Running)
    }

    /// The node ends.
    pub(super) fn end(&mut self, mut node: NodeState, ending: &Ending) -> Result<(), StepError> {
        node.output_parts = ending.output_parts;
        node.output =
            Some(&ending.output).filter(|output| ending.output_parts == 0 && !output.is_null()).cloned();
        node.reason.clone_from(&ending.reason);
        node.cached_from.clone_from(&ending.cached_from);
        node.charge(&ending.cost);
        self.head.charge(&ending.cost);
        let ended = ending.status.ended();
        if ended.is_some_and(|status| self.policy.stops(status))
            && self.head.stop.is_none()
            && self.head.failing.is_none()
        {
            self.head.failing = Some(node.node.clone());
        }
        if node.item.is_some() {
            self.end_item(node.step, ending.status);
        }
        self.change(node, ending.status)
    }

    fn end_item(&mut self, step: u32, status: NodeStatus) {
        let ends = self.ends.get_or_insert(MapEnds { step, succeeded: 0, failed: 0, cancelled: 0 });
        match status {
            NodeStatus::Succeeded => ends.succeeded += 1,
            NodeStatus::Cancelled => ends.cancelled += 1,
            _ => ends.failed += 1,
        }
    }

    fn change(&mut self, mut node: NodeState, to: NodeStatus) -> Result<(), StepError> {
        let from = node.status;
        node.become_status(to, self.at).map_err(illegal)?;
        self.count(&node, from, to);
        let event = self.head.event(RunEventKind::of(&node), self.at);
        self.events.push(event);
        self.nodes.push(node);
        Ok(())
    }

    /// The items of a map do not count among the nodes.
    fn count(&mut self, node: &NodeState, from: NodeStatus, to: NodeStatus) {
        if node.item.is_none() {
            self.head.counts.moved(from, to);
        }
    }

    pub(super) fn event(&mut self, kind: RunEventKind) {
        let event = self.head.event(kind, self.at);
        self.events.push(event);
    }

    /// If this is the end of the run: how it ends, and why.
    pub(super) fn conclude(&mut self) -> Option<(RunStatus, Option<String>)> {
        if self.head.status != RunStatus::Running {
            return None;
        }
        let status = self.head.counts.run(self.head.stop.map(|request| request.stop));
        if status == RunStatus::Running {
            return None;
        }
        self.head.status = status;
        let reason = why(&self.head);
        self.event(RunEventKind::Ended { reason: reason.clone() });
        Some((status, reason))
    }
}

/// Why a run ended as it did, in words for its owner.
fn why(head: &Head) -> Option<String> {
    let counts = &head.counts;
    match head.status {
        RunStatus::Running | RunStatus::Succeeded | RunStatus::Cancelled => None,
        RunStatus::TimedOut => Some("its time was over".to_owned()),
        RunStatus::Failed => Some(match (&head.failing, counts.failed + counts.timed_out) {
            (Some(node), _) => format!("node {node} failed"),
            (None, 1) => "one node failed".to_owned(),
            (None, failed) => format!("{failed} nodes failed"),
        }),
    }
}

/// The node is not where it was thought to be: reading it again tells.
fn illegal(_: domain::workflow::IllegalChange) -> StepError {
    StepError::Collision
}
