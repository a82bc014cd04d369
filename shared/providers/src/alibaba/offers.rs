//! What can be rented: types with NVIDIA GPUs in the zones that are configured, with live stock and prices.

use std::collections::{BTreeMap, BTreeSet};

use app::ports::ProviderError;
use domain::{
    money::Money,
    placement::{Offer, Stock},
};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::{NAME, client::Client, settings::Region, wire};

/// Price calls at a time: the cloud limits them.
const AT_ONCE: usize = 8;
/// A spot price is told about once an hour.
const HISTORY: SignedDuration = SignedDuration::from_hours(4);
/// GiB that GPUs are sold with. The cloud tells what is left of it.
const SIZES: [u32; 11] = [8, 12, 16, 20, 24, 32, 40, 48, 80, 96, 141];

/// Every offer of a region.
pub(super) async fn of_region(
    client: &Client,
    region: &Region,
    now: Timestamp,
) -> Result<Vec<Offer>, ProviderError> {
    let kinds = kinds(client, region).await?;
    let (on_demand, spot) = futures::try_join!(stock(client, region, false), stock(client, region, true))?;
    let wanted: Vec<Wanted> = kinds
        .into_iter()
        .filter_map(|kind| {
            let places = |stock: &Shelves| -> BTreeMap<String, Stock> {
                let zones = region.zones.keys();
                zones
                    .filter_map(|zone| Some((zone.clone(), *stock.get(&(zone.clone(), kind.id.clone()))?)))
                    .collect()
            };
            let (on_demand, spot) = (places(&on_demand), places(&spot));
            let wanted = Wanted { kind, on_demand, spot };
            (!wanted.on_demand.is_empty() || !wanted.spot.is_empty()).then_some(wanted)
        })
        .collect();
    let each: Vec<_> = wanted.into_iter().map(|wanted| priced(client, region, wanted, now)).collect();
    let offers: Vec<Vec<Offer>> = stream::iter(each).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(offers.into_iter().flatten().collect())
}

/// By zone and type.
type Shelves = BTreeMap<(String, String), Stock>;

/// A type and the zones that sell it.
struct Wanted {
    kind: wire::InstanceType,
    on_demand: BTreeMap<String, Stock>,
    spot: BTreeMap<String, Stock>,
}

fn text(text: &str) -> String {
    text.to_owned()
}

async fn kinds(client: &Client, region: &Region) -> Result<Vec<wire::InstanceType>, ProviderError> {
    let mut kinds = Vec::new();
    let mut next = String::new();
    loop {
        let mut query = vec![("MinimumGPUAmount", text("1")), ("MaxResults", text("100"))];
        if !next.is_empty() {
            query.push(("NextToken", next));
        }
        let page: wire::InstanceTypes = client.call(&region.id, "DescribeInstanceTypes", &query).await?;
        kinds.extend(page.instance_types.list);
        next = page.next_token.unwrap_or_default();
        if next.is_empty() {
            break;
        }
    }
    kinds.retain(|kind| {
        model(kind).is_some()
            && (region.instance_types.is_empty() || region.instance_types.contains(&kind.id))
    });
    Ok(kinds)
}

async fn stock(client: &Client, region: &Region, spot: bool) -> Result<Shelves, ProviderError> {
    let mut query = vec![
        ("RegionId", text(&region.id)),
        ("DestinationResource", text("InstanceType")),
        ("InstanceChargeType", text("PostPaid")),
        ("NetworkCategory", text("vpc")),
        ("SpotStrategy", text(if spot { "SpotAsPriceGo" } else { "NoSpot" })),
    ];
    if let [zone] = &region.zones.keys().collect::<Vec<_>>()[..] {
        query.push(("ZoneId", text(zone)));
    }
    let answer: wire::Available = client.call(&region.id, "DescribeAvailableResource", &query).await?;
    let mut shelves = Shelves::new();
    for zone in answer.available_zones.list {
        for one in zone.available_resources.list.into_iter().flat_map(|one| one.supported_resources.list) {
            shelves.insert((zone.zone_id.clone(), one.value), level(one.status_category.as_deref()));
        }
    }
    Ok(shelves)
}

fn level(word: Option<&str>) -> Stock {
    match word {
        Some("WithStock") => Stock::High,
        Some("ClosedWithStock") => Stock::Low,
        Some("WithoutStock" | "ClosedWithoutStock") => Stock::None,
        _ => Stock::Unknown,
    }
}

async fn priced(
    client: &Client,
    region: &Region,
    wanted: Wanted,
    now: Timestamp,
) -> Result<Vec<Offer>, ProviderError> {
    let mut offers = Vec::new();
    for (zone, stock) in &wanted.on_demand {
        if let Some(price) = without(on_demand(client, region, zone, &wanted.kind.id).await)?.flatten() {
            offers.extend(offer(&wanted.kind, zone, false, price, *stock, now));
        }
    }
    if !wanted.spot.is_empty() {
        let prices = without(spot(client, region, &wanted.kind.id, now).await)?.unwrap_or_default();
        for (zone, stock) in &wanted.spot {
            if let Some(price) = prices.get(zone) {
                offers.extend(offer(&wanted.kind, zone, true, *price, *stock, now));
            }
        }
    }
    Ok(offers)
}

/// A type without a price is not offered; everything else that goes wrong is told.
fn without<T>(answer: Result<T, ProviderError>) -> Result<Option<T>, ProviderError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(
            ProviderError::Invalid(words) | ProviderError::Capacity(words) | ProviderError::NotFound(words),
        ) => {
            tracing::debug!(provider = NAME, words, "no price, so no offer");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn on_demand(
    client: &Client,
    region: &Region,
    zone: &str,
    kind: &str,
) -> Result<Option<Money>, ProviderError> {
    let query = [
        ("RegionId", text(&region.id)),
        ("ZoneId", text(zone)),
        ("ResourceType", text("instance")),
        ("InstanceType", text(kind)),
        ("Amount", text("1")),
        ("Period", text("1")),
        ("PriceUnit", text("Hour")),
    ];
    let answer: wire::Priced = client.call(&region.id, "DescribePrice", &query).await?;
    let price = answer.price_info.price;
    Ok(wire::price(&price.trade_price, price.currency.as_deref()))
}

/// The last price in each zone.
async fn spot(
    client: &Client,
    region: &Region,
    kind: &str,
    now: Timestamp,
) -> Result<BTreeMap<String, Money>, ProviderError> {
    let time = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut query = vec![
        ("RegionId", text(&region.id)),
        ("InstanceType", text(kind)),
        ("NetworkType", text("vpc")),
        ("StartTime", time(now - HISTORY)),
        ("EndTime", time(now)),
    ];
    if let [zone] = &region.zones.keys().collect::<Vec<_>>()[..] {
        query.push(("ZoneId", text(zone)));
    }
    let answer: wire::History = client.call(&region.id, "DescribeSpotPriceHistory", &query).await?;
    let mut points = answer.spot_prices.list;
    points.sort_by(|a, b| a.timestamp.cmp(&b.timestamp));
    let price = |point: wire::SpotPrice| {
        Some((point.zone_id, wire::price(&point.price, answer.currency.as_deref())?))
    };
    // A later one takes the place of an earlier one.
    Ok(points.into_iter().filter_map(price).collect())
}

fn offer(
    kind: &wire::InstanceType,
    zone: &str,
    spot: bool,
    price: Money,
    stock: Stock,
    seen_at: Timestamp,
) -> Option<Offer> {
    Some(Offer {
        provider: NAME.into(),
        region: zone.to_owned(),
        gpu: model(kind)?,
        instance_type: kind.id.clone(),
        gpu_count: kind.gpus,
        gpu_memory_gib: memory(kind.gpu_memory),
        cpus: kind.cpu_core_count,
        memory_gib: kind.memory_size.map(whole),
        spot,
        price_per_hour: price,
        stock,
        seen_at,
    })
}

/// Our name of a type's GPU. `None` for what is no whole NVIDIA GPU.
fn model(kind: &wire::InstanceType) -> Option<String> {
    let name = kind.gpu.strip_prefix("NVIDIA ")?.trim();
    let part = kind.id.contains("vgn") || kind.id.contains("sgn") || kind.id.contains("vgpu");
    if name.is_empty() || name.contains(['/', '*']) || part || kind.gpus == 0 || kind.gpu_memory < 1.0 {
        return None;
    }
    // Sold in two sizes, which the cloud's name of it does not tell apart.
    let sizes = BTreeSet::from(["A100", "V100"]);
    Some(if sizes.contains(name) { format!("{name} {}GB", memory(kind.gpu_memory)) } else { name.to_owned() })
}

fn memory(gib: f64) -> u32 {
    let sold = SIZES.into_iter().find(|size| f64::from(*size) >= gib);
    sold.filter(|size| gib >= 0.9 * f64::from(*size)).unwrap_or_else(|| whole(gib))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped before")]
fn whole(gib: f64) -> u32 {
    gib.round().clamp(0.0, 1e6) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(id: &str, gpu: &str, gpus: u32, memory: f64) -> wire::InstanceType {
        wire::InstanceType {
            id: id.to_owned(),
            gpus,
            gpu: gpu.to_owned(),
            gpu_memory: memory,
            cpu_core_count: None,
            memory_size: None,
        }
    }

    #[test]
    fn models_have_our_names() {
        for (id, gpu, gpus, gib, ours) in [
            ("ecs.gn6i-c4g1.xlarge", "NVIDIA T4", 1, 14.9, Some(("T4", 16))),
            ("ecs.gn6v-c8g1.2xlarge", "NVIDIA V100", 1, 16.0, Some(("V100 16GB", 16))),
            ("ecs.gn7i-c8g1.2xlarge", "NVIDIA A10", 1, 22.5, Some(("A10", 24))),
            ("ecs.gn7-c12g1.3xlarge", "NVIDIA A100", 1, 40.0, Some(("A100 40GB", 40))),
            ("ecs.gn7e-c16g1.4xlarge", "NVIDIA A100", 1, 80.0, Some(("A100 80GB", 80))),
            ("ecs.gn8x-2xlarge", "NVIDIA L1000", 1, 61.0, Some(("L1000", 61))),
            ("ecs.vgn6i-m4.xlarge", "NVIDIA T4", 1, 4.0, None),
            ("ecs.sgn7i-m2.xlarge", "NVIDIA A10", 1, 2.0, None),
            ("ecs.gn7i-x", "NVIDIA A10*1/4", 1, 6.0, None),
            ("ecs.ga1.xlarge", "AMD S7150", 1, 8.0, None),
            ("ecs.g7.xlarge", "", 0, 0.0, None),
            ("ecs.gn6i-x", "NVIDIA T4", 0, 16.0, None),
        ] {
            let kind = kind(id, gpu, gpus, gib);
            let ours = ours.map(|(name, gib)| (name.to_owned(), gib));
            assert_eq!(model(&kind).map(|name| (name, memory(kind.gpu_memory))), ours, "{id}");
        }
    }

    #[test]
    fn a_word_that_nobody_knows_is_no_stock_that_we_know() {
        let words = ["WithStock", "ClosedWithStock", "WithoutStock", "ClosedWithoutStock", "Plenty"];
        let levels = [Stock::High, Stock::Low, Stock::None, Stock::None, Stock::Unknown];
        assert_eq!(words.map(|word| level(Some(word))), levels);
    }
}
