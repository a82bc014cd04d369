//! Which offer a job takes, and why not another: filters give reasons, the ranking gives scores.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    job::{Spec, Spot, Strategy},
    money::Money,
};

/// A provider's short name: `runpod`, `alibaba`, `tencent`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProviderName(pub String);

impl ProviderName {
    /// The name as it is printed.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProviderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for ProviderName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// How likely a provider says it is to serve an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stock {
    None,
    Low,
    Medium,
    High,
    /// The provider does not say.
    Unknown,
}

/// One thing that a provider rents at one price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    pub provider: ProviderName,
    /// The provider's region or data centre; empty where any will do.
    pub region: String,
    /// Our name of the GPU model: `RTX 4090`, `A100 80GB SXM`.
    pub gpu: String,
    /// The provider's id of the GPU or of the instance type, as its create call wants it.
    pub instance_type: String,
    pub gpu_count: u32,
    /// Memory of one GPU.
    pub gpu_memory_gib: u32,
    /// `None` where the provider does not say.
    pub cpus: Option<u32>,
    pub memory_gib: Option<u32>,
    pub spot: bool,
    /// For all its GPUs together.
    pub price_per_hour: Money,
    pub stock: Stock,
    /// When the provider said so.
    pub seen_at: Timestamp,
}

/// Why an offer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Exclusion {
    WrongGpu {
        offered: String,
    },
    TooFewGpus {
        offered: u32,
    },
    TooLittleGpuMemory {
        offered_gib: u32,
    },
    TooLittleMemory {
        offered_gib: u32,
    },
    TooFewCpus {
        offered: u32,
    },
    SpotNotWanted,
    OnDemandNotWanted,
    ProviderForbidden,
    RegionForbidden,
    OverPriceCeiling {
        ceiling: Money,
    },
    /// The ceiling is in another currency, and prices are only compared within one.
    OtherCurrency,
    OutOfStock,
    /// Tried in this launch already.
    Refused {
        reason: String,
    },
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongGpu { offered } => write!(f, "it has {offered}"),
            Self::TooFewGpus { offered } => write!(f, "it has {offered} GPU"),
            Self::TooLittleGpuMemory { offered_gib } => write!(f, "its GPU has {offered_gib} GiB"),
            Self::TooLittleMemory { offered_gib } => write!(f, "it has {offered_gib} GiB of memory"),
            Self::TooFewCpus { offered } => write!(f, "it has {offered} CPUs"),
            Self::SpotNotWanted => f.write_str("it is spot"),
            Self::OnDemandNotWanted => f.write_str("it is not spot"),
            Self::ProviderForbidden => f.write_str("its provider is not allowed"),
            Self::RegionForbidden => f.write_str("its region is not allowed"),
            Self::OverPriceCeiling { ceiling } => write!(f, "it costs more than {ceiling} an hour"),
            Self::OtherCurrency => f.write_str("its price is in another currency than the ceiling"),
            Self::OutOfStock => f.write_str("it is out of stock"),
            Self::Refused { reason } => write!(f, "it was refused: {reason}"),
        }
    }
}

/// An offer with its place in the ranking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    pub offer: Offer,
    /// 0 to 1, higher is taken first.
    pub score: f64,
    pub parts: Scores,
}

/// What a score is made of, each 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The cheapest suitable offer has 1.
    pub price: f64,
    /// The largest GPU memory among the suitable offers has 1.
    pub performance: f64,
    /// What the provider says of its stock.
    pub availability: f64,
}

/// The suitable offers, best first, and every other with its reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    pub offers: Vec<Ranked>,
    pub excluded: Vec<(Offer, Exclusion)>,
}

/// Filters and ranks `offers` for `spec`. The order is total: equal scores fall back to price, provider, region, type.
pub fn rank(spec: &Spec, offers: Vec<Offer>) -> Ranking {
    let mut suitable = Vec::with_capacity(offers.len());
    let mut excluded = Vec::new();
    for offer in offers {
        match exclusion(spec, &offer) {
            Some(why) => excluded.push((offer, why)),
            None => suitable.push(offer),
        }
    }
    let cheapest = suitable.iter().map(|o| o.price_per_hour.micros).min().unwrap_or(0).max(1);
    let largest = suitable.iter().map(|o| o.gpu_memory_gib * o.gpu_count).max().unwrap_or(0).max(1);
    let mut offers: Vec<Ranked> = suitable
        .into_iter()
        .map(|offer| {
            let parts = Scores {
                price: cheapest as f64 / offer.price_per_hour.micros.max(1) as f64,
                performance: f64::from(offer.gpu_memory_gib * offer.gpu_count) / f64::from(largest),
                availability: availability(&offer),
            };
            Ranked { score: weigh(spec, &offer, parts), offer, parts }
        })
        .collect();
    offers.sort_by(|a, b| {
        b.score.total_cmp(&a.score).then_with(|| tie_break(&a.offer).cmp(&tie_break(&b.offer)))
    });
    Ranking { offers, excluded }
}

fn tie_break(offer: &Offer) -> (i64, &str, &str, &str, bool) {
    (offer.price_per_hour.micros, offer.provider.as_str(), &offer.region, &offer.instance_type, offer.spot)
}

fn availability(offer: &Offer) -> f64 {
    match offer.stock {
        Stock::None => 0.0,
        Stock::Low => 0.3,
        Stock::Unknown => 0.5,
        Stock::Medium => 0.7,
        Stock::High => 1.0,
    }
}

fn weigh(spec: &Spec, offer: &Offer, parts: Scores) -> f64 {
    let (price, performance, availability) = match spec.strategy {
        Strategy::Cost => (1.0, 0.0, 0.0),
        Strategy::Performance => (0.2, 0.8, 0.0),
        Strategy::Availability => (0.2, 0.0, 0.8),
        Strategy::Balanced => (0.5, 0.2, 0.3),
    };
    let score = price * parts.price + performance * parts.performance + availability * parts.availability;
    // A preference decides between any two offers of which one has it; within it the strategy decides.
    let preferred_provider = spec.preferred_providers.contains(&offer.provider.0);
    let preferred_region = spec.preferred_regions.contains(&offer.region);
    let preferred_spot = spec.spot == Spot::Prefer && offer.spot;
    let rank = f64::from(
        u8::from(preferred_provider) * 4 + u8::from(preferred_region) * 2 + u8::from(preferred_spot),
    );
    (rank + score) / 8.0
}

/// The first reason not to take `offer`.
pub fn exclusion(spec: &Spec, offer: &Offer) -> Option<Exclusion> {
    let gpu = &spec.gpu;
    if gpu.model.as_deref().is_some_and(|model| !same_model(model, &offer.gpu, &offer.instance_type)) {
        return Some(Exclusion::WrongGpu { offered: offer.gpu.clone() });
    }
    if offer.gpu_count != gpu.count {
        return Some(Exclusion::TooFewGpus { offered: offer.gpu_count });
    }
    if gpu.memory_gib.is_some_and(|need| offer.gpu_memory_gib < need) {
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
    if let Some(ceiling) = spec.max_price_per_hour {
        if ceiling.currency != offer.price_per_hour.currency {
            return Some(Exclusion::OtherCurrency);
        }
        if offer.price_per_hour.micros > ceiling.micros {
            return Some(Exclusion::OverPriceCeiling { ceiling });
        }
    }
    (offer.stock == Stock::None).then_some(Exclusion::OutOfStock)
}

/// Whether a user's word for a GPU means this one: case, spaces, dashes and the maker's name do not count.
/// `A100 80GB` means both PCIe and SXM; `A100 80GB SXM` means only that.
pub fn same_model(wanted: &str, model: &str, provider_id: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        text.to_lowercase()
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty() && !matches!(*word, "nvidia" | "geforce" | "tesla" | "amd"))
            .map(str::to_owned)
            .collect()
    };
    let wanted_words = words(wanted);
    let squeezed = |words: &[String]| words.concat();
    let matches = |text: &str| {
        let offered = words(text);
        wanted_words.iter().all(|word| offered.contains(word))
            || squeezed(&offered) == squeezed(&wanted_words)
    };
    !wanted_words.is_empty() && (matches(model) || matches(provider_id))
}
