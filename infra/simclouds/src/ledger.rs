//! What was called and what it costs.

use crate::clock;
use crate::faults::Mode;
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::ops::{Add, Sub};
use std::sync::{Mutex, PoisonError};

/// Millionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Micros(pub(crate) i64);

impl Micros {
    /// As wire protocols that speak of dollars want it.
    pub(crate) fn dollars(self) -> f64 {
        self.0 as f64 / 1e6
    }

    pub(crate) fn from_dollars(dollars: f64) -> Self {
        Self((dollars * 1e6).round() as i64)
    }

    pub(crate) fn times(self, n: u32) -> Self {
        Self(self.0.saturating_mul(i64::from(n)))
    }

    /// This price per hour, for so many milliseconds, rounded down.
    pub(crate) fn for_millis(self, millis: i64) -> Self {
        Self(i64::try_from(i128::from(self.0) * i128::from(millis) / 3_600_000).unwrap_or(i64::MAX))
    }
}

impl Add for Micros {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Micros {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl std::iter::Sum for Micros {
    fn sum<I: Iterator<Item = Self>>(each: I) -> Self {
        each.fold(Self(0), Add::add)
    }
}

/// The first moment of a month such as `2026-11`, and the first behind it; both UTC.
pub(crate) fn month(name: &str) -> Option<(Timestamp, Timestamp)> {
    let midnight = |day: Date| day.to_zoned_datetime(TimeZone::UTC).ok().map(|time| time.timestamp());
    let first: Date = format!("{name}-01").parse().ok().filter(|_| name.len() == 7)?;
    Some((midnight(first)?, midnight(first.checked_add(1.month()).ok()?)?))
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Span {
    from: Timestamp,
    to: Option<Timestamp>,
}

/// The times for which an instance is paid.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Meter {
    spans: Vec<Span>,
}

impl Meter {
    pub(crate) fn start(&mut self, now: Timestamp) {
        if self.spans.last().is_none_or(|span| span.to.is_some()) {
            self.spans.push(Span { from: now, to: None });
        }
    }

    pub(crate) fn stop(&mut self, now: Timestamp) {
        if let Some(span) = self.spans.last_mut()
            && span.to.is_none()
        {
            span.to = Some(now);
        }
    }

    pub(crate) fn runs(&self) -> bool {
        self.spans.last().is_some_and(|span| span.to.is_none())
    }

    pub(crate) fn first(&self) -> Option<Timestamp> {
        self.spans.first().map(|span| span.from)
    }

    /// Paid milliseconds up to `now`.
    pub(crate) fn millis(&self, now: Timestamp) -> i64 {
        self.millis_within(Timestamp::MIN, now, now)
    }

    /// Paid milliseconds in `from..to`.
    pub(crate) fn millis_within(&self, from: Timestamp, to: Timestamp, now: Timestamp) -> i64 {
        let each = self.spans.iter().map(|span| {
            let (start, end) = (span.from.max(from), span.to.unwrap_or(now).min(to));
            (end.as_millisecond() - start.as_millisecond()).max(0)
        });
        each.sum()
    }
}

/// One call as it was answered. Bodies are left out: they hold other people's secrets.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Call {
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
    pub(crate) operation: String,
    pub(crate) method: String,
    pub(crate) target: String,
    /// None: the caller got no answer.
    pub(crate) status: Option<u16>,
    pub(crate) fault: Option<Mode>,
}

#[derive(Debug, Default)]
struct Calls {
    last: VecDeque<Call>,
    seq: u64,
    counts: BTreeMap<String, u64>,
}

/// The last calls, and how often each operation was called in all.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    calls: Mutex<Calls>,
}

impl Journal {
    const KEPT: usize = 5000;

    pub(crate) fn note(
        &self,
        operation: &str,
        method: &str,
        target: &str,
        status: Option<u16>,
        fault: Option<Mode>,
    ) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.seq += 1;
        *calls.counts.entry(operation.to_owned()).or_default() += 1;
        let call = Call {
            seq: calls.seq,
            at: clock::now(),
            operation: operation.to_owned(),
            method: method.to_owned(),
            target: target.to_owned(),
            status,
            fault,
        };
        calls.last.push_back(call);
        if calls.last.len() > Self::KEPT {
            calls.last.pop_front();
        }
    }

    pub(crate) fn report(&self) -> serde_json::Value {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::json!({"calls": calls.last, "counts": calls.counts, "total": calls.seq})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_known_by_its_name() {
        let (start, end) = month("2026-12").expect("a month");
        assert_eq!(
            (start.to_string(), end.to_string()),
            ("2026-12-01T00:00:00Z".into(), "2027-01-01T00:00:00Z".into())
        );
        for none in ["2026-13", "2026-1", "2026", "", "2026-11-24", "26-11"] {
            assert_eq!(month(none), None, "{none}");
        }
    }

    #[test]
    fn pays_for_what_ran_and_nothing_else() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let mut meter = Meter::default();
        meter.start(at(100));
        meter.start(at(150));
        meter.stop(at(200));
        meter.stop(at(250));
        meter.start(at(1000));
        assert_eq!(meter.millis(at(1010)), 110_000);
        assert_eq!(meter.millis_within(at(150), at(1005), at(1010)), 55_000);
        assert_eq!(Micros(3_600_000).for_millis(110_000), Micros(110_000));
    }
}
