//! Budgets and quotas on the wire.

use domain::job::FieldError;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    mirror::mirror,
    money::{Money, Price},
};

mirror! {
    /// How near a monthly budget is to its end: `warning` from 80 % on, `exceeded` when nothing new starts.
    BudgetLevel of domain::budget::Level { Warning, Exceeded }
}

/// Whose budget: one's own, or the platform's, of which administrators hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetScope {
    Own,
    Platform,
}

/// A monthly budget came near its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({
    "scope": "own",
    "month": "2026-11",
    "level": "warning",
    "at": "2026-11-24T13:00:00Z",
    "used": {"amount": "402.500000", "currency": "USD"},
    "budget": {"amount": "500.000000", "currency": "USD"}
}))]
pub struct BudgetAlert {
    pub scope: BudgetScope,
    #[schema(example = "2026-11")]
    pub month: String,
    pub level: BudgetLevel,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Spent and running at that time.
    pub used: Money,
    pub budget: Money,
}

/// A month's budget, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({
    "month": "2026-11",
    "spent": [{"amount": "380.000000", "currency": "USD"}, {"amount": "142.000000", "currency": "CNY"}],
    "running": [{"amount": "2.500000", "currency": "USD"}],
    "used": {"amount": "402.500000", "currency": "USD"},
    "budget": {"amount": "500.000000", "currency": "USD"},
    "percent": 80,
    "level": "warning",
    "cny_per_usd": "7.100000",
    "alerts": []
}))]
pub struct Budget {
    /// The calendar month (UTC).
    #[schema(example = "2026-11")]
    pub month: String,
    /// What the attempts cost that ended in it, in their providers' currencies.
    pub spent: Vec<Money>,
    /// What the instances that run now cost up to now; it is paid in the month in which they end.
    pub running: Vec<Money>,
    /// Both together, in the budget's currency, or in one's own where there is no budget.
    pub used: Money,
    /// Null is no limit.
    #[schema(required = true)]
    pub budget: Option<Money>,
    /// Whole per cent of the budget that are used; null without one.
    #[schema(required = true)]
    pub percent: Option<u32>,
    /// Null below 80 %.
    #[schema(required = true)]
    pub level: Option<BudgetLevel>,
    /// The rate that amounts of two currencies are compared at, as configured.
    #[schema(example = "7.100000")]
    pub cny_per_usd: String,
    /// This month's alerts.
    pub alerts: Vec<BudgetAlert>,
}

/// One's own budget and quotas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({
    "month": "2026-11",
    "spent": [],
    "running": [],
    "used": {"amount": "0.000000", "currency": "USD"},
    "budget": null,
    "percent": null,
    "level": null,
    "cny_per_usd": "7.100000",
    "alerts": [],
    "stopped": null,
    "quota": {"max_jobs": 20, "jobs": 3, "max_gpus": 32, "gpus": 10, "waiting": 0}
}))]
pub struct OwnBudget {
    #[serde(flatten)]
    pub budget: Budget,
    /// Why nothing new starts, in words: one's own budget or the platform's is used up; null if neither is.
    #[schema(required = true)]
    pub stopped: Option<String>,
    pub quota: Quota,
}

/// What may run at once, and what does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Quota {
    pub max_jobs: u32,
    /// Admitted jobs that have not ended.
    pub jobs: u64,
    pub max_gpus: u32,
    /// The GPUs that those ask for.
    pub gpus: u64,
    /// Jobs that wait for admission.
    pub waiting: u64,
}

/// The platform's budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"monthly": {"amount": "5000", "currency": "USD"}}))]
pub struct SetBudget {
    /// What all jobs together may cost in a calendar month (UTC); null is no limit.
    #[serde(deserialize_with = "required")]
    #[schema(required = true)]
    pub monthly: Option<Price>,
}

/// Absent is not null: a budget is not taken away by a misspelt field.
fn required<'de, D: serde::Deserializer<'de>>(field: D) -> Result<Option<Price>, D::Error> {
    Option::deserialize(field)
}

impl SetBudget {
    /// The budget, exactly.
    pub fn read(&self) -> Result<Option<domain::Money>, FieldError> {
        self.monthly.as_ref().map(|price| price.read("monthly")).transpose()
    }
}
