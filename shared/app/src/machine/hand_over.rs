//! A long silence fills an execution's history: a fresh execution takes over before the limit.

use domain::JobId;

use super::{Change, Machine, StepError};

impl Machine {
    /// Starts the execution that follows number `from` of the job, once however often it is asked for.
    pub async fn hand_over(&self, id: JobId, from: u32) -> Result<(), StepError> {
        let Some(mut job) = self.jobs.job(id).await? else { return Ok(()) };
        if job.status.is_terminal() {
            return Ok(());
        }
        if job.handover == from {
            job.handover = from + 1;
            let status = job.status;
            self.commit(&mut job, None, Change::of(status, &[])).await?;
        }
        if job.handover == from + 1 { self.start(&job).await } else { Ok(()) }
    }
}
