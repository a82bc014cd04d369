//! An instance: what was asked of it, and what it is.

use super::catalogue::Kind;
use crate::clock;
use crate::ledger::Meter;
use crate::strike::Boot;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tokio_util::sync::CancellationToken;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Status {
    Pending,
    Starting,
    Running,
    Stopped,
}

/// What the owner asked for.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) kind: &'static Kind,
    pub(crate) region: &'static str,
    pub(crate) tags: BTreeMap<String, String>,
    /// Decoded.
    pub(crate) user_data: Vec<u8>,
    pub(crate) spot: Spot,
    pub(crate) auto_release: Option<Timestamp>,
    pub(crate) key_pair: Option<String>,
    pub(crate) vswitch: String,
    pub(crate) security_groups: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spot {
    No,
    AsPriceGo,
    /// Millionths of a yuan, an hour.
    Limit(i64),
}

impl Spot {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::No => "NoSpot",
            Self::AsPriceGo => "SpotAsPriceGo",
            Self::Limit(_) => "SpotWithPriceLimit",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) spec: Spec,
    pub(crate) zone: &'static str,
    /// Millionths of a yuan, a second. Fixed at creation.
    pub(crate) rate: i64,
    pub(crate) status: Status,
    pub(crate) boot: Boot,
    pub(crate) created_at: Timestamp,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) released_at: Option<Timestamp>,
    /// When a pre-emption that was announced takes place.
    pub(crate) recycled_at: Option<Timestamp>,
    /// Why it ended, for the control.
    pub(crate) end: Option<&'static str>,
    /// The machine is lost though the cloud has not noticed.
    pub(crate) lost: bool,
    /// Its owner switches it off in the console.
    pub(crate) off: bool,
    pub(crate) alive: bool,
    pub(crate) starts: u32,
    pub(crate) meter: Meter,
    pub(crate) disk: PathBuf,
    /// Nothing of it may run any more.
    pub(crate) halt: CancellationToken,
}

impl Instance {
    pub(crate) fn gone(&self) -> bool {
        self.released_at.is_some()
    }

    /// In a listing that is `lag_ms` old.
    pub(crate) fn listed(&self, lag_ms: u64) -> bool {
        let age = SignedDuration::from_millis(i64::try_from(lag_ms.min(1 << 40)).unwrap_or(0));
        let at = clock::now() - age;
        // An instance is in the listing from the moment that its creation was answered.
        (lag_ms == 0 || self.created_at <= at) && self.released_at.is_none_or(|end| lag_ms > 0 && end > at)
    }

    pub(crate) fn has_tags(&self, wanted: &[(String, Option<String>)]) -> bool {
        wanted.iter().all(|(key, value)| {
            self.spec.tags.get(key).is_some_and(|has| value.as_ref().is_none_or(|value| value == has))
        })
    }

    pub(crate) fn seconds(&self, now: Timestamp) -> i64 {
        self.seconds_before(now, now)
    }

    /// Up to `end`. A begun second is a whole one.
    pub(crate) fn seconds_before(&self, end: Timestamp, now: Timestamp) -> i64 {
        (self.meter.millis_within(Timestamp::MIN, end, now) + 999) / 1000
    }

    pub(crate) fn cost(&self, now: Timestamp) -> i64 {
        self.rate.saturating_mul(self.seconds(now))
    }

    /// Where the instance's own metadata are found on the simulated cloud.
    pub(crate) fn address(&self) -> String {
        let number =
            self.id.bytes().fold(7u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
        format!("172.16.{}.{}", number >> 8 & 0xff, number % 253 + 1)
    }

    /// As `DescribeInstances` shows it.
    pub(crate) fn shown(&self) -> Value {
        let minute = |at: Timestamp| at.strftime("%Y-%m-%dT%H:%MZ").to_string();
        let locks = if self.recycled_at.is_some() { json!([{"LockReason": "Recycling"}]) } else { json!([]) };
        let tags: Vec<Value> =
            self.spec.tags.iter().map(|(key, value)| json!({"TagKey": key, "TagValue": value})).collect();
        let limit = match self.spec.spot {
            Spot::Limit(micros) => micros as f64 / 1e6,
            Spot::No | Spot::AsPriceGo => 0.0,
        };
        json!({
            "InstanceId": self.id,
            "InstanceName": self.spec.name,
            "HostName": self.id.replace("i-", "iZ"),
            "Description": "",
            "Status": self.status,
            "InstanceType": self.spec.kind.id,
            "InstanceTypeFamily": self.spec.kind.family,
            "ImageId": self.spec.image,
            "RegionId": self.spec.region,
            "ZoneId": self.zone,
            "Cpu": self.spec.kind.cpus,
            "Memory": (self.spec.kind.memory_gib * 1024.0) as u64,
            "GPUAmount": self.spec.kind.gpus,
            "GPUSpec": self.spec.kind.gpu,
            "CreationTime": minute(self.created_at),
            "StartTime": self.started_at.map(minute).unwrap_or_default(),
            "AutoReleaseTime": self.spec.auto_release.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default(),
            "InstanceChargeType": "PostPaid",
            "InternetChargeType": "PayByTraffic",
            "InstanceNetworkType": "vpc",
            "SpotStrategy": self.spec.spot.word(),
            "SpotPriceLimit": limit,
            "KeyPairName": self.spec.key_pair.clone().unwrap_or_default(),
            "OperationLocks": {"LockReason": locks},
            "SecurityGroupIds": {"SecurityGroupId": self.spec.security_groups},
            "VpcAttributes": {"VSwitchId": self.spec.vswitch, "PrivateIpAddress": {"IpAddress": [self.address()]}},
            "PublicIpAddress": {"IpAddress": []},
            "Tags": {"Tag": tags},
        })
    }
}

fn word(letters: &[u8], length: usize) -> String {
    (0..length).map(|_| char::from(letters[rand::random_range(0..letters.len())])).collect()
}

/// A random id as the cloud makes them.
pub(crate) fn id(prefix: &str) -> String {
    format!("{prefix}{}", word(b"abcdefghijklmnopqrstuvwxyz0123456789", 18))
}

pub(crate) fn request_id() -> String {
    let part = |length| word(b"0123456789ABCDEF", length);
    format!("{}-{}-{}-{}-{}", part(8), part(4), part(4), part(4), part(12))
}
