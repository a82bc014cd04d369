//! What the region's zones rent, as offers. A super node's pod is as large as the instance type that it is priced by.

use std::collections::BTreeMap;

use domain::placement::{Offer, Stock};
use jiff::Timestamp;

use super::{NAME, wire::Configuration};

/// A family of instance types with one model of GPU.
struct Family {
    name: &'static str,
    /// Our name of the model.
    model: &'static str,
    /// Memory of one GPU, which the cloud does not say.
    memory_gib: u32,
    /// As the annotation of a super node's pod names it.
    gpu_type: &'static str,
}

const fn family(name: &'static str, model: &'static str, memory_gib: u32, gpu_type: &'static str) -> Family {
    Family { name, model, memory_gib, gpu_type }
}

/// The families whose GPUs a super node has. Another one is not offered: nothing could be asked for.
const FAMILIES: [Family; 6] = [
    family("GN7", "T4", 16, "T4"),
    family("GN10X", "V100 32GB", 32, "V100"),
    family("GN10Xp", "V100 32GB", 32, "V100"),
    family("GNV4", "A10", 24, "A10*GNV4"),
    family("PNV4", "A10", 24, "A10*PNV4"),
    family("GT4", "A100 40GB", 40, "A100"),
];

/// Every family that is offered.
pub(super) fn families() -> Vec<&'static str> {
    FAMILIES.iter().map(|family| family.name).collect()
}

/// What a super node's pod asks for, to be like `instance_type`: the part before the first dot is its family.
pub(super) fn gpu_type(instance_type: &str) -> Option<&'static str> {
    let name = instance_type.split('.').next()?;
    FAMILIES.iter().find(|family| family.name == name).map(|family| family.gpu_type)
}

/// One offer for each zone, type, and spot or not; what has no price by the hour or no whole GPU is left out.
pub(super) fn offers(configurations: &[Configuration], seen_at: Timestamp) -> Vec<Offer> {
    let mut offers = BTreeMap::new();
    for one in configurations {
        let Some(offer) = offer(one, seen_at) else { continue };
        offers.insert((offer.region.clone(), offer.instance_type.clone(), offer.spot), offer);
    }
    offers.into_values().collect()
}

fn offer(one: &Configuration, seen_at: Timestamp) -> Option<Offer> {
    let family = FAMILIES.iter().find(|family| family.name == one.instance_family)?;
    let spot = match one.instance_charge_type.as_deref()? {
        "POSTPAID_BY_HOUR" => false,
        "SPOTPAID" => true,
        _ => return None,
    };
    let gpu_count = one.gpu.filter(|count| *count > 0)?;
    // A share of a GPU is counted as one by `Gpu`, and as what it is by `GpuCount`.
    if one.gpu_count.is_some_and(|count| (count - f64::from(gpu_count)).abs() > 1e-6) {
        return None;
    }
    Some(Offer {
        provider: NAME.into(),
        region: one.zone.clone(),
        gpu: family.model.to_owned(),
        instance_type: one.instance_type.clone(),
        gpu_count,
        gpu_memory_gib: family.memory_gib,
        cpus: one.cpu,
        memory_gib: one.memory,
        spot,
        price_per_hour: one.price.as_ref()?.per_hour()?,
        stock: stock(one),
        seen_at,
    })
}

/// What the cloud says of its stock.
pub(super) fn stock(one: &Configuration) -> Stock {
    if one.status.as_deref() == Some("SOLD_OUT") {
        return Stock::None;
    }
    match one.status_category.as_deref() {
        Some("WithoutStock") => Stock::None,
        Some("UnderStock") => Stock::Low,
        Some("NormalStock") => Stock::Medium,
        Some("EnoughStock") => Stock::High,
        _ => Stock::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(change: &Value) -> Vec<(String, u32, bool, i64, Stock)> {
        let mut one = json!({"Zone": "ap-guangzhou-6", "InstanceType": "GN7.2XLARGE32", "InstanceFamily": "GN7",
            "InstanceChargeType": "POSTPAID_BY_HOUR", "Cpu": 8, "Memory": 32, "Gpu": 1, "GpuCount": 1,
            "Status": "SELL", "StatusCategory": "EnoughStock",
            "Price": {"UnitPrice": 9.5, "ChargeUnit": "HOUR", "UnitPriceDiscount": 8.68}});
        for (name, value) in change.as_object().unwrap() {
            one[name] = value.clone();
        }
        let text = one.to_string();
        let seen_at = "2026-06-01T12:00:00Z".parse().unwrap();
        let one: Configuration = serde_json::from_str(&text).unwrap();
        let rows = offers(&[one], seen_at).into_iter();
        rows.map(|o| (o.gpu, o.gpu_memory_gib, o.spot, o.price_per_hour.micros, o.stock)).collect()
    }

    #[test]
    fn a_configuration_is_an_offer_where_it_can_be_asked_for() {
        let t4 = |spot, micros, stock| vec![("T4".to_owned(), 16, spot, micros, stock)];
        for (change, expected) in [
            (json!({}), t4(false, 8_680_000, Stock::High)),
            (json!({"InstanceChargeType": "SPOTPAID"}), t4(true, 8_680_000, Stock::High)),
            (json!({"Status": "SOLD_OUT"}), t4(false, 8_680_000, Stock::None)),
            (json!({"StatusCategory": "WithoutStock"}), t4(false, 8_680_000, Stock::None)),
            (json!({"StatusCategory": "UnderStock"}), t4(false, 8_680_000, Stock::Low)),
            (json!({"StatusCategory": "NormalStock"}), t4(false, 8_680_000, Stock::Medium)),
            (json!({"StatusCategory": "Plenty"}), t4(false, 8_680_000, Stock::Unknown)),
            (
                json!({"Price": {"UnitPrice": "1.2345678", "ChargeUnit": "HOUR"}}),
                t4(false, 1_234_568, Stock::High),
            ),
            (json!({"GpuCount": 0.25}), vec![]),
            (json!({"Gpu": 0, "GpuCount": 0}), vec![]),
            (json!({"InstanceFamily": "SA5"}), vec![]),
            (json!({"InstanceChargeType": "PREPAID"}), vec![]),
            (json!({"Price": null}), vec![]),
            (json!({"Price": {"UnitPrice": 0, "ChargeUnit": "HOUR"}}), vec![]),
            (json!({"Price": {"UnitPrice": 800, "ChargeUnit": "MONTH"}}), vec![]),
        ] {
            assert_eq!(read(&change), expected, "{change}");
        }
    }

    #[test]
    fn an_instance_types_family_tells_the_gpu() {
        assert_eq!(gpu_type("GN7.2XLARGE32"), Some("T4"));
        assert_eq!(gpu_type("PNV4.7XLARGE116"), Some("A10*PNV4"));
        assert_eq!(gpu_type("SA5.2XLARGE16"), None);
    }
}
