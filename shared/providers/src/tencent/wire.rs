//! What the cloud and the cluster put on the wire, as far as we read it. Fields that we can do without are optional: an
//! answer is refused only where it lacks what matters.

use std::collections::BTreeMap;

use domain::money::{Currency, Money};
use serde::Deserialize;
use serde_json::value::RawValue;

/// Around every answer of the cloud's own API.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Envelope {
    pub(super) response: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Failure {
    pub(super) error: Code,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Code {
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
}

/// `DescribeClusterEndpoints`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Endpoints {
    pub(super) cluster_external_endpoint: Option<String>,
    pub(super) cluster_intranet_endpoint: Option<String>,
}

/// `DescribeClusterKubeconfig`.
#[derive(Deserialize)]
pub(super) struct Kubeconfig {
    #[serde(rename = "Kubeconfig")]
    pub(super) text: String,
}

/// `DescribeZones`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Zones {
    pub(super) zone_set: Vec<Zone>,
}

#[derive(Deserialize)]
pub(super) struct Zone {
    #[serde(rename = "Zone")]
    pub(super) name: String,
    /// What nodes are labelled with.
    #[serde(rename = "ZoneId")]
    pub(super) number: String,
}

/// `DescribeZoneInstanceConfigInfos`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Configurations {
    pub(super) instance_type_quota_set: Vec<Configuration>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Configuration {
    pub(super) zone: String,
    pub(super) instance_type: String,
    pub(super) instance_family: String,
    pub(super) instance_charge_type: Option<String>,
    pub(super) cpu: Option<u32>,
    /// GB.
    pub(super) memory: Option<u32>,
    /// Whole GPUs.
    pub(super) gpu: Option<u32>,
    /// Parts of a GPU too, where it is shared.
    pub(super) gpu_count: Option<f64>,
    pub(super) status: Option<String>,
    pub(super) status_category: Option<String>,
    pub(super) price: Option<Price>,
}

#[derive(Deserialize)]
pub(super) struct Price {
    /// Of what it is the price.
    #[serde(rename = "ChargeUnit")]
    pub(super) per: Option<String>,
    #[serde(rename = "UnitPrice")]
    pub(super) listed: Option<Box<RawValue>>,
    #[serde(rename = "UnitPriceDiscount")]
    pub(super) billed: Option<Box<RawValue>>,
}

impl Price {
    /// What an hour costs, from the digits that the cloud wrote; no float ever holds it. `None` for none, for zero and for
    /// what is no price by the hour.
    pub(super) fn per_hour(&self) -> Option<Money> {
        if self.per.as_deref().is_some_and(|unit| unit != "HOUR") {
            return None;
        }
        let raw = self.billed.as_ref().or(self.listed.as_ref())?;
        Money::parse(raw.get().trim_matches('"'), Currency::Cny).filter(|price| price.micros > 0)
    }
}

/// `DescribeBillResourceSummary`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ResourceBills {
    pub(super) resource_summary_set: Vec<ResourceBill>,
}

/// What a resource cost in a month.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ResourceBill {
    /// Yuan, with what is taken off taken off.
    pub(super) real_total_cost: Box<RawValue>,
    #[serde(default)]
    pub(super) tags: Vec<BillTag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BillTag {
    pub(super) tag_key: Option<String>,
    pub(super) tag_value: Option<String>,
}

/// What Kubernetes says when it does not do what was asked.
#[derive(Deserialize)]
pub(super) struct Status {
    pub(super) message: Option<String>,
    pub(super) reason: String,
    pub(super) details: Option<Details>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Details {
    pub(super) retry_after_seconds: Option<u64>,
}

#[derive(Deserialize)]
pub(super) struct List<T> {
    pub(super) metadata: ListMetadata,
    pub(super) items: Vec<T>,
}

#[derive(Deserialize)]
pub(super) struct ListMetadata {
    /// Empty at the end.
    #[serde(rename = "continue", default)]
    pub(super) next: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) name: String,
    #[serde(default)]
    pub(super) uid: String,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    pub(super) creation_timestamp: Option<String>,
    pub(super) deletion_timestamp: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Job {
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) status: JobStatus,
}

#[derive(Deserialize, Default)]
pub(super) struct JobStatus {
    #[serde(default)]
    pub(super) ready: u32,
    #[serde(default)]
    pub(super) conditions: Vec<Condition>,
}

#[derive(Deserialize)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
}

/// Something that happened to an object.
#[derive(Deserialize)]
pub(super) struct Event {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Pod {
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) status: PodStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodStatus {
    pub(super) phase: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
    #[serde(default)]
    pub(super) conditions: Vec<Condition>,
    #[serde(default)]
    pub(super) container_statuses: Vec<ContainerStatus>,
}

#[derive(Deserialize)]
pub(super) struct ContainerStatus {
    pub(super) state: Option<State>,
}

#[derive(Deserialize)]
pub(super) struct State {
    pub(super) waiting: Option<Waiting>,
    pub(super) terminated: Option<Terminated>,
}

#[derive(Deserialize)]
pub(super) struct Waiting {
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Terminated {
    pub(super) exit_code: i32,
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
}
