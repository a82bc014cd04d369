//! Lists of workflows.

use domain::job::FieldError;
use utoipa::IntoParams;

use crate::query::Query;

/// Which page of a list.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    #[param(required = false, minimum = 1, maximum = 100, default = 20)]
    pub limit: usize,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

impl PageQuery {
    /// Reads the part of the URL behind `?`.
    pub fn read(query: &str) -> Result<Self, Vec<FieldError>> {
        let mut query = Query::parse(query);
        let read = Self::take(&mut query);
        query.end(read)
    }

    pub(crate) fn take(query: &mut Query) -> Self {
        Self { limit: query.number("limit", 1..=100).unwrap_or(20), cursor: query.short("cursor", 4_096) }
    }
}

/// Which workflows to list. Every parameter that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct WorkflowsQuery {
    /// Part of the name; case does not count.
    pub name: Option<String>,
    /// `active` or `paused`.
    #[param(rename = "status", value_type = Option<String>, example = "active")]
    pub paused: Option<bool>,
    /// Templates alone, or everything but them.
    pub template: Option<bool>,
    #[param(required = false, minimum = 1, maximum = 100, default = 20)]
    pub limit: usize,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

impl WorkflowsQuery {
    /// Reads the part of the URL behind `?`.
    pub fn read(query: &str) -> Result<Self, Vec<FieldError>> {
        let mut query = Query::parse(query);
        let paused = match query.text("status").as_deref() {
            None => None,
            Some("active") => Some(false),
            Some("paused") => Some(true),
            Some(_) => {
                query.no("status", "must be active or paused");
                None
            }
        };
        let (name, template) = (query.short("name", 128), query.flag("template"));
        let PageQuery { limit, cursor } = PageQuery::take(&mut query);
        query.end(Self { name, paused, template, limit, cursor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let read = WorkflowsQuery::read("status=paused&template=true&name=Nightly").expect("a query");
        assert_eq!((read.paused, read.template, read.limit), (Some(true), Some(true), 20));
        let errors = WorkflowsQuery::read("status=on&template=1&limit=0&colour=red").unwrap_err();
        let mut fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["colour", "limit", "status", "template"]);
    }
}
