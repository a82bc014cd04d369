//! The order in which offers are tried.
//!
//! Filters give a reason, the rest get a score out of five parts. What is compared as a price is what an hour of the
//! command's work is expected to cost: the boot is paid, and so is the work that an interruption takes away.

use std::{collections::HashMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Estimate, Exclusion, Model, Offer, Statistics, Stock};
use crate::{
    job::{Spec, Spot, Strategy},
    money::{Currency, Money, Rates},
};

/// What a ranking knows beside the offers.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    pub statistics: Arc<Statistics>,
    pub rates: Rates,
    /// Offers that took this job's instance away lately: they are tried last.
    pub avoid: Vec<Offer>,
    /// How long the command is expected to run; its timeout if unset.
    pub hours: Option<f64>,
}

/// An offer with its place in the ranking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    pub offer: Offer,
    /// 0 to 1, higher is taken first; 1 less for an offer that is avoided.
    pub score: f64,
    pub parts: Scores,
    /// What is expected of its place.
    pub estimate: Estimate,
    /// What is expected to be paid for the whole job there, boot and lost work included.
    pub expected_cost: Money,
    /// It took this job's instance away lately.
    pub avoided: bool,
}

/// What a score is made of, each 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The suitable offer with the lowest expected cost has 1.
    pub price: f64,
    /// The largest GPU memory among the suitable offers has 1.
    pub performance: f64,
    /// The chance that a launch is served, times what the provider says of its stock.
    pub availability: f64,
    /// The chance that the command runs to its end without an interruption.
    pub reliability: f64,
    /// The shortest expected boot among the suitable offers has 1.
    pub speed: f64,
}

/// The suitable offers, best first, and every other with its reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    pub offers: Vec<Ranked>,
    pub excluded: Vec<(Offer, Exclusion)>,
    /// For how long a run the ranking was made.
    pub hours: f64,
}

/// A suitable offer while it is weighed.
struct Candidate {
    offer: Offer,
    estimate: Estimate,
    /// Hours that are paid for, boot and lost work included.
    paid_hours: f64,
    /// What they cost, in micros of one currency.
    cost: f64,
    /// Its price in that currency.
    price: i64,
    memory: u32,
    score: f64,
    parts: Scores,
    avoided: bool,
}

/// Filters and ranks `offers` for `spec`. The order is total: equal scores fall back to price, provider, region, type.
pub fn rank(spec: &Spec, offers: Vec<Offer>, conditions: &Conditions) -> Ranking {
    let hours =
        conditions.hours.unwrap_or_else(|| f64::from(spec.timeout_seconds) / 3_600.0).max(1.0 / 3_600.0);
    let mut filter = Filter::new(spec, conditions.rates);
    let mut candidates = Vec::with_capacity(offers.len());
    let mut excluded = Vec::new();
    let mut key = String::new();
    for offer in offers {
        if let Some(why) = filter.exclusion(&offer) {
            excluded.push((offer, why));
            continue;
        }
        let estimate = conditions.statistics.estimate_with(&offer, &mut key);
        let paid_hours = paid_hours(hours, &estimate);
        let price = conditions.rates.convert(offer.price_per_hour, Currency::Usd).micros;
        candidates.push(Candidate {
            paid_hours,
            cost: price.max(1) as f64 * paid_hours,
            price,
            memory: offer.gpu_memory_gib.saturating_mul(offer.gpu_count),
            avoided: conditions.avoid.iter().any(|avoided| same_offer(avoided, &offer)),
            estimate,
            score: 0.0,
            parts: Scores { price: 0.0, performance: 0.0, availability: 0.0, reliability: 0.0, speed: 0.0 },
            offer,
        });
    }
    weigh_all(spec, &mut candidates, hours);
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_unstable_by(|a, b| {
        let (a, b) = (&candidates[*a], &candidates[*b]);
        b.score.total_cmp(&a.score).then_with(|| tie_break(a).cmp(&tie_break(b)))
    });
    let mut candidates: Vec<Option<Candidate>> = candidates.into_iter().map(Some).collect();
    let offers = order.into_iter().filter_map(|index| candidates[index].take()).map(ranked).collect();
    Ranking { offers, excluded, hours }
}

/// Hours that are paid for `hours` of work: the boot, and for each interruption another boot and half of what is run
/// until it comes. That a command goes on from a checkpoint is not counted on.
fn paid_hours(hours: f64, estimate: &Estimate) -> f64 {
    let boot = estimate.boot_seconds / 3_600.0;
    let rate = estimate.interruptions_per_hour;
    let between = if rate > 0.0 { 1.0 / rate } else { hours };
    hours + boot + rate * hours * (boot + hours.min(between) / 2.0)
}

fn weigh_all(spec: &Spec, candidates: &mut [Candidate], hours: f64) {
    let cheapest = candidates.iter().map(|c| c.cost).fold(f64::INFINITY, f64::min);
    let quickest = candidates.iter().map(|c| c.estimate.boot_seconds).fold(f64::INFINITY, f64::min);
    let largest = f64::from(candidates.iter().map(|c| c.memory).max().unwrap_or(0).max(1));
    for one in candidates {
        one.parts = Scores {
            price: cheapest / one.cost,
            performance: f64::from(one.memory) / largest,
            availability: one.estimate.launch_success * stock(one.offer.stock),
            reliability: (-one.estimate.interruptions_per_hour * hours).exp(),
            speed: if one.estimate.boot_seconds > 0.0 { quickest / one.estimate.boot_seconds } else { 1.0 },
        };
        one.score = weigh(spec, &one.offer, one.parts) - f64::from(u8::from(one.avoided));
    }
}

fn ranked(one: Candidate) -> Ranked {
    let millis = (one.paid_hours * 3_600_000.0).round() as i64;
    Ranked {
        expected_cost: one.offer.price_per_hour.for_millis(millis),
        score: one.score,
        parts: one.parts,
        estimate: one.estimate,
        avoided: one.avoided,
        offer: one.offer,
    }
}

fn same_offer(a: &Offer, b: &Offer) -> bool {
    (&a.provider, &a.region, &a.instance_type, a.gpu_count, a.spot)
        == (&b.provider, &b.region, &b.instance_type, b.gpu_count, b.spot)
}

fn tie_break(one: &Candidate) -> (i64, &str, &str, &str, u32, bool) {
    let offer = &one.offer;
    (one.price, offer.provider.as_str(), &offer.region, &offer.instance_type, offer.gpu_count, offer.spot)
}

/// How much of a launch's chance is left by what the provider says of its stock.
fn stock(stock: Stock) -> f64 {
    match stock {
        Stock::None => 0.0,
        Stock::Low => 0.3,
        Stock::Unknown => 0.5,
        Stock::Medium => 0.7,
        Stock::High => 1.0,
    }
}

fn weigh(spec: &Spec, offer: &Offer, parts: Scores) -> f64 {
    let weights = match spec.strategy {
        Strategy::Cost => [1.0, 0.0, 0.0, 0.0, 0.0],
        Strategy::Performance => [0.2, 0.8, 0.0, 0.0, 0.0],
        Strategy::Availability => [0.1, 0.0, 0.7, 0.0, 0.2],
        Strategy::Balanced => [0.4, 0.2, 0.2, 0.1, 0.1],
    };
    let parts = [parts.price, parts.performance, parts.availability, parts.reliability, parts.speed];
    let score: f64 = weights.iter().zip(parts).map(|(weight, part)| weight * part).sum();
    // A preference decides between any two offers of which one has it; within it the strategy decides.
    let preferred_provider = spec.preferred_providers.contains(&offer.provider.0);
    let preferred_region = spec.preferred_regions.contains(&offer.region);
    let preferred_spot = spec.spot == Spot::Prefer && offer.spot;
    let rank = f64::from(
        u8::from(preferred_provider) * 4 + u8::from(preferred_region) * 2 + u8::from(preferred_spot),
    );
    (rank + score) / 8.0
}

/// What a job asks of an offer. It remembers which names mean the wanted model: a catalogue repeats few of them often.
struct Filter<'a> {
    spec: &'a Spec,
    rates: Rates,
    wanted: Option<Model>,
    models: HashMap<String, HashMap<String, bool>>,
}

impl<'a> Filter<'a> {
    fn new(spec: &'a Spec, rates: Rates) -> Self {
        Self { spec, rates, wanted: spec.gpu.model.as_deref().map(Model::new), models: HashMap::new() }
    }

    fn is_wanted(&mut self, offer: &Offer) -> bool {
        let Some(wanted) = &self.wanted else { return true };
        if let Some(known) = self.models.get(&offer.gpu).and_then(|ids| ids.get(&offer.instance_type)) {
            return *known;
        }
        let is = wanted.is(&offer.gpu, &offer.instance_type);
        self.models.entry(offer.gpu.clone()).or_default().insert(offer.instance_type.clone(), is);
        is
    }

    /// The first reason not to take `offer`.
    fn exclusion(&mut self, offer: &Offer) -> Option<Exclusion> {
        if !self.is_wanted(offer) {
            return Some(Exclusion::WrongGpu { offered: offer.gpu.clone() });
        }
        let spec = self.spec;
        if offer.gpu_count != spec.gpu.count {
            return Some(Exclusion::TooFewGpus { offered: offer.gpu_count });
        }
        if spec.gpu.memory_gib.is_some_and(|need| offer.gpu_memory_gib < need) {
            return Some(Exclusion::TooLittleGpuMemory { offered_gib: offer.gpu_memory_gib });
        }
        if let (Some(need), Some(offered)) = (spec.memory_gib, offer.memory_gib)
            && offered < need
        {
            return Some(Exclusion::TooLittleMemory { offered_gib: offered });
        }
        if let (Some(need), Some(offered)) = (spec.cpus, offer.cpus)
            && offered < need
        {
            return Some(Exclusion::TooFewCpus { offered });
        }
        match spec.spot {
            Spot::Never if offer.spot => return Some(Exclusion::SpotNotWanted),
            Spot::Only if !offer.spot => return Some(Exclusion::OnDemandNotWanted),
            Spot::Never | Spot::Only | Spot::Prefer => {}
        }
        if spec.forbidden_providers.contains(&offer.provider.0) {
            return Some(Exclusion::ProviderForbidden);
        }
        if spec.forbidden_regions.contains(&offer.region) {
            return Some(Exclusion::RegionForbidden);
        }
        if let Some(ceiling) = spec.max_price_per_hour
            && self.rates.convert(offer.price_per_hour, ceiling.currency).micros > ceiling.micros
        {
            return Some(Exclusion::OverPriceCeiling { ceiling });
        }
        (offer.stock == Stock::None).then_some(Exclusion::OutOfStock)
    }
}
