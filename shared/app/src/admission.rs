//! Admission: who may start, and the start itself. Submissions, ends of jobs, the sweeper and a raised budget all come
//! through here.

use std::sync::Arc;

use domain::{
    UserId,
    job::{Job, in_order},
};
use serde_json::json;

use crate::{
    machine::StepError,
    money::Purse,
    ports::{Admission, Clock, Commit, JobStore, StoreError, WorkflowError, Workflows},
};

/// Waiting jobs that are looked at in each class of priority: an index that lags behind shows some that are admitted.
const PER_CLASS: usize = 8;

/// The execution that carries a job at its present hand-over.
pub fn execution_name(job: &Job) -> String {
    format!("{}-{}", job.id, job.handover)
}

/// Lets waiting jobs in.
#[derive(Clone)]
pub struct Gate {
    pub jobs: Arc<dyn JobStore>,
    pub workflows: Arc<dyn Workflows>,
    pub clock: Arc<dyn Clock>,
    pub purse: Purse,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").field("purse", &self.purse).finish_non_exhaustive()
    }
}

impl Gate {
    /// Starts an admitted job's execution. Its name makes a repeat harmless.
    pub async fn start(&self, job: &Job) -> Result<(), StepError> {
        let input = json!({ "job_id": job.id, "handover": job.handover });
        match self.workflows.start_job(&execution_name(job), &input).await {
            // It was started before, and runs or is over.
            Ok(()) | Err(WorkflowError::NameTaken) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Admits as many of `owner`'s waiting jobs as their quota and the budgets allow, in their order, and starts them.
    /// The first that does not fit ends it: a small job never overtakes a large one, which would wait for ever behind
    /// small ones otherwise. Returns how many.
    pub async fn admit_waiting(&self, owner: UserId) -> Result<usize, StepError> {
        let mut admitted = 0;
        loop {
            let mut waiting = self.jobs.waiting(owner, PER_CLASS).await?;
            if waiting.is_empty() {
                return Ok(admitted);
            }
            let (allowance, quota) = self.purse.allowance(owner).await?;
            if self.purse.stop(owner, &allowance, self.clock.now()).await?.is_some() {
                return Ok(admitted);
            }
            in_order(&mut waiting, self.clock.now());
            // Only the first that really waits: behind it a class may have more than was read.
            let mut progressed = false;
            for job in waiting {
                match self.admit(job, Admission::Enter(quota)).await? {
                    Admitted::Yes => {
                        admitted += 1;
                        progressed = true;
                        break;
                    }
                    Admitted::Changed => {}
                    Admitted::NoRoom => return Ok(admitted),
                }
            }
            if !progressed {
                return Ok(admitted);
            }
        }
    }

    async fn admit(&self, listed: Job, admission: Admission) -> Result<Admitted, StepError> {
        // The index may lag behind the row.
        let Some(mut job) = self.jobs.job(listed.id).await? else { return Ok(Admitted::Changed) };
        let from = job.status;
        let Ok(event) = job.admit(self.clock.now()) else { return Ok(Admitted::Changed) };
        match self.jobs.commit(Commit { admission, ..Commit::of(&job, from, &[event]) }).await {
            Ok(()) => {
                job.version += 1;
                self.start(&job).await?;
                Ok(Admitted::Yes)
            }
            Err(StoreError::LimitReached) => Ok(Admitted::NoRoom),
            Err(StoreError::Conflict) => Ok(Admitted::Changed),
            Err(error) => Err(error.into()),
        }
    }
}

enum Admitted {
    Yes,
    /// It does not wait any more, or somebody else changed it at this moment.
    Changed,
    NoRoom,
}
