//! What is asked of costs.

use domain::{Currency, job::FieldError};
use jiff::{SignedDuration, Timestamp};
use utoipa::IntoParams;

use crate::query::Query;

pub use domain::ledger::GroupBy;

/// The longest span, in days.
pub const MAX_DAYS: i64 = 366;

/// Which costs.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CostsQuery {
    /// The first moment: a time, or a day (UTC). The first of this month if absent.
    #[param(value_type = Option<String>, example = "2026-11-01")]
    pub from: Timestamp,
    /// The first moment behind it: a time, or a day (UTC). Now if absent. At most 366 days behind `from`.
    #[param(value_type = Option<String>, example = "2026-12-01")]
    pub to: Timestamp,
    /// `day`, `provider`, `gpu`, `job`, `user` or `tag:KEY`; `day` if absent.
    #[param(value_type = Option<String>, example = "tag:team")]
    pub group_by: GroupBy,
    /// The currency of the totals; one's own if absent.
    #[param(value_type = Option<crate::money::Currency>)]
    pub currency: Option<Currency>,
    /// `own`, or for administrators `platform`; `own` if absent.
    #[param(rename = "scope", value_type = Option<String>, example = "own")]
    pub platform: bool,
}

/// Which attempts.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AttemptsQuery {
    /// The first moment: a time, or a day (UTC). The first of this month if absent.
    #[param(value_type = Option<String>, example = "2026-11-01")]
    pub from: Timestamp,
    /// The first moment behind it: a time, or a day (UTC). Now if absent. At most 366 days behind `from`.
    #[param(value_type = Option<String>, example = "2026-12-01")]
    pub to: Timestamp,
    /// `own`, or for administrators `platform`; `own` if absent.
    #[param(rename = "scope", value_type = Option<String>, example = "own")]
    pub platform: bool,
    #[param(required = false, minimum = 1, maximum = 100, default = 20)]
    pub limit: usize,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

impl CostsQuery {
    /// Reads the part of the URL behind `?`.
    pub fn read(query: &str, now: Timestamp) -> Result<Self, Vec<FieldError>> {
        let mut query = Query::parse(query);
        let (from, to) = span(&mut query, now);
        let group_by = match query.text("group_by").as_deref() {
            None | Some("day") => GroupBy::Day,
            Some("provider") => GroupBy::Provider,
            Some("gpu") => GroupBy::Gpu,
            Some("job") => GroupBy::Job,
            Some("user") => GroupBy::User,
            Some(other) => {
                if let Some(key) = other.strip_prefix("tag:").filter(|key| !key.is_empty()) {
                    GroupBy::Tag(key.to_owned())
                } else {
                    query.no("group_by", "must be day, provider, gpu, job, user or tag:KEY");
                    GroupBy::Day
                }
            }
        };
        let currency = match query.text("currency").as_deref() {
            None => None,
            Some("USD") => Some(Currency::Usd),
            Some("CNY") => Some(Currency::Cny),
            Some(_) => {
                query.no("currency", "must be USD or CNY");
                None
            }
        };
        let platform = scope(&mut query);
        query.end(Self { from, to, group_by, currency, platform })
    }
}

impl AttemptsQuery {
    /// Reads the part of the URL behind `?`.
    pub fn read(query: &str, now: Timestamp) -> Result<Self, Vec<FieldError>> {
        let mut query = Query::parse(query);
        let (from, to) = span(&mut query, now);
        let platform = scope(&mut query);
        let limit = query.number("limit", 1..=100).unwrap_or(20);
        let cursor = query.short("cursor", 4_096);
        query.end(Self { from, to, platform, limit, cursor })
    }
}

/// Whether everybody's costs are meant.
fn scope(query: &mut Query) -> bool {
    match query.text("scope").as_deref() {
        None | Some("own") => false,
        Some("platform") => true,
        Some(_) => {
            query.no("scope", "must be own or platform");
            false
        }
    }
}

fn span(query: &mut Query, now: Timestamp) -> (Timestamp, Timestamp) {
    let month = now.strftime("%Y-%m-01").to_string();
    let from = moment(query, "from").or_else(|| midnight(&month)).unwrap_or(now);
    let to = moment(query, "to").unwrap_or(now);
    if to < from {
        query.no("to", "is before from");
    } else if to.duration_since(from) > SignedDuration::from_hours(24 * MAX_DAYS) {
        query.no("to", format!("is more than {MAX_DAYS} days behind from"));
    }
    (from, to)
}

fn midnight(day: &str) -> Option<Timestamp> {
    (day.len() == 10).then(|| format!("{day}T00:00:00Z").parse().ok()).flatten()
}

fn moment(query: &mut Query, name: &str) -> Option<Timestamp> {
    let text = query.text(name)?;
    let time = midnight(&text).or_else(|| text.parse().ok());
    if time.is_none() {
        query.no(name, "must be a day such as 2026-11-01 or a time such as 2026-11-01T00:00:00Z");
    }
    time
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn this_month_by_day_unless_it_says_otherwise() {
        let now = at("2026-11-24T13:00:00Z");
        let query = CostsQuery::read("", now).unwrap();
        assert_eq!((query.from, query.to), (at("2026-11-01T00:00:00Z"), now));
        assert_eq!((query.group_by, query.currency, query.platform), (GroupBy::Day, None, false));
        let asked = "from=2026-01-01&to=2026-02-01T12:00:00Z&group_by=tag:team&currency=CNY&scope=platform";
        let query = CostsQuery::read(asked, now).unwrap();
        assert_eq!((query.from, query.to), (at("2026-01-01T00:00:00Z"), at("2026-02-01T12:00:00Z")));
        assert_eq!((query.group_by, query.currency), (GroupBy::Tag("team".into()), Some(Currency::Cny)));
        assert!(query.platform);
    }

    #[test]
    fn every_wrong_parameter_is_named() {
        let now = at("2026-11-24T13:00:00Z");
        let wrong = |query: &str| {
            let errors = CostsQuery::read(query, now).unwrap_err();
            errors.into_iter().map(|error| error.field).collect::<Vec<_>>()
        };
        assert_eq!(
            wrong("from=yesterday&group_by=tag:&currency=EUR&scope=all&x=1"),
            ["from", "group_by", "currency", "scope", "x"]
        );
        assert_eq!(wrong("from=2026-11-02&to=2026-11-01"), ["to"]);
        assert_eq!(wrong("from=2025-01-01&to=2026-11-01"), ["to"]);
    }
}
