//! What can be rented, and how it ranks for a job.

mod docs;
mod gpus;
mod images;
mod providers;
mod rank;
mod scheduling;

use domain::job::FieldError;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::{mirror::mirror, money::Money, query::Query};

pub use docs::Docs;
pub use gpus::{Gpu, GpuPage, GpuPlace, LowestPrice};
pub use images::{Image, ImagePage};
pub use providers::{Provider, ProviderPage, ProviderStatus};
pub use rank::{Estimate, Excluded, Expectation, RankOffers, Ranked, Ranking, Scores};
pub use scheduling::{PlaceStatistics, QueueState, Refused, SchedulingMetrics};

mirror! {
    /// How likely a provider says it is to serve an offer; `unknown` where it does not say.
    Stock of domain::placement::Stock { None, Low, Medium, High, Unknown }
}

/// One thing that a provider rents at one price.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Offer {
    #[schema(example = "runpod")]
    pub provider: String,
    /// The provider's region; null where any will do.
    #[schema(required = true)]
    pub region: Option<String>,
    #[schema(example = "RTX 4090")]
    pub gpu: String,
    pub gpu_count: u32,
    /// Memory of one GPU.
    pub gpu_memory_gib: u32,
    /// The provider's own id of the GPU or of the instance type.
    pub instance_type: String,
    /// Null where the provider does not say.
    #[schema(required = true)]
    pub cpus: Option<u32>,
    /// Null where the provider does not say.
    #[schema(required = true)]
    pub memory_gib: Option<u32>,
    pub spot: bool,
    /// For all its GPUs together.
    pub price_per_hour: Money,
    pub stock: Stock,
    /// When the provider said so.
    pub seen_at: Timestamp,
    /// How long ago that was.
    pub age_seconds: f64,
    /// Older than it should be: newer ones were asked for and may be there in a moment.
    pub stale: bool,
}

/// From when on an offer counts as old.
#[derive(Debug, Clone, Copy)]
pub struct AsOf {
    pub now: Timestamp,
    /// Up to that age an offer is as good as new.
    pub fresh: SignedDuration,
}

impl AsOf {
    fn age(self, seen_at: Timestamp) -> f64 {
        self.now.duration_since(seen_at).as_secs_f64().max(0.0)
    }

    fn is_stale(self, seen_at: Timestamp) -> bool {
        self.now.duration_since(seen_at) > self.fresh
    }
}

impl Offer {
    /// The offer as it is shown.
    pub fn new(offer: domain::placement::Offer, as_of: AsOf) -> Self {
        Self {
            age_seconds: as_of.age(offer.seen_at),
            stale: as_of.is_stale(offer.seen_at),
            provider: offer.provider.0,
            region: Some(offer.region).filter(|region| !region.is_empty()),
            gpu: offer.gpu,
            gpu_count: offer.gpu_count,
            gpu_memory_gib: offer.gpu_memory_gib,
            instance_type: offer.instance_type,
            cpus: offer.cpus,
            memory_gib: offer.memory_gib,
            spot: offer.spot,
            price_per_hour: offer.price_per_hour.into(),
            stock: offer.stock.into(),
            seen_at: offer.seen_at,
        }
    }
}

/// Offers, the cheapest of each currency first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct OfferPage {
    pub items: Vec<Offer>,
    /// Whether there were more than `limit`.
    pub more: bool,
    /// Who was asked, and how old their offers are.
    pub providers: Vec<Provider>,
}

/// Which offers. Every parameter that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OffersQuery {
    /// A model: `RTX 4090`, `A100 80GB`.
    pub gpu: Option<String>,
    #[param(minimum = 1, maximum = 16)]
    pub gpu_count: Option<u32>,
    /// At least that much memory of one GPU.
    #[param(minimum = 1, maximum = 1024)]
    pub gpu_memory_gib: Option<u32>,
    pub spot: Option<bool>,
    pub provider: Option<String>,
    pub region: Option<String>,
    /// Only what the provider does not call sold out.
    pub in_stock: Option<bool>,
    #[param(required = false, minimum = 1, maximum = 1_000, default = 200)]
    pub limit: usize,
}

impl OffersQuery {
    /// Reads the part of the URL behind `?`.
    pub fn read(query: &str) -> Result<Self, Vec<FieldError>> {
        let mut query = Query::parse(query);
        let read = Self {
            gpu: query.short("gpu", 64),
            gpu_count: query.number("gpu_count", 1..=16),
            gpu_memory_gib: query.number("gpu_memory_gib", 1..=1_024),
            spot: query.flag("spot"),
            provider: query.short("provider", 64),
            region: query.short("region", 64),
            in_stock: query.flag("in_stock"),
            limit: query.number("limit", 1..=1_000).unwrap_or(200),
        };
        query.end(read)
    }

    /// Whether `offer` is one of those asked for.
    pub fn matches(&self, offer: &domain::placement::Offer) -> bool {
        let gpu = self
            .gpu
            .as_deref()
            .is_none_or(|gpu| domain::placement::same_model(gpu, &offer.gpu, &offer.instance_type));
        gpu && self.gpu_count.is_none_or(|count| offer.gpu_count == count)
            && self.gpu_memory_gib.is_none_or(|least| offer.gpu_memory_gib >= least)
            && self.spot.is_none_or(|spot| offer.spot == spot)
            && self.provider.as_deref().is_none_or(|name| offer.provider.as_str() == name)
            && self.region.as_deref().is_none_or(|region| offer.region == region)
            && self.in_stock.is_none_or(|wanted| wanted == (offer.stock != domain::placement::Stock::None))
    }
}

#[cfg(test)]
pub(crate) fn sample(gpu: &str, count: u32, spot: bool, micros: i64) -> domain::placement::Offer {
    domain::placement::Offer {
        provider: "runpod".into(),
        region: String::new(),
        gpu: gpu.into(),
        instance_type: gpu.into(),
        gpu_count: count,
        gpu_memory_gib: 24,
        cpus: None,
        memory_gib: None,
        spot,
        price_per_hour: domain::Money::new(micros, domain::Currency::Usd),
        stock: domain::placement::Stock::High,
        seen_at: Timestamp::UNIX_EPOCH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_given_parameter_must_hold() {
        let query = OffersQuery::read("gpu=rtx+4090&spot=false&gpu_count=1").unwrap();
        assert!(query.matches(&sample("RTX 4090", 1, false, 1)));
        assert!(!query.matches(&sample("RTX 4090", 1, true, 1)));
        assert!(!query.matches(&sample("RTX 4090", 2, false, 1)));
        assert!(!query.matches(&sample("RTX 3090", 1, false, 1)));
    }
}
