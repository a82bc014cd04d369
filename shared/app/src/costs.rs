//! What was paid, and how budgets stand: what people and administrators ask.

use domain::{
    Money, UserId,
    account::Quota,
    budget::Standing,
    job::Attempt,
    ledger::{Entry, Payer},
};
use jiff::Timestamp;

use crate::{
    admission::Gate,
    machine::StepError,
    money::{Purse, Stop},
    ports::{Alert, Counts, JobStore, Page, PlatformBudget, Span, StoreError},
};

/// Entries that one answer is made of at most: it has to come in time, and fit.
const MOST: usize = 50_000;
/// Entries that are read at once.
const PAGE: usize = 1_000;

/// Why costs could not be had.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    /// The span holds more attempts than one answer can.
    #[error("more than {0} attempts were paid in that span")]
    TooMany(usize),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A month's budget and its alerts.
#[derive(Debug, Clone)]
pub struct Month {
    pub standing: Standing,
    pub alerts: Vec<Alert>,
    pub at: Timestamp,
}

/// An owner's month, quota, and what runs.
#[derive(Debug, Clone)]
pub struct Own {
    pub month: Month,
    pub stop: Option<Stop>,
    pub quota: Quota,
    pub counts: Counts,
}

impl Purse {
    /// Every paid attempt of a span, newest first; at most `most`, and never more than 50,000.
    pub async fn paid(&self, by: Payer, span: Span, most: Option<usize>) -> Result<Vec<Entry>, CostError> {
        let most = most.unwrap_or(MOST).min(MOST);
        let mut entries = Vec::new();
        let mut cursor = None;
        loop {
            let Page { items, next } = self.store.ledger(by, span, PAGE, cursor.as_deref()).await?;
            entries.extend(items);
            if entries.len() > most {
                return Err(CostError::TooMany(most));
            }
            cursor = next;
            if cursor.is_none() {
                return Ok(entries);
            }
        }
    }

    /// What runs now.
    pub async fn billed_now(&self, by: Payer) -> Result<Vec<Attempt>, StoreError> {
        self.store.running(by).await
    }

    /// How the month stands for `by`, whose budget is given.
    pub async fn month(&self, by: Payer, budget: Option<Money>, at: Timestamp) -> Result<Month, StoreError> {
        let standing = self.standing(by, budget, at).await?;
        Ok(Month { standing, alerts: self.store.alerts(by, at).await?, at })
    }

    /// One owner's month.
    pub async fn own(&self, jobs: &dyn JobStore, owner: UserId, at: Timestamp) -> Result<Own, StoreError> {
        let (allowance, quota) = self.allowance(owner).await?;
        let stop = self.stop(owner, &allowance, at).await?;
        let month = self.month(Payer::Owner(owner), allowance.monthly_budget, at).await?;
        Ok(Own { month, stop, quota, counts: jobs.counts(owner).await? })
    }

    /// The platform's month.
    pub async fn platform(&self, at: Timestamp) -> Result<Month, StoreError> {
        let budget = self.store.platform_budget().await?;
        self.month(Payer::Platform, budget.monthly, at).await
    }
}

/// Sets the platform's budget, and lets in what waits for it.
pub async fn set_platform_budget(gate: &Gate, monthly: Option<Money>, by: UserId) -> Result<(), StepError> {
    let budget = PlatformBudget { monthly, updated_at: Some(gate.clock.now()), updated_by: Some(by) };
    gate.purse.store.set_platform_budget(&budget).await?;
    for owner in gate.jobs.owners_waiting().await? {
        // The sweeper does the same: one owner's failure costs time and nothing else.
        if let Err(error) = gate.admit_waiting(owner).await {
            tracing::warn!(user.id = %owner, error = &error as &dyn std::error::Error, "waiting jobs could not be admitted");
        }
    }
    Ok(())
}
