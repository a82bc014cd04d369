//! Budgets, spend and the ledger, as they are kept.

use async_trait::async_trait;
use domain::{Money, UserId, account::Allowance, budget::Level, job::Attempt, ledger::Entry, ledger::Payer};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Page, StoreError};

/// What the whole platform may spend in a calendar month (UTC).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlatformBudget {
    /// `None` is no limit.
    pub monthly: Option<Money>,
    pub updated_at: Option<Timestamp>,
    pub updated_by: Option<UserId>,
}

/// A budget came near its end. There is one of each level a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Whose budget; `None` is the platform's.
    pub owner: Option<UserId>,
    /// Such as `2026-11`.
    pub month: String,
    pub level: Level,
    pub at: Timestamp,
    /// Spent and running at that time, in the budget's currency.
    pub used: Money,
    pub budget: Money,
}

/// Which part of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment behind it.
    pub to: Timestamp,
}

/// Budgets, spend and the ledger. What is paid is written by [`super::JobStore::commit`].
#[async_trait]
pub trait MoneyStore: Send + Sync {
    /// What an owner may use and spend.
    async fn allowance(&self, owner: UserId) -> Result<Allowance, StoreError>;
    async fn platform_budget(&self) -> Result<PlatformBudget, StoreError>;
    async fn set_platform_budget(&self, budget: &PlatformBudget) -> Result<(), StoreError>;
    /// What was paid in the month of `at`, by currency.
    async fn spent(&self, by: Payer, at: Timestamp) -> Result<Vec<Money>, StoreError>;
    /// The attempts that have an instance, billed now. An index, so a moment behind.
    async fn running(&self, by: Payer) -> Result<Vec<Attempt>, StoreError>;
    /// A page of paid attempts, newest first; it may hold fewer than `limit` although there is a next one.
    async fn ledger(
        &self,
        by: Payer,
        span: Span,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Entry>, StoreError>;
    /// Paid attempts whose clouds are to be asked for a bill by `at`: up to `limit`, the longest due first. An index, so a
    /// moment behind.
    async fn unbilled(&self, at: Timestamp, limit: usize) -> Result<Vec<Entry>, StoreError>;
    /// Keeps an alert, unless there is one of its level and month; whether it is new.
    async fn alert(&self, alert: &Alert) -> Result<bool, StoreError>;
    /// The alerts of the month of `at`.
    async fn alerts(&self, of: Payer, at: Timestamp) -> Result<Vec<Alert>, StoreError>;
}
