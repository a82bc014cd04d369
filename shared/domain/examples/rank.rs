//! How long it takes to rank 5,000 offers: `scripts/bench.sh` runs it. It prints the median and the 99th percentile of
//! its rounds in microseconds, and how many offers were suitable.

use std::{error::Error, sync::Arc, time::Instant};

use domain::{
    Currency, Money,
    job::{Spec, Spot, Strategy},
    placement::{Conditions, Offer, Place, Refusal, Statistics, Stock, Tally, rank},
};
use jiff::Timestamp;
use serde_json::json;

const OFFERS: u32 = 5_000;
const ROUNDS: usize = 301;

const MODELS: [(&str, u32); 10] = [
    ("RTX 4090", 24),
    ("RTX 3090", 24),
    ("L4", 24),
    ("L40S", 48),
    ("A10", 24),
    ("A40", 48),
    ("A100 80GB PCIe", 80),
    ("A100 80GB SXM", 80),
    ("H100 SXM", 80),
    ("T4", 16),
];

/// Three clouds, forty regions, ten models, spot and not, one to eight of them.
fn offer(n: u32) -> Offer {
    let (gpu, memory) = MODELS[n as usize % MODELS.len()];
    let provider = ["runpod", "alibaba", "tencent"][n as usize % 3];
    let count = 1 << (n / 10 % 4);
    let currency = if provider == "runpod" { Currency::Usd } else { Currency::Cny };
    Offer {
        provider: provider.into(),
        region: format!("region-{}", n / 7 % 40),
        gpu: gpu.into(),
        instance_type: format!("{provider}.{}.{count}", gpu.to_lowercase().replace(' ', "-")),
        gpu_count: count,
        gpu_memory_gib: memory,
        cpus: Some(8 * count),
        memory_gib: Some(64 * count),
        spot: n % 2 == 1,
        price_per_hour: Money::new(i64::from(200_000 + n * 7_919 % 3_000_000), currency),
        stock: [Stock::High, Stock::Medium, Stock::Low, Stock::Unknown][n as usize % 4],
        seen_at: Timestamp::UNIX_EPOCH,
    }
}

fn spec() -> Result<Spec, Box<dyn Error>> {
    let mut spec: Spec = serde_json::from_value(json!({
        "name": "bench", "description": null, "image": "a", "command": ["a"], "env": {}, "secret_env": {}, "secrets": {},
        "gpu": { "model": null, "count": 1, "memory_gib": null }, "cpus": null, "memory_gib": null, "disk_gib": 20,
        "spot": "prefer", "max_price_per_hour": null, "max_cost": null, "strategy": "balanced", "preferred_providers": [],
        "forbidden_providers": [], "preferred_regions": [], "forbidden_regions": [], "timeout_seconds": 86_400,
        "queue_timeout_seconds": 60, "retry": { "max_attempts": 1, "on": [], "exit_codes": [], "backoff_seconds": 0 },
        "priority": "normal", "tags": {}, "metadata": {}
    }))?;
    (spec.spot, spec.strategy) = (Spot::Prefer, Strategy::Balanced);
    Ok(spec)
}

fn main() -> Result<(), Box<dyn Error>> {
    let offers: Vec<Offer> = (0..OFFERS).map(offer).collect();
    let mut statistics = Statistics::default();
    for offer in &offers {
        statistics.add(Place::of(offer), Tally::launched());
        statistics.add(Place::of(offer), Tally::refused(Refusal::Capacity));
    }
    let conditions = Conditions { statistics: Arc::new(statistics), ..Conditions::default() };
    // Half of the rounds look at every offer, half want a model: the slower kind decides.
    let mut worst = (0, 0, 0);
    for model in [None, Some("A100 80GB")] {
        let mut spec = spec()?;
        spec.gpu.model = model.map(str::to_owned);
        let mut micros = Vec::with_capacity(ROUNDS);
        let mut suitable = 0;
        for _ in 0..ROUNDS {
            let offers = offers.clone();
            let began = Instant::now();
            let ranking = rank(&spec, offers, &conditions);
            micros.push(began.elapsed().as_micros());
            suitable = ranking.offers.len();
        }
        micros.sort_unstable();
        worst = worst.max((micros[ROUNDS / 2], micros[ROUNDS * 99 / 100], suitable));
    }
    println!("{} {} {}", worst.0, worst.1, worst.2);
    Ok(())
}
