//! Why a job would go where it goes.

use std::collections::BTreeMap;

use domain::job::{FieldError, Spec};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AsOf, Offer, Provider};
use crate::{
    jobs::{GpuNeed, Spot, Strategy, SubmitJob, spot, strategy},
    money::{Money, Price},
};

/// What a job would need: the fields of a submission that decide its placement.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"gpu": {"model": "RTX 4090"}, "spot": "prefer", "strategy": "balanced", "max_price_per_hour": {"amount": "0.80", "currency": "USD"}}))]
pub struct RankOffers {
    #[serde(default)]
    pub gpu: GpuNeed,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1024)]
    pub cpus: Option<u32>,
    #[serde(default)]
    #[schema(minimum = 1, maximum = 16384)]
    pub memory_gib: Option<u32>,
    #[serde(default = "spot")]
    #[schema(default = "never")]
    pub spot: Spot,
    #[serde(default)]
    pub max_price_per_hour: Option<Price>,
    #[serde(default = "strategy")]
    #[schema(default = "cost")]
    pub strategy: Strategy,
    #[serde(default)]
    #[schema(max_items = 32)]
    pub preferred_providers: Vec<String>,
    #[serde(default)]
    #[schema(max_items = 32)]
    pub forbidden_providers: Vec<String>,
    #[serde(default)]
    #[schema(max_items = 32)]
    pub preferred_regions: Vec<String>,
    #[serde(default)]
    #[schema(max_items = 32)]
    pub forbidden_regions: Vec<String>,
    /// How long the command is expected to run; its timeout if left out. What an interruption would cost follows from it.
    #[serde(default)]
    #[schema(minimum = 0.01, maximum = 720)]
    pub hours: Option<f64>,
    /// A day if left out.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 2_592_000)]
    pub timeout_seconds: Option<u32>,
}

impl RankOffers {
    /// What the ranking wants to know, or everything that is wrong.
    pub fn read(self) -> Result<(Spec, Option<f64>), Vec<FieldError>> {
        let hours = self.hours;
        // The ranking takes a whole specification and looks at no image and no command.
        let mut job = SubmitJob {
            gpu: self.gpu,
            cpus: self.cpus,
            memory_gib: self.memory_gib,
            spot: self.spot,
            max_price_per_hour: self.max_price_per_hour,
            strategy: self.strategy,
            preferred_providers: self.preferred_providers,
            forbidden_providers: self.forbidden_providers,
            preferred_regions: self.preferred_regions,
            forbidden_regions: self.forbidden_regions,
            ..SubmitJob::new("any", vec!["any".to_owned()])
        };
        job.timeout_seconds = self.timeout_seconds.unwrap_or(job.timeout_seconds);
        let wrong = hours.filter(|hours| !(0.01..=720.0).contains(hours));
        let wrong = wrong.map(|hours| FieldError::new("hours", format!("is {hours}; expected 0.01 to 720")));
        match (job.read(), wrong) {
            (Ok((spec, _)), None) => Ok((spec, hours)),
            (Ok(_), Some(wrong)) => Err(vec![wrong]),
            (Err(mut errors), wrong) => {
                errors.extend(wrong);
                Err(errors)
            }
        }
    }
}

/// The suitable offers, best first, and every other with its reason.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Ranking {
    pub offers: Vec<Ranked>,
    pub excluded: Vec<Excluded>,
    /// How many were excluded for each reason: the answer to "why no offer".
    pub excluded_by: BTreeMap<String, usize>,
    /// Who was asked, and how old their offers are.
    pub providers: Vec<Provider>,
    /// For how long a run the offers are compared.
    pub hours: f64,
}

/// An offer with its place in the ranking.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Ranked {
    /// 1 for the best.
    pub rank: usize,
    pub offer: Offer,
    /// 0 to 1. A preferred provider comes before a preferred region before preferred spot; within them the strategy
    /// weighs the parts.
    pub score: f64,
    pub parts: Scores,
    /// What the job is expected to cost there.
    pub expected: Expectation,
    /// What is expected of launches there, and how much was measured for it.
    pub estimate: Estimate,
}

/// What a score is made of, each 0 to 1.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Scores {
    /// The suitable offer with the lowest expected cost has 1. Prices of two currencies meet at the configured rate.
    pub price: f64,
    /// The suitable offer with the most GPU memory has 1.
    pub performance: f64,
    /// The chance that a launch is served, times what the provider says of its stock.
    pub availability: f64,
    /// The chance that the command runs to its end without an interruption.
    pub reliability: f64,
    /// The shortest expected boot has 1.
    pub speed: f64,
}

/// What a job of that length is expected to cost with an offer.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = ExpectedCost)]
pub struct Expectation {
    /// The price times the hours.
    pub cost_of_hours: Money,
    /// With the boot, and with what interruptions take away: what offers are compared by.
    pub cost: Money,
}

/// What is expected of a place. Of one that was never tried it is the prior: a launch is served with 1 in 2, a boot takes
/// two minutes, spot is interrupted every 20 hours and on-demand every 500.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = PlaceEstimate)]
pub struct Estimate {
    /// The chance that a launch is served: (served + 1) / (launches + 2).
    pub launch_success: f64,
    pub boot_seconds: f64,
    pub interruptions_per_hour: f64,
    /// Launches of the last days that it rests upon; 0 means the prior alone.
    pub launches: u64,
}

impl From<domain::placement::Estimate> for Estimate {
    fn from(estimate: domain::placement::Estimate) -> Self {
        Self {
            launch_success: estimate.launch_success,
            boot_seconds: estimate.boot_seconds,
            interruptions_per_hour: estimate.interruptions_per_hour,
            launches: estimate.launches,
        }
    }
}

/// An offer that would not be taken.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Excluded {
    pub offer: Offer,
    /// Why not, for a program.
    #[schema(example = "over_price_ceiling")]
    pub code: String,
    /// Why not, in words.
    #[schema(example = "it costs more than 0.800000 USD an hour")]
    pub reason: String,
}

impl Ranking {
    /// The ranking as it is shown.
    pub fn new(ranking: domain::placement::Ranking, providers: Vec<Provider>, as_of: AsOf) -> Self {
        let hours = ranking.hours;
        let millis = (hours * 3_600_000.0).round() as i64;
        let offers = ranking
            .offers
            .into_iter()
            .zip(1..)
            .map(|(ranked, rank)| Ranked {
                rank,
                expected: Expectation {
                    cost_of_hours: ranked.offer.price_per_hour.for_millis(millis).into(),
                    cost: ranked.expected_cost.into(),
                },
                estimate: ranked.estimate.into(),
                offer: Offer::new(ranked.offer, as_of),
                score: ranked.score,
                parts: Scores {
                    price: ranked.parts.price,
                    performance: ranked.parts.performance,
                    availability: ranked.parts.availability,
                    reliability: ranked.parts.reliability,
                    speed: ranked.parts.speed,
                },
            })
            .collect();
        let excluded: Vec<Excluded> = ranking
            .excluded
            .into_iter()
            .map(|(offer, why)| Excluded {
                offer: Offer::new(offer, as_of),
                code: code(&why).to_owned(),
                reason: why.to_string(),
            })
            .collect();
        let mut excluded_by = BTreeMap::new();
        for offer in &excluded {
            *excluded_by.entry(offer.code.clone()).or_default() += 1;
        }
        Self { offers, excluded, excluded_by, providers, hours }
    }
}

fn code(why: &domain::placement::Exclusion) -> &'static str {
    use domain::placement::Exclusion;
    match why {
        Exclusion::WrongGpu { .. } => "wrong_gpu",
        Exclusion::TooFewGpus { .. } => "wrong_gpu_count",
        Exclusion::TooLittleGpuMemory { .. } => "too_little_gpu_memory",
        Exclusion::TooLittleMemory { .. } => "too_little_memory",
        Exclusion::TooFewCpus { .. } => "too_few_cpus",
        Exclusion::SpotNotWanted => "spot_not_wanted",
        Exclusion::OnDemandNotWanted => "on_demand_not_wanted",
        Exclusion::ProviderForbidden => "provider_forbidden",
        Exclusion::RegionForbidden => "region_forbidden",
        Exclusion::OverPriceCeiling { .. } => "over_price_ceiling",
        Exclusion::OutOfStock => "out_of_stock",
        Exclusion::Refused { .. } => "refused",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::offers::sample;

    #[test]
    fn every_offer_is_ranked_or_has_a_reason() {
        let need: RankOffers = serde_json::from_value(json!({
            "gpu": {"model": "RTX 4090"},
            "max_price_per_hour": {"amount": "0.50", "currency": "USD"},
            "hours": 2.0
        }))
        .unwrap();
        let offers = vec![
            sample("RTX 4090", 1, false, 440_000),
            sample("RTX 4090", 1, false, 600_000),
            sample("RTX 4090", 1, true, 200_000),
            sample("A40", 1, false, 390_000),
        ];
        let (spec, hours) = need.read().unwrap();
        let conditions = domain::placement::Conditions { hours, ..Default::default() };
        let as_of = AsOf { now: jiff::Timestamp::UNIX_EPOCH, fresh: jiff::SignedDuration::ZERO };
        let ranking = Ranking::new(domain::placement::rank(&spec, offers, &conditions), Vec::new(), as_of);
        assert_eq!(ranking.offers.len(), 1);
        assert_eq!(ranking.offers[0].rank, 1);
        let expected = &ranking.offers[0].expected;
        assert_eq!(expected.cost_of_hours.amount, "0.880000");
        assert!(expected.cost.amount > expected.cost_of_hours.amount, "the boot is paid too");
        let by = ranking.excluded_by;
        assert_eq!((by["over_price_ceiling"], by["spot_not_wanted"], by["wrong_gpu"]), (1, 1, 1));
    }

    #[test]
    fn only_fields_of_the_request_are_named() {
        let need: RankOffers =
            serde_json::from_value(json!({"gpu": {"count": 99}, "cpus": 0, "hours": -1})).unwrap();
        let errors = need.read().unwrap_err();
        assert_eq!(
            errors.iter().map(|e| e.field.as_str()).collect::<Vec<_>>(),
            ["gpu.count", "cpus", "hours"]
        );
    }
}
