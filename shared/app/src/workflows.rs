//! What people do with workflows: define, change, share, schedule. Their runs are started by [`crate::runs`], and looked at
//! in [`look`].

mod create;
mod definition;
pub mod look;
mod schedules;
mod templates;

use std::sync::Arc;

use domain::{Principal, WorkflowId, job::FieldError};

use crate::ports::{
    Clock, Ids, JobStore, Page, RunStore, ScheduleStore, Sharing, StoreError, VersionRow, WorkflowFilter,
    WorkflowRow, WorkflowStore,
};

pub use create::{Created, Draft, Request};
pub use definition::{Checked, check};
pub use look::Seen;
pub use schedules::{MOST_SCHEDULES, NewSchedule, ScheduleChange};
pub use templates::{Offer, Template};

/// How often a change is decided again because the row changed meanwhile.
const TRIES: u32 = 8;

/// Why a use case did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// Fields that the caller must change.
    #[error("some fields are not acceptable")]
    Invalid(Vec<FieldError>),
    /// There is none for this caller.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// There is a later version than the one that was edited.
    #[error("version {latest} is the latest")]
    VersionConflict { latest: u32 },
    /// The workflow has as many schedules as it may.
    #[error("the workflow has as many schedules as it may")]
    TooManySchedules,
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The stored definition cannot be read any more.
    #[error("the stored definition cannot be read: {0}")]
    Unreadable(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The use cases.
#[derive(Clone)]
pub struct Definitions {
    pub store: Arc<dyn WorkflowStore>,
    pub schedules: Arc<dyn ScheduleStore>,
    pub runs: Arc<dyn RunStore>,
    /// Remembers the answers to requests with a key.
    pub jobs: Arc<dyn JobStore>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
}

impl std::fmt::Debug for Definitions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Definitions").finish_non_exhaustive()
    }
}

impl Definitions {
    /// The workflow, if it exists for `caller`: the only way to one.
    pub async fn visible(&self, caller: &Principal, id: WorkflowId) -> Result<WorkflowRow, Refused> {
        let row = self.store.workflow(id).await?;
        row.filter(|row| row.deleted_at.is_none() && caller.may_see(row.owner))
            .ok_or(Refused::NotFound("workflow"))
    }

    /// A page of the caller's workflows, newest first; with `paused`, those that are, or are not.
    pub async fn list(
        &self,
        caller: &Principal,
        filter: &WorkflowFilter,
        paused: Option<bool>,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Seen>, Refused> {
        let mut page = self.store.list_workflows(caller.user, filter, limit, cursor).await?;
        page.items.retain(|row| paused.is_none_or(|paused| row.paused == paused));
        Ok(Page { items: self.see_all(page.items).await?, next: page.next })
    }

    /// Its versions, newest first.
    pub async fn versions(
        &self,
        caller: &Principal,
        id: WorkflowId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<VersionRow>, Refused> {
        self.visible(caller, id).await?;
        Ok(self.store.versions(id, limit, cursor).await?)
    }

    /// Lets schedules fire and runs start, or stops that; asking again changes nothing.
    pub async fn set_paused(
        &self,
        caller: &Principal,
        id: WorkflowId,
        paused: bool,
    ) -> Result<WorkflowRow, Refused> {
        self.change(caller, id, |row| row.paused = paused).await
    }

    /// Makes it a template, or none.
    pub async fn share(
        &self,
        caller: &Principal,
        id: WorkflowId,
        template: Option<Sharing>,
    ) -> Result<WorkflowRow, Refused> {
        self.change(caller, id, |row| row.template = template).await
    }

    /// Takes it away with its schedules. Its runs go on with their version and can be read.
    pub async fn delete(&self, caller: &Principal, id: WorkflowId) -> Result<(), Refused> {
        let now = self.clock.now();
        self.change(caller, id, |row| {
            row.deleted_at = Some(now);
            row.template = None;
        })
        .await?;
        // A schedule that is left by a crash in between finds no workflow, and starts nothing.
        for schedule in self.schedules.schedules(id).await? {
            self.schedules.remove_schedule(id, schedule.id).await?;
        }
        Ok(())
    }

    async fn change(
        &self,
        caller: &Principal,
        id: WorkflowId,
        change: impl Fn(&mut WorkflowRow),
    ) -> Result<WorkflowRow, Refused> {
        for _ in 0..TRIES {
            let before = self.visible(caller, id).await?;
            let mut row = before.clone();
            change(&mut row);
            if row == before {
                return Ok(row);
            }
            row.updated_at = self.clock.now();
            match self.store.keep_workflow(&row).await {
                Ok(()) => {
                    row.version += 1;
                    return Ok(row);
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }
}
