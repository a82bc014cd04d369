//! What was paid, on the wire.

mod docs;
mod query;

use std::collections::BTreeMap;

use domain::{
    Currency, Rates,
    ledger::{Entry, Sums},
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

pub use docs::Docs;
pub use query::{AttemptsQuery, CostsQuery, GroupBy, MAX_DAYS};

use crate::money::Money;

/// What was paid in a span of time, as a whole and by group.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Costs {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment behind it.
    pub to: Timestamp,
    /// As asked: `day`, `provider`, `gpu`, `job`, `user` or `tag:KEY`.
    #[schema(example = "day")]
    pub group_by: String,
    /// The currency of the totals.
    #[schema(example = "USD")]
    pub currency: String,
    /// The rate that totals are converted at, as configured.
    #[schema(example = "7.100000")]
    pub cny_per_usd: String,
    /// Everything.
    pub sums: CostSums,
    /// By group, the dearest first; days in their order.
    pub groups: Vec<CostGroup>,
    /// What runs now and is not paid yet; not part of the sums.
    pub running: RunningCost,
}

/// The sums of some attempts. Lists hold one amount for each currency that a provider bills in; totals are converted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CostSums {
    pub attempts: u64,
    /// Seconds billed.
    pub seconds: i64,
    pub cost: Vec<Money>,
    pub total: Money,
    /// What attempts cost that the platform lost: pre-empted, vanished, never booted.
    pub wasted: Vec<Money>,
    pub wasted_total: Money,
    /// What spot saved against the same thing on demand, of the attempts of which that price was known.
    pub saved_by_spot: Vec<Money>,
    pub saved_by_spot_total: Money,
    /// Attempts that went on after a lost one.
    pub failovers: u64,
    /// What those cost: without them their jobs would have failed.
    pub failover_cost: Vec<Money>,
    pub failover_total: Money,
}

impl CostSums {
    /// The sums with totals in `currency`.
    pub fn new(sums: Sums, rates: Rates, currency: Currency) -> Self {
        let total = |amounts: &[domain::Money]| rates.total(amounts.iter().copied(), currency).into();
        let list = |amounts: Vec<domain::Money>| amounts.into_iter().map(Money::from).collect();
        Self {
            attempts: sums.attempts,
            seconds: sums.millis / 1_000,
            total: total(&sums.cost),
            wasted_total: total(&sums.wasted),
            saved_by_spot_total: total(&sums.saved_by_spot),
            failovers: sums.failovers,
            failover_total: total(&sums.failover_cost),
            cost: list(sums.cost),
            wasted: list(sums.wasted),
            saved_by_spot: list(sums.saved_by_spot),
            failover_cost: list(sums.failover_cost),
        }
    }
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CostGroup {
    /// The day, provider, model, job, user, or value of the tag; null for jobs without the tag.
    #[schema(required = true, example = "2026-11-24")]
    pub key: Option<String>,
    #[serde(flatten)]
    pub sums: CostSums,
}

/// What runs now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunningCost {
    pub attempts: u64,
    /// Up to now, one amount for each currency.
    pub cost: Vec<Money>,
    pub total: Money,
}

/// A page of paid attempts, newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PaidAttempts {
    pub items: Vec<PaidAttempt>,
    /// Pass it as `cursor` for the next page; null on the last one.
    #[schema(required = true)]
    pub next: Option<String>,
}

/// One paid attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PaidAttempt {
    /// When its end was written: it counts in that day and month (UTC).
    pub ended_at: Timestamp,
    pub owner: String,
    pub job_id: String,
    pub job: String,
    pub attempt_id: String,
    pub attempt: u32,
    pub provider: String,
    /// Null where any will do.
    #[schema(required = true)]
    pub region: Option<String>,
    pub gpu: String,
    pub gpu_count: u32,
    pub spot: bool,
    /// For all its GPUs together.
    pub price_per_hour: Money,
    /// What the same thing cost on demand; null if it was not spot, or that is not known.
    #[schema(required = true)]
    pub on_demand_per_hour: Option<Money>,
    /// For how long it was billed.
    pub milliseconds: i64,
    pub cost: Money,
    /// Whether the cost is what the cloud billed; until it says so, it is the time at the price.
    pub billed: bool,
    /// Null if that is not known.
    #[schema(required = true)]
    pub saved_by_spot: Option<Money>,
    /// What became of it, as in the job's events.
    #[schema(example = "exited")]
    pub outcome: String,
    /// The platform lost it.
    pub wasted: bool,
    pub tags: BTreeMap<String, String>,
}

impl From<Entry> for PaidAttempt {
    fn from(entry: Entry) -> Self {
        Self {
            saved_by_spot: entry.saved_by_spot().map(Into::into),
            ended_at: entry.at,
            owner: entry.owner.to_string(),
            job_id: entry.job_id.to_string(),
            job: entry.job_name,
            attempt_id: entry.attempt_id.to_string(),
            attempt: entry.attempt,
            provider: entry.provider.0,
            region: Some(entry.region).filter(|region| !region.is_empty()),
            gpu: entry.gpu,
            gpu_count: entry.gpu_count,
            spot: entry.spot,
            price_per_hour: entry.price_per_hour.into(),
            on_demand_per_hour: entry.on_demand_per_hour.map(Into::into),
            milliseconds: entry.millis,
            cost: entry.cost.into(),
            billed: entry.bill == domain::ledger::Bill::Confirmed,
            outcome: entry.outcome,
            wasted: entry.wasted,
            tags: entry.tags,
        }
    }
}
