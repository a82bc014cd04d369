//! Lists of jobs.

use std::str::FromStr;

use domain::{
    UserId,
    job::{FieldError, Status},
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::Job;
use crate::query::Query;

/// A page of jobs, newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct JobPage {
    pub items: Vec<Job>,
    /// Pass it as `cursor` for the next page; null on the last one.
    #[schema(required = true)]
    pub next: Option<String>,
}

/// Which jobs to list. Every parameter that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// One of these: repeated, or separated by commas.
    #[param(required = false, value_type = Vec<crate::events::Status>, explode = false, example = json!(["queued", "running"]))]
    pub status: Vec<Status>,
    /// Where the latest attempt was placed.
    #[param(example = "runpod")]
    pub provider: Option<String>,
    /// `key`, or `key:value`.
    #[param(value_type = Option<String>, example = "team:research")]
    pub tag: Option<(String, Option<String>)>,
    /// Part of the name; case does not count.
    pub name: Option<String>,
    pub submitted_after: Option<Timestamp>,
    pub submitted_before: Option<Timestamp>,
    /// Whose: one's own if absent. Administrators may name any user.
    #[param(value_type = Option<String>)]
    pub owner: Option<UserId>,
    #[param(required = false, minimum = 1, maximum = 100, default = 20)]
    pub limit: usize,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// The parameter `owner`.
pub(super) fn owner(query: &mut Query) -> Option<UserId> {
    let text = query.text("owner")?;
    UserId::from_str(&text).map_err(|error| query.no("owner", error.to_string())).ok()
}

impl ListQuery {
    /// Reads the part of the URL behind `?`.
    pub fn read(query: &str) -> Result<Self, Vec<FieldError>> {
        let mut query = Query::parse(query);
        let mut status = Vec::new();
        for word in query.all("status").iter().flat_map(|value| value.split(',')) {
            match Status::ALL.into_iter().find(|status| status.as_str() == word) {
                Some(known) if !status.contains(&known) => status.push(known),
                Some(_) => {}
                None => {
                    let known = Status::ALL.map(Status::as_str).join(", ");
                    query.no("status", format!("has an unknown word; known are {known}"));
                    break;
                }
            }
        }
        let tag = query.short("tag", 400).map(|tag| match tag.split_once(':') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (tag, None),
        });
        let read = Self {
            status,
            provider: query.short("provider", 64),
            tag,
            name: query.short("name", 128),
            submitted_after: query.time("submitted_after"),
            submitted_before: query.time("submitted_before"),
            owner: owner(&mut query),
            limit: query.number("limit", 1..=100).unwrap_or(20),
            cursor: query.short("cursor", 4_096),
        };
        query.end(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_repeated_or_separated() {
        let read = ListQuery::read("status=queued,running&status=failed&tag=team:a:b&limit=100").unwrap();
        assert_eq!(read.status, [Status::Queued, Status::Running, Status::Failed]);
        assert_eq!(read.tag, Some(("team".into(), Some("a:b".into()))));
        assert_eq!(read.limit, 100);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let query = "status=done&limit=0&submitted_after=yesterday&owner=me&cursor=&page=2&name=a&name=b";
        let errors = ListQuery::read(query).unwrap_err();
        let mut fields: Vec<_> = errors.iter().map(|e| e.field.as_str()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["cursor", "limit", "name", "owner", "page", "status", "submitted_after"]);
    }
}
