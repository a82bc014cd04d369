//! One look at one schedule that is due.

use std::collections::VecDeque;

use domain::{
    RunId,
    workflow::{Origin, Overlap, RunStatus, Schedule, Verdict},
};
use jiff::Timestamp;

use super::{NotStarted, Scheduler, Ticked};
use crate::ports::{RunFilter, ScheduleRow, StoreError};

/// How many running runs of a workflow are read at a time.
const PAGE: usize = 100;

/// Whether the look goes on to the next slot.
enum Next {
    Go,
    /// Not before the next tick.
    Later,
}

struct Turn<'s> {
    scheduler: &'s Scheduler,
    row: ScheduleRow,
    /// Whether an earlier run of the schedule is still there.
    busy: bool,
    ticked: Ticked,
}

impl Scheduler {
    /// Starts what the schedule's slots let start; its row as it is after that.
    pub(super) async fn turn(
        &self,
        mut row: ScheduleRow,
        now: Timestamp,
    ) -> Result<(ScheduleRow, Ticked), StoreError> {
        let Ok(timetable) = row.schedule.timetable(now) else {
            row.active = false;
            row.next_due = None;
            row.last_problem =
                Some("it is not due any more: there is no such time, or no such time zone".to_owned());
            return Ok((row, Ticked::default()));
        };
        let due = timetable.due(row.seen, now);
        let owner = self.accounts.user(row.owner).await?;
        if !owner.is_some_and(|owner| owner.active) {
            row.last_problem = Some("its owner's account is not active".to_owned());
            row.queued.clear();
            (row.seen, row.next_due) = (now, timetable.next(now));
            return Ok((row, Ticked { skipped: due.slots.len(), ..Ticked::default() }));
        }
        let wants = !row.queued.is_empty() || !due.slots.is_empty();
        let busy = wants && row.schedule.overlap != Overlap::Allow && self.has_running(&row).await?;
        let mut turn = Turn { scheduler: self, row, busy, ticked: Ticked::default() };
        if due.passed_over {
            turn.pass_over(match turn.row.schedule.catch_up {
                domain::workflow::CatchUp::All => {
                    format!(
                        "more than {} slots had passed; the earlier ones were passed over",
                        Schedule::MOST_AT_ONCE
                    )
                }
                _ => "slots that had passed before anybody looked were passed over".to_owned(),
            });
        }
        let mut seen = turn.row.seen;
        let next = turn.all(&due.slots, &mut seen).await?;
        // A look that only finds out that a slot has to wait on leaves the row as it is, and costs no write.
        if matches!(next, Next::Later) || turn.row.next_due.is_some_and(|next| next <= now) {
            turn.row.seen = if matches!(next, Next::Go) { now } else { seen };
            turn.row.next_due = timetable.next(turn.row.seen);
        }
        Ok((turn.row, turn.ticked))
    }

    /// Whether a run that the schedule started has not ended.
    async fn has_running(&self, row: &ScheduleRow) -> Result<bool, StoreError> {
        if let Some(last) = row.last_run
            && self.is_running(last).await?
        {
            return Ok(true);
        }
        // One before the last may run while the last has ended: with an overlap that allowed it then.
        if self.runs.run_counts(row.workflow_id).await?.running == 0 {
            return Ok(false);
        }
        let filter = RunFilter { workflow: Some(row.workflow_id), statuses: vec![RunStatus::Running] };
        let mut cursor = None;
        loop {
            let page = self.runs.list_runs(row.owner, &filter, PAGE, cursor.as_deref()).await?;
            let of_it = |origin: &Origin| matches!(origin, Origin::Schedule { schedule_id, .. } if *schedule_id == row.id);
            if page.items.iter().any(|run| of_it(&run.origin)) {
                return Ok(true);
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(false),
            }
        }
    }

    async fn is_running(&self, id: RunId) -> Result<bool, StoreError> {
        Ok(self.runs.run(id).await?.is_some_and(|run| run.ended.is_none()))
    }
}

impl Turn<'_> {
    /// First the slots that wait, then those that are due; `seen` becomes the last of these that was dealt with.
    async fn all(&mut self, due: &[Timestamp], seen: &mut Timestamp) -> Result<Next, StoreError> {
        let overlap = self.row.schedule.overlap;
        let mut waiting: VecDeque<Timestamp> = std::mem::take(&mut self.row.queued).into();
        let mut next = Next::Go;
        while let Some(slot) = waiting.front().copied()
            && (overlap == Overlap::Allow || !self.busy)
        {
            next = self.start(slot).await?;
            if matches!(next, Next::Later) {
                break;
            }
            waiting.pop_front();
        }
        for slot in due {
            if matches!(next, Next::Later) {
                break;
            }
            let queued = u32::try_from(waiting.len()).unwrap_or(u32::MAX);
            match overlap.decide(u32::from(self.busy), queued) {
                Verdict::Start => next = self.start(*slot).await?,
                // What makes it wait may be its own run: another scheduler's, or that of a look that was cut short.
                Verdict::Queue | Verdict::Skip if self.take_over(*slot).await? => {}
                Verdict::Queue => {
                    waiting.push_back(*slot);
                    self.ticked.queued += 1;
                }
                Verdict::Skip => {
                    self.pass_over(match overlap {
                        Overlap::Queue => {
                            format!(
                                "the slot of {slot} was passed over: {} others wait",
                                Overlap::MOST_QUEUED
                            )
                        }
                        _ => format!("the slot of {slot} was passed over: an earlier run had not ended"),
                    });
                }
            }
            if matches!(next, Next::Go) {
                *seen = *slot;
            }
        }
        self.row.queued = waiting.into();
        Ok(next)
    }

    async fn start(&mut self, slot: Timestamp) -> Result<Next, StoreError> {
        match self.scheduler.starter.start(&self.row, slot).await {
            Ok(run) => {
                self.ticked.started += 1;
                self.has_run(run);
                self.busy = true;
                Ok(Next::Go)
            }
            Err(NotStarted::Taken) => {
                self.take_over(slot).await?;
                Ok(Next::Go)
            }
            Err(NotStarted::Refused(why)) => {
                self.pass_over(format!("the slot of {slot} started no run: {why}"));
                Ok(Next::Go)
            }
            Err(NotStarted::Paused) => Ok(Next::Later),
            Err(NotStarted::Failed(error)) => {
                tracing::error!(schedule.id = %self.row.id, workflow.id = %self.row.workflow_id, %slot, error = &*error as &dyn std::error::Error, "a slot could not start its run");
                self.ticked.failures += 1;
                Ok(Next::Later)
            }
        }
    }

    /// Whether the slot has its run already, which then is one of the schedule's.
    async fn take_over(&mut self, slot: Timestamp) -> Result<bool, StoreError> {
        let (schedules, row) = (&self.scheduler.schedules, &self.row);
        let Some(run) = schedules.slot_run(row.workflow_id, row.id, slot).await? else { return Ok(false) };
        self.busy |= self.scheduler.is_running(run).await?;
        self.has_run(run);
        Ok(true)
    }

    fn has_run(&mut self, run: RunId) {
        // Ids grow with time.
        self.row.last_run = self.row.last_run.max(Some(run));
        self.row.last_problem = None;
    }

    fn pass_over(&mut self, why: String) {
        self.ticked.skipped += 1;
        self.row.last_problem = Some(why);
    }
}
