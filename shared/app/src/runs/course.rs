//! A run while it is taken on: what was read of it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use domain::{
    RunId,
    workflow::{Head, Node, NodeState, NodeStatus, Origin, Run, Scope, Seen, Step},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Runs, plans::Planned};
use crate::{
    machine::StepError,
    ports::{NodeKey, Params, StoreError},
};

/// A node as others see it.
#[derive(Debug, Clone)]
pub(super) struct Sight {
    pub(super) status: NodeStatus,
    pub(super) output: Value,
}

/// A run while it is taken on.
pub(super) struct Course {
    pub(super) run: Run,
    /// As last read or written.
    pub(super) head: Head,
    pub(super) params: Params,
    pub(super) planned: Arc<Planned>,
    /// Whether this may be a repeat: what is there already is looked at again, and what hangs on it.
    pub(super) again: bool,
    /// Nodes that ended: that does not change any more.
    seen: HashMap<u32, Sight>,
    /// Rows that turned out to be there.
    pub(super) rows: HashMap<NodeKey, NodeState>,
    /// Nodes that were read, in a repeat.
    pub(super) looked_at: HashSet<u32>,
    /// Nodes whose followers were looked at, in a repeat.
    pub(super) met: HashSet<u32>,
    /// Maps whose items were looked at, in a repeat.
    pub(super) looked_through: HashSet<u32>,
    facts: Value,
}

impl Runs {
    /// Reads a run; `None` if there is none.
    pub(super) async fn course(&self, id: RunId, again: bool) -> Result<Option<Course>, StepError> {
        let (run, head, params) =
            futures::try_join!(self.runs.run(id), self.runs.head(id), self.runs.params(id))?;
        let (Some(run), Some(head)) = (run, head) else { return Ok(None) };
        let version = (run.workflow_id, run.workflow_version);
        let Some(planned) = self.plans.of(&*self.definitions, version).await? else { return Ok(None) };
        Ok(Some(Course {
            facts: facts(&run),
            run,
            head,
            params: params.unwrap_or_default(),
            planned,
            again,
            seen: HashMap::new(),
            rows: HashMap::new(),
            looked_at: HashSet::new(),
            met: HashSet::new(),
            looked_through: HashSet::new(),
        }))
    }

    /// Reads those of the nodes that were not known to have ended.
    pub(super) async fn see(
        &self,
        course: &mut Course,
        steps: impl IntoIterator<Item = u32>,
    ) -> Result<(), StepError> {
        let ended = |step: &u32| course.seen.get(step).is_some_and(|sight| sight.status.is_terminal());
        let unknown: Vec<NodeKey> =
            steps.into_iter().filter(|step| !ended(step)).map(|step| (step, None)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        for node in self.runs.nodes(course.run.id, &unknown).await? {
            let output = self.output(&node).await?;
            course.saw(node.step, node.status, output);
        }
        Ok(())
    }

    /// What a node gave, from its row or from its parts.
    pub(super) async fn output(&self, node: &NodeState) -> Result<Value, StoreError> {
        match node.output_parts {
            0 => Ok(node.output.clone().unwrap_or_default()),
            parts => self.runs.output(node.run_id, (node.step, node.item), parts).await,
        }
    }

    /// What an item of a map goes over; nothing for a node.
    pub(super) async fn item_value(
        &self,
        course: &Course,
        (step, item): NodeKey,
    ) -> Result<Option<Value>, StoreError> {
        let Some(item) = item else { return Ok(None) };
        Ok(self.runs.items(course.run.id, step, item..item + 1).await?.pop())
    }

    /// Reads the head, and the rows of these nodes, anew.
    pub(super) async fn refresh(&self, course: &mut Course, keys: &[NodeKey]) -> Result<(), StepError> {
        let (head, rows) =
            futures::try_join!(self.runs.head(course.run.id), self.runs.nodes(course.run.id, keys))?;
        course.head = head.ok_or(StepError::Collision)?;
        for row in &rows {
            // What was thought of it was never written.
            course.seen.remove(&row.step);
        }
        course.rows.extend(rows.into_iter().map(|row| ((row.step, row.item), row)));
        Ok(())
    }
}

impl Course {
    /// A node ended, or stands somewhere when another one that looks at it begins.
    pub(super) fn saw(&mut self, step: u32, status: NodeStatus, output: Value) {
        self.seen.insert(step, Sight { status, output });
    }

    pub(super) fn has_succeeded(&self, step: u32) -> bool {
        self.seen.get(&step).is_some_and(|sight| sight.status == NodeStatus::Succeeded)
    }

    pub(super) fn step(&self, number: u32) -> Result<&Step<'_>, StepError> {
        self.planned.plan().step(number).ok_or(StepError::Collision)
    }

    /// What an item of a map does, or the step itself, and its place in the definition.
    pub(super) fn node(&self, key: NodeKey) -> Result<(&Node, String), StepError> {
        let step = self.step(key.0)?;
        Ok(match (step.kind, key.1) {
            (domain::workflow::Kind::Map(map), Some(_)) => (&map.node, format!("{}.map.node", step.path)),
            _ => (step.node, step.path.clone()),
        })
    }

    /// The values that the texts of a step may use; the nodes that it reads have to be known.
    pub(super) fn scope<'a>(
        &'a self,
        number: u32,
        item: Option<(u32, &'a Value)>,
        output: Option<&'a Value>,
    ) -> Scope<'a> {
        let plan = self.planned.plan();
        let read = self.planned.uses(number);
        let nodes: BTreeMap<&str, Seen<'_>> = read
            .nodes
            .iter()
            .filter_map(|number| {
                let sight = self.seen.get(number)?;
                let seen = Seen { status: sight.status.as_str(), output: &sight.output };
                Some((plan.step(*number)?.id.as_str(), seen))
            })
            .collect();
        Scope { params: &self.params, nodes, run: &self.facts, item, output }
    }

    /// What a node read, as far as it decides its result.
    pub(super) fn inputs(&self, number: u32, item: Option<(u32, &Value)>) -> Value {
        let plan = self.planned.plan();
        let uses = match item {
            Some(_) => Arc::new(plan.item_uses(number)),
            None => self.planned.uses(number),
        };
        let params: BTreeMap<&str, &Value> = self
            .params
            .iter()
            .filter(|(name, _)| uses.params.as_ref().is_none_or(|used| used.contains(*name)))
            .map(|(name, value)| (name.as_str(), value))
            .collect();
        let nodes: BTreeMap<&str, &Value> = uses
            .nodes
            .iter()
            .filter_map(|number| Some((plan.step(*number)?.id.as_str(), &self.seen.get(number)?.output)))
            .collect();
        json!({ "params": params, "nodes": nodes, "item": item.map(|(_, value)| value) })
    }

    /// A node that nothing has happened to.
    pub(super) fn untouched(&self, (number, item): NodeKey) -> Result<NodeState, StepError> {
        Ok(NodeState::waiting(self.run.id, number, item, &self.step(number)?.id))
    }

    /// When a node that begins at `at` has to be over.
    pub(super) fn deadline(&self, key: NodeKey, at: Timestamp) -> Result<Option<Timestamp>, StepError> {
        let (node, _) = self.node(key)?;
        let seconds = node.timeout_seconds.map(|seconds| jiff::SignedDuration::from_secs(seconds.into()));
        Ok(seconds.and_then(|seconds| at.checked_add(seconds).ok()))
    }
}

/// What texts may know of the run.
fn facts(run: &Run) -> Value {
    let mut facts = json!({
        "id": run.id,
        "name": run.name,
        "workflow_id": run.workflow_id,
        "workflow_version": run.workflow_version,
        "started_at": run.started_at,
    });
    if let Origin::Schedule { slot, .. } = &run.origin {
        facts["scheduled_for"] = json!(slot);
    }
    facts
}
