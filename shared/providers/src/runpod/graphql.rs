//! The GraphQL texts that we send: what RunPod's REST v2 cannot say.

use std::fmt::Write;

use app::ports::Launch;
use domain::money::Money;
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

/// What spot costs, for every GPU model.
pub(super) const SPOT_PRICES: &str = "query GpuTypes { gpuTypes { id communitySpotPrice secureSpotPrice \
     lowestPrice(input: {gpuCount: 1}) { minimumBidPrice uninterruptablePrice } } }";

/// Whether a pod is spot, and RunPod's words on its last change.
pub(super) fn look(id: &str) -> String {
    format!(
        "query pod {{ pod(input: {{podId: {}}}) {{ id podType desiredStatus lastStatusChange }} }}",
        text(id)
    )
}

/// Rents a spot pod at `bid` an hour for each GPU.
pub(super) fn rent(launch: &Launch, name: &str, args: &str, gpu: &str, cloud: &str, bid: Money) -> String {
    let Launch { offer, spec, env, release_at, .. } = launch;
    let mut fields = vec![
        format!("name: {}", text(name)),
        format!("imageName: {}", text(&spec.image)),
        format!("gpuTypeId: {}", text(gpu)),
        format!("bidPerGpu: {}", decimal(bid)),
        format!("cloudType: {cloud}"),
        format!("gpuCount: {}", offer.gpu_count),
        format!("containerDiskInGb: {}", spec.disk_gib),
        "volumeInGb: 0".to_owned(),
        format!("dockerArgs: {}", text(args)),
        format!("terminateAfter: {}", text(&seconds(*release_at).to_string())),
    ];
    if let Some(memory) = spec.memory_gib {
        fields.push(format!("minMemoryInGb: {memory}"));
    }
    if let Some(cpus) = spec.cpus {
        fields.push(format!("minVcpuCount: {cpus}"));
    }
    if !offer.region.is_empty() {
        fields.push(format!("dataCenterId: {}", text(&offer.region)));
    }
    let mut variables = String::new();
    for (key, value) in env {
        let comma = if variables.is_empty() { "" } else { ", " };
        let written = write!(variables, "{comma}{{ key: {}, value: {} }}", text(key), text(value));
        debug_assert!(written.is_ok(), "a String takes everything");
    }
    fields.push(format!("env: [{variables}]"));
    format!(
        "mutation {{ podRentInterruptable(input: {{ {} }}) {{ id desiredStatus costPerHr machineId }} }}",
        fields.join(", ")
    )
}

/// A GraphQL string: its escapes are those of JSON.
fn text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

/// `0.35`, and always with a decimal point.
fn decimal(money: Money) -> String {
    let fraction = format!("{:06}", money.micros % 1_000_000);
    let fraction = fraction.trim_end_matches('0');
    format!("{}.{}", money.micros / 1_000_000, if fraction.is_empty() { "0" } else { fraction })
}

/// Up to the second: never before the moment that was asked for.
fn seconds(at: Timestamp) -> Timestamp {
    at.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Ceil)).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use domain::money::Currency;

    use super::*;

    #[test]
    fn a_bid_is_written_with_all_its_digits() {
        for (micros, written) in
            [(350_000, "0.35"), (1, "0.000001"), (2_000_000, "2.0"), (12_345_600, "12.3456")]
        {
            assert_eq!(decimal(Money::new(micros, Currency::Usd)), written);
        }
    }

    #[test]
    fn no_text_leaves_its_quotes() {
        assert_eq!(text("a\"}) { id }\n\\"), r#""a\"}) { id }\n\\""#);
    }

    #[test]
    fn a_pod_is_not_released_early() {
        let at: Timestamp = "2026-06-01T14:00:00.000001Z".parse().unwrap();
        assert_eq!(seconds(at).to_string(), "2026-06-01T14:00:01Z");
    }
}
