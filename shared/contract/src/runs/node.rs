//! The nodes of a run and the items of its maps.

use domain::{RunId, workflow};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{CachedFrom, NodeStatus, view::seconds};
use crate::{money::Money, workflows::NodeKind};

/// A node of a run, or an item of a map.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RunNode)]
pub struct Node {
    /// Its name in the definition, behind those of its groups; an item has its map's.
    #[schema(example = "check.accuracy")]
    pub node: String,
    /// Its number in the plan, from 0; lists are in this order.
    pub step: u32,
    pub kind: NodeKind,
    /// Which item of a map, from 0; null for a node.
    #[schema(required = true)]
    pub item: Option<u32>,
    pub status: NodeStatus,
    /// Why it ended as it did, in words.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// Which try; 0 if none was made.
    pub attempt: u32,
    /// The job of the latest try; null if there is none.
    #[schema(required = true)]
    pub job_id: Option<String>,
    /// The jobs of earlier tries, first to last.
    pub earlier_jobs: Vec<String>,
    /// What it gave; null before, and where `output_omitted` is set.
    #[schema(value_type = Value)]
    pub output: Value,
    /// It gave something that is too long for this answer: in lists more than 4 KiB, else more than 4 MiB.
    pub output_omitted: bool,
    #[schema(required = true)]
    pub started_at: Option<Timestamp>,
    #[schema(required = true)]
    pub ended_at: Option<Timestamp>,
    /// When it has to be over, its retries included; null before it starts.
    #[schema(required = true)]
    pub deadline: Option<Timestamp>,
    /// Seconds since its start, up to its end; null before, and if it ended without a start.
    #[schema(required = true)]
    pub seconds: Option<f64>,
    /// The number of items, of a map that began; null otherwise.
    #[schema(required = true)]
    pub items: Option<u32>,
    /// The earlier success that was taken instead of running.
    #[schema(required = true)]
    pub cached_from: Option<CachedFrom>,
    /// The earlier run that it ended in, where this one only keeps its output.
    #[schema(required = true)]
    pub kept_from: Option<String>,
    /// What its jobs cost.
    pub cost: Vec<Money>,
    /// Its path.
    pub link: String,
}

impl Node {
    /// The most bytes of an output, as JSON, that a list shows.
    pub const LISTED_OUTPUT: usize = 4 * 1024;
    /// The most bytes of an output that a node alone shows.
    pub const SHOWN_OUTPUT: usize = 4 * 1024 * 1024;

    /// The node as it is shown at `now`, with `output` if that is at most `most` bytes long.
    pub fn new(
        state: workflow::NodeState,
        kind: NodeKind,
        output: Option<Value>,
        most: usize,
        now: Timestamp,
    ) -> Self {
        let fits = |value: &Value| serde_json::to_vec(value).is_ok_and(|json| json.len() <= most);
        let is_there = output.is_some() || state.output_parts > 0;
        let output = output.filter(fits);
        Self {
            link: link(state.run_id, &state.node, state.item),
            step: state.step,
            kind,
            item: state.item,
            status: state.status.into(),
            reason: state.reason,
            attempt: state.attempt,
            job_id: state.job_id.map(|id| id.to_string()),
            earlier_jobs: state.earlier_jobs.iter().map(ToString::to_string).collect(),
            output_omitted: is_there && output.is_none(),
            output: output.unwrap_or_default(),
            started_at: state.started_at,
            ended_at: state.ended_at,
            deadline: state.deadline,
            seconds: state.started_at.map(|from| seconds(from, state.ended_at.unwrap_or(now))),
            items: state.items,
            cached_from: state.cached_from.map(Into::into),
            kept_from: state.kept_from.map(|id| id.to_string()),
            cost: state.cost.into_iter().map(Into::into).collect(),
            node: state.node,
        }
    }
}

fn link(run: RunId, node: &str, item: Option<u32>) -> String {
    // A name is of letters, digits, `_`, `-` and the `.` between groups; letters may be Chinese.
    let name: String = form_urlencoded::byte_serialize(node.as_bytes()).collect();
    let node = format!("/v1/runs/{run}/nodes/{name}");
    if item.is_some() { format!("{node}/items") } else { node }
}

/// A page of nodes, by their numbers. It may hold fewer than were asked for although there is a next one.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RunNodePage)]
pub struct NodePage {
    pub items: Vec<Node>,
    /// Pass it as `cursor` for the next page; null on the last one.
    #[schema(required = true)]
    pub next: Option<String>,
}

/// A node with what belongs to it alone.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RunNodeDetail)]
pub struct NodeDetail {
    #[serde(flatten)]
    pub node: Node,
    /// The nodes that it waits for.
    pub depends_on: Vec<String>,
    /// How far a map has come; null for other nodes and before it begins.
    #[schema(required = true)]
    pub map: Option<MapFigures>,
    /// The tries of a webhook, the first first.
    pub tries: Vec<WebhookTry>,
}

/// How far a map has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct MapFigures {
    /// Items that were started.
    pub started: u32,
    pub succeeded: u32,
    pub failed: u32,
    pub cancelled: u32,
}

impl From<workflow::MapProgress> for MapFigures {
    fn from(progress: workflow::MapProgress) -> Self {
        Self {
            started: progress.started,
            succeeded: progress.succeeded,
            failed: progress.failed,
            cancelled: progress.cancelled,
        }
    }
}

/// One try of a message to somebody else's server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WebhookTry {
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub millis: u32,
    /// What the server answered; null if it did not.
    #[schema(required = true)]
    pub status: Option<u16>,
    /// Why it failed, in words; null if it did not.
    #[schema(required = true)]
    pub error: Option<String>,
    /// The beginning of the answer's body.
    pub answer: String,
}

/// An item of a map.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RunItem)]
pub struct Item {
    #[serde(flatten)]
    pub node: Node,
    /// What it goes over: the element of the list; null if it is longer than 4 KiB.
    #[schema(value_type = Value)]
    pub value: Value,
}

/// A page of a map's items that something has happened to, in order.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RunItemPage)]
pub struct ItemPage {
    pub items: Vec<Item>,
    /// How many items the map has; null before it begins.
    #[schema(required = true)]
    pub total: Option<u32>,
    /// Pass it as `cursor` for the next page; null on the last one.
    #[schema(required = true)]
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_output_too_long_is_left_out_and_said_to_be() {
        let run = RunId::new(Uuid::from_u128(7));
        let state = workflow::NodeState::waiting(run, 3, None, "训练.a-b");
        let show = |state: &workflow::NodeState, output| {
            let node = Node::new(state.clone(), NodeKind::Job, output, 10, Timestamp::UNIX_EPOCH);
            (node.output, node.output_omitted)
        };
        assert_eq!(show(&state, None), (Value::Null, false));
        assert_eq!(show(&state, Some(json!("short"))), (json!("short"), false));
        assert_eq!(show(&state, Some(json!("long enough"))), (Value::Null, true));
        let parted = workflow::NodeState { output_parts: 2, ..state.clone() };
        assert_eq!(show(&parted, None), (Value::Null, true));
        let shown = Node::new(state, NodeKind::Job, None, 10, Timestamp::UNIX_EPOCH);
        assert!(shown.link.ends_with("/nodes/%E8%AE%AD%E7%BB%83.a-b"), "{}", shown.link);
    }
}
