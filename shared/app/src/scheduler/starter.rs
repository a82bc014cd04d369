//! The runs of slots, by the engine of runs.

use async_trait::async_trait;
use domain::{RunId, workflow::Origin};
use jiff::Timestamp;

use super::{NotStarted, Starter};
use crate::{
    ports::ScheduleRow,
    runs::{Request, RunError, Runs, StartRun, Started, in_words},
};

#[async_trait]
impl Starter for Runs {
    async fn start(&self, schedule: &ScheduleRow, slot: Timestamp) -> Result<RunId, NotStarted> {
        let new = StartRun {
            owner: schedule.owner,
            workflow: schedule.workflow_id,
            version: None,
            params: schedule.params.clone(),
            name: None,
            origin: Origin::Schedule { schedule_id: schedule.id, slot },
            request: Request::NONE,
        };
        match Self::start(self, new).await {
            Ok(Started::Run { run, .. }) => Ok(run.id),
            // There is no key, so there is nothing to replay but the slot itself.
            Ok(Started::Replayed { .. }) | Err(RunError::SlotTaken) => Err(NotStarted::Taken),
            Err(RunError::Paused | RunError::NotFound("workflow")) => Err(NotStarted::Paused),
            Err(RunError::Invalid(errors)) => Err(NotStarted::Refused(in_words(&errors))),
            Err(error) => Err(NotStarted::Failed(Box::new(error))),
        }
    }
}
