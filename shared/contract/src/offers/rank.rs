//! Why a job would go where it goes.

use std::collections::BTreeMap;

use domain::job::{FieldError, Spec};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Offer, Provider};
use crate::{
    jobs::{GpuNeed, Spot, Strategy, SubmitJob, spot, strategy},
    money::Price,
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
}

impl RankOffers {
    /// What the ranking wants to know, or everything that is wrong.
    pub fn read(self) -> Result<Spec, Vec<FieldError>> {
        // The ranking takes a whole specification and looks at no image and no command.
        let job = SubmitJob {
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
        job.read().map(|(spec, _)| spec)
    }
}

/// The suitable offers, best first, and every other with its reason.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Ranking {
    pub offers: Vec<Ranked>,
    pub excluded: Vec<Excluded>,
    /// How many were excluded for each reason: the answer to "why no offer".
    pub excluded_by: BTreeMap<String, usize>,
    /// Who was asked: the offers of a provider that did not answer are missing.
    pub providers: Vec<Provider>,
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
}

/// What a score is made of, each 0 to 1.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Scores {
    /// The cheapest suitable offer has 1.
    pub price: f64,
    /// The suitable offer with the most GPU memory has 1.
    pub performance: f64,
    /// What the provider says of its stock.
    pub availability: f64,
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
    pub fn new(ranking: domain::placement::Ranking, providers: Vec<Provider>) -> Self {
        let offers = ranking
            .offers
            .into_iter()
            .zip(1..)
            .map(|(ranked, rank)| Ranked {
                rank,
                offer: ranked.offer.into(),
                score: ranked.score,
                parts: Scores {
                    price: ranked.parts.price,
                    performance: ranked.parts.performance,
                    availability: ranked.parts.availability,
                },
            })
            .collect();
        let excluded: Vec<Excluded> = ranking
            .excluded
            .into_iter()
            .map(|(offer, why)| Excluded {
                offer: offer.into(),
                code: code(&why).to_owned(),
                reason: why.to_string(),
            })
            .collect();
        let mut excluded_by = BTreeMap::new();
        for offer in &excluded {
            *excluded_by.entry(offer.code.clone()).or_default() += 1;
        }
        Self { offers, excluded, excluded_by, providers }
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
        Exclusion::OtherCurrency => "other_currency",
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
            "max_price_per_hour": {"amount": "0.50", "currency": "USD"}
        }))
        .unwrap();
        let offers = vec![
            sample("RTX 4090", 1, false, 440_000),
            sample("RTX 4090", 1, false, 600_000),
            sample("RTX 4090", 1, true, 200_000),
            sample("A40", 1, false, 390_000),
        ];
        let ranking = Ranking::new(domain::placement::rank(&need.read().unwrap(), offers), Vec::new());
        assert_eq!(ranking.offers.len(), 1);
        assert_eq!(ranking.offers[0].rank, 1);
        let by = ranking.excluded_by;
        assert_eq!((by["over_price_ceiling"], by["spot_not_wanted"], by["wrong_gpu"]), (1, 1, 1));
    }

    #[test]
    fn only_fields_of_the_request_are_named() {
        let need: RankOffers = serde_json::from_value(json!({"gpu": {"count": 99}, "cpus": 0})).unwrap();
        let errors = need.read().unwrap_err();
        assert_eq!(errors.iter().map(|e| e.field.as_str()).collect::<Vec<_>>(), ["gpu.count", "cpus"]);
    }
}
