//! Admission: who may start, and the start itself.

use domain::{UserId, job::Job};
use serde_json::json;

use super::{Change, Machine, StepError};
use crate::ports::{Admission, StoreError, WorkflowError};

/// The execution that carries a job at its present hand-over.
pub fn execution_name(job: &Job) -> String {
    format!("{}-{}", job.id, job.handover)
}

impl Machine {
    /// Starts an admitted job's execution. Its name makes a repeat harmless.
    pub async fn start(&self, job: &Job) -> Result<(), StepError> {
        let input = json!({ "job_id": job.id, "handover": job.handover });
        match self.workflows.start_job(&execution_name(job), &input).await {
            // It was started before, and runs or is over.
            Ok(()) | Err(WorkflowError::NameTaken) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Admits as many of `owner`'s waiting jobs as their limit allows, the most urgent first, and starts them.
    /// Returns how many.
    pub async fn admit_waiting(&self, owner: UserId) -> Result<usize, StepError> {
        let mut admitted = 0;
        loop {
            let waiting = self.jobs.waiting(owner, 4).await?;
            if waiting.is_empty() {
                return Ok(admitted);
            }
            let mut progressed = false;
            for mut job in waiting {
                // The index may lag behind the row.
                let Some(current) = self.jobs.job(job.id).await? else { continue };
                job = current;
                let from = job.status;
                let Ok(event) = job.admit(self.clock.now()) else { continue };
                let admission = Admission::Enter { limit: self.settings.concurrency };
                let events = [event];
                let committed =
                    self.commit(&mut job, None, Change { admission, ..Change::of(from, &events) }).await;
                match committed {
                    Ok(()) => {
                        self.start(&job).await?;
                        admitted += 1;
                        progressed = true;
                    }
                    Err(StoreError::LimitReached) => return Ok(admitted),
                    Err(StoreError::Conflict) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            if !progressed {
                return Ok(admitted);
            }
        }
    }
}
