//! Pages of a job's history.

use domain::job::FieldError;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use crate::{events::Event, query::Query};

/// Some of a job's history.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct EventPage {
    pub items: Vec<Event>,
    /// What to pass as `after` to go on: the number of the last event on this page.
    pub next: u64,
    /// Whether there is more behind `next` already.
    pub more: bool,
}

/// Which part of a job's history.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Only events with a greater number.
    #[param(required = false, default = 0)]
    pub after: u64,
    /// How many at most.
    #[param(required = false, minimum = 1, maximum = 500, default = 100)]
    pub limit: usize,
}

impl EventsQuery {
    /// Reads the part of the URL behind `?`.
    pub fn read(query: &str) -> Result<Self, Vec<FieldError>> {
        let mut query = Query::parse(query);
        let after = query.number("after", 0..=u64::MAX).unwrap_or(0);
        let limit = query.number("limit", 1..=500).unwrap_or(100) as usize;
        query.end(Self { after, limit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_has_defaults_and_bounds() {
        assert_eq!(EventsQuery::read(""), Ok(EventsQuery { after: 0, limit: 100 }));
        let errors = EventsQuery::read("after=-1&limit=501&x=1").unwrap_err();
        assert_eq!(errors.iter().map(|e| e.field.as_str()).collect::<Vec<_>>(), ["after", "limit", "x"]);
    }
}
