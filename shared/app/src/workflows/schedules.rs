//! Schedules as people make and change them; they fire elsewhere.

use domain::{
    Principal, ScheduleId, WorkflowId,
    job::FieldError,
    workflow::{Schedule, Workflow},
};
use jiff::Timestamp;

use super::{Definitions, Refused, TRIES};
use crate::ports::{Params, ScheduleRow, StoreError, WorkflowRow};

/// Schedules of one workflow.
pub const MOST_SCHEDULES: usize = 50;

/// A schedule that somebody wants.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSchedule {
    pub schedule: Schedule,
    pub params: Params,
    pub active: bool,
}

/// What is to be changed of a schedule; nothing of what is `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScheduleChange {
    pub params: Option<Params>,
    pub active: Option<bool>,
}

impl Definitions {
    /// All schedules of a workflow, the oldest first.
    pub async fn schedules(&self, caller: &Principal, id: WorkflowId) -> Result<Vec<ScheduleRow>, Refused> {
        self.visible(caller, id).await?;
        Ok(self.schedules.schedules(id).await?)
    }

    /// One of them.
    pub async fn schedule(
        &self,
        caller: &Principal,
        workflow: WorkflowId,
        id: ScheduleId,
    ) -> Result<ScheduleRow, Refused> {
        self.visible(caller, workflow).await?;
        self.schedules.schedule(workflow, id).await?.ok_or(Refused::NotFound("schedule"))
    }

    /// Makes a schedule. Its first slot is the first one from now on.
    pub async fn add_schedule(
        &self,
        caller: &Principal,
        workflow: WorkflowId,
        new: NewSchedule,
    ) -> Result<ScheduleRow, Refused> {
        let row = self.visible(caller, workflow).await?;
        let now = self.clock.now();
        let next_due = self.check_schedule(&row, &new.schedule, &new.params, now).await?;
        // Two requests at once may pass the limit by one: it guards the number of rows, not a right.
        if self.schedules.schedules(workflow).await?.len() >= MOST_SCHEDULES {
            return Err(Refused::TooManySchedules);
        }
        let mut schedule = ScheduleRow {
            id: ScheduleId::new(self.ids.uuid()),
            workflow_id: workflow,
            owner: row.owner,
            schedule: new.schedule,
            params: new.params,
            active: new.active,
            version: 0,
            created_at: now,
            updated_at: now,
            seen: now,
            next_due: next_due.filter(|_| new.active),
            queued: Vec::new(),
            last_run: None,
            last_problem: None,
        };
        self.schedules.keep_schedule(&schedule).await?;
        schedule.version += 1;
        Ok(schedule)
    }

    /// Changes a schedule; `to` makes its times out of those before. Slots that passed while it was not active are not
    /// caught up, and neither are those of other times.
    pub async fn change_schedule(
        &self,
        caller: &Principal,
        workflow: WorkflowId,
        id: ScheduleId,
        to: impl Fn(&Schedule) -> Schedule,
        change: ScheduleChange,
    ) -> Result<ScheduleRow, Refused> {
        for _ in 0..TRIES {
            let owner = self.visible(caller, workflow).await?;
            let before = self.schedules.schedule(workflow, id).await?.ok_or(Refused::NotFound("schedule"))?;
            let now = self.clock.now();
            let mut row = before.clone();
            row.schedule = to(&before.schedule);
            row.params = change.params.clone().unwrap_or(row.params);
            row.active = change.active.unwrap_or(row.active);
            let next = self.check_schedule(&owner, &row.schedule, &row.params, now).await?;
            let times = |row: &ScheduleRow| (row.schedule.cron.clone(), row.schedule.time_zone.clone());
            if row.active && (!before.active || times(&row) != times(&before)) {
                (row.seen, row.next_due) = (now, next);
            }
            if !row.active {
                row.next_due = None;
                row.queued.clear();
            }
            row.updated_at = now;
            match self.schedules.keep_schedule(&row).await {
                Ok(()) => {
                    row.version += 1;
                    return Ok(row);
                }
                // The scheduler looked at it meanwhile.
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// Takes a schedule away; the runs that it started stay.
    pub async fn remove_schedule(
        &self,
        caller: &Principal,
        workflow: WorkflowId,
        id: ScheduleId,
    ) -> Result<(), Refused> {
        self.schedule(caller, workflow, id).await?;
        Ok(self.schedules.remove_schedule(workflow, id).await?)
    }

    /// The next slot, unless something is wrong: with its times, or with its parameters for the latest version.
    async fn check_schedule(
        &self,
        row: &WorkflowRow,
        schedule: &Schedule,
        params: &Params,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, Refused> {
        let mut errors: Vec<FieldError> = Vec::new();
        let next = match schedule.timetable(now) {
            Ok(timetable) => timetable.next(now),
            Err(more) => {
                errors.extend(more);
                None
            }
        };
        let (_, text) = self.version_text(row, row.latest).await?;
        let workflow: Workflow =
            serde_json::from_str(&text.json).map_err(|error| Refused::Unreadable(error.to_string()))?;
        errors.extend(workflow.bind(params.clone()).err().unwrap_or_default());
        if errors.is_empty() { Ok(next) } else { Err(Refused::Invalid(errors)) }
    }
}
