//! What the clouds' own bills say of paid attempts.
//!
//! An attempt is paid when its instance is gone, at its time and its price: the budget needs an amount at once. The
//! cloud counts for itself, to its own seconds, and says what it counted hours or days later. The sweeper asks it then,
//! and what it says replaces what was computed: in the ledger, in the attempt, in the job and in what was spent.

use std::time::Duration;

use domain::ledger::{Bill, Entry};
use futures::{StreamExt, stream};
use jiff::Timestamp;

use super::{Machine, StepError, Swept};
use crate::ports::{BillCommit, Paid, ProviderError};

/// How many paid attempts are asked for in a sweep.
const A_SWEEP: usize = 200;
/// How many of them at once.
const AT_ONCE: usize = 4;
/// After which no more is begun: a cloud that does not answer keeps a call for 20 s, and the next sweep goes on.
const ENOUGH: Duration = Duration::from_secs(20);

impl Machine {
    /// Asks for the bills that are due. What fails is asked for again.
    pub(super) async fn check_bills(&self, swept: &mut Swept) {
        let now = self.clock.now();
        let due = match self.purse.store.unbilled(now, A_SWEEP).await {
            Ok(due) => due,
            Err(error) => {
                tracing::error!(error = ?error, "the paid attempts without a bill could not be listed");
                swept.failures += 1;
                return;
            }
        };
        let enough = Box::pin(tokio::time::sleep(ENOUGH));
        let checked: Vec<_> = stream::iter(&due)
            .map(|entry| self.check_bill(entry, now))
            .take_until(enough)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        for checked in checked {
            match checked {
                Ok(billed) => swept.billed += usize::from(billed),
                // The job was changed meanwhile: the entry is still due.
                Err(StepError::Collision) => {}
                Err(error) => {
                    tracing::error!(error = ?error, "a bill could not be written");
                    swept.failures += 1;
                }
            }
        }
    }

    /// Whether the cloud had a bill for the entry.
    async fn check_bill(&self, entry: &Entry, now: Timestamp) -> Result<bool, StepError> {
        let after = match self.ask_for_bill(entry).await {
            Ok(after) => after.unwrap_or_else(|| entry.not_billed(now)),
            Err(ProviderError::RateLimited { .. }) => return Ok(false),
            Err(error) => {
                tracing::warn!(
                    attempt.id = %entry.attempt_id, provider = %entry.provider, %error,
                    "the cloud's bill could not be had"
                );
                entry.not_billed(now)
            }
        };
        let rows = if after.cost == entry.cost {
            None
        } else {
            let job = self.jobs.job(entry.job_id).await?;
            let attempt = self.jobs.attempt(entry.job_id, entry.attempt).await?;
            job.zip(attempt.filter(|attempt| attempt.id == entry.attempt_id))
        };
        let rows = rows.map(|(mut job, mut attempt)| {
            job.correct_cost(entry.cost, after.cost);
            attempt.cost = Some(after.cost);
            (job, attempt)
        });
        let rows = rows.as_ref().map(|(job, attempt)| (job, attempt));
        self.jobs.commit_bill(BillCommit { before: entry, after: &after, rows }).await?;
        Ok(after.bill == Bill::Confirmed)
    }

    async fn ask_for_bill(&self, entry: &Entry) -> Result<Option<Entry>, ProviderError> {
        let Some(handle) = entry.instance.clone() else { return Ok(None) };
        let Some(provider) = self.providers.get(&entry.provider) else { return Ok(None) };
        let paid = Paid { attempt: entry.attempt_id, handle, from: entry.from(), until: entry.at };
        Ok(provider.billed(&paid).await?.and_then(|cost| entry.billed(cost)))
    }
}
