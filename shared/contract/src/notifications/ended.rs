//! What a message says of an end: its `data`.

use domain::{job, workflow};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{events::Status, money::Money};

/// The `data` of a `job.ended`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct JobEnded {
    #[schema(example = "job_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub id: String,
    pub name: String,
    /// Its final status.
    pub status: Status,
    /// Why it ended as it did, in words.
    #[schema(required = true)]
    pub reason: Option<String>,
    /// What its command ended with; null if it did not.
    #[schema(required = true)]
    pub exit_code: Option<i32>,
    /// How many attempts it had.
    pub attempts: u32,
    pub cost: Vec<Money>,
    pub submitted_at: Timestamp,
    #[schema(required = true)]
    pub started_at: Option<Timestamp>,
    #[schema(required = true)]
    pub ended_at: Option<Timestamp>,
    /// The run that it is a node's job of; null if none.
    #[schema(required = true)]
    pub run_id: Option<String>,
    /// Where it can be looked up.
    #[schema(example = "/v1/jobs/job_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub link: String,
}

impl From<job::Job> for JobEnded {
    fn from(job: job::Job) -> Self {
        Self {
            id: job.id.to_string(),
            link: format!("/v1/jobs/{}", job.id),
            name: job.spec.name,
            status: job.status.into(),
            reason: job.reason,
            exit_code: job.exit.map(|exit| exit.code),
            attempts: job.attempt,
            cost: job.cost.into_iter().map(Into::into).collect(),
            submitted_at: job.submitted_at,
            started_at: job.started_at,
            ended_at: job.ended_at,
            run_id: job.node.map(|node| node.run.to_string()),
        }
    }
}

/// The `data` of a `run.ended`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunEnded {
    #[schema(example = "run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub id: String,
    #[schema(example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub workflow_id: String,
    pub workflow_version: u32,
    pub name: String,
    /// Its final status.
    pub status: crate::runs::RunStatus,
    /// Why it ended as it did, in words.
    #[schema(required = true)]
    pub reason: Option<String>,
    pub nodes: u32,
    pub cost: Vec<Money>,
    pub started_at: Timestamp,
    pub ended_at: Timestamp,
    /// Where it can be looked up.
    #[schema(example = "/v1/runs/run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub link: String,
}

impl RunEnded {
    /// The end of a run as its last event has it.
    pub fn new(run: workflow::Run, head: workflow::Head, last: &workflow::RunEvent) -> Self {
        let reason = match &last.kind {
            workflow::RunEventKind::Ended { reason } => reason.clone(),
            _ => None,
        };
        Self {
            id: run.id.to_string(),
            link: format!("/v1/runs/{}", run.id),
            workflow_id: run.workflow_id.to_string(),
            workflow_version: run.workflow_version,
            name: run.name,
            status: last.status.into(),
            reason,
            nodes: run.nodes,
            cost: head.cost.into_iter().map(Into::into).collect(),
            started_at: run.started_at,
            ended_at: last.at,
        }
    }
}
