//! An attempt's log on the wire.

use std::{fmt, str::FromStr};

use domain::job::FieldError;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::query::Query;

/// Some of a job's log: what its command wrote to stdout and stderr.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(example = json!({"attempt": 1, "text": "epoch 1\nepoch 2\n", "offset": 0, "next": "1-16", "dropped": 0, "complete": false}))]
pub struct Log {
    /// Whose log it is; null before the first attempt.
    #[schema(required = true)]
    pub attempt: Option<u32>,
    /// Bytes that are not UTF-8 are replaced by U+FFFD.
    pub text: String,
    /// Where the text begins in the attempt's whole log, in bytes.
    pub offset: u64,
    /// Pass it as `after` to go on. It leads on to the next attempt where there is one.
    pub next: String,
    /// Bytes in this part that were never kept; a line in the text says where.
    pub dropped: u64,
    /// Nothing will ever come after `next`.
    pub complete: bool,
}

/// Which part of a log: the beginning if nothing is said.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogQuery {
    /// The attempt's number; the latest if absent.
    #[param(minimum = 1)]
    pub attempt: Option<u32>,
    /// The last lines, that many.
    #[param(minimum = 1, maximum = 10_000)]
    pub tail: Option<usize>,
    /// From that byte on.
    pub offset: Option<u64>,
    /// Bytes at most, about.
    #[param(required = false, minimum = 1, maximum = 1_048_576, default = 262_144)]
    pub limit: usize,
    /// `next` of the part before.
    #[param(value_type = Option<String>)]
    pub after: Option<LogPosition>,
}

/// A place in a job's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogPosition {
    pub attempt: u32,
    pub offset: u64,
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.attempt, self.offset)
    }
}

impl FromStr for LogPosition {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (attempt, offset) = text.split_once('-').ok_or(())?;
        let position =
            Self { attempt: attempt.parse().map_err(drop)?, offset: offset.parse().map_err(drop)? };
        // One spelling for one place, so that nobody takes it for a number to count with.
        (position.to_string() == text).then_some(position).ok_or(())
    }
}

impl LogQuery {
    /// Reads the part of the URL behind `?`.
    pub fn read(query: &str) -> Result<Self, Vec<FieldError>> {
        let mut query = Query::parse(query);
        let read = Self {
            attempt: query.number("attempt", 1..=u32::MAX),
            tail: query.number("tail", 1..=10_000),
            offset: query.number("offset", 0..=u64::MAX),
            limit: query.number("limit", 1..=1_048_576).unwrap_or(262_144),
            after: query.text("after").and_then(|text| {
                let position = text.parse().ok();
                if position.is_none() {
                    query.no("after", "is not a cursor of ours: pass the `next` of an earlier answer");
                }
                position
            }),
        };
        let ways = [read.tail.is_some(), read.offset.is_some(), read.after.is_some()];
        if ways.into_iter().filter(|given| *given).count() > 1 {
            query.no("after", "excludes offset and tail: give one of the three");
        }
        if let (Some(attempt), Some(after)) = (read.attempt, read.after)
            && attempt != after.attempt
        {
            query.no("after", "is a place in another attempt's log: leave attempt out to go on with it");
        }
        query.end(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_one_spelling() {
        let place = LogPosition { attempt: 2, offset: 17 };
        assert_eq!("2-17".parse(), Ok(place));
        for bad in ["", "2", "02-17", "2-+17", "2-17-1", "-1-2"] {
            assert!(bad.parse::<LogPosition>().is_err(), "{bad}");
        }
    }

    #[test]
    fn one_way_at_a_time() {
        assert!(LogQuery::read("attempt=2&after=2-17").is_ok());
        for bad in ["tail=5&offset=1", "after=1-0&tail=1", "attempt=1&after=2-0", "tail=0", "attempt=0"] {
            assert!(LogQuery::read(bad).is_err(), "{bad}");
        }
    }
}
