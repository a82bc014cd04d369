//! REST v2: what pods cost, in buckets of time.

use super::account::{Account, Refusal};
use super::rest::Error;
use crate::ledger::Micros;
use crate::serve::json_answer;
use axum::body::Body;
use hyper::Response;
use jiff::civil::{Date, Weekday};
use jiff::{SignedDuration, Timestamp, ToSpan, tz::TimeZone};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy)]
enum Bucket {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Bucket {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "year" => Self::Year,
            _ => return None,
        })
    }

    /// The beginning of the bucket that `at` lies in.
    fn floor(self, at: Timestamp) -> Option<Timestamp> {
        let day = at.to_zoned_datetime(TimeZone::UTC).date();
        let midnight = |day: Date| day.to_zoned_datetime(TimeZone::UTC).ok().map(|time| time.timestamp());
        match self {
            Self::Hour => Timestamp::from_second(at.as_second().div_euclid(3600) * 3600).ok(),
            Self::Day => midnight(day),
            Self::Week if day.weekday() == Weekday::Monday => midnight(day),
            Self::Week => midnight(day.nth_weekday(-1, Weekday::Monday).ok()?),
            Self::Month => midnight(day.first_of_month()),
            Self::Year => midnight(day.first_of_year()),
        }
    }

    /// The bucket `n` after the one that begins at `start`.
    fn step(self, start: Timestamp, n: i64) -> Option<Timestamp> {
        let span = match self {
            Self::Hour => n.hours(),
            Self::Day => n.days(),
            Self::Week => n.weeks(),
            Self::Month => n.months(),
            Self::Year => n.years(),
        };
        Some(start.to_zoned_datetime(TimeZone::UTC).checked_add(span).ok()?.timestamp())
    }
}

pub(crate) fn pods(
    account: &Account,
    query: &BTreeMap<String, String>,
    now: Timestamp,
) -> Result<Response<Body>, Error> {
    let name = query.get("bucketSize").map_or("day", String::as_str);
    let bucket = Bucket::named(name)
        .ok_or_else(|| Error::invalid("bucketSize must be one of hour, day, week, month, year"))?;
    let outside = || Error::invalid("the time range is out of bounds");
    let time = |name: &str| match query.get(name) {
        None => Ok(None),
        Some(text) => match text.parse::<Timestamp>() {
            Ok(at) => Ok(Some(at)),
            Err(_) => Err(Error::invalid(&format!("{name} must be an RFC 3339 time"))),
        },
    };
    let (start, end) = (time("startTime")?, time("endTime")?);
    let (start, end) = if let Some(text) = query.get("lastN") {
        if start.is_some() || end.is_some() {
            return Err(Refusal::Invalid("lastN excludes startTime and endTime".to_owned()).into());
        }
        let n = text.parse::<i64>().ok().filter(|n| (1..=100_000).contains(n));
        let n = n.ok_or_else(|| Error::invalid("lastN must be a positive integer"))?;
        let current = bucket.floor(now).ok_or_else(outside)?;
        (bucket.step(current, 1 - n).ok_or_else(outside)?, bucket.step(current, 1).ok_or_else(outside)?)
    } else {
        let start = start.unwrap_or(now - SignedDuration::from_hours(30 * 24));
        let end = end.unwrap_or(now);
        let last = bucket.floor(end).ok_or_else(outside)?;
        let last = if last == end { last } else { bucket.step(last, 1).ok_or_else(outside)? };
        (bucket.floor(start).ok_or_else(outside)?, last)
    };
    let wanted = query.get("podId");
    let mut records = Vec::new();
    let mut total = Micros(0);
    let mut seen = BTreeSet::new();
    for slot in &account.slots {
        let pod = &slot.pod;
        let Some(first) = pod.meter.first().filter(|_| wanted.is_none_or(|id| *id == pod.id.0)) else {
            continue;
        };
        let Some(mut from) = bucket.floor(first.max(start)) else { continue };
        while from < end.min(now) {
            let to = bucket.step(from, 1).ok_or_else(outside)?;
            let cost = pod.rate.for_millis(pod.meter.millis_within(from, to, now));
            if cost > Micros(0) {
                let mut record = amounts(cost);
                record["podId"] = json!(pod.id);
                record["startTime"] = json!(from.to_string());
                record["endTime"] = json!(to.to_string());
                records.push(record);
                total = total + cost;
                seen.insert(&pod.id);
            }
            from = to;
        }
    }
    let asked = json!({
        "startTime": start.to_string(), "endTime": end.to_string(), "bucketSize": name, "podId": wanted,
    });
    let metadata = json!({
        "query": asked, "recordCount": records.len(), "totals": amounts(total), "uniquePodCount": seen.len(),
    });
    Ok(json_answer(200, &json!({"records": records, "metadata": metadata})))
}

/// Only the GPUs cost anything here.
fn amounts(cost: Micros) -> Value {
    json!({"totalAmount": cost.dollars(), "gpuAmount": cost.dollars(), "cpuAmount": 0.0, "diskAmount": 0.0})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_begin_where_the_calendar_says() {
        let at: Timestamp = "2026-06-04T13:45:10Z".parse().unwrap();
        let floor = |bucket: Bucket| bucket.floor(at).unwrap().to_string();
        assert_eq!(floor(Bucket::Hour), "2026-06-04T13:00:00Z");
        assert_eq!(floor(Bucket::Day), "2026-06-04T00:00:00Z");
        assert_eq!(floor(Bucket::Week), "2026-06-01T00:00:00Z");
        assert_eq!(floor(Bucket::Month), "2026-06-01T00:00:00Z");
        assert_eq!(floor(Bucket::Year), "2026-01-01T00:00:00Z");
        let monday: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        assert_eq!(Bucket::Week.floor(monday), Some(monday));
    }
}
