//! Runs: lists, one with its critical path, its history.

use std::collections::HashMap;

use domain::{
    Principal, RunId, UserId,
    workflow::{Head, NodeState, Run, RunEvent, Workflow},
};
use jiff::SignedDuration;

use super::{Looks, Refused, plan};
use crate::ports::{Page, Params, RunFilter};

/// Of a run that goes on the critical path is only told up to this many nodes: whoever watches it asks often.
const WATCHED_NODES: u32 = 2_000;
/// How many nodes are read at once.
const PAGE: usize = 1_000;

/// A run and how far it is.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSeen {
    pub run: Run,
    pub head: Head,
}

/// A run with what belongs to it alone.
#[derive(Debug, Clone, PartialEq)]
pub struct RunWhole {
    pub seen: RunSeen,
    pub params: Params,
    /// The longest chain of nodes, first to last, each with how long it took.
    pub critical_path: Option<Vec<(String, SignedDuration)>>,
}

/// Some of a run's history.
#[derive(Debug, Clone, PartialEq)]
pub struct EventsSeen {
    pub events: Vec<RunEvent>,
    /// Whether there are more behind them.
    pub more: bool,
}

impl Looks {
    /// The run, if it exists for `caller`: the only way to one.
    pub async fn visible(&self, caller: &Principal, id: RunId) -> Result<Run, Refused> {
        let run = self.runs.run(id).await?;
        run.filter(|run| caller.may_see(run.owner)).ok_or(Refused::NotFound("run"))
    }

    /// The run and how far it is.
    pub async fn run(&self, caller: &Principal, id: RunId) -> Result<RunSeen, Refused> {
        // The head first: a run that ends between the two reads is shown as ended, never as running without a node open.
        let head = self.runs.head(id).await?;
        let run = self.visible(caller, id).await?;
        Ok(RunSeen { run, head: head.ok_or(Refused::NotFound("run"))? })
    }

    /// A page of a user's runs, newest first.
    pub async fn list(
        &self,
        owner: UserId,
        filter: &RunFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<RunSeen>, Refused> {
        let page = self.runs.list_runs(owner, filter, limit, cursor).await?;
        let ids: Vec<RunId> = page.items.iter().map(|run| run.id).collect();
        let heads = self.runs.heads(&ids).await?;
        let mut heads: HashMap<RunId, Head> = heads.into_iter().map(|head| (head.run_id, head)).collect();
        let seen = |run: Run| heads.remove(&run.id).map(|head| RunSeen { run, head });
        Ok(Page { items: page.items.into_iter().filter_map(seen).collect(), next: page.next })
    }

    /// The run with its parameters and its critical path.
    pub async fn whole(&self, caller: &Principal, id: RunId) -> Result<RunWhole, Refused> {
        let seen = self.run(caller, id).await?;
        let params = self.runs.params(id).await?.unwrap_or_default();
        let critical_path = if seen.run.ended.is_some() || seen.run.nodes <= WATCHED_NODES {
            Some(self.critical_path(&seen.run).await?)
        } else {
            None
        };
        Ok(RunWhole { seen, params, critical_path })
    }

    async fn critical_path(&self, run: &Run) -> Result<Vec<(String, SignedDuration)>, Refused> {
        let workflow = self.definition(run).await?;
        let plan = plan(&workflow)?;
        let now = self.clock.now();
        let mut took: HashMap<u32, SignedDuration> = HashMap::new();
        self.each_node(run.id, |node| {
            // What was kept from an earlier run took this one no time.
            let started = node.started_at.filter(|_| node.kept_from.is_none());
            if let Some(started) = started {
                took.insert(node.step, node.ended_at.unwrap_or(now).duration_since(started));
            }
        })
        .await?;
        let (_, path) = plan.critical_path(|step| took.get(&step).copied().unwrap_or_default());
        let named = |step: u32| {
            let took = took.get(&step).copied()?;
            plan.step(step).map(|step| (step.id.clone(), took))
        };
        Ok(path.into_iter().filter_map(named).collect())
    }

    /// Looks at every node that something has happened to; the items of maps are not among them.
    pub(super) async fn each_node(&self, id: RunId, mut look: impl FnMut(NodeState)) -> Result<(), Refused> {
        let mut cursor = None;
        loop {
            let page = self.runs.node_page(id, PAGE, cursor.as_deref()).await?;
            page.items.into_iter().for_each(&mut look);
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// The definition that a run started with, for its graph.
    pub async fn workflow_of(&self, caller: &Principal, id: RunId) -> Result<Workflow, Refused> {
        let run = self.visible(caller, id).await?;
        self.definition(&run).await
    }

    /// Up to `limit` events with a number above `after`.
    pub async fn events(
        &self,
        caller: &Principal,
        id: RunId,
        after: u64,
        limit: usize,
    ) -> Result<EventsSeen, Refused> {
        let seen = self.run(caller, id).await?;
        if after >= seen.head.seq {
            return Ok(EventsSeen { events: Vec::new(), more: false });
        }
        let events = self.runs.run_events(id, after, limit).await?;
        let more = events.last().is_some_and(|last| last.seq < seen.head.seq);
        Ok(EventsSeen { events, more })
    }
}
