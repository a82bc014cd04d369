//! What RunPod puts on the wire, as far as we read it. Fields that we can do without are optional: an answer is refused
//! only where it lacks what matters.

use std::collections::BTreeMap;

use domain::money::{Currency, Money};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// `POST /v2/pods`.
#[derive(Serialize)]
pub(super) struct CreatePod<'a> {
    pub(super) name: &'a str,
    pub(super) image: &'a str,
    pub(super) args: &'a str,
    /// GB.
    pub(super) disk: u32,
    pub(super) env: &'a BTreeMap<String, String>,
    pub(super) gpu: Gpu<'a>,
    pub(super) cloud: &'a str,
    #[serde(rename = "dataCenterIds", skip_serializing_if = "Option::is_none")]
    pub(super) data_centers: Option<[&'a str; 1]>,
}

#[derive(Serialize)]
pub(super) struct Gpu<'a> {
    pub(super) id: &'a str,
    pub(super) count: u32,
}

/// A pod in an answer of REST v2.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pod {
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) status: Option<String>,
    /// Dollars an hour for the pod.
    pub(super) cost: Option<Box<RawValue>>,
    pub(super) created_at: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Pods {
    pub(super) pods: Vec<Pod>,
}

/// `GET /v2/catalog/gpus`.
#[derive(Deserialize)]
pub(super) struct Catalogue {
    pub(super) gpus: Vec<GpuType>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GpuType {
    pub(super) id: String,
    pub(super) name: Option<String>,
    /// GB of one GPU.
    pub(super) memory: u32,
    #[serde(default)]
    pub(super) secure: bool,
    #[serde(default)]
    pub(super) community: bool,
    /// Dollars an hour for one GPU.
    pub(super) price: PerCloud<Option<Box<RawValue>>>,
    pub(super) max_count: PerCloud<Option<u32>>,
    pub(super) availability: Option<String>,
    /// Absent where it is not to be had anywhere.
    #[serde(default)]
    pub(super) data_centers: Vec<DataCenter>,
}

#[derive(Deserialize)]
pub(super) struct PerCloud<T> {
    pub(super) secure: T,
    pub(super) community: T,
}

#[derive(Deserialize)]
pub(super) struct DataCenter {
    pub(super) id: String,
    pub(super) availability: Option<String>,
}

/// `GET /v2/billing/pods`.
#[derive(Deserialize)]
pub(super) struct Billing {
    pub(super) records: Vec<BillingRecord>,
}

/// What a pod cost in one span of time.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BillingRecord {
    pub(super) pod_id: String,
    /// Dollars.
    pub(super) total_amount: Box<RawValue>,
}

/// The body of an error of REST v2, or of something on the way to it.
#[derive(Deserialize)]
pub(super) struct Problem {
    pub(super) detail: Option<String>,
    pub(super) title: Option<String>,
    #[serde(default)]
    pub(super) errors: Vec<ProblemEntry>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum ProblemEntry {
    Text(String),
    Message { message: String },
}

/// A line of a pod's log.
#[derive(Deserialize)]
pub(super) struct LogLine {
    pub(super) line: String,
}

/// What every GraphQL answer looks like.
#[derive(Deserialize)]
pub(super) struct Answer<T> {
    pub(super) data: Option<T>,
    #[serde(default)]
    pub(super) errors: Vec<GraphQlError>,
}

#[derive(Deserialize)]
pub(super) struct GraphQlError {
    pub(super) message: String,
    pub(super) extensions: Option<Extensions>,
}

#[derive(Deserialize)]
pub(super) struct Extensions {
    pub(super) code: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Rented {
    #[serde(rename = "podRentInterruptable")]
    pub(super) pod: Option<RentedPod>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RentedPod {
    pub(super) id: String,
    pub(super) cost_per_hr: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
pub(super) struct Looked {
    pub(super) pod: Option<LookedPod>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LookedPod {
    pub(super) pod_type: Option<String>,
    pub(super) last_status_change: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct SpotPrices {
    #[serde(rename = "gpuTypes")]
    pub(super) gpu_types: Vec<SpotPrice>,
}

/// Dollars an hour for one GPU.
#[derive(Deserialize)]
pub(super) struct SpotPrice {
    pub(super) id: String,
    #[serde(rename = "secureSpotPrice")]
    pub(super) secure: Option<Box<RawValue>>,
    #[serde(rename = "communitySpotPrice")]
    pub(super) community: Option<Box<RawValue>>,
    #[serde(rename = "lowestPrice")]
    pub(super) lowest: Option<LowestPrice>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LowestPrice {
    pub(super) minimum_bid_price: Option<Box<RawValue>>,
}

/// A price from the digits that RunPod wrote; no float ever holds it. `None` for none, for zero and for what is no price.
pub(super) fn dollars(raw: Option<&RawValue>) -> Option<Money> {
    let text = raw?.get().trim_matches('"');
    Money::parse(text, Currency::Usd).filter(|price| price.micros > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_from_their_digits() {
        let read = |json: &str| {
            let raw: Option<Box<RawValue>> = serde_json::from_str(json).unwrap();
            dollars(raw.as_deref()).map(|price| price.micros)
        };
        assert_eq!(read("0.44"), Some(440_000));
        assert_eq!(read("0.4399999976158142"), Some(440_000));
        assert_eq!(read("2"), Some(2_000_000));
        assert_eq!(read("\"1.19\""), Some(1_190_000));
        for none in ["null", "0", "0.0", "-1", "true", "{}", "\"free\"", "1e400"] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn a_pod_is_read_without_what_we_can_do_without() {
        let pod: Pod = serde_json::from_str(r#"{"id": "x", "surprise": [1]}"#).unwrap();
        assert_eq!((pod.id.as_str(), pod.name, pod.status), ("x", None, None));
        assert!(serde_json::from_str::<Pod>(r#"{"name": "gpu-x"}"#).is_err());
    }
}
