//! Lists of runs and of their nodes.

use domain::{
    WorkflowId,
    job::FieldError,
    workflow::{NodeStatus, RunStatus},
};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::Run;
use crate::{query::Query, workflows::PageQuery};

/// A page of runs, newest first. It may hold fewer than were asked for although there is a next one.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunPage {
    pub items: Vec<Run>,
    /// Pass it as `cursor` for the next page; null on the last one.
    #[schema(required = true)]
    pub next: Option<String>,
}

/// Which runs to list. Every parameter that is given must hold.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RunsQuery {
    /// One of these: repeated, or separated by commas.
    #[param(required = false, value_type = Vec<super::RunStatus>, explode = false, example = json!(["running", "failed"]))]
    pub status: Vec<RunStatus>,
    /// Of this workflow. Not in the list of one workflow's runs.
    #[param(value_type = Option<String>, example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub workflow: Option<WorkflowId>,
    #[param(required = false, minimum = 1, maximum = 100, default = 20)]
    pub limit: usize,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// Which nodes of a run to list.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct NodesQuery {
    /// One of these: repeated, or separated by commas.
    #[param(required = false, value_type = Vec<super::NodeStatus>, explode = false, example = json!(["running", "failed"]))]
    pub status: Vec<NodeStatus>,
    #[param(required = false, minimum = 1, maximum = 100, default = 100)]
    pub limit: usize,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

const RUN_STATUSES: [(RunStatus, &str); 5] = [
    (RunStatus::Running, "running"),
    (RunStatus::Succeeded, "succeeded"),
    (RunStatus::Failed, "failed"),
    (RunStatus::Cancelled, "cancelled"),
    (RunStatus::TimedOut, "timed_out"),
];

/// The words of the parameter `status`.
fn statuses<T: Copy + PartialEq>(query: &mut Query, known: &[(T, &str)]) -> Vec<T> {
    let mut found = Vec::new();
    for word in query.all("status").iter().flat_map(|value| value.split(',')) {
        match known.iter().find(|(_, name)| *name == word) {
            Some((status, _)) if !found.contains(status) => found.push(*status),
            Some(_) => {}
            None => {
                let known: Vec<_> = known.iter().map(|(_, name)| *name).collect();
                query.no("status", format!("has an unknown word; known are {}", known.join(", ")));
                break;
            }
        }
    }
    found
}

impl RunsQuery {
    /// Reads the part of the URL behind `?`; `of_one` in the list of one workflow's runs.
    pub fn read(query: &str, of_one: bool) -> Result<Self, Vec<FieldError>> {
        let mut query = Query::parse(query);
        let status = statuses(&mut query, &RUN_STATUSES);
        let workflow = if of_one { None } else { query.text("workflow") };
        let workflow = workflow.and_then(|text| {
            text.parse().map_err(|error: domain::id::InvalidId| query.no("workflow", error.to_string())).ok()
        });
        let PageQuery { limit, cursor } = PageQuery::take(&mut query);
        query.end(Self { status, workflow, limit, cursor })
    }
}

impl NodesQuery {
    /// Reads the part of the URL behind `?`.
    pub fn read(query: &str) -> Result<Self, Vec<FieldError>> {
        let mut query = Query::parse(query);
        let status = statuses(&mut query, &NodeStatus::ALL.map(|status| (status, status.as_str())));
        let limit = query.number("limit", 1..=100).unwrap_or(100);
        let cursor = query.short("cursor", 4_096);
        query.end(Self { status, limit, cursor })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_repeated_or_separated() {
        let read = RunsQuery::read("status=running,failed&status=timed_out", false).expect("a query");
        assert_eq!(read.status, [RunStatus::Running, RunStatus::Failed, RunStatus::TimedOut]);
        let read = NodesQuery::read("status=upstream_failed").expect("a query");
        assert_eq!((read.status, read.limit), (vec![NodeStatus::UpstreamFailed], 100));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let fields = |errors: Vec<FieldError>| {
            let mut fields: Vec<_> = errors.into_iter().map(|error| error.field).collect();
            fields.sort_unstable();
            fields
        };
        let errors = RunsQuery::read("status=done&workflow=mine&limit=0", false).unwrap_err();
        assert_eq!(fields(errors), ["limit", "status", "workflow"]);
        let id = "wfl_00000000000000000000000000000001";
        assert!(RunsQuery::read(&format!("workflow={id}"), false).is_ok());
        assert_eq!(fields(RunsQuery::read(&format!("workflow={id}"), true).unwrap_err()), ["workflow"]);
    }
}
