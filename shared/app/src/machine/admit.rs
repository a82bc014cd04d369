//! Admission, as the machine's steps ask for it.

use domain::{UserId, job::Job};

use super::{Machine, StepError};
use crate::admission::Gate;

impl Machine {
    fn gate(&self) -> Gate {
        Gate {
            jobs: self.jobs.clone(),
            workflows: self.workflows.clone(),
            clock: self.clock.clone(),
            purse: self.purse.clone(),
        }
    }

    /// Starts an admitted job's execution. Its name makes a repeat harmless.
    pub async fn start(&self, job: &Job) -> Result<(), StepError> {
        self.gate().start(job).await
    }

    /// Admits as many of `owner`'s waiting jobs as their quota and the budgets allow, and starts them.
    pub async fn admit_waiting(&self, owner: UserId) -> Result<usize, StepError> {
        self.gate().admit_waiting(owner).await
    }
}
