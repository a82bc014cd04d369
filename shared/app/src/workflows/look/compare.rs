//! Two runs side by side.

use std::collections::BTreeMap;

use domain::{
    Principal, RunId,
    workflow::{
        NodeState, NodeStatus, Run,
        compare::{self, Difference, NodeDifference, NodeFacts},
    },
};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::{AT_ONCE, Looks, Refused, RunSeen, plan};

/// What differs between two runs.
#[derive(Debug, Clone)]
pub struct Comparison {
    pub left: RunSeen,
    pub right: RunSeen,
    pub params: BTreeMap<String, Difference<Value>>,
    pub definition: BTreeMap<String, Difference<Value>>,
    pub nodes: Vec<NodeDifference>,
    /// Nodes that are the same in both.
    pub same: usize,
}

impl Looks {
    /// Compares two runs, of one workflow or of two.
    pub async fn compare(
        &self,
        caller: &Principal,
        left: RunId,
        right: RunId,
    ) -> Result<Comparison, Refused> {
        let (left, right) = (self.run(caller, left).await?, self.run(caller, right).await?);
        let params = compare::params(
            &self.runs.params(left.run.id).await?.unwrap_or_default(),
            &self.runs.params(right.run.id).await?.unwrap_or_default(),
        );
        let (left_facts, left_text) = self.facts(&left.run).await?;
        let (right_facts, right_text) = self.facts(&right.run).await?;
        let nodes = compare::nodes(&left_facts, &right_facts);
        let all = left_facts.keys().chain(right_facts.keys().filter(|name| !left_facts.contains_key(*name)));
        let same = all.count() - nodes.len();
        let definition = compare::values(&left_text, &right_text);
        Ok(Comparison { left, right, params, definition, nodes, same })
    }

    /// What is compared of each node, and the definition.
    async fn facts(&self, run: &Run) -> Result<(BTreeMap<String, NodeFacts>, Value), Refused> {
        let workflow = self.definition(run).await?;
        let mut facts: BTreeMap<String, NodeFacts> = plan(&workflow)?
            .steps()
            .iter()
            .map(|step| {
                let waiting = NodeFacts {
                    status: NodeStatus::Waiting,
                    attempts: 0,
                    took: None,
                    cost: None,
                    output: Value::Null,
                };
                (step.id.clone(), waiting)
            })
            .collect();
        let mut states = Vec::new();
        self.each_node(run.id, |state| states.push(state)).await?;
        let with_output = stream::iter(states)
            .map(async |state: NodeState| Ok::<_, Refused>((self.output(&state).await?, state)))
            .buffered(AT_ONCE);
        let states: Vec<(Option<Value>, NodeState)> = with_output.try_collect().await?;
        for (output, state) in states {
            let took = state.started_at.zip(state.ended_at).map(|(from, until)| until.duration_since(from));
            let fact = NodeFacts {
                status: state.status,
                attempts: state.attempt,
                took: took.filter(|_| state.kept_from.is_none()),
                cost: state.cost.first().copied(),
                output: output.unwrap_or_default(),
            };
            facts.insert(state.node, fact);
        }
        let text = serde_json::to_value(&workflow).map_err(|error| Refused::Unreadable(error.to_string()))?;
        Ok((facts, text))
    }
}
