//! Runs of workflows on the wire.

mod compare;
mod docs;
mod event;
mod list;
mod node;
mod view;

use crate::mirror::mirror;

pub use compare::{CompareQuery, Comparison, NodeDifference, RunSide};
pub use docs::Docs;
pub use event::{RunEvent, RunEventPage, RunHappening};
pub use list::{NodesQuery, RunPage, RunsQuery};
pub use node::{Item, ItemPage, MapFigures, Node, NodeDetail, NodePage, WebhookTry};
pub use view::{
    CachedFrom, ChangeRun, CriticalNode, CriticalPath, NodeCounts, Origin, Run, RunDetail, RunFacts,
    RunLinks, StartRun, StopRequest,
};

mirror! {
    /// Where a run stands.
    RunStatus of domain::workflow::RunStatus { Running, Succeeded, Failed, Cancelled, TimedOut }
}

mirror! {
    /// Where a node of a run stands: `waiting` for nodes before it, `ready` to start or waiting for its next try, and how
    /// it ended. `skipped` was left out by a condition; `upstream_failed` never ran, since something before it failed.
    NodeStatus of domain::workflow::NodeStatus {
        Waiting, Ready, Running, Succeeded, Failed, TimedOut, Skipped, Cancelled, UpstreamFailed
    }
}

mirror! {
    /// Why a run was told to end.
    Stop of domain::workflow::Stop { Cancelled, TimedOut }
}
