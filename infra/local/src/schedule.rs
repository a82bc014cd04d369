//! Schedules: `rate(…)` and `cron(…)` expressions, in UTC.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// When a schedule fires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// Every so often, first one period after the schedule was made.
    Rate(Duration),
    Cron(Box<Cron>),
}

/// The six fields of `cron(minutes hours day-of-month month day-of-week year)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cron {
    minutes: BTreeSet<u16>,
    hours: BTreeSet<u16>,
    days: BTreeSet<u16>,
    months: BTreeSet<u16>,
    /// 1 is Sunday.
    weekdays: BTreeSet<u16>,
    years: BTreeSet<u16>,
}

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

impl Expression {
    /// Reads an expression; `at(…)` and the words `L`, `W` and `#` are refused.
    pub fn parse(text: &str) -> Result<Self> {
        let inside = |name: &str| text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
        if let Some(rate) = inside("rate") {
            let (count, unit) = rate.split_once(' ').ok_or_else(|| anyhow!("{text}: a unit is missing"))?;
            let count: u64 = count.parse().with_context(|| text.to_owned())?;
            let seconds = match unit.trim_end_matches('s') {
                "minute" => 60,
                "hour" => 3600,
                "day" => 86400,
                _ => bail!("{text}: unit {unit} is not understood"),
            };
            if count == 0 {
                bail!("{text}: a rate of nothing");
            }
            return Ok(Self::Rate(Duration::from_secs(count * seconds)));
        }
        if let Some(cron) = inside("cron") {
            return Ok(Self::Cron(Box::new(Cron::parse(cron).with_context(|| text.to_owned())?)));
        }
        bail!("{text} is not understood")
    }

    /// The next time after `now`; none if there will be no other.
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Rate(period) => now.checked_add(*period).ok(),
            Self::Cron(cron) => cron.next(now),
        }
    }
}

impl Cron {
    fn parse(text: &str) -> Result<Self> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays, years] = fields[..] else {
            bail!("six fields are needed")
        };
        if (days == "?") == (weekdays == "?") {
            bail!("one of day-of-month and day-of-week must be ?");
        }
        Ok(Self {
            minutes: field(minutes, 0, 59, &[])?,
            hours: field(hours, 0, 23, &[])?,
            days: field(days, 1, 31, &[])?,
            months: field(months, 1, 12, &MONTHS)?,
            weekdays: field(weekdays, 1, 7, &WEEKDAYS)?,
            years: field(years, 1970, 2199, &[])?,
        })
    }

    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let now = TimeZone::UTC.to_datetime(now);
        let mut date = now.date();
        let mut after = Some((now.hour(), now.minute()));
        while date.year() <= 2199 {
            if self.has(date) {
                for hour in &self.hours {
                    for minute in &self.minutes {
                        let (hour, minute) = (i8::try_from(*hour).ok()?, i8::try_from(*minute).ok()?);
                        if after.is_none_or(|after| (hour, minute) > after) {
                            return TimeZone::UTC.to_timestamp(date.at(hour, minute, 0, 0)).ok();
                        }
                    }
                }
            }
            date = date.tomorrow().ok()?;
            after = None;
        }
        None
    }

    fn has(&self, date: Date) -> bool {
        let number = |value: i16| u16::try_from(value).unwrap_or_default();
        self.years.contains(&number(date.year()))
            && self.months.contains(&number(date.month().into()))
            && self.days.contains(&number(date.day().into()))
            && self.weekdays.contains(&number(i16::from(date.weekday().to_sunday_one_offset())))
    }
}

/// One field: `*` or `?`, a value, a list, a range, with an optional `/step`.
fn field(text: &str, low: u16, high: u16, names: &[&str]) -> Result<BTreeSet<u16>> {
    let value = |word: &str| -> Result<u16> {
        let value = match names.iter().position(|name| name.eq_ignore_ascii_case(word)) {
            Some(index) => low + u16::try_from(index)?,
            None => word.parse().with_context(|| format!("{word} is not understood"))?,
        };
        if !(low..=high).contains(&value) {
            bail!("{value} is not between {low} and {high}");
        }
        Ok(value)
    };
    let mut values = BTreeSet::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step.parse::<u16>().with_context(|| part.to_owned())?)),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" || range == "?" => (low, high),
            Some((from, to)) => (value(from)?, value(to)?),
            None => (value(range)?, if step.is_some() { high } else { value(range)? }),
        };
        let step = step.unwrap_or(1);
        if step == 0 || from > to {
            bail!("{part} is empty");
        }
        values.extend((from..=to).step_by(step.into()));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(expression: &str, now: &str) -> String {
        let expression = Expression::parse(expression).unwrap();
        expression.next(now.parse().unwrap()).map_or_else(|| "never".into(), |at| at.to_string())
    }

    #[test]
    fn rates_count_from_now() {
        assert_eq!(next("rate(5 minutes)", "2026-01-01T00:00:30Z"), "2026-01-01T00:05:30Z");
        assert_eq!(next("rate(1 day)", "2026-01-01T00:00:00Z"), "2026-01-02T00:00:00Z");
    }

    #[test]
    fn crons_find_the_next_minute_that_fits() {
        assert_eq!(next("cron(0 10 * * ? *)", "2026-01-01T10:00:00Z"), "2026-01-02T10:00:00Z");
        assert_eq!(next("cron(0/15 * * * ? *)", "2026-01-01T10:46:00Z"), "2026-01-01T11:00:00Z");
        assert_eq!(next("cron(30 8 ? * MON-FRI *)", "2026-01-02T09:00:00Z"), "2026-01-05T08:30:00Z");
        assert_eq!(next("cron(0 0 29 2 ? *)", "2026-01-01T00:00:00Z"), "2028-02-29T00:00:00Z");
        assert_eq!(next("cron(0 0 1 1 ? 2020)", "2026-01-01T00:00:00Z"), "never");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "at(2026-01-01T00:00:00)",
            "rate(0 minutes)",
            "rate(1 fortnight)",
            "cron(0 0 * * * *)",
            "cron(61 0 * * ? *)",
            "cron(0 0 L * ? *)",
        ] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
    }
}
