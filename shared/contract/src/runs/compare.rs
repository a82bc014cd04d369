//! Two runs side by side: differences alone.

use std::collections::BTreeMap;

use domain::{
    RunId,
    job::FieldError,
    workflow::compare::{self, Difference as Between},
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::{NodeStatus, Run, RunStatus};
use crate::{money::Money, query::Query};

/// With which run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CompareQuery {
    /// The other run, the right-hand side; of any of one's workflows.
    #[param(value_type = String, example = "run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub with: RunId,
}

impl CompareQuery {
    /// Reads the part of the URL behind `?`.
    pub fn read(query: &str) -> Result<Self, Vec<FieldError>> {
        let mut query = Query::parse(query);
        let with = match query.text("with") {
            None => {
                query.no("with", "is missing: the id of the other run");
                None
            }
            Some(text) => {
                let read: Result<RunId, _> = text.parse();
                read.map_err(|error| query.no("with", error.to_string())).ok()
            }
        };
        query.end(with)?.map(|with| Self { with }).ok_or_else(Vec::new)
    }
}

/// What differs between two runs.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RunComparison)]
pub struct Comparison {
    pub left: RunSide,
    pub right: RunSide,
    /// Parameters by path.
    pub params: BTreeMap<String, ValueDifference>,
    /// What differs in their definitions, by path; at most 500.
    pub definition: BTreeMap<String, ValueDifference>,
    /// Nodes that differ, by name; those that only one run has, too.
    pub nodes: Vec<NodeDifference>,
    /// Nodes that differ and are not listed, since there are very many.
    pub more_nodes: u32,
    /// Nodes that are the same in both.
    pub same_nodes: u32,
}

/// One of two runs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct RunSide {
    #[schema(example = "run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub id: String,
    pub name: String,
    pub workflow_id: String,
    pub workflow_version: u32,
    pub status: RunStatus,
    pub started_at: Timestamp,
    pub seconds: f64,
    pub cost: Vec<Money>,
}

impl From<Run> for RunSide {
    fn from(run: Run) -> Self {
        Self {
            id: run.id,
            name: run.name,
            workflow_id: run.workflow_id,
            workflow_version: run.workflow_version,
            status: run.status,
            started_at: run.started_at,
            seconds: run.seconds,
            cost: run.cost,
        }
    }
}

/// A value that is not the same; null where there is none.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ValueDifference {
    #[schema(value_type = Value)]
    pub left: Value,
    #[schema(value_type = Value)]
    pub right: Value,
}

impl From<Between<Value>> for ValueDifference {
    fn from(between: Between<Value>) -> Self {
        Self { left: between.left.unwrap_or_default(), right: between.right.unwrap_or_default() }
    }
}

/// A node of two runs, and what about it differs; what does not is null.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = RunNodeDifference)]
pub struct NodeDifference {
    pub node: String,
    #[schema(required = true)]
    pub status: Option<StatusDifference>,
    #[schema(required = true)]
    pub attempts: Option<NumberDifference>,
    /// How long it took, in seconds: told for nodes that differ in something else, or whose times are further apart than a
    /// tenth.
    #[schema(required = true)]
    pub seconds: Option<NumberDifference>,
    #[schema(required = true)]
    pub cost: Option<MoneyDifference>,
    /// What differs in its output, by path.
    pub output: BTreeMap<String, ValueDifference>,
}

/// Statuses; null where the run does not have the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StatusDifference {
    #[schema(required = true)]
    pub left: Option<NodeStatus>,
    #[schema(required = true)]
    pub right: Option<NodeStatus>,
}

/// Figures; null where there is none.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct NumberDifference {
    #[schema(required = true)]
    pub left: Option<f64>,
    #[schema(required = true)]
    pub right: Option<f64>,
}

/// Amounts; null where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MoneyDifference {
    #[schema(required = true)]
    pub left: Option<Money>,
    #[schema(required = true)]
    pub right: Option<Money>,
}

impl From<compare::NodeDifference> for NodeDifference {
    fn from(found: compare::NodeDifference) -> Self {
        let number = |between: Between<f64>| NumberDifference { left: between.left, right: between.right };
        let map = |between: Between<u32>| Between {
            left: between.left.map(f64::from),
            right: between.right.map(f64::from),
        };
        let seconds = |millis: Option<i64>| millis.map(|millis| millis as f64 / 1_000.0);
        Self {
            node: found.node,
            status: found.status.map(|between| StatusDifference {
                left: between.left.map(Into::into),
                right: between.right.map(Into::into),
            }),
            attempts: found.attempts.map(map).map(number),
            seconds: found.took_ms.map(|between| NumberDifference {
                left: seconds(between.left),
                right: seconds(between.right),
            }),
            cost: found.cost.map(|between| MoneyDifference {
                left: between.left.map(Into::into),
                right: between.right.map(Into::into),
            }),
            output: found.output.into_iter().map(|(path, between)| (path, between.into())).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_run_is_named() {
        let id = "run_00000000000000000000000000000001";
        assert_eq!(
            CompareQuery::read(&format!("with={id}")).map(|query| query.with.to_string()),
            Ok(id.into())
        );
        for wrong in ["", "with=me", "with="] {
            let errors = CompareQuery::read(wrong).unwrap_err();
            assert_eq!(
                errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(),
                ["with"],
                "{wrong}"
            );
        }
    }
}
