//! Counts what AWS would charge for, and prices it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

/// What was used since the last reset.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Usage {
    /// State transitions of standard executions.
    pub transitions: u64,
    pub invocations: u64,
    /// Billed duration times memory.
    pub gb_seconds: f64,
    pub write_units: f64,
    pub read_units: f64,
    pub stream_reads: u64,
    pub http_requests: u64,
    pub websocket_messages: u64,
    pub connection_minutes: f64,
    pub scheduled_invocations: u64,
}

/// One line of the bill, in US dollars.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Line {
    pub item: &'static str,
    pub count: f64,
    pub per_million: f64,
    pub dollars: f64,
}

/// The counter.
#[derive(Debug, Default)]
pub struct Meter(Mutex<Usage>);

/// Prices per million of us-east-1, arm64, without the free tier.
const TRANSITION: f64 = 25.0;
const INVOCATION: f64 = 0.20;
const GB_SECOND: f64 = 13.3334;
const WRITE_UNIT: f64 = 0.625;
const READ_UNIT: f64 = 0.125;
const HTTP_REQUEST: f64 = 1.0;
const MESSAGE: f64 = 1.0;
const CONNECTION_MINUTE: f64 = 0.25;
const SCHEDULED: f64 = 1.0;

impl Meter {
    /// Adds to the usage.
    pub fn add(&self, add: impl FnOnce(&mut Usage)) {
        add(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// An invocation of `duration`, which is billed in whole milliseconds.
    pub fn invocation(&self, duration: Duration, memory_mib: u32) {
        let milliseconds = (duration.as_secs_f64() * 1000.0).ceil().max(1.0);
        self.add(|usage| {
            usage.invocations += 1;
            usage.gb_seconds += milliseconds / 1000.0 * f64::from(memory_mib) / 1024.0;
        });
    }

    pub fn usage(&self) -> Usage {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn reset(&self) {
        self.add(|usage| *usage = Usage::default());
    }
}

impl Usage {
    /// The bill, line by line. Reads of the stream by a function are free.
    pub fn lines(&self) -> Vec<Line> {
        let line = |item, count: f64, per_million| Line {
            item,
            count,
            per_million,
            dollars: count * per_million / 1_000_000.0,
        };
        vec![
            line("state transitions", self.transitions as f64, TRANSITION),
            line("invocations", self.invocations as f64, INVOCATION),
            line("GB-seconds", self.gb_seconds, GB_SECOND),
            line("write units", self.write_units, WRITE_UNIT),
            line("read units", self.read_units, READ_UNIT),
            line("HTTP requests", self.http_requests as f64, HTTP_REQUEST),
            line("WebSocket messages", self.websocket_messages as f64, MESSAGE),
            line("connection minutes", self.connection_minutes, CONNECTION_MINUTE),
            line("scheduled invocations", self.scheduled_invocations as f64, SCHEDULED),
        ]
    }

    /// Dollars in all.
    pub fn dollars(&self) -> f64 {
        self.lines().iter().map(|line| line.dollars).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_billed_in_whole_milliseconds() {
        let meter = Meter::default();
        meter.invocation(Duration::from_micros(1_200), 512);
        meter.add(|usage| usage.transitions += 4);
        let usage = meter.usage();
        assert!((usage.gb_seconds - 0.001).abs() < 1e-9);
        let expected = 4.0 * 25e-6 + 0.2e-6 + 0.001 * 13.3334e-6;
        assert!((usage.dollars() - expected).abs() < 1e-12);
        meter.reset();
        assert!(meter.usage().dollars().abs() < f64::EPSILON);
    }
}
