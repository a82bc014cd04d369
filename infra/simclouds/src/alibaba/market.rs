//! What it would cost and whether there is any.

use super::account::Account;
use super::catalogue::{self, KINDS, Kind};
use super::describe::Page;
use super::error::Refusal;
use super::parameters::Parameters;
use super::run::yuan_an_hour;
use crate::clock;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub(crate) const PRICE: &[&str] = &[
    "RegionId",
    "ZoneId",
    "ResourceType",
    "InstanceType",
    "ImageId",
    "Amount",
    "Period",
    "PriceUnit",
    "SpotStrategy",
    "SpotDuration",
    "IoOptimized",
    "InstanceNetworkType",
    "InternetChargeType",
    "InternetMaxBandwidthOut",
    "SystemDisk.Category",
    "SystemDisk.Size",
    "SystemDisk.PerformanceLevel",
    "DataDisk.N.Category",
    "DataDisk.N.Size",
    "DataDisk.N.PerformanceLevel",
    "Scope",
    "Platform",
];
pub(crate) const HISTORY: &[&str] = &[
    "RegionId",
    "ZoneId",
    "InstanceType",
    "NetworkType",
    "IoOptimized",
    "OSType",
    "SpotDuration",
    "StartTime",
    "EndTime",
    "Offset",
];
pub(crate) const AVAILABLE: &[&str] = &[
    "RegionId",
    "ZoneId",
    "DestinationResource",
    "InstanceType",
    "InstanceChargeType",
    "SpotStrategy",
    "SpotDuration",
    "NetworkCategory",
    "IoOptimized",
    "ResourceType",
    "SystemDiskCategory",
    "DataDiskCategory",
    "Cores",
    "Memory",
    "DedicatedHostId",
    "Scope",
];
pub(crate) const KINDS_KNOWN: &[&str] = &[
    "RegionId",
    "InstanceTypes.N",
    "InstanceTypeFamily",
    "InstanceCategory",
    "GPUSpec",
    "MinimumGPUAmount",
    "MaximumGPUAmount",
    "MinimumCpuCoreCount",
    "MinimumMemorySize",
    "MaxResults",
    "NextToken",
];

fn wanted(asked: &Parameters) -> Result<&'static Kind, Refusal> {
    catalogue::find(asked.need("InstanceType")?).ok_or_else(|| {
        let message = "The specified InstanceType does not exist or beyond the permitted range.";
        Refusal::new(400, "InvalidInstanceType.ValueNotSupported", message)
    })
}

/// The zones that are asked about: one, or all of the region.
fn zones(asked: &Parameters) -> Result<Vec<&'static str>, Refusal> {
    let all = catalogue::zones(asked.region()?).unwrap_or_default();
    match asked.text("ZoneId") {
        None => Ok(all.to_vec()),
        Some(id) => all.iter().find(|zone| **zone == id).map(|zone| vec![*zone]).ok_or_else(|| {
            Refusal::new(404, "InvalidZoneId.NotFound", "The specified ZoneId does not exist.")
        }),
    }
}

pub(crate) fn price(account: &Account, asked: &Parameters) -> Result<Value, Refusal> {
    let zones = zones(asked)?;
    asked.choice("ResourceType", &["instance"])?;
    asked.choice("PriceUnit", &["Hour"])?;
    let kind = wanted(asked)?;
    let amount = asked.number("Amount", 1..=1000)?.unwrap_or(1);
    let hours = asked.number("Period", 1..=1)?.unwrap_or(1);
    let spot = asked.choice("SpotStrategy", &["NoSpot", "SpotAsPriceGo", "SpotWithPriceLimit"])?;
    let spot = spot.is_some_and(|word| word != "NoSpot");
    let now = clock::now();
    let prices = zones.iter().filter_map(|zone| account.price(kind.id, zone, now));
    // Without a zone it is the dearest one's: nobody is then asked for more.
    let (full, market) = prices.max().ok_or_else(|| {
        Refusal::new(403, "PriceNotFound", "The price of the specified resource is not found.")
    })?;
    let times = i64::from(amount) * i64::from(hours);
    let original = yuan_an_hour(full * times);
    let trade = yuan_an_hour(if spot { market } else { full } * times);
    let discount = original - trade;
    let detail = json!({
        "Resource": "instanceType", "OriginalPrice": original, "TradePrice": trade, "DiscountPrice": discount,
    });
    Ok(json!({"PriceInfo": {
        "Price": {
            "OriginalPrice": original, "DiscountPrice": discount, "TradePrice": trade, "Currency": "CNY",
            "DetailInfos": {"DetailInfo": [detail]},
        },
        "Rules": {"Rule": [{"RuleId": 0, "Description": "A synthetic price of a simulated cloud"}]},
    }}))
}

/// A point an hour and one at each move would be the cloud's; a point an hour is enough to see what holds now.
pub(crate) fn history(account: &Account, asked: &Parameters) -> Result<Value, Refusal> {
    const PAGE: usize = 1000;
    let zones = zones(asked)?;
    let kind = wanted(asked)?;
    asked.need("NetworkType")?;
    asked.choice("NetworkType", &["vpc", "classic"])?;
    let offset = asked.number("Offset", 0..=1_000_000)?.unwrap_or(0) as usize;
    let now = clock::now();
    let end = asked.parse::<Timestamp>("EndTime")?.unwrap_or(now).min(now);
    let start = asked.parse::<Timestamp>("StartTime")?.unwrap_or(end - SignedDuration::from_hours(3));
    if end.duration_since(start) > SignedDuration::from_hours(31 * 24) {
        return Err(Refusal::invalid("StartTime"));
    }
    let mut points = Vec::new();
    for zone in zones {
        // From the newest back, so that what holds at the end is always told.
        let mut at = end;
        while at >= start {
            if let Some((full, market)) = account.price(kind.id, zone, at) {
                points.push(json!({
                    "InstanceType": kind.id, "ZoneId": zone, "NetworkType": "vpc", "IoOptimized": "optimized",
                    "SpotPrice": yuan_an_hour(market), "OriginPrice": yuan_an_hour(full),
                    "Timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                }));
            }
            at -= SignedDuration::from_hours(1);
        }
    }
    points.sort_by(|a, b| a["Timestamp"].as_str().cmp(&b["Timestamp"].as_str()));
    let next = if points.len() > offset + PAGE { offset + PAGE } else { 0 };
    let page: Vec<Value> = points.into_iter().skip(offset).take(PAGE).collect();
    Ok(json!({"Currency": "CNY", "NextOffset": next, "SpotPrices": {"SpotPriceType": page}}))
}

pub(crate) fn available(account: &Account, asked: &Parameters) -> Result<Value, Refusal> {
    let zones = zones(asked)?;
    let region = asked.region()?;
    asked.need("DestinationResource")?;
    asked.choice("DestinationResource", &["InstanceType"])?;
    let one = asked.text("InstanceType");
    let mut places = Vec::new();
    for zone in zones {
        let mut kinds = Vec::new();
        let mut any = false;
        for kind in KINDS.iter().filter(|kind| one.is_none_or(|id| id == kind.id)) {
            let Some(free) = account.free(kind.id, zone) else { continue };
            let (status, stock) =
                if free > 0 { ("Available", "WithStock") } else { ("SoldOut", "WithoutStock") };
            any |= free > 0;
            kinds.push(json!({"Value": kind.id, "Status": status, "StatusCategory": stock}));
        }
        if kinds.is_empty() {
            continue;
        }
        let (status, stock) = if any { ("Available", "WithStock") } else { ("SoldOut", "WithoutStock") };
        let resource = json!({"Type": "InstanceType", "SupportedResources": {"SupportedResource": kinds}});
        places.push(json!({
            "RegionId": region, "ZoneId": zone, "Status": status, "StatusCategory": stock,
            "AvailableResources": {"AvailableResource": [resource]},
        }));
    }
    Ok(json!({"AvailableZones": {"AvailableZone": places}}))
}

pub(crate) fn kinds(asked: &Parameters) -> Result<Value, Refusal> {
    let page = Page::of(asked, 1600)?;
    let ids = asked.list("InstanceTypes");
    if ids.len() > 10 {
        return Err(Refusal::invalid("InstanceTypes"));
    }
    let least: u32 = asked.parse("MinimumGPUAmount")?.unwrap_or(0);
    let most: u32 = asked.parse("MaximumGPUAmount")?.unwrap_or(u32::MAX);
    let cpus: u32 = asked.parse("MinimumCpuCoreCount")?.unwrap_or(0);
    let memory: f64 = asked.parse("MinimumMemorySize")?.unwrap_or(0.0);
    let is = |name: &str, value: &str| asked.text(name).is_none_or(|wanted| wanted == value);
    let found = KINDS.iter().filter(|kind| {
        (ids.is_empty() || ids.iter().any(|id| id == kind.id))
            && is("InstanceTypeFamily", kind.family)
            && is("GPUSpec", kind.gpu)
            && (least..=most).contains(&kind.gpus)
            && kind.cpus >= cpus
            && kind.memory_gib >= memory
    });
    let (found, next) = page.cut(found.collect::<Vec<_>>());
    let each: Vec<Value> = found
        .iter()
        .map(|kind| {
            json!({
                "InstanceTypeId": kind.id, "InstanceTypeFamily": kind.family, "GPUAmount": kind.gpus,
                "GPUSpec": kind.gpu, "GPUMemorySize": kind.gpu_gib, "CpuCoreCount": kind.cpus,
                "MemorySize": kind.memory_gib, "CpuArchitecture": "X86",
            })
        })
        .collect();
    Ok(json!({"NextToken": next, "InstanceTypes": {"InstanceType": each}}))
}
