//! The GPU models that can be rented.

use std::collections::BTreeMap;

use domain::placement::{Offer, Stock as DomainStock};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Provider, Stock};
use crate::money::Money;

/// The models on offer, by name.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GpuPage {
    pub items: Vec<Gpu>,
    /// Who was asked: what only a provider that did not answer has is missing.
    pub providers: Vec<Provider>,
}

/// A GPU model over all its offers. PCIe and SXM are models of their own, and so are two sizes of memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = GpuModel)]
pub struct Gpu {
    #[schema(example = "RTX 4090")]
    pub gpu: String,
    /// Memory of one.
    pub memory_gib: u32,
    pub providers: Vec<String>,
    /// Where there are some, and what one costs there at least.
    pub places: Vec<GpuPlace>,
    /// How many there are on a machine.
    pub counts: Vec<u32>,
    /// What one of them costs at least, by currency.
    pub lowest_prices: Vec<LowestPrice>,
    /// The best that a provider says of its stock.
    pub stock: Stock,
    pub offers: usize,
    /// When the oldest of the prices was seen.
    pub seen_at: Timestamp,
}

/// One region of one provider that has a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct GpuPlace {
    pub provider: String,
    /// Null where the provider chooses.
    #[schema(required = true)]
    pub region: Option<String>,
    #[serde(flatten)]
    pub lowest: LowestPrice,
    /// The best that the provider says of its stock there.
    pub stock: Stock,
}

/// The lowest prices for one GPU in one currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LowestPrice {
    /// Null if there is no such offer.
    #[schema(required = true)]
    pub on_demand_per_gpu_hour: Option<Money>,
    /// Null if there is no such offer.
    #[schema(required = true)]
    pub spot_per_gpu_hour: Option<Money>,
}

impl Gpu {
    /// The models of `offers`.
    pub fn group(offers: &[Offer]) -> Vec<Self> {
        let mut models: BTreeMap<(&str, u32), Vec<&Offer>> = BTreeMap::new();
        for offer in offers {
            models.entry((&offer.gpu, offer.gpu_memory_gib)).or_default().push(offer);
        }
        models
            .into_iter()
            .filter_map(|((gpu, memory_gib), offers)| Self::of(gpu, memory_gib, &offers))
            .collect()
    }

    fn of(gpu: &str, memory_gib: u32, offers: &[&Offer]) -> Option<Self> {
        let mut providers: Vec<String> = offers.iter().map(|offer| offer.provider.0.clone()).collect();
        let mut counts: Vec<u32> = offers.iter().map(|offer| offer.gpu_count).collect();
        let mut currencies: Vec<domain::Currency> =
            offers.iter().map(|offer| offer.price_per_hour.currency).collect();
        sort_and_dedup(&mut providers);
        sort_and_dedup(&mut counts);
        sort_and_dedup(&mut currencies);
        let lowest = |currency, spot| {
            offers
                .iter()
                .filter(|offer| offer.price_per_hour.currency == currency && offer.spot == spot)
                .map(|offer| offer.price_per_hour.micros / i64::from(offer.gpu_count.max(1)))
                .min()
                .map(|micros| domain::Money::new(micros, currency).into())
        };
        let mut places: BTreeMap<(&str, &str), Vec<&Offer>> = BTreeMap::new();
        for offer in offers {
            places.entry((offer.provider.as_str(), &offer.region)).or_default().push(offer);
        }
        Some(Self {
            places: places
                .into_iter()
                .filter_map(|((provider, region), o)| place(provider, region, &o))
                .collect(),
            gpu: gpu.to_owned(),
            memory_gib,
            providers,
            counts,
            lowest_prices: currencies
                .into_iter()
                .map(|currency| LowestPrice {
                    on_demand_per_gpu_hour: lowest(currency, false),
                    spot_per_gpu_hour: lowest(currency, true),
                })
                .collect(),
            stock: offers.iter().map(|offer| offer.stock).max_by_key(|stock| likelihood(*stock))?.into(),
            offers: offers.len(),
            seen_at: offers.iter().map(|offer| offer.seen_at).min()?,
        })
    }
}

fn place(provider: &str, region: &str, offers: &[&Offer]) -> Option<GpuPlace> {
    let lowest = |spot| {
        let prices = offers.iter().filter(|offer| offer.spot == spot);
        prices
            .map(|offer| {
                let price = offer.price_per_hour;
                domain::Money::new(price.micros / i64::from(offer.gpu_count.max(1)), price.currency)
            })
            .min_by_key(|price| price.micros)
            .map(Into::into)
    };
    Some(GpuPlace {
        provider: provider.to_owned(),
        region: Some(region.to_owned()).filter(|region| !region.is_empty()),
        lowest: LowestPrice { on_demand_per_gpu_hour: lowest(false), spot_per_gpu_hour: lowest(true) },
        stock: offers.iter().map(|offer| offer.stock).max_by_key(|stock| likelihood(*stock))?.into(),
    })
}

fn sort_and_dedup<T: Ord>(list: &mut Vec<T>) {
    list.sort_unstable();
    list.dedup();
}

/// Not knowing is better than knowing that there is nothing.
fn likelihood(stock: DomainStock) -> u8 {
    match stock {
        DomainStock::None => 0,
        DomainStock::Unknown => 1,
        DomainStock::Low => 2,
        DomainStock::Medium => 3,
        DomainStock::High => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offers::sample;

    #[test]
    fn prices_are_for_one_gpu_and_spot_is_apart() {
        let offers = [
            sample("RTX 4090", 1, false, 440_000),
            sample("RTX 4090", 4, false, 1_600_000),
            sample("RTX 4090", 1, true, 200_000),
            sample("A40", 1, false, 390_000),
        ];
        let gpus = Gpu::group(&offers);
        assert_eq!(gpus.iter().map(|gpu| gpu.gpu.as_str()).collect::<Vec<_>>(), ["A40", "RTX 4090"]);
        assert_eq!(gpus[1].counts, [1, 4]);
        let price = &gpus[1].lowest_prices[0];
        assert_eq!(price.on_demand_per_gpu_hour.as_ref().unwrap().amount, "0.400000");
        assert_eq!(price.spot_per_gpu_hour.as_ref().unwrap().amount, "0.200000");
        assert_eq!(gpus[0].lowest_prices[0].spot_per_gpu_hour, None);
    }
}
