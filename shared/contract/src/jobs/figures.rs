//! A job's attempts, what they cost, and what their GPUs did.

use std::collections::BTreeMap;

use domain::{UserId, job::FieldError};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::list::owner;
use crate::{
    events::{Outcome, Placement},
    money::Money,
    query::Query,
};

/// One try of a job on one instance.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Attempt {
    #[schema(example = "att_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub id: String,
    /// 1 for the first.
    pub number: u32,
    /// What was asked of the provider, with the price that counts.
    pub placement: Placement,
    /// The provider's own id of the instance; null until it is known, and for an offer that was refused.
    #[schema(required = true)]
    pub instance: Option<String>,
    /// When it was decided, before the provider was asked.
    pub intended_at: Timestamp,
    /// When billing began.
    #[schema(required = true)]
    pub created_at: Option<Timestamp>,
    /// When its runner was first heard.
    #[schema(required = true)]
    pub started_at: Option<Timestamp>,
    #[schema(required = true)]
    pub ended_at: Option<Timestamp>,
    /// When the provider confirmed that the instance is gone: billing ended.
    #[schema(required = true)]
    pub gone_at: Option<Timestamp>,
    /// Null while it is going on.
    #[schema(required = true)]
    pub result: Option<Outcome>,
    /// What it cost, up to now if the instance is there.
    pub cost: Money,
}

impl Attempt {
    /// The attempt as it is shown at `now`.
    pub fn new(attempt: domain::job::Attempt, now: Timestamp) -> Self {
        Self {
            id: attempt.id.to_string(),
            number: attempt.number,
            cost: attempt.cost.unwrap_or_else(|| attempt.cost_at(now)).into(),
            placement: attempt.offer.into(),
            instance: attempt.handle.map(|handle| handle.id),
            intended_at: attempt.intended_at,
            created_at: attempt.created_at,
            started_at: attempt.started_at,
            ended_at: attempt.ended_at,
            gone_at: attempt.gone_at,
            result: attempt.outcome.map(Into::into),
        }
    }
}

/// A job's attempts, the first first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Attempts {
    pub items: Vec<Attempt>,
}

/// What a job cost.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Cost {
    pub attempts: Vec<AttemptCost>,
    /// All attempts together, one amount for each currency.
    pub total: Vec<Money>,
    /// Whether nothing will be added: the job has ended and all its instances are gone.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Up to when running instances are counted.
    pub as_of: Timestamp,
}

/// What an attempt cost.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AttemptCost {
    pub attempt: u32,
    pub price_per_hour: Money,
    /// Seconds for which its provider bills; 0 if there never was an instance.
    pub billed_seconds: f64,
    pub cost: Money,
    /// Whether its instance is gone.
    #[serde(rename = "final")]
    pub is_final: bool,
}

impl AttemptCost {
    /// What `attempt` cost at `now`.
    pub fn new(attempt: &domain::job::Attempt, now: Timestamp) -> Self {
        let until = attempt.gone_at.unwrap_or(now);
        let billed = attempt.created_at.map_or(0, |from| until.as_millisecond() - from.as_millisecond());
        Self {
            attempt: attempt.number,
            price_per_hour: attempt.offer.price_per_hour.into(),
            billed_seconds: billed.max(0) as f64 / 1_000.0,
            cost: attempt.cost.unwrap_or_else(|| attempt.cost_at(now)).into(),
            is_final: attempt.cost.is_some() || attempt.ended_at.is_some() && attempt.created_at.is_none(),
        }
    }
}

/// An owner's jobs by status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({"by_status": {"queued": 1, "provisioning": 0, "running": 2, "succeeded": 40, "failed": 1, "cancelled": 0, "timed_out": 0}, "admitted": 2, "limit": 20}))]
pub struct Counts {
    /// Every status is there.
    pub by_status: BTreeMap<String, u64>,
    /// Jobs that count against the limit: those that have not ended and do not wait for their owner's earlier jobs.
    pub admitted: u64,
    /// How many may be admitted at a time.
    pub limit: u32,
}

/// Whose jobs to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CountsQuery {
    /// One's own if absent. Administrators may name any user.
    #[param(value_type = Option<String>)]
    pub owner: Option<UserId>,
}

impl CountsQuery {
    /// Reads the part of the URL behind `?`.
    pub fn read(query: &str) -> Result<Self, Vec<FieldError>> {
        let mut query = Query::parse(query);
        let owner = owner(&mut query);
        query.end(Self { owner })
    }
}

/// What the GPUs of an attempt did.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Metrics {
    /// Null before the first attempt.
    #[schema(required = true)]
    pub attempt: Option<u32>,
    /// The oldest first. Empty where the image has no `nvidia-smi`.
    pub items: Vec<MetricsRow>,
    /// Pass it as `after` to go on; null if there is nothing yet.
    #[schema(required = true)]
    pub next: Option<Timestamp>,
}

/// The figures of one moment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct MetricsRow {
    pub at: Timestamp,
    pub gpus: Vec<GpuFigures>,
}

/// The figures of one GPU; null where its driver does not say.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct GpuFigures {
    /// 0 for the first.
    pub gpu: u32,
    #[schema(required = true)]
    pub utilisation_percent: Option<f64>,
    #[schema(required = true)]
    pub memory_used_mib: Option<f64>,
    #[schema(required = true)]
    pub memory_total_mib: Option<f64>,
    #[schema(required = true)]
    pub temperature_celsius: Option<f64>,
    #[schema(required = true)]
    pub power_watts: Option<f64>,
}

/// Which figures.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MetricsQuery {
    /// The attempt's number; the latest if absent.
    #[param(minimum = 1)]
    pub attempt: Option<u32>,
    /// Only later ones.
    pub after: Option<Timestamp>,
    #[param(required = false, minimum = 1, maximum = 1_000, default = 200)]
    pub limit: usize,
}

impl MetricsQuery {
    /// Reads the part of the URL behind `?`.
    pub fn read(query: &str) -> Result<Self, Vec<FieldError>> {
        let mut query = Query::parse(query);
        let read = Self {
            attempt: query.number("attempt", 1..=u32::MAX),
            after: query.time("after"),
            limit: query.number("limit", 1..=1_000).unwrap_or(200),
        };
        query.end(read)
    }
}
