//! Runs that go on where another one stopped, or repeat one.

use std::collections::{BTreeSet, HashMap};

use domain::{
    RunId, UserId,
    workflow::{Fate, NodeState, NodeStatus, Origin, Run, changed},
};

use super::{
    RunError, Runs,
    plans::Planned,
    start::{Request, Started},
};
use crate::ports::Params;

/// How many nodes are read at a time.
const PAGE: usize = 500;

/// A run that is to follow another one.
#[derive(Debug)]
pub struct Resume<'a> {
    pub owner: UserId,
    /// The run that ended.
    pub of: RunId,
    /// Those of the parameters that are to be others.
    pub params: Params,
    /// The node that is to run again although it may have succeeded.
    pub node: Option<String>,
    pub request: Request<'a>,
}

impl Runs {
    /// Starts a run of the same version that keeps what had succeeded in an ended one; with a node, that one and what is
    /// behind it run again.
    pub async fn resume(&self, resume: Resume<'_>) -> Result<Started, RunError> {
        if let Some(earlier) = self.replay(resume.owner, &resume.request).await? {
            return Ok(earlier);
        }
        let (before, planned, given) = self.before(resume.owner, resume.of).await?;
        let row = self.startable(before.owner, before.workflow_id).await?;
        let asked = match &resume.node {
            None => BTreeSet::new(),
            Some(node) => BTreeSet::from([planned.plan().number(node).ok_or(RunError::NotFound("node"))?]),
        };
        let origin = match resume.node {
            None => Origin::Resume { of: before.id },
            Some(node) => Origin::Retry { of: before.id, node },
        };
        let params = bound(&planned, &given, resume.params)?;
        let name = before.name.clone();
        let run = self.run_of(&row, before.workflow_version, &planned, name, origin);
        let kept = self.keep(&before, &run, &planned, &changed(&given, &params), &asked).await?;
        self.begin_run(run, params, &kept, &resume.request).await
    }

    /// Starts a run of the same version from its beginning, with the same parameters but for those that are given.
    pub async fn rerun(&self, rerun: Resume<'_>) -> Result<Started, RunError> {
        if let Some(earlier) = self.replay(rerun.owner, &rerun.request).await? {
            return Ok(earlier);
        }
        let (before, planned, given) = self.before(rerun.owner, rerun.of).await?;
        let row = self.startable(before.owner, before.workflow_id).await?;
        let params = bound(&planned, &given, rerun.params)?;
        let origin = Origin::Rerun { of: before.id };
        let run = self.run_of(&row, before.workflow_version, &planned, before.name, origin);
        self.begin_run(run, params, &[], &rerun.request).await
    }

    /// An ended run, its definition and its parameters.
    async fn before(
        &self,
        owner: UserId,
        id: RunId,
    ) -> Result<(Run, std::sync::Arc<Planned>, Params), RunError> {
        let course = self.course(id, false).await?.filter(|course| course.run.owner == owner);
        let course = course.ok_or(RunError::NotFound("run"))?;
        if course.run.ended.is_none() {
            return Err(RunError::NotEnded);
        }
        Ok((course.run, course.planned, course.params))
    }

    /// Copies the nodes that the new run keeps, before it begins; how they ended.
    async fn keep(
        &self,
        before: &Run,
        run: &Run,
        planned: &Planned,
        changed: &BTreeSet<String>,
        asked: &BTreeSet<u32>,
    ) -> Result<Vec<NodeStatus>, RunError> {
        let mut ended: HashMap<u32, NodeState> = HashMap::new();
        let mut cursor = None;
        loop {
            let page = self.runs.node_page(before.id, PAGE, cursor.as_deref()).await?;
            ended.extend(page.items.into_iter().map(|node| (node.step, node)));
            match page.next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        let earlier = |step: u32| ended.get(&step).map(|node| node.status);
        let fates = planned.plan().resume(earlier, changed, asked);
        let mut kept = Vec::new();
        for (step, fate) in (0..).zip(&fates) {
            let Some(node) = ended.remove(&step).filter(|_| *fate == Fate::Keep) else { continue };
            kept.push(self.keep_node(node, run.id).await?);
        }
        self.runs.keep_nodes(&kept).await?;
        Ok(kept.iter().map(|node| node.status).collect())
    }

    async fn keep_node(&self, node: NodeState, run: RunId) -> Result<NodeState, RunError> {
        if node.output_parts > 0 {
            let key = (node.step, node.item);
            let output = self.runs.output(node.run_id, key, node.output_parts).await?;
            self.runs.keep_output(run, key, &output).await?;
        }
        Ok(NodeState {
            kept_from: Some(node.kept_from.unwrap_or(node.run_id)),
            run_id: run,
            version: 0,
            cost: Vec::new(),
            ..node
        })
    }
}

/// The parameters of a run with some of them changed.
fn bound(planned: &Planned, before: &Params, changes: Params) -> Result<Params, RunError> {
    let mut given = before.clone();
    given.extend(changes);
    planned.workflow().bind(given).map_err(RunError::Invalid)
}
