//! Schedules fire: once a minute somebody looks at those that are due.
//!
//! A run and the row of its slot are written together, so a slot has one run, whoever asks for it and how often. That makes
//! everything here harmless to repeat: two schedulers at once decide the same, and one that was cut short is followed by the
//! next, which finds what has a run already. A schedule's row is written last, on the version that was read.

mod starter;
mod turn;

use std::sync::Arc;

use async_trait::async_trait;
use domain::RunId;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;

use crate::ports::{
    AccountStore, Clock, RunStore, ScheduleRow, ScheduleStore, StoreError, WorkflowRow, WorkflowStore,
};

/// How many schedules are looked at at once.
const AT_ONCE: usize = 8;
/// How often a schedule is looked at again because its row changed meanwhile.
const TRIES: u32 = 3;

/// What starts the run of a slot.
#[async_trait]
pub trait Starter: Send + Sync {
    /// Starts the run of a slot with the latest version of its workflow.
    async fn start(&self, schedule: &ScheduleRow, slot: Timestamp) -> Result<RunId, NotStarted>;
}

/// Why a slot has no new run.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// It has its run already.
    #[error("the slot has its run already")]
    Taken,
    /// The workflow is paused by now, or gone.
    #[error("no run of the workflow starts")]
    Paused,
    /// It never will: why, for its owner.
    #[error("{0}")]
    Refused(String),
    /// Something failed that may not fail again.
    #[error(transparent)]
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

/// The use case.
#[derive(Clone)]
pub struct Scheduler {
    pub schedules: Arc<dyn ScheduleStore>,
    pub workflows: Arc<dyn WorkflowStore>,
    pub runs: Arc<dyn RunStore>,
    pub accounts: Arc<dyn AccountStore>,
    pub starter: Arc<dyn Starter>,
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheduler").finish_non_exhaustive()
    }
}

/// What one tick did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Ticked {
    /// Schedules that were looked at.
    pub schedules: usize,
    /// Runs that were started.
    pub started: usize,
    /// Slots that wait for the end of an earlier run now.
    pub queued: usize,
    /// Slots that start no run: passed over, or refused.
    pub skipped: usize,
    /// Schedules that are looked at again with the next tick, since something failed.
    pub failures: usize,
}

impl std::ops::AddAssign for Ticked {
    fn add_assign(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.started += other.started;
        self.queued += other.queued;
        self.skipped += other.skipped;
        self.failures += other.failures;
    }
}

impl Scheduler {
    /// Fires what is due. One schedule's failure does not stop the others.
    pub async fn tick(&self) -> Result<Ticked, StoreError> {
        let now = self.clock.now();
        let mut ticked = Ticked::default();
        let mut cursor = None;
        loop {
            let page = self.schedules.due_schedules(now, cursor.as_deref()).await?;
            let turns = stream::iter(page.items).map(|row| self.look(row, now)).buffer_unordered(AT_ONCE);
            let turns: Vec<Ticked> = turns.collect().await;
            for turn in turns {
                ticked += turn;
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(ticked),
            }
        }
    }

    async fn look(&self, row: ScheduleRow, now: Timestamp) -> Ticked {
        match self.fire(&row, now).await {
            Ok(ticked) => Ticked { schedules: 1, ..ticked },
            Err(error) => {
                tracing::error!(schedule.id = %row.id, workflow.id = %row.workflow_id, error = &error as &dyn std::error::Error, "a schedule could not be looked at");
                Ticked { schedules: 1, failures: 1, ..Ticked::default() }
            }
        }
    }

    async fn fire(&self, listed: &ScheduleRow, now: Timestamp) -> Result<Ticked, StoreError> {
        let mut ticked = Ticked::default();
        for _ in 0..TRIES {
            // The list may be behind the row.
            let row = self.schedules.schedule(listed.workflow_id, listed.id).await?;
            let Some(row) = row.filter(|row| row.is_due(now)) else { return Ok(ticked) };
            let Some(workflow) = self.workflow(&row).await? else {
                // Its workflow was deleted, and that was cut short before it came to this row.
                self.schedules.remove_schedule(row.workflow_id, row.id).await?;
                return Ok(ticked);
            };
            if workflow.paused {
                // The row stays as it is: what passed meanwhile is caught up, or not, when the workflow is activated.
                return Ok(ticked);
            }
            let before = row.clone();
            let (after, turn) = self.turn(row, now).await?;
            ticked += turn;
            if after == before {
                return Ok(ticked);
            }
            match self.schedules.keep_schedule(&after).await {
                Ok(()) => return Ok(ticked),
                // Its owner, or another scheduler, wrote it: what is due by that is decided anew.
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(ticked)
    }

    async fn workflow(&self, row: &ScheduleRow) -> Result<Option<WorkflowRow>, StoreError> {
        let workflow = self.workflows.workflow(row.workflow_id).await?;
        Ok(workflow.filter(|workflow| workflow.deleted_at.is_none()))
    }
}
