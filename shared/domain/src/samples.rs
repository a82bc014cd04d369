//! Values that tests begin from and change a field or two of.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    Currency, Money,
    job::{GpuNeed, Priority, Retry, Spec, Spot, Strategy},
    placement::{Offer, Stock},
};

/// A job that asks for no more than it must.
pub fn spec() -> Spec {
    Spec {
        name: "a".into(),
        description: None,
        image: "python:3.12".into(),
        command: vec!["true".into()],
        env: BTreeMap::new(),
        secret_env: BTreeMap::new(),
        secrets: BTreeMap::new(),
        gpu: GpuNeed { model: None, count: 1, memory_gib: None },
        cpus: None,
        memory_gib: None,
        disk_gib: 20,
        spot: Spot::Never,
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
    }
}

/// One GPU on demand, in stock, in any region, at 0.44 USD an hour.
pub fn offer() -> Offer {
    Offer {
        provider: "runpod".into(),
        region: String::new(),
        gpu: "RTX 4090".into(),
        instance_type: "NVIDIA GeForce RTX 4090".into(),
        gpu_count: 1,
        gpu_memory_gib: 24,
        cpus: None,
        memory_gib: None,
        spot: false,
        price_per_hour: Money::new(440_000, Currency::Usd),
        stock: Stock::High,
        seen_at: Timestamp::UNIX_EPOCH,
    }
}
