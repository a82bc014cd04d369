//! The nodes of a run: those that something has happened to from their rows, the others from the plan.

use std::collections::HashMap;

use domain::{
    Principal, RunId,
    workflow::{MapProgress, NodeState, NodeStatus, Plan, Run, Step, StepKind},
};
use serde_json::Value;

use super::{Looks, Refused, plan};
use crate::ports::{CallFor, NodeKey, Page, StoreError, Try};

/// How many nodes one page looks at before it ends although it is not full.
const LOOKED_AT: usize = 1_000;
/// How many nodes are read at once.
const CHUNK: usize = 100;
/// How many messages of a run are looked through for the tries of one node.
const CALLS: usize = 1_000;

/// A node and what it does.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeSeen {
    pub state: NodeState,
    pub kind: StepKind,
}

/// A node with what belongs to it alone.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeWhole {
    pub seen: NodeSeen,
    /// However long.
    pub output: Option<Value>,
    pub depends_on: Vec<String>,
    /// Of a map that began.
    pub map: Option<MapProgress>,
    /// Of a webhook, the first first.
    pub tries: Vec<Try>,
}

/// An item of a map, with what it goes over.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemSeen {
    pub state: NodeState,
    pub value: Value,
}

/// Some of a map's items.
#[derive(Debug, Clone)]
pub struct Items {
    pub page: Page<ItemSeen>,
    /// What each of them does.
    pub kind: StepKind,
    /// How many the map has; none before it begins.
    pub total: Option<u32>,
}

impl Looks {
    /// A page of all nodes of a run by their numbers; with `statuses`, of those that stand there.
    pub async fn nodes(
        &self,
        caller: &Principal,
        id: RunId,
        statuses: &[NodeStatus],
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<NodeSeen>, Refused> {
        let run = self.visible(caller, id).await?;
        let workflow = self.definition(&run).await?;
        let plan = plan(&workflow)?;
        let steps = plan.steps();
        let mut from = match cursor {
            None => 0,
            Some(cursor) => cursor
                .parse()
                .ok()
                .filter(|from: &usize| *from < steps.len() && from.to_string() == cursor)
                .ok_or(StoreError::Cursor)?,
        };
        let mut items = Vec::new();
        let last = steps.len().min(from + LOOKED_AT);
        while from < last && items.len() < limit {
            // Without a filter each of them is one of the page: no more are read than fit.
            let wanted = if statuses.is_empty() { limit - items.len() } else { CHUNK };
            let until = last.min(from + wanted.min(CHUNK));
            for seen in self.states(&run, &steps[from..until], from).await? {
                from += 1;
                if statuses.is_empty() || statuses.contains(&seen.state.status) {
                    items.push(seen);
                    if items.len() == limit {
                        break;
                    }
                }
            }
        }
        Ok(Page { items, next: (from < steps.len()).then(|| from.to_string()) })
    }

    /// The nodes of these steps, the first of which has the number `from`.
    async fn states(&self, run: &Run, steps: &[Step<'_>], from: usize) -> Result<Vec<NodeSeen>, Refused> {
        let first = u32::try_from(from).unwrap_or(u32::MAX);
        let keys: Vec<NodeKey> = (first..).zip(steps).map(|(number, _)| (number, None)).collect();
        let known = self.runs.nodes(run.id, &keys).await?;
        let mut known: HashMap<u32, NodeState> = known.into_iter().map(|node| (node.step, node)).collect();
        let seen = |(number, step): (u32, &Step<'_>)| {
            let kind = step.kind.step()?;
            let state =
                known.remove(&number).unwrap_or_else(|| NodeState::waiting(run.id, number, None, &step.id));
            Some(NodeSeen { state, kind })
        };
        Ok((first..).zip(steps).filter_map(seen).collect())
    }

    /// One node by its name, or by its number: no name begins with a digit.
    pub async fn node(&self, caller: &Principal, id: RunId, name: &str) -> Result<NodeWhole, Refused> {
        let run = self.visible(caller, id).await?;
        let workflow = self.definition(&run).await?;
        let plan = plan(&workflow)?;
        let (number, step) = step(&plan, name)?;
        let mut found = self.states(&run, std::slice::from_ref(step), number as usize).await?;
        let seen = found.pop().ok_or(Refused::NotFound("node"))?;
        let output = self.output(&seen.state).await?;
        let map = match seen.state.items {
            Some(_) => Some(self.runs.map_progress(id, number).await?),
            None => None,
        };
        let depends_on = step.before.iter().filter_map(|edge| plan.step(edge.step));
        let depends_on = depends_on.map(|before| before.id.clone()).collect();
        let tries = match seen.kind {
            StepKind::Webhook => self.tries(id, number).await?,
            StepKind::Job | StepKind::Condition | StepKind::Map => Vec::new(),
        };
        Ok(NodeWhole { seen, output, depends_on, map, tries })
    }

    /// What a node gave, from its row or from its parts.
    pub(super) async fn output(&self, state: &NodeState) -> Result<Option<Value>, StoreError> {
        if state.output_parts == 0 {
            return Ok(state.output.clone());
        }
        let key = (state.step, state.item);
        self.runs.output(state.run_id, key, state.output_parts).await.map(Some)
    }

    async fn tries(&self, id: RunId, number: u32) -> Result<Vec<Try>, StoreError> {
        let mut calls = self.calls.calls_of_run(id, CALLS).await?;
        calls.retain(|call| {
            matches!(&call.purpose, CallFor::Node { node } if node.step == number && node.item.is_none())
        });
        calls.sort_by_key(|call| call.id);
        Ok(calls.into_iter().flat_map(|call| call.tries).collect())
    }

    /// A page of a map's items that something has happened to.
    pub async fn items(
        &self,
        caller: &Principal,
        id: RunId,
        name: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Items, Refused> {
        let run = self.visible(caller, id).await?;
        let workflow = self.definition(&run).await?;
        let plan = plan(&workflow)?;
        let (number, step) = step(&plan, name)?;
        let domain::workflow::Kind::Map(map) = step.kind else { return Err(Refused::NotFound("map")) };
        let kind = map.node.kind().and_then(|kind| kind.step()).unwrap_or(StepKind::Job);
        let found = self.runs.nodes(id, &[(number, None)]).await?;
        let total = found.first().and_then(|state| state.items);
        let page = self.runs.item_page(id, number, limit, cursor).await?;
        let numbers = || page.items.iter().filter_map(|state| state.item);
        let values = match (numbers().min(), numbers().max()) {
            (Some(first), Some(last)) => {
                let values = self.runs.items(id, number, first..last + 1).await?;
                (first..).zip(values).collect::<HashMap<u32, Value>>()
            }
            _ => HashMap::new(),
        };
        let seen = |state: NodeState| {
            let value = state.item.and_then(|item| values.get(&item)).cloned().unwrap_or_default();
            ItemSeen { state, value }
        };
        let page = Page { items: page.items.into_iter().map(seen).collect(), next: page.next };
        Ok(Items { page, kind, total })
    }
}

fn step<'p, 'w>(plan: &'p Plan<'w>, name: &str) -> Result<(u32, &'p Step<'w>), Refused> {
    let number = plan.number(name).or_else(|| name.parse().ok());
    let found = number.and_then(|number| Some((number, plan.step(number)?)));
    found.ok_or(Refused::NotFound("node"))
}
