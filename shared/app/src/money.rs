//! What may be spent: budgets are held against spend where something would begin, and alerts are raised on the way.

use std::sync::Arc;

use domain::{
    Money, Rates, UserId,
    account::{Allowance, Quota},
    budget::{Level, Standing},
    ledger::Payer,
    money::add_to,
};
use jiff::Timestamp;

use crate::ports::{Alert, MoneyStore, PlatformBudget, StoreError};

/// The month of `at`, such as `2026-11`.
pub fn month_of(at: Timestamp) -> String {
    at.strftime("%Y-%m").to_string()
}

/// Why nothing begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The owner's monthly budget is used up.
    Own(Money),
    /// The platform's monthly budget is used up; how large it is, is its administrators' business.
    Platform,
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Own(budget) => write!(f, "budget_exceeded: the monthly budget of {budget} is used up"),
            Self::Platform => f.write_str("budget_exceeded: the platform's monthly budget is used up"),
        }
    }
}

/// Quotas and budgets.
#[derive(Clone)]
pub struct Purse {
    pub store: Arc<dyn MoneyStore>,
    pub rates: Rates,
    /// The quota of an account that has none of its own.
    pub quota: Quota,
}

impl std::fmt::Debug for Purse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Purse")
            .field("rates", &self.rates)
            .field("quota", &self.quota)
            .finish_non_exhaustive()
    }
}

impl Purse {
    /// What `owner` may use and spend.
    pub async fn allowance(&self, owner: UserId) -> Result<(Allowance, Quota), StoreError> {
        let allowance = self.store.allowance(owner).await?;
        Ok((allowance, allowance.quota(self.quota)))
    }

    /// What the instances of `by` that run now cost up to `now`.
    pub async fn running(&self, by: Payer, now: Timestamp) -> Result<Vec<Money>, StoreError> {
        let mut sums = Vec::new();
        for attempt in self.store.running(by).await? {
            add_to(&mut sums, attempt.cost_at(now));
        }
        Ok(sums)
    }

    /// How the month of `now` stands for `by`, whose budget is given.
    pub async fn standing(
        &self,
        by: Payer,
        budget: Option<Money>,
        now: Timestamp,
    ) -> Result<Standing, StoreError> {
        Ok(Standing {
            spent: self.store.spent(by, now).await?,
            running: self.running(by, now).await?,
            budget,
        })
    }

    /// Why nothing of `owner` may begin at `now`, if so. Where there is no budget this is one read.
    pub async fn stop(
        &self,
        owner: UserId,
        allowance: &Allowance,
        now: Timestamp,
    ) -> Result<Option<Stop>, StoreError> {
        if let Some(budget) = allowance.monthly_budget
            && self.level(Payer::Owner(owner), budget, now).await? == Some(Level::Exceeded)
        {
            return Ok(Some(Stop::Own(budget)));
        }
        let PlatformBudget { monthly, .. } = self.store.platform_budget().await?;
        if let Some(budget) = monthly
            && self.level(Payer::Platform, budget, now).await? == Some(Level::Exceeded)
        {
            return Ok(Some(Stop::Platform));
        }
        Ok(None)
    }

    /// How near the end a budget is; an alert is kept when it is.
    async fn level(&self, by: Payer, budget: Money, now: Timestamp) -> Result<Option<Level>, StoreError> {
        let standing = self.standing(by, Some(budget), now).await?;
        let level = standing.level(self.rates);
        if let Some(level) = level {
            let owner = match by {
                Payer::Owner(owner) => Some(owner),
                Payer::Platform => None,
            };
            let used = standing.used(self.rates, budget.currency);
            let alert = Alert { owner, month: month_of(now), level, at: now, used, budget };
            if self.store.alert(&alert).await? {
                tracing::warn!(user.id = ?owner, level = level.as_str(), %used, %budget, "a budget nears its end");
            }
        }
        Ok(level)
    }
}
