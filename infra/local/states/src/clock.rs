//! Wall time that follows tokio's clock, so that a test with a paused clock can wait a week in a millisecond and the
//! timestamps, timers and `$now()` still agree with each other.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Milliseconds since the Unix epoch.
pub(crate) type Millis = i64;

/// Wall time at one instant of tokio's clock; everything else is counted from there.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    wall: Millis,
    start: Instant,
}

impl Clock {
    /// Reads the wall clock once. Must be called inside a tokio runtime.
    pub(crate) fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as Millis);
        Self { wall, start: Instant::now() }
    }

    pub(crate) fn now(&self) -> Millis {
        self.wall + self.start.elapsed().as_millis() as Millis
    }

    /// The instant of tokio's clock at which [`Clock::now`] has reached `at`.
    pub(crate) fn instant(&self, at: Millis) -> Instant {
        self.start + Duration::from_millis(u64::try_from(at - self.wall).unwrap_or(0))
    }
}

/// A timestamp as the context object writes it: `2026-01-02T03:04:05.678Z`.
pub(crate) fn iso(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| String::new(), |t| format!("{t:.3}"))
}

/// A timestamp as the API writes it: seconds since the epoch with a fraction.
pub(crate) fn seconds(at: Millis) -> serde_json::Value {
    serde_json::json!(at as f64 / 1000.0)
}

/// Reads an ISO-8601 date-time with its offset, in the form AWS insists on: a `T`, and a `Z` or an offset.
pub(crate) fn parse_iso(text: &str) -> Option<Millis> {
    let (date, rest) = text.split_once('T')?;
    let digits = |part: &str, lengths: &[usize], separator: char| {
        let parts: Vec<&str> = part.split(separator).collect();
        parts.len() == lengths.len()
            && parts.iter().zip(lengths).all(|(p, n)| p.len() == *n && p.bytes().all(|b| b.is_ascii_digit()))
    };
    let zone = rest.find(['Z', '+', '-'])?;
    let (time, offset) = rest.split_at(zone);
    let offset_is_valid = offset == "Z" || digits(&offset[1..], &[2, 2], ':');
    let (whole, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let time_is_valid = digits(whole, &[2, 2, 2], ':') || digits(whole, &[2, 2], ':');
    let fraction_is_valid =
        !fraction.is_empty() && fraction.len() <= 9 && fraction.bytes().all(|b| b.is_ascii_digit());
    if !(digits(date, &[4, 2, 2], '-') && time_is_valid && offset_is_valid && fraction_is_valid) {
        return None;
    }
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_accepts_what_aws_accepts() {
        for good in ["2016-03-14T01:59:00Z", "2016-03-05T21:29:29.243167252Z", "2016-03-14T01:59:00+02:00"] {
            assert!(parse_iso(good).is_some(), "{good}");
        }
        for bad in [
            "2016-13-05T21:29:29Z",
            "05-12-2016T21:29:29Z",
            "2016-12-05T25:29:29Z",
            "2016-12-05 21:29:29Z",
            "2016-12-05T21:29:29",
            "",
        ] {
            assert_eq!(parse_iso(bad), None, "{bad}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn wall_time_follows_the_paused_clock() {
        let clock = Clock::start();
        let before = clock.now();
        tokio::time::sleep_until(clock.instant(before + 86_400_000)).await;
        assert_eq!(clock.now() - before, 86_400_000);
    }
}
