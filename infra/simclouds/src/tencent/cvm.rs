//! CVM: what GPU machines cost and whether there are any. Machines themselves are not rented here.

use super::account::Account;
use super::api::Parameters;
use super::catalogue::{self, KINDS, Kind};
use super::error::Refusal;
use super::market::Shelf;
use serde_json::{Value, json};

pub(super) const ACTIONS: &[(&str, &[&str])] = &[
    ("DescribeRegions", &[]),
    ("DescribeZones", &[]),
    ("DescribeZoneInstanceConfigInfos", &["Filters"]),
    ("DescribeInstanceTypeConfigs", &["Filters"]),
    (
        "InquiryPriceRunInstances",
        &[
            "Placement",
            "ImageId",
            "InstanceChargeType",
            "InstanceChargePrepaid",
            "InstanceType",
            "SystemDisk",
            "DataDisks",
            "VirtualPrivateCloud",
            "InternetAccessible",
            "InstanceCount",
            "InstanceName",
            "LoginSettings",
            "SecurityGroupIds",
            "EnhancedService",
            "ClientToken",
            "HostName",
            "TagSpecification",
            "InstanceMarketOptions",
            "HpcClusterId",
            "LaunchTemplate",
        ],
    ),
];

pub(super) fn act(
    account: &Account,
    action: &str,
    region: &str,
    asked: &Parameters,
) -> Result<Value, Refusal> {
    match action {
        "DescribeRegions" => {
            let all = catalogue::REGIONS
                .iter()
                .map(|(id, name)| json!({"Region": id, "RegionName": name, "RegionState": "AVAILABLE"}));
            let all: Vec<Value> = all.collect();
            Ok(json!({"TotalCount": all.len(), "RegionSet": all}))
        }
        "DescribeZones" => {
            let all: Vec<Value> = catalogue::zones(region)
                .map(|zone| {
                    json!({
                        "Zone": zone.id, "ZoneName": zone.name, "ZoneId": zone.number, "ZoneState": "AVAILABLE",
                    })
                })
                .collect();
            Ok(json!({"TotalCount": all.len(), "ZoneSet": all}))
        }
        "DescribeZoneInstanceConfigInfos" => shelves(account, region, asked),
        "DescribeInstanceTypeConfigs" => kinds(region, asked),
        "InquiryPriceRunInstances" => price(account, region, asked),
        _ => Err(Refusal::new("InvalidAction", "The request action is invalid or not found.")),
    }
}

fn yuan_an_hour(micros_a_second: i64) -> f64 {
    micros_a_second.saturating_mul(3600) as f64 / 1e6
}

fn wanted(filters: &[(&str, Vec<&str>)], name: &str, value: &str) -> bool {
    filters.iter().filter(|(filter, _)| *filter == name).all(|(_, values)| values.contains(&value))
}

fn shelves(account: &Account, region: &str, asked: &Parameters) -> Result<Value, Refusal> {
    let filters =
        asked.filters(&["zone", "instance-family", "instance-type", "instance-charge-type", "sort-keys"])?;
    let mut all = Vec::new();
    for ((id, zone), shelf) in &account.market.shelves {
        let Some(kind) = catalogue::find(id) else { continue };
        let here = catalogue::zone(zone).is_some_and(|zone| zone.region == region);
        if !here
            || !wanted(&filters, "zone", zone)
            || !wanted(&filters, "instance-family", kind.family)
            || !wanted(&filters, "instance-type", id)
        {
            continue;
        }
        for charge in ["POSTPAID_BY_HOUR", "SPOTPAID"] {
            // Without a filter the cloud tells of machines by the hour only.
            let named = filters.iter().any(|(name, _)| *name == "instance-charge-type");
            if (named && wanted(&filters, "instance-charge-type", charge))
                || (!named && charge == "POSTPAID_BY_HOUR")
            {
                all.push(item(kind, zone, shelf, charge));
            }
        }
    }
    Ok(json!({"InstanceTypeQuotaSet": all}))
}

fn item(kind: &Kind, zone: &str, shelf: &Shelf, charge: &str) -> Value {
    let free = shelf.free();
    let category = match free {
        0 => "WithoutStock",
        1..5 => "UnderStock",
        5..20 => "NormalStock",
        _ => "EnoughStock",
    };
    let (full, rate) = (yuan_an_hour(shelf.on_demand), yuan_an_hour(shelf.rate(charge == "SPOTPAID")));
    json!({
        "Zone": zone, "InstanceType": kind.id, "InstanceFamily": kind.family, "InstanceChargeType": charge,
        "TypeName": format!("GPU {}", kind.family), "Cpu": kind.cpus, "Memory": kind.memory_gib, "Gpu": kind.gpus,
        "GpuCount": kind.gpus, "NetworkCard": 25, "Fpga": 0, "CpuType": "x86", "Frequency": "-", "Remark": "",
        "LocalDiskTypeList": [], "Status": if free > 0 { "SELL" } else { "SOLD_OUT" }, "StatusCategory": category,
        "SoldOutReason": if free > 0 { "" } else { "The zone is sold out" },
        "Price": {
            "UnitPrice": full, "ChargeUnit": "HOUR", "UnitPriceDiscount": rate,
            "Discount": if shelf.on_demand > 0 { 100.0 * rate / full } else { 100.0 },
        },
    })
}

fn kinds(region: &str, asked: &Parameters) -> Result<Value, Refusal> {
    let filters = asked.filters(&["zone", "instance-family", "instance-type"])?;
    let mut all = Vec::new();
    for kind in &KINDS {
        for zone in catalogue::zones(region).filter(|zone| kind.zones.contains(&zone.id)) {
            if wanted(&filters, "zone", zone.id)
                && wanted(&filters, "instance-family", kind.family)
                && wanted(&filters, "instance-type", kind.id)
            {
                all.push(json!({
                    "Zone": zone.id, "InstanceType": kind.id, "InstanceFamily": kind.family, "CPU": kind.cpus,
                    "Memory": kind.memory_gib, "GPU": kind.gpus, "GpuCount": kind.gpus, "FPGA": 0,
                    "GPUDesc": format!("{} * {} ({} GiB)", kind.gpus, kind.gpu, kind.gpu_gib),
                }));
            }
        }
    }
    Ok(json!({"InstanceTypeConfigSet": all}))
}

fn price(account: &Account, region: &str, asked: &Parameters) -> Result<Value, Refusal> {
    let place = asked.get("Placement");
    let zone = place["Zone"].as_str().ok_or_else(|| Refusal::missing("Placement.Zone"))?;
    asked.need("ImageId")?;
    let known = catalogue::zones(region).find(|one| one.id == zone);
    let zone = known.ok_or_else(|| {
        Refusal::new("InvalidZone.MismatchRegion", "The specified zone does not match the specified region.")
    })?;
    let id = asked.need("InstanceType")?;
    let kind = catalogue::find(id).ok_or_else(|| {
        Refusal::new("InvalidInstanceType.Malformed", "The specified instance type is not valid.")
    })?;
    let charge = asked.text("InstanceChargeType")?.unwrap_or("POSTPAID_BY_HOUR");
    if !["POSTPAID_BY_HOUR", "SPOTPAID"].contains(&charge) {
        return Err(Refusal::value("InstanceChargeType", "POSTPAID_BY_HOUR or SPOTPAID"));
    }
    let count = asked.number("InstanceCount")?.unwrap_or(1);
    if !(1..=100).contains(&count) {
        return Err(Refusal::value("InstanceCount", "must be from 1 to 100"));
    }
    let shelf = account.market.shelf(kind.id, zone.id).ok_or_else(|| {
        Refusal::new(
            "UnsupportedOperation.InstanceTypeNotSupport",
            "The instance type is not for sale in the specified zone.",
        )
    })?;
    let times = i64::try_from(count).unwrap_or(1);
    let (full, rate) = (shelf.on_demand * times, shelf.rate(charge == "SPOTPAID") * times);
    Ok(json!({"Price": {
        "InstancePrice": {
            "UnitPrice": yuan_an_hour(full), "ChargeUnit": "HOUR", "UnitPriceDiscount": yuan_an_hour(rate),
            "Discount": if full > 0 { 100.0 * yuan_an_hour(rate) / yuan_an_hour(full) } else { 100.0 },
        },
        "BandwidthPrice": {"UnitPrice": 0.8, "ChargeUnit": "GB", "UnitPriceDiscount": 0.8, "Discount": 100.0},
    }}))
}
