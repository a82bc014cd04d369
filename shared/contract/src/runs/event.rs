//! A run's history on the wire: the HTTP API lists it, and WebSocket messages carry its entries one by one.

use domain::{
    JobId, RunId,
    workflow::{self, RunEventKind},
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{CachedFrom, NodeStatus, Origin, RunStatus, Stop};

/// One entry of a run's history; what happens to its nodes is in it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RunEvent {
    /// Whose history it is.
    #[schema(value_type = String, example = "run_0193a5c07a3b7d2e8f4a5b6c7d8e9f00")]
    pub run_id: RunId,
    /// 1, 2, 3 … for each run, without gaps.
    #[schema(minimum = 1)]
    pub seq: u64,
    /// When it was committed.
    #[schema(value_type = String, format = DateTime, example = "2026-11-24T13:00:00Z")]
    pub at: Timestamp,
    /// The run's status after it.
    pub status: RunStatus,
    /// What happened.
    pub event: RunHappening,
}

/// What can happen to a run.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RunHappening {
    /// It was started.
    Started { origin: Origin },
    /// A node, or an item of a map, has a new status or a new try.
    Node {
        node: String,
        /// Which item of a map, from 0; null for the node itself.
        #[schema(required = true)]
        item: Option<u32>,
        node_status: NodeStatus,
        /// Which try; 0 if none was made.
        attempt: u32,
        /// The job of that try; null if there is none.
        #[schema(required = true, value_type = Option<String>)]
        job_id: Option<JobId>,
        /// The number of items, of a map that begins.
        #[schema(required = true)]
        items: Option<u32>,
        /// Why, in words.
        #[schema(required = true)]
        reason: Option<String>,
        /// The earlier success that was taken instead.
        #[schema(required = true)]
        cached_from: Option<CachedFrom>,
    },
    /// It was asked to end.
    StopRequested { stop: Stop },
    /// Every node has ended.
    Ended {
        /// Why it ended as it did, in words.
        #[schema(required = true)]
        reason: Option<String>,
    },
}

impl From<workflow::RunEvent> for RunEvent {
    fn from(event: workflow::RunEvent) -> Self {
        Self {
            run_id: event.run_id,
            seq: event.seq,
            at: event.at,
            status: event.status.into(),
            event: event.kind.into(),
        }
    }
}

impl From<RunEventKind> for RunHappening {
    fn from(kind: RunEventKind) -> Self {
        match kind {
            RunEventKind::Started { origin } => Self::Started { origin: origin.into() },
            RunEventKind::Node { node, item, node_status, attempt, job_id, items, reason, cached_from } => {
                Self::Node {
                    node,
                    item,
                    node_status: node_status.into(),
                    attempt,
                    job_id,
                    items,
                    reason,
                    cached_from: cached_from.map(Into::into),
                }
            }
            RunEventKind::StopRequested { stop } => Self::StopRequested { stop: stop.into() },
            RunEventKind::Ended { reason } => Self::Ended { reason },
        }
    }
}

/// Some of a run's history.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunEventPage {
    pub items: Vec<RunEvent>,
    /// What to pass as `after` to go on: the number of the last event on this page.
    pub next: u64,
    /// Whether there is more behind `next` already.
    pub more: bool,
}
