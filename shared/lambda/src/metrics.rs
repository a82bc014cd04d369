//! Figures for CloudWatch in its embedded metric format: a line on standard output that is also a log entry, and costs
//! no call.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

/// The namespace that the template's alarms read.
const NAMESPACE: &str = "Gpu";

/// Counts `value` under `name`. Nothing is no figure: a metric costs money in each month in which it has one.
pub fn count(name: &str, value: usize) {
    if value == 0 {
        return;
    }
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let line = json!({
        "_aws": {
            "Timestamp": u64::try_from(millis).unwrap_or(u64::MAX),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [[]],
                "Metrics": [{ "Name": name, "Unit": "Count" }],
            }],
        },
        name: value,
    });
    println!("{line}");
}
