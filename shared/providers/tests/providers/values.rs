//! Values that several tests need.

use std::{collections::BTreeMap, sync::Arc};

use app::ports::{Clock, Launch};
use domain::{
    AttemptId,
    job::{GpuNeed, Handle, Priority, Retry, Spec, Spot, Strategy},
    money::{Currency, Money},
    placement::{Offer, Stock},
};
use jiff::Timestamp;
use providers::{ApiKey, runpod};
use uuid::Uuid;

pub(crate) const KEY: &str = "rpa_FAKEKEYFORTESTS";
pub(crate) const SEEN: &str = "2026-06-01T12:00:00Z";

/// It is always the same moment.
pub(crate) struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        SEEN.parse().unwrap()
    }
}

pub(crate) fn runpod(url: &str, key: &str) -> Arc<dyn app::ports::Provider> {
    let settings = runpod::Settings::new(ApiKey::new(key)).at(url).unwrap();
    runpod::provider(settings, Arc::new(Noon))
}

pub(crate) fn attempt(number: u128) -> AttemptId {
    AttemptId::new(Uuid::from_u128(number))
}

pub(crate) fn handle(id: &str) -> Handle {
    Handle { provider: "runpod".into(), region: String::new(), id: id.to_owned() }
}

pub(crate) fn usd(micros: i64) -> Money {
    Money::new(micros, Currency::Usd)
}

/// What the recorded create calls ask for.
pub(crate) fn offer() -> Offer {
    Offer {
        provider: "runpod".into(),
        region: "EU-RO-1".into(),
        gpu: "RTX 4090".into(),
        instance_type: "NVIDIA GeForce RTX 4090".into(),
        gpu_count: 1,
        gpu_memory_gib: 24,
        cpus: None,
        memory_gib: None,
        spot: false,
        price_per_hour: usd(440_000),
        stock: Stock::High,
        seen_at: SEEN.parse().unwrap(),
    }
}

pub(crate) fn launch(number: u128, offer: Offer) -> Launch {
    let spec = Spec {
        name: "a job".into(),
        description: None,
        image: "docker.io/library/busybox:1.36".into(),
        command: vec!["true".into()],
        env: BTreeMap::new(),
        secret_env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        gpu: GpuNeed { model: None, count: 1, memory_gib: None },
        cpus: None,
        memory_gib: None,
        disk_gib: 20,
        spot: Spot::Prefer,
        max_price_per_hour: None,
        max_cost: None,
        strategy: Strategy::Cost,
        preferred_providers: Vec::new(),
        forbidden_providers: Vec::new(),
        preferred_regions: Vec::new(),
        forbidden_regions: Vec::new(),
        timeout_seconds: 60,
        queue_timeout_seconds: 60,
        retry: Retry::default(),
        priority: Priority::Normal,
        tags: BTreeMap::new(),
        metadata: BTreeMap::new(),
    };
    Launch {
        attempt: attempt(number),
        offer,
        spec,
        env: BTreeMap::from([("GPU_RUNNER".to_owned(), "while :; do sleep 1; done".to_owned())]),
        release_at: "2126-06-01T14:00:00Z".parse().unwrap(),
    }
}
