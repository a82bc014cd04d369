//! Workflows on the wire: definitions, their versions, and templates.

mod docs;
mod graph;
mod list;
mod source;
mod template;
mod view;

use crate::mirror::mirror;

pub use docs::Docs;
pub use graph::{Graph, GraphEdge, GraphNode, Validated};
pub use list::{PageQuery, WorkflowsQuery};
pub use source::{EditWorkflow, NewVersion, NewWorkflow, ValidateWorkflow, text_of};
pub use template::{Instantiate, Template, TemplatePage, TemplatesQuery};
pub use view::{
    LatestRun, RunFigures, Version, VersionDetail, VersionPage, Workflow, WorkflowLinks, WorkflowPage,
};

mirror! {
    /// What happens after the failure of a node: `fail_fast`: nothing new starts and what runs is cancelled.
    /// `finish_what_can`: what does not depend on it goes on.
    FailurePolicy of domain::workflow::FailurePolicy { FailFast, FinishWhatCan }
}

/// Who may start from a workflow as a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// Its owner.
    Private,
    /// Everybody.
    Public,
}

mirror! {
    /// What a node does; `map` is one node for each item of a list.
    NodeKind of domain::workflow::StepKind { Job, Condition, Webhook, Map }
}
