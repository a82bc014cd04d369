//! Changes of a job that is there: its description, its end, its removal.

use domain::{
    JobId, Principal, UserId,
    job::{Edit, Job, Status},
};
use serde_json::json;

use super::{JobError, Jobs, TRIES};
use crate::ports::{Admission, Commit, StoreError, WorkflowError};

impl Jobs {
    /// Changes a job's description.
    pub async fn edit(&self, caller: &Principal, id: JobId, edit: Edit) -> Result<Job, JobError> {
        for _ in 0..TRIES {
            let mut job = self.visible(caller, id).await?;
            let from = job.status;
            let Some(event) = job.edit(edit.clone(), self.clock.now()) else { return Ok(job) };
            match self.jobs.commit(Commit::of(&job, from, &[event])).await {
                Ok(()) => {
                    job.version += 1;
                    return Ok(job);
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// Asks for the end of a job, as [`Self::withdraw`] does. The run of one that ends here has to hear of it from an
    /// execution, as it does of any other end.
    pub async fn cancel(&self, caller: &Principal, id: JobId) -> Result<Job, JobError> {
        let job = self.withdraw(caller, id).await?;
        if job.status.is_terminal() && job.node.is_some() {
            self.start(&job).await;
        }
        Ok(job)
    }

    /// Asks for the end of a job. One that has no machine, because it waits for its turn or for capacity, ends here; for any
    /// other the execution is woken and ends it. Asking again wakes it again.
    pub(crate) async fn withdraw(&self, caller: &Principal, id: JobId) -> Result<Job, JobError> {
        for _ in 0..TRIES {
            let mut job = self.visible(caller, id).await?;
            let (from, now) = (job.status, self.clock.now());
            let mut events = Vec::new();
            events.extend(job.request_cancel(caller.user, now).map_err(|_| JobError::Ended)?);
            if job.status == Status::Queued {
                let before = if job.admitted { "it had a machine" } else { "it was admitted" };
                let reason = Some(format!("cancelled before {before}"));
                events.extend(job.end(Status::Cancelled, None, reason, now).map_err(|_| JobError::Ended)?);
                // The execution of an admitted one finds that out when it next looks; a new one tells of the end now.
                job.handover += u32::from(job.admitted);
            }
            if events.is_empty() {
                self.wake(&job).await?;
                return Ok(job);
            }
            let admission = match (job.status.is_terminal(), job.admitted) {
                // The end of one with a machine is its execution's.
                (false, _) => Admission::Unchanged,
                (true, true) => Admission::Leave,
                (true, false) => Admission::GiveUp,
            };
            match self.jobs.commit(Commit { admission, ..Commit::of(&job, from, &events) }).await {
                Ok(()) => job.version += 1,
                Err(StoreError::Conflict) => continue,
                Err(error) => return Err(error.into()),
            }
            if admission == Admission::Leave {
                self.make_room(job.owner).await;
            }
            self.wake(&job).await?;
            return Ok(job);
        }
        Err(StoreError::Conflict.into())
    }

    /// What an end makes room for. The sweeper does the same, so a failure costs time and nothing else.
    async fn make_room(&self, owner: UserId) {
        if let Err(error) = self.gate().admit_waiting(owner).await {
            tracing::warn!(user.id = %owner, error = &error as &dyn std::error::Error, "waiting jobs could not be admitted");
        }
    }

    /// Ends the wait of the job's execution, if it waits. One that does not will see the flag before it waits again.
    async fn wake(&self, job: &Job) -> Result<(), JobError> {
        if job.status.is_terminal() {
            return Ok(());
        }
        let Some(attempt) = self.attempt(job, None).await? else { return Ok(()) };
        let Some(state) = self.runners.runner(attempt.id).await? else { return Ok(()) };
        let Some(waiting) = state.waiting else { return Ok(()) };
        match self.workflows.succeed(&waiting.token, &json!({ "word": "cancel" })).await {
            Ok(()) | Err(WorkflowError::TokenGone) => Ok(()),
            Err(error) => Err(JobError::NotWoken(error)),
        }
    }

    /// Removes a job that has ended, with all that hangs on it.
    pub async fn delete(&self, caller: &Principal, id: JobId) -> Result<(), JobError> {
        let mut job = self.visible(caller, id).await?;
        for _ in 0..TRIES {
            if !job.status.is_terminal() {
                return Err(JobError::NotEnded);
            }
            match self.jobs.delete(&job).await {
                // Its description changed meanwhile: it is to go all the same.
                Err(StoreError::Conflict) => job = self.visible(caller, id).await?,
                done => return Ok(done?),
            }
        }
        Err(StoreError::Conflict.into())
    }
}
