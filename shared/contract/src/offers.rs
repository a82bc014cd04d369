//! What can be rented, and how it ranks for a job.

mod docs;
mod gpus;
mod rank;

use domain::job::FieldError;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::{mirror::mirror, money::Money, query::Query};

pub use docs::Docs;
pub use gpus::{Gpu, GpuPage, LowestPrice};
pub use rank::{Excluded, RankOffers, Ranked, Ranking, Scores};

mirror! {
    /// How likely a provider says it is to serve an offer; `unknown` where it does not say.
    Stock of domain::placement::Stock { None, Low, Medium, High, Unknown }
}

/// One thing that a provider rents at one price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
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
}

impl From<domain::placement::Offer> for Offer {
    fn from(offer: domain::placement::Offer) -> Self {
        Self {
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
    /// Who was asked: the offers of a provider that did not answer are missing.
    pub providers: Vec<Provider>,
}

/// A cloud that this platform has credentials for, and whether its catalogue can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(example = json!({"name": "runpod", "status": "ok", "message": null, "offers": 42, "checked_at": "2026-01-02T03:04:05Z"}))]
pub struct Provider {
    pub name: String,
    pub status: ProviderStatus,
    /// What its status means, in words; null for `ok`.
    #[schema(required = true)]
    pub message: Option<String>,
    /// How many offers it has; null if it did not answer.
    #[schema(required = true)]
    pub offers: Option<usize>,
    /// When it was asked.
    pub checked_at: Timestamp,
}

/// Whether a provider's catalogue can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderStatus {
    Ok,
    /// It refuses our credentials.
    Credentials,
    /// It wants to be asked less often.
    RateLimited,
    /// It did not answer, or answered something that we do not understand.
    Unavailable,
}

/// The providers of this platform.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProviderPage {
    pub items: Vec<Provider>,
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
