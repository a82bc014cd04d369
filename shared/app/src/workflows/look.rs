//! Looks at workflows and their runs: nothing here changes anything.

mod compare;
mod nodes;
mod runs;

use std::sync::Arc;

use domain::{
    Principal, WorkflowId,
    workflow::{Run, Workflow},
};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::{Definitions, Refused};
use crate::ports::{
    CallStore, Clock, DefinitionText, RunCounts, RunFilter, RunStore, VersionRow, WorkflowRow, WorkflowStore,
};

pub use compare::Comparison;
pub use nodes::{ItemSeen, Items, NodeSeen, NodeWhole};
pub use runs::{EventsSeen, RunSeen, RunWhole};

/// How many workflows are looked at at once.
const AT_ONCE: usize = 8;

/// A workflow with what its row does not say.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub row: WorkflowRow,
    pub counts: RunCounts,
    pub latest_run: Option<Run>,
    /// The earliest slot of its active schedules; none while it is paused.
    pub next_due: Option<Timestamp>,
}

impl Seen {
    /// One that was just made: nothing can have happened to it.
    pub fn new(row: WorkflowRow) -> Self {
        Self { row, counts: RunCounts::default(), latest_run: None, next_due: None }
    }
}

impl Definitions {
    /// A workflow with its runs so far and its next slot.
    pub async fn see(&self, row: WorkflowRow) -> Result<Seen, Refused> {
        let filter = RunFilter { workflow: Some(row.id), statuses: Vec::new() };
        let (counts, latest, schedules) = futures::try_join!(
            self.runs.run_counts(row.id),
            self.runs.list_runs(row.owner, &filter, 1, None),
            self.schedules.schedules(row.id),
        )?;
        let due =
            schedules.iter().filter(|schedule| schedule.active).filter_map(|schedule| schedule.next_due);
        let next_due = due.min().filter(|_| !row.paused);
        Ok(Seen { row, counts, latest_run: latest.items.into_iter().next(), next_due })
    }

    pub(super) async fn see_all(&self, rows: Vec<WorkflowRow>) -> Result<Vec<Seen>, Refused> {
        stream::iter(rows).map(|row| self.see(row)).buffered(AT_ONCE).try_collect().await
    }

    /// A version with its definition.
    pub async fn version(
        &self,
        caller: &Principal,
        id: WorkflowId,
        number: u32,
    ) -> Result<(VersionRow, DefinitionText), Refused> {
        let row = self.visible(caller, id).await?;
        self.version_text(&row, number).await
    }

    pub(super) async fn version_text(
        &self,
        row: &WorkflowRow,
        number: u32,
    ) -> Result<(VersionRow, DefinitionText), Refused> {
        let (version, text) =
            futures::try_join!(self.store.version(row.id, number), self.store.definition(row.id, number))?;
        version.zip(text).ok_or(Refused::NotFound("version"))
    }
}

/// Looks at runs.
#[derive(Clone)]
pub struct Looks {
    pub runs: Arc<dyn RunStore>,
    pub workflows: Arc<dyn WorkflowStore>,
    pub calls: Arc<dyn CallStore>,
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Looks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Looks").finish_non_exhaustive()
    }
}

impl Looks {
    /// The definition that a run started with; it stays when its workflow is deleted.
    async fn definition(&self, run: &Run) -> Result<Workflow, Refused> {
        let text = self.workflows.definition(run.workflow_id, run.workflow_version).await?;
        let text = text.ok_or_else(|| Refused::Unreadable("it is not there".to_owned()))?;
        serde_json::from_str(&text.json).map_err(|error| Refused::Unreadable(error.to_string()))
    }
}

/// The plan of a definition that was validated before it was kept.
fn plan(workflow: &Workflow) -> Result<domain::workflow::Plan<'_>, Refused> {
    workflow.plan().map_err(|errors| {
        Refused::Unreadable(errors.into_iter().next().map_or_else(String::new, |error| error.message))
    })
}
