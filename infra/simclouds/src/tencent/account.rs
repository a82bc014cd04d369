//! What the cloud knows: the cluster's objects, what runs for them, the market, and what all of it costs.

use super::kube::store::{Key, Kind, Store, key};
use super::market::{Market, Place};
use super::{stamp, uuid, word};
use crate::clock;
use crate::log::Log;
use crate::strike::Boot;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// What a test may change while the cloud runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// From a place to run to the first process.
    pub(crate) boot_ms: u64,
    pub(crate) boot_fail_rate: f64,
    /// How old every listing of the cluster is.
    pub(crate) list_lag_ms: u64,
    pub(crate) latency_ms: u64,
    /// 0 = no limit. For both APIs together.
    pub(crate) rate_per_minute: u32,
    /// GPUs at a time, as a quota on pods: the job is made, its pod is not. 0 = no limit.
    pub(crate) quota_gpus: u32,
    /// Jobs at a time, as a quota on jobs: 403. 0 = no limit.
    pub(crate) quota_jobs: u32,
    /// Millionths of a yuan, before anything was spent.
    pub(crate) balance_micros: i64,
    /// How far behind the account's books are.
    pub(crate) bill_lag_ms: u32,
    /// Every call is dropped.
    pub(crate) down: bool,
    /// Images that have this text in their name cannot be pulled.
    pub(crate) missing_image: String,
    /// Before a job's second pod; doubles with each failure.
    pub(crate) backoff_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            boot_ms: 1000,
            boot_fail_rate: 0.0,
            list_lag_ms: 0,
            latency_ms: 0,
            rate_per_minute: 0,
            quota_gpus: 0,
            quota_jobs: 0,
            balance_micros: 1_000_000_000_000,
            bill_lag_ms: 0,
            down: false,
            missing_image: String::new(),
            backoff_ms: 10_000,
        }
    }
}

/// Why a pod has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Deleted,
    /// The reason that its status will give.
    Preempted(&'static str),
    Deadline,
    /// Its machine is lost and the cluster knows.
    Lost,
    /// Its machine is lost and the cluster does not know.
    Silent,
    /// The simulation ends.
    PowerCut,
}

impl Why {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Preempted(_) => "preempted",
            Self::Deadline => "deadline",
            Self::Lost => "lost",
            Self::Silent => "silent",
            Self::PowerCut => "power_cut",
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) why: Why,
    /// Between SIGTERM and SIGKILL.
    pub(crate) grace: Duration,
}

/// A pod's life, which is remembered after the pod is deleted.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) uid: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) job: String,
    pub(crate) job_uid: String,
    pub(crate) gpus: u32,
    pub(crate) spot: bool,
    /// What its bill is tagged with.
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) boot: Boot,
    pub(crate) created_at: Timestamp,
    pub(crate) place: Option<Place>,
    /// Millionths of a yuan a second. Fixed when it gets its place.
    pub(crate) rate: i64,
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
    pub(crate) alive: bool,
    pub(crate) done: bool,
    pub(crate) deleted: bool,
    pub(crate) starts: u32,
    pub(crate) exit: Option<i32>,
    pub(crate) end: Option<&'static str>,
    pub(crate) wish: watch::Sender<Option<Ending>>,
    pub(crate) logs: BTreeMap<String, Arc<Log>>,
    pub(crate) disk: PathBuf,
}

impl Run {
    pub(crate) fn key(&self) -> Key {
        key(Kind::Pod, &self.namespace, &self.name)
    }

    /// Between the second in which it got its place and the second in which it ended; at least one.
    pub(crate) fn seconds(&self, now: Timestamp) -> i64 {
        let Some(from) = self.from else { return 0 };
        (self.to.unwrap_or(now).as_second() - from.as_second()).max(1)
    }

    pub(crate) fn cost(&self, now: Timestamp) -> i64 {
        self.rate.saturating_mul(self.seconds(now))
    }

    /// Of them, those from `start` to `end`.
    pub(crate) fn seconds_within(&self, start: Timestamp, end: Timestamp, now: Timestamp) -> i64 {
        let Some(from) = self.from.map(Timestamp::as_second) else { return 0 };
        let until = from + self.seconds(now);
        (until.min(end.as_second()) - from.max(start.as_second())).max(0)
    }

    /// The first reason stands, except that a later one may be in more of a hurry.
    pub(crate) fn end(&self, why: Why, grace: Duration) {
        self.wish.send_modify(|wish| {
            let first = wish.filter(|old| old.why != Why::Silent).map_or(why, |old| match (old.why, why) {
                (old, Why::Deleted) if old != Why::Lost => Why::Deleted,
                (old, _) => old,
            });
            let shorter = wish.filter(|old| old.why != Why::Silent).map_or(grace, |old| old.grace.min(grace));
            *wish = Some(Ending { why: first, grace: shorter });
        });
    }
}

/// What a job's controller remembers of it.
#[derive(Debug)]
pub(crate) struct Lead {
    pub(crate) key: Key,
    pub(crate) failed: u32,
    /// The pod that is to do the work.
    pub(crate) pod: Option<String>,
    /// The next pod is not for a failure of the last one.
    pub(crate) at_once: bool,
    pub(crate) boot: Option<Boot>,
    pub(crate) wake: Arc<Notify>,
}

#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) settings: Settings,
    pub(crate) market: Market,
    pub(crate) store: Store,
    /// By uid.
    pub(crate) runs: BTreeMap<String, Run>,
    pub(crate) leads: BTreeMap<String, Lead>,
    /// Jobs made, by name.
    pub(crate) created: BTreeMap<String, u32>,
}

impl Account {
    pub(crate) fn new(settings: Settings, namespaces: &[String]) -> Self {
        let mut account = Self { settings, ..Self::default() };
        for name in ["default", "kube-system"].into_iter().chain(namespaces.iter().map(String::as_str)) {
            account.put(
                Kind::Namespace,
                "",
                json!({
                    "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
                    "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"},
                }),
            );
        }
        account
    }

    /// Gives the object what every stored one has, and stores it.
    pub(crate) fn put(&mut self, kind: Kind, namespace: &str, mut object: Value) -> Arc<Value> {
        object["apiVersion"] = kind.version().into();
        object["kind"] = kind.word().into();
        if kind.namespaced() {
            object["metadata"]["namespace"] = namespace.into();
        }
        if object["metadata"]["uid"].is_null() {
            object["metadata"]["uid"] = uuid().into();
        }
        object["metadata"]["creationTimestamp"] = stamp(clock::now()).into();
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.store.put(key(kind, namespace, &name), object)
    }

    pub(crate) fn event(&mut self, about: &Key, reason: &str, message: &str, warning: bool) {
        let (kind, namespace, name) = about;
        let uid = self.store.get(about).map(|object| object["metadata"]["uid"].clone()).unwrap_or_default();
        let now = stamp(clock::now());
        self.put(Kind::Event, namespace, json!({
            "metadata": {"name": format!("{name}.{}", word(b"0123456789abcdef", 16))},
            "involvedObject": {
                "kind": kind.word(), "namespace": namespace, "name": name, "uid": uid, "apiVersion": kind.version(),
            },
            "reason": reason, "message": message, "type": if warning { "Warning" } else { "Normal" },
            "count": 1, "firstTimestamp": now, "lastTimestamp": now,
            "source": {"component": "simulated-cluster"}, "reportingComponent": "", "reportingInstance": "",
        }));
    }

    pub(crate) fn spent(&self, now: Timestamp) -> i64 {
        self.runs.values().map(|run| run.cost(now)).sum()
    }

    /// Oldest first.
    pub(crate) fn ordered(&self) -> Vec<&Run> {
        let mut runs: Vec<&Run> = self.runs.values().collect();
        runs.sort_by_key(|run| run.created_at);
        runs
    }

    /// By the name of the pod, its uid, or the name of its job; the newest.
    pub(crate) fn run(&self, id: &str) -> Option<&Run> {
        let named = |run: &&Run| run.uid == id || run.name == id || run.job == id;
        self.runs.values().filter(named).max_by_key(|run| run.created_at)
    }
}
