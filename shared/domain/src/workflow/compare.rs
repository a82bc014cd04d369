//! Two runs side by side, showing differences alone.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{NodeStatus, errors::join};
use crate::money::Money;

/// What is compared of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeFacts {
    pub status: NodeStatus,
    pub attempts: u32,
    /// `None` if it never ran, or the figure is not known.
    pub took: Option<SignedDuration>,
    pub cost: Option<Money>,
    pub output: Value,
}

/// A value that is not the same; `None` where there is none.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference<T> {
    pub left: Option<T>,
    pub right: Option<T>,
}

/// A node of two runs, and what about it differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeDifference {
    pub node: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Difference<NodeStatus>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<Difference<u32>>,
    /// In milliseconds. How long two runs took always differs; it is told for nodes that differ in something else or whose
    /// times are further apart than a tenth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<Difference<i64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Difference<Money>>,
    /// By path.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub output: BTreeMap<String, Difference<Value>>,
}

/// What differs between two values, by path; at most [`MOST`] paths.
pub fn values(left: &Value, right: &Value) -> BTreeMap<String, Difference<Value>> {
    let mut found = BTreeMap::new();
    walk("", Some(left), Some(right), &mut found);
    found
}

/// The most differences between two values that are told.
pub const MOST: usize = 500;

fn walk(
    path: &str,
    left: Option<&Value>,
    right: Option<&Value>,
    found: &mut BTreeMap<String, Difference<Value>>,
) {
    if left == right || found.len() >= MOST {
        return;
    }
    match (left, right) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let keys: BTreeSet<_> = left.keys().chain(right.keys()).collect();
            for key in keys {
                walk(&join(path, key), left.get(key), right.get(key), found);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => {
            for at in 0..left.len().max(right.len()) {
                walk(&join(path, &format!("[{at}]")), left.get(at), right.get(at), found);
            }
        }
        (left, right) => {
            found.insert(path.to_owned(), Difference { left: left.cloned(), right: right.cloned() });
        }
    }
}

/// The parameters that differ.
pub fn params(left: &Map<String, Value>, right: &Map<String, Value>) -> BTreeMap<String, Difference<Value>> {
    let mut found = BTreeMap::new();
    for name in left.keys().chain(right.keys()) {
        walk(name, left.get(name), right.get(name), &mut found);
    }
    found
}

/// The nodes that differ; those that only one run has, too.
pub fn nodes(left: &BTreeMap<String, NodeFacts>, right: &BTreeMap<String, NodeFacts>) -> Vec<NodeDifference> {
    let names: BTreeSet<_> = left.keys().chain(right.keys()).collect();
    names.into_iter().filter_map(|name| node(name, left.get(name), right.get(name))).collect()
}

fn node(name: &str, left: Option<&NodeFacts>, right: Option<&NodeFacts>) -> Option<NodeDifference> {
    let millis = |facts: &NodeFacts| facts.took.and_then(|took| i64::try_from(took.as_millis()).ok());
    let mut difference = NodeDifference {
        node: name.to_owned(),
        status: differ(left, right, |facts| Some(facts.status)),
        attempts: differ(left, right, |facts| Some(facts.attempts)),
        took_ms: None,
        cost: differ(left, right, |facts| facts.cost),
        output: BTreeMap::new(),
    };
    walk("", left.map(|facts| &facts.output), right.map(|facts| &facts.output), &mut difference.output);
    let is_same = difference.status.is_none()
        && difference.attempts.is_none()
        && difference.cost.is_none()
        && difference.output.is_empty();
    let (took_left, took_right) = (left.and_then(millis), right.and_then(millis));
    let is_far = match (took_left, took_right) {
        (Some(left), Some(right)) => left.abs_diff(right) > left.max(right).unsigned_abs() / 10,
        (left, right) => left != right,
    };
    if is_far || !is_same && took_left != took_right {
        difference.took_ms = Some(Difference { left: took_left, right: took_right });
    }
    (!is_same || is_far).then_some(difference)
}

fn differ<T: PartialEq>(
    left: Option<&NodeFacts>,
    right: Option<&NodeFacts>,
    of: impl Fn(&NodeFacts) -> Option<T>,
) -> Option<Difference<T>> {
    let (left, right) = (left.and_then(&of), right.and_then(&of));
    (left != right).then_some(Difference { left, right })
}
