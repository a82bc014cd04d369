//! Workflows, their versions and schedules as they are kept.

use async_trait::async_trait;
use domain::{RunId, ScheduleId, UserId, WorkflowId, workflow::Schedule};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Idempotency, Page, StoreError};

/// Who may start from a workflow as a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// Its owner.
    Private,
    /// Everybody.
    Public,
}

/// A workflow as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkflowRow {
    pub id: WorkflowId,
    pub owner: UserId,
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The number of its latest version, from 1.
    pub latest: u32,
    /// Grows by one with each write of the row.
    pub version: u64,
    /// No run of it starts and no schedule fires.
    pub paused: bool,
    /// Set on a template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Sharing>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Its runs go on with their version; nothing else of it is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
}

/// One version of a workflow, without its definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionRow {
    pub workflow_id: WorkflowId,
    pub number: u32,
    pub at: Timestamp,
    pub by: UserId,
    /// How many nodes it has, groups not counted.
    pub nodes: u32,
    /// What changed, in words of its author.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A definition as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionText {
    /// The definition as JSON.
    pub json: String,
    /// The text that its author wrote, if that was YAML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yaml: Option<String>,
}

/// A schedule of a workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScheduleRow {
    pub id: ScheduleId,
    pub workflow_id: WorkflowId,
    pub owner: UserId,
    pub schedule: Schedule,
    /// Of the runs that it starts.
    pub params: Map<String, Value>,
    pub active: bool,
    /// Grows by one with each write of the row.
    pub version: u64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Every slot up to then was dealt with.
    pub seen: Timestamp,
    /// The next slot; none while it is not active.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due: Option<Timestamp>,
    /// Slots whose runs wait for an earlier run to end, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queued: Vec<Timestamp>,
    /// The latest run that it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<RunId>,
    /// What became of its latest slot, where that was no run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_problem: Option<String>,
}

/// Which workflows to list.
#[derive(Debug, Clone, Default)]
pub struct WorkflowFilter {
    /// Part of the name; case does not count.
    pub name: Option<String>,
    /// Templates alone, or everything but them.
    pub templates: Option<bool>,
}

/// Workflows and their versions.
#[async_trait]
pub trait WorkflowStore: Send + Sync {
    /// Writes a new workflow (version 0 in `row`) or a new version of one (on the condition that the row has its `version`)
    /// with its definition. The definition's parts are written before the row that makes them count.
    async fn keep_version(
        &self,
        row: &WorkflowRow,
        version: &VersionRow,
        definition: &DefinitionText,
        idempotency: Option<Idempotency>,
    ) -> Result<(), StoreError>;
    /// Writes the row alone, on the condition that it has its `version`.
    async fn keep_workflow(&self, row: &WorkflowRow) -> Result<(), StoreError>;
    async fn workflow(&self, id: WorkflowId) -> Result<Option<WorkflowRow>, StoreError>;
    /// Newest first.
    async fn versions(
        &self,
        id: WorkflowId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<VersionRow>, StoreError>;
    async fn version(&self, id: WorkflowId, number: u32) -> Result<Option<VersionRow>, StoreError>;
    async fn definition(&self, id: WorkflowId, number: u32) -> Result<Option<DefinitionText>, StoreError>;
    /// An owner's workflows that are not deleted, newest first.
    async fn list_workflows(
        &self,
        owner: UserId,
        filter: &WorkflowFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<WorkflowRow>, StoreError>;
    /// Public templates, newest first.
    async fn public_templates(
        &self,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<WorkflowRow>, StoreError>;
}

/// Schedules.
#[async_trait]
pub trait ScheduleStore: Send + Sync {
    /// Writes a schedule on the condition that its row has its `version`, or does not exist for version 0.
    async fn keep_schedule(&self, row: &ScheduleRow) -> Result<(), StoreError>;
    async fn schedule(&self, workflow: WorkflowId, id: ScheduleId)
    -> Result<Option<ScheduleRow>, StoreError>;
    async fn schedules(&self, workflow: WorkflowId) -> Result<Vec<ScheduleRow>, StoreError>;
    async fn remove_schedule(&self, workflow: WorkflowId, id: ScheduleId) -> Result<(), StoreError>;
    /// Active schedules with a slot at or before `now`, or with queued slots; those that are due longest first.
    async fn due_schedules(
        &self,
        now: Timestamp,
        cursor: Option<&str>,
    ) -> Result<Page<ScheduleRow>, StoreError>;
    /// The run that a slot started, if it did.
    async fn slot_run(
        &self,
        workflow: WorkflowId,
        id: ScheduleId,
        slot: Timestamp,
    ) -> Result<Option<RunId>, StoreError>;
}

/// Whether there is anything to look for among a schedule's slots at `now`.
impl ScheduleRow {
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.active && (!self.queued.is_empty() || self.next_due.is_some_and(|due| due <= now))
    }
}

/// A value that a workflow's runs take by name.
pub type Params = Map<String, Value>;
