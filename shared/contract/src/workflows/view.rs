//! A workflow as its owner sees it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Sharing;
use crate::runs::RunStatus;

/// A workflow: its latest version, its runs so far, and when it runs next.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Workflow {
    #[schema(example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub id: String,
    /// Whose it is.
    #[schema(example = "usr_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub owner: String,
    /// Its definition's.
    pub name: String,
    #[schema(required = true)]
    pub description: Option<String>,
    /// The number of its latest version, from 1. New runs start with it.
    pub version: u32,
    /// While it is, no schedule fires and no run starts; those that go on do so.
    pub paused: bool,
    /// Who may start from it as a template; null: it is none.
    #[schema(required = true)]
    pub template: Option<Sharing>,
    pub runs: RunFigures,
    /// Null before the first.
    #[schema(required = true)]
    pub latest_run: Option<LatestRun>,
    /// The earliest slot of its active schedules; null if there is none, or if it is paused.
    #[schema(required = true)]
    pub next_due: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub links: WorkflowLinks,
}

/// A workflow's runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct RunFigures {
    pub running: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub timed_out: u64,
    /// Of the runs that ended by themselves the part that succeeded, 0 to 1; null before the first.
    #[schema(required = true)]
    pub success_rate: Option<f64>,
}

/// A workflow's latest run, in short.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct LatestRun {
    #[schema(example = "run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub id: String,
    pub status: RunStatus,
    pub started_at: Timestamp,
}

/// Paths of what belongs to a workflow.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WorkflowLinks {
    #[serde(rename = "self")]
    pub this: String,
    /// The latest version, with its definition.
    pub definition: String,
    pub versions: String,
    pub runs: String,
    pub schedules: String,
}

impl WorkflowLinks {
    /// Of the workflow `id`, whose latest version is `version`.
    pub fn of(id: domain::WorkflowId, version: u32) -> Self {
        let this = format!("/v1/workflows/{id}");
        Self {
            definition: format!("{this}/versions/{version}"),
            versions: format!("{this}/versions"),
            runs: format!("{this}/runs"),
            schedules: format!("{this}/schedules"),
            this,
        }
    }
}

/// A page of workflows, newest first. It may hold fewer than were asked for although there is a next one.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct WorkflowPage {
    pub items: Vec<Workflow>,
    /// Pass it as `cursor` for the next page; null on the last one.
    #[schema(required = true)]
    pub next: Option<String>,
}

/// One version of a workflow.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WorkflowVersion)]
pub struct Version {
    #[schema(example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub workflow_id: String,
    /// From 1, without gaps.
    pub version: u32,
    pub at: Timestamp,
    /// Who made it.
    #[schema(example = "usr_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub by: String,
    /// How many nodes it has, groups not counted.
    pub nodes: u32,
    /// What changed, in its author's words.
    #[schema(required = true)]
    pub note: Option<String>,
}

/// A page of versions, newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WorkflowVersionPage)]
pub struct VersionPage {
    pub items: Vec<Version>,
    /// Pass it as `cursor` for the next page; null on the last one.
    #[schema(required = true)]
    pub next: Option<String>,
}

/// A version with its definition.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WorkflowVersionDetail)]
pub struct VersionDetail {
    #[serde(flatten)]
    pub version: Version,
    /// The definition as JSON.
    #[schema(value_type = Object)]
    pub definition: Value,
    /// The text as its author wrote it; null if that was JSON, or if both together are longer than an answer may be (5 MiB).
    #[schema(required = true)]
    pub yaml: Option<String>,
}
