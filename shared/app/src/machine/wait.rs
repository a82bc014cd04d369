//! Boot and Listen: an execution waits for the runner's word with a task token.

use domain::{
    JobId,
    job::{RunnerWord, Waiting},
};
use serde_json::json;

use super::{Machine, StepError};
use crate::ports::WorkflowError;

impl Machine {
    /// Leaves `token` for the word `until`, and ends the wait at once if the word was said before, or never will be.
    pub async fn wait(&self, id: JobId, until: RunnerWord, token: &str) -> Result<(), StepError> {
        let Some(job) = self.jobs.job(id).await? else { return self.say(token, "over").await };
        let Some(attempt) = self.latest(&job).await? else { return self.say(token, "over").await };
        if attempt.outcome.is_some() {
            return self.say(token, "over").await;
        }
        let waiting = Waiting { token: token.to_owned(), until };
        let Some(state) = self.runners.wait(attempt.id, &waiting).await? else {
            return self.say(token, "over").await;
        };
        // Read again behind the token: a cancel that came between found no token to wake.
        let cancelled =
            self.jobs.job(id).await?.is_none_or(|job| job.cancel.is_some() || job.status.is_terminal());
        if state.exit.is_some() {
            self.say(token, "exit").await
        } else if cancelled {
            self.say(token, "cancel").await
        } else if until == RunnerWord::Start && state.started_at.is_some() {
            self.say(token, "start").await
        } else {
            Ok(())
        }
    }

    /// Ends a wait. Whoever finds the token used has nothing left to do.
    pub(super) async fn say(&self, token: &str, word: &str) -> Result<(), StepError> {
        match self.workflows.succeed(token, &json!({ "word": word })).await {
            Ok(()) | Err(WorkflowError::TokenGone) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
