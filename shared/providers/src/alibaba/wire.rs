//! What ECS puts on the wire, as far as we read it. Fields that we can do without are optional: an answer is refused only
//! where it lacks what matters.

use domain::money::{Currency, Money};
use serde::Deserialize;
use serde_json::value::RawValue;

/// An answer of which only its success counts.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Done {
    #[expect(dead_code, reason = "without it, it is not an answer of the cloud")]
    request_id: String,
}

/// `RunInstances`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Made {
    pub(super) instance_id_sets: InstanceIds,
    /// Yuan an hour.
    pub(super) trade_price: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
pub(super) struct InstanceIds {
    #[serde(rename = "InstanceIdSet")]
    pub(super) ids: Vec<String>,
}

/// `DescribeInstances`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Instances {
    pub(super) instances: InstanceList,
    /// Empty or absent after the last page.
    pub(super) next_token: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct InstanceList {
    #[serde(rename = "Instance")]
    pub(super) list: Vec<Instance>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Instance {
    #[serde(rename = "InstanceId")]
    pub(super) id: String,
    pub(super) status: Option<String>,
    /// To the minute: `2026-06-01T12:00Z`
    pub(super) creation_time: Option<String>,
    pub(super) spot_strategy: Option<String>,
    #[serde(default)]
    pub(super) operation_locks: Locks,
    #[serde(default)]
    pub(super) tags: Tags,
}

#[derive(Deserialize, Default)]
pub(super) struct Locks {
    #[serde(rename = "LockReason", default)]
    pub(super) list: Vec<Lock>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Lock {
    pub(super) lock_reason: Option<String>,
}

#[derive(Deserialize, Default)]
pub(super) struct Tags {
    #[serde(rename = "Tag", default)]
    pub(super) list: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    pub(super) tag_key: String,
    #[serde(default)]
    pub(super) tag_value: String,
}

/// `RunCommand`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Invoked {
    pub(super) invoke_id: String,
}

/// `DescribeInvocationResults`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Results {
    pub(super) invocation: ResultPage,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ResultPage {
    pub(super) invocation_results: ResultList,
}

#[derive(Deserialize)]
pub(super) struct ResultList {
    #[serde(rename = "InvocationResult")]
    pub(super) list: Vec<InvocationResult>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InvocationResult {
    pub(super) invocation_status: Option<String>,
    /// Base64; its beginning is missing if it is long.
    pub(super) output: Option<String>,
    pub(super) error_code: Option<String>,
}

/// `DescribeInstanceTypes`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InstanceTypes {
    pub(super) instance_types: InstanceTypeList,
    pub(super) next_token: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct InstanceTypeList {
    #[serde(rename = "InstanceType")]
    pub(super) list: Vec<InstanceType>,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InstanceType {
    #[serde(rename = "InstanceTypeId")]
    pub(super) id: String,
    #[serde(rename = "GPUAmount", default)]
    pub(super) gpus: u32,
    /// `NVIDIA T4`
    #[serde(rename = "GPUSpec", default)]
    pub(super) gpu: String,
    /// GiB of one GPU.
    #[serde(rename = "GPUMemorySize", default)]
    pub(super) gpu_memory: f64,
    pub(super) cpu_core_count: Option<u32>,
    /// GiB.
    pub(super) memory_size: Option<f64>,
}

/// `DescribeAvailableResource`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Available {
    /// Absent where there is nothing at all.
    #[serde(default)]
    pub(super) available_zones: Zones,
}

#[derive(Deserialize, Default)]
pub(super) struct Zones {
    #[serde(rename = "AvailableZone", default)]
    pub(super) list: Vec<Zone>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Zone {
    pub(super) zone_id: String,
    #[serde(default)]
    pub(super) available_resources: Resources,
}

#[derive(Deserialize, Default)]
pub(super) struct Resources {
    #[serde(rename = "AvailableResource", default)]
    pub(super) list: Vec<Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Resource {
    #[serde(default)]
    pub(super) supported_resources: Supported,
}

#[derive(Deserialize, Default)]
pub(super) struct Supported {
    #[serde(rename = "SupportedResource", default)]
    pub(super) list: Vec<Stocked>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Stocked {
    pub(super) value: String,
    pub(super) status_category: Option<String>,
}

/// `DescribePrice`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Priced {
    pub(super) price_info: PriceInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PriceInfo {
    pub(super) price: Price,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Price {
    pub(super) trade_price: Box<RawValue>,
    pub(super) currency: Option<String>,
}

/// `DescribeSpotPriceHistory`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct History {
    pub(super) spot_prices: SpotPrices,
    pub(super) currency: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct SpotPrices {
    #[serde(rename = "SpotPriceType")]
    pub(super) list: Vec<SpotPrice>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SpotPrice {
    pub(super) zone_id: String,
    /// In UTC, so the later text is the later time.
    pub(super) timestamp: String,
    #[serde(rename = "SpotPrice")]
    pub(super) price: Box<RawValue>,
}

/// `DescribeInstanceBill`
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Bill {
    pub(super) success: bool,
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) data: Option<BillPage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BillPage {
    #[serde(default)]
    pub(super) items: Vec<BillItem>,
    /// Empty or absent after the last page.
    pub(super) next_token: Option<String>,
}

/// What an instance cost in a month.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BillItem {
    #[serde(rename = "InstanceID")]
    pub(super) instance_id: Option<String>,
    /// What is due, taxes aside.
    pub(super) pretax_amount: Box<RawValue>,
    pub(super) currency: Option<String>,
}

/// The currency that the cloud names; yuan where it names none.
pub(super) fn currency(code: Option<&str>) -> Option<Currency> {
    match code {
        None | Some("CNY") => Some(Currency::Cny),
        Some("USD") => Some(Currency::Usd),
        Some(_) => None,
    }
}

/// A price from the digits that the cloud wrote; no float ever holds it. `None` for none, for zero and for what is no price
/// in a currency that we know.
pub(super) fn price(raw: &RawValue, currency: Option<&str>) -> Option<Money> {
    Money::parse(raw.get().trim_matches('"'), self::currency(currency)?).filter(|price| price.micros > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_from_their_digits() {
        let read = |json: &str, currency| {
            let raw: Box<RawValue> = serde_json::from_str(json).unwrap();
            price(&raw, currency).map(|price| (price.micros, price.currency))
        };
        assert_eq!(read("11.63", None), Some((11_630_000, Currency::Cny)));
        assert_eq!(read("7.92", Some("CNY")), Some((7_920_000, Currency::Cny)));
        assert_eq!(read("\"1.5\"", Some("USD")), Some((1_500_000, Currency::Usd)));
        assert_eq!(read("1.5", Some("EUR")), None);
        for none in ["null", "0", "-1", "true", "\"free\""] {
            assert_eq!(read(none, None), None, "{none}");
        }
    }
}
