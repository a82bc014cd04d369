//! The steps of the run machine, and the end that somebody asks for.

use domain::{
    RunId, UserId,
    workflow::{Head, RunEventKind, RunStatus, Stop, StopRequest},
};
use serde_json::json;

use super::{RunError, Runs, TRIES, course::Course, drive::Work, gates::Due};
use crate::{machine::StepError, ports::WorkflowError};

impl Runs {
    /// Begins the nodes that wait for nothing, once it is remembered that the run's execution waits for `token`. A repeat
    /// does what is left.
    pub async fn run_step(&self, id: RunId, token: &str) -> Result<(), StepError> {
        self.runs.keep_token(id, token).await?;
        let Some(mut course) = self.course(id, true).await? else { return Ok(()) };
        if course.run.ended.is_some() {
            return self.tell_of_end(&course).await;
        }
        self.walk(&mut course).await
    }

    /// The run's execution waits no longer: a run that has not ended is out of time, or could not begin.
    pub async fn finish_step(&self, id: RunId) -> Result<(), StepError> {
        let Some(mut course) = self.course(id, true).await? else { return Ok(()) };
        if course.run.ended.is_some() {
            return Ok(());
        }
        let is_late = self.jobs.clock.now() >= course.run.deadline;
        let stop = if is_late { Stop::TimedOut } else { Stop::Cancelled };
        self.stop(&mut course, stop, None).await
    }

    /// Asks for the end of a run: nothing more begins, and what runs is cancelled. That is left to the run's execution, for
    /// it may take longer than a request can; asking again does what is left of it.
    pub async fn cancel(&self, id: RunId, by: UserId) -> Result<Head, RunError> {
        let mut course = self.course(id, true).await?.ok_or(RunError::NotFound("run"))?;
        if course.head.status != RunStatus::Running {
            return Err(RunError::Ended);
        }
        self.ask_for_end(&mut course, Stop::Cancelled, Some(by)).await?;
        // An execution that does not wait yet reads the request when it does.
        let Some(token) = self.runs.token(id).await? else { return Ok(course.head) };
        match self.jobs.workflows.succeed(&token, &json!({})).await {
            Ok(()) => {}
            Err(WorkflowError::TokenGone) => self.walk(&mut course).await?,
            Err(error) => return Err(error.into()),
        }
        Ok(course.head)
    }

    /// Records that the run is to end, and takes it there as far as its jobs let it.
    pub(super) async fn stop(
        &self,
        course: &mut Course,
        stop: Stop,
        by: Option<UserId>,
    ) -> Result<(), StepError> {
        self.ask_for_end(course, stop, by).await?;
        self.walk(course).await
    }

    /// Records that the run is to end, unless it has ended or was asked before.
    async fn ask_for_end(
        &self,
        course: &mut Course,
        stop: Stop,
        by: Option<UserId>,
    ) -> Result<(), StepError> {
        for turn in 0..TRIES {
            if course.head.status != RunStatus::Running || course.head.stop.is_some() {
                return Ok(());
            }
            let at = self.jobs.clock.now();
            let mut batch = self.batch(course);
            batch.head.stop = Some(StopRequest { stop, at, by });
            batch.event(RunEventKind::StopRequested { stop });
            if self.commit(course, batch, &mut Work::default()).await? {
                return Ok(());
            }
            self.give_way(turn).await;
            self.refresh(course, &[]).await?;
        }
        Err(StepError::Collision)
    }

    /// Looks at the run from its beginning, and does what is left to do.
    pub(super) async fn walk(&self, course: &mut Course) -> Result<(), StepError> {
        let due = course.planned.plan().first().map(Due::first).collect();
        let stopped = course.head.stopped().is_some();
        self.drive(course, Work { due, stopped, ..Work::default() }).await?;
        self.conclude(course).await
    }

    /// Ends a run that has nothing left to do although no node ended in it: a resumed one that keeps every node.
    async fn conclude(&self, course: &mut Course) -> Result<(), StepError> {
        for turn in 0..TRIES {
            let mut batch = self.batch(course);
            if batch.conclude().is_none()
                || self.commit(course, self.batch(course), &mut Work::default()).await?
            {
                return Ok(());
            }
            self.give_way(turn).await;
            self.refresh(course, &[]).await?;
        }
        Err(StepError::Collision)
    }
}
