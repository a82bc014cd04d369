//! Taking a run on: what ended is written, what it lets through begins.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    time::Duration,
};

use domain::{
    CallId, JobId,
    job::NodeRef,
    workflow::{Decision, EndedRun, NodeState, NodeStatus, Stopped, TriggerRule},
};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use super::{
    Runs, TRIES,
    batch::{Batch, Ending},
    begin::{Begin, CallDraft},
    course::Course,
    gates::Due,
};
use crate::{
    jobs::NodeJob,
    machine::StepError,
    ports::{Call, CallFor, CallState, NodeKey, RunCommit, StoreError, WorkflowError},
};

/// Nodes that are read at a time, in a repeat.
const LOOKED_AT: usize = 100;
/// Jobs that are made at a time.
const JOBS_AT_ONCE: usize = 8;

/// What is to be done in a run, in the order of these fields.
#[derive(Default)]
pub(super) struct Work {
    /// A node that ran and is to end, as its row says it stands, or an item of a map.
    pub(super) endings: VecDeque<(NodeState, Ending)>,
    /// Nodes that ended, whose followers' gates do not know it.
    pub(super) behind: Vec<(u32, NodeStatus)>,
    /// Nodes that need not wait any longer.
    pub(super) due: VecDeque<Due>,
    /// Maps that may have come further.
    pub(super) maps: Vec<u32>,
    /// Items of maps that are to begin.
    pub(super) items: VecDeque<NodeKey>,
    /// Nodes whose job may not have been made.
    pub(super) unsure: Vec<NodeState>,
    /// Something stopped the run: what runs is to end.
    pub(super) stopped: bool,
}

/// What a transaction leaves to do once it is through.
#[derive(Default)]
struct After {
    jobs: Vec<NodeJob>,
    behind: Vec<(u32, NodeStatus)>,
    maps: Vec<u32>,
    unsure: Vec<NodeState>,
}

impl Runs {
    /// Does everything that there is to do, and what follows from it.
    pub(super) async fn drive(&self, course: &mut Course, mut work: Work) -> Result<(), StepError> {
        let mut prepared = HashMap::new();
        loop {
            if let Some((node, ending)) = work.endings.pop_front() {
                self.transact(course, &mut work, Some((node, ending)), &mut prepared).await?;
            } else if let Some((step, status)) = work.behind.pop() {
                work.due.extend(self.close_gates(course, step, status).await?);
            } else if !work.due.is_empty() {
                self.transact(course, &mut work, None, &mut prepared).await?;
            } else if let Some(step) = work.maps.pop() {
                self.take_map_on(course, &mut work, step).await?;
            } else if let Some(&(step, _)) = work.items.front() {
                self.begin_items(course, &mut work, step).await?;
            } else if let Some(node) = work.unsure.pop() {
                self.make_sure(course, &mut work, &node).await?;
            } else if std::mem::take(&mut work.stopped) {
                self.end_what_runs(course, &mut work).await?;
            } else {
                return Ok(());
            }
        }
    }

    /// One transaction: an end, and the beginnings of as many nodes as there is room for. Nothing if the node ended, or was
    /// tried again, meanwhile: whoever wrote that sees to the rest.
    async fn transact(
        &self,
        course: &mut Course,
        work: &mut Work,
        ending: Option<(NodeState, Ending)>,
        prepared: &mut HashMap<u32, Begin>,
    ) -> Result<(), StepError> {
        for turn in 0..TRIES {
            let met = course.met.clone();
            let mut due = work.due.clone();
            let mut after = After::default();
            let mut batch = self.batch(course);
            if let Some((node, ending)) = &ending {
                batch.end(node.clone(), ending)?;
                if node.item.is_some() {
                    after.maps.push(node.step);
                } else {
                    self.pass_on(course, (node.step, ending), &mut due, &mut after).await?;
                }
            }
            while batch.has_room()
                && let Some(next) = due.pop_front()
            {
                self.take_on(course, next, &mut batch, &mut due, &mut after, prepared).await?;
            }
            let keys: Vec<NodeKey> = batch.nodes.iter().map(|node| (node.step, node.item)).collect();
            if batch.is_empty() || self.commit(course, batch, work).await? {
                work.due = due;
                work.behind.extend(after.behind);
                work.maps.extend(after.maps);
                work.unsure.extend(after.unsure);
                return self.make(course, work, after.jobs).await;
            }
            // Nothing of this turn counts: what was met is met again.
            course.met = met;
            self.give_way(turn).await;
            self.refresh(course, &keys).await?;
            if let Some((node, _)) = &ending
                && course.rows.get(&(node.step, node.item)).is_none_or(|row| row.version != node.version)
            {
                return Ok(());
            }
        }
        Err(StepError::Collision)
    }

    pub(super) fn batch(&self, course: &Course) -> Batch {
        Batch::new(&course.head, course.run.failure_policy, self.jobs.clock.now())
    }

    /// Reads whether a node is there already, and those that are likely to be looked at after it: what is due and, once
    /// something was there, what comes next in the plan.
    async fn look_at(&self, course: &mut Course, step: u32, due: &VecDeque<Due>) -> Result<(), StepError> {
        let planned = course.planned.clone();
        let behind = match planned.plan().order() {
            order if !course.met.is_empty() => {
                order.iter().position(|next| *next == step).map_or(&[][..], |at| &order[at..])
            }
            _ => &[],
        };
        let next = std::iter::once(step).chain(due.iter().map(|due| due.step)).chain(behind.iter().copied());
        let keys: Vec<NodeKey> = next
            .filter(|step| course.looked_at.insert(*step))
            .take(LOOKED_AT)
            .map(|step| (step, None))
            .collect();
        let rows = self.runs.nodes(course.run.id, &keys).await?;
        course.rows.extend(rows.into_iter().map(|row| ((row.step, row.item), row)));
        Ok(())
    }

    /// A node ended in this transaction: those that waited for it alone come next.
    async fn pass_on(
        &self,
        course: &mut Course,
        (step, ending): (u32, &Ending),
        due: &mut VecDeque<Due>,
        after: &mut After,
    ) -> Result<(), StepError> {
        course.saw(step, ending.status, ending.output.clone());
        for follower in self.sole_followers(course, step, ending.status).await?.into_iter().rev() {
            due.push_front(follower);
        }
        after.behind.push((step, ending.status));
        Ok(())
    }

    /// Puts one node into the transaction.
    async fn take_on(
        &self,
        course: &mut Course,
        next: Due,
        batch: &mut Batch,
        due: &mut VecDeque<Due>,
        after: &mut After,
        prepared: &mut HashMap<u32, Begin>,
    ) -> Result<(), StepError> {
        let key = (next.step, None);
        if course.again && !course.looked_at.contains(&next.step) {
            self.look_at(course, next.step, due).await?;
        }
        if let Some(row) = course.rows.get(&key).cloned() {
            return self.meet(course, row, due, after).await;
        }
        let begin = match next.decision {
            Decision::Skip => Begin::Ended(Ending::of(NodeStatus::Skipped, None)),
            Decision::Block => Begin::Ended(match self.unanswered(course, next.step).await? {
                Some(reason) => Ending::of(NodeStatus::Failed, reason),
                None => Ending::of(NodeStatus::UpstreamFailed, None),
            }),
            Decision::Start if !may_begin(course, batch, next)? => {
                Begin::Ended(Ending::of(NodeStatus::Cancelled, None))
            }
            Decision::Start => match prepared.entry(next.step) {
                Entry::Occupied(known) => known.get().clone(),
                Entry::Vacant(unknown) => unknown.insert(self.begin(course, next.step).await?).clone(),
            },
        };
        let node = course.untouched(key)?;
        match begin {
            Begin::Ended(ending) => {
                batch.end(node, &ending)?;
                self.pass_on(course, (next.step, &ending), due, after).await
            }
            Begin::Map { items } => {
                let now = self.jobs.clock.now();
                let deadline = course.deadline(key, now)?;
                batch.run(NodeState { items: Some(items), deadline, ..node })?;
                after.maps.push(next.step);
                Ok(())
            }
            work @ (Begin::Job { .. } | Begin::Call(_)) => {
                after.jobs.extend(self.claim(course, batch, node, work)?);
                Ok(())
            }
        }
    }

    /// Claims a node, or an item, for its first try: its job is made once that is written, its message with it.
    pub(super) fn claim(
        &self,
        course: &Course,
        batch: &mut Batch,
        mut node: NodeState,
        begin: Begin,
    ) -> Result<Option<NodeJob>, StepError> {
        let now = self.jobs.clock.now();
        node.attempt = 1;
        node.deadline = course.deadline((node.step, node.item), now)?;
        match begin {
            Begin::Job { spec, key } => {
                let id = JobId::new(self.jobs.ids.uuid());
                node.job_id = Some(id);
                node.cache_key = key.map(|key| key.as_str().to_owned());
                let spec = Self::in_time(&spec, now, node.deadline);
                let job = NodeJob { id, owner: course.run.owner, spec, node: reference(&node) };
                batch.run(node)?;
                Ok(Some(job))
            }
            Begin::Call(draft) => {
                batch.calls.push(self.message(course, &node, *draft));
                batch.run(node)?;
                Ok(None)
            }
            Begin::Map { .. } | Begin::Ended(_) => Ok(None),
        }
    }

    fn message(&self, course: &Course, node: &NodeState, draft: CallDraft) -> Call {
        let deadline = node.deadline.map_or(course.run.deadline, |at| at.min(course.run.deadline));
        let now = self.jobs.clock.now();
        Call {
            id: CallId::new(self.jobs.ids.uuid()),
            owner: course.run.owner,
            purpose: CallFor::Node { node: reference(node) },
            method: draft.method,
            url: draft.url,
            headers: draft.headers,
            body: draft.body,
            expect: draft.expect,
            timeout_seconds: draft.timeout_seconds,
            pauses: draft.pauses,
            created_at: now,
            deadline: Some(deadline),
            state: CallState::pending(now, draft.timeout_seconds),
            tries: Vec::new(),
            version: 0,
        }
    }

    /// A node that should begin is there already: somebody else took it on. In a repeat that may be who crashed.
    async fn meet(
        &self,
        course: &mut Course,
        row: NodeState,
        due: &mut VecDeque<Due>,
        after: &mut After,
    ) -> Result<(), StepError> {
        if !course.again || !course.met.insert(row.step) {
            return Ok(());
        }
        if row.status.is_terminal() {
            let output = self.output(&row).await?;
            let ending = Ending { output, ..Ending::of(row.status, None) };
            return self.pass_on(course, (row.step, &ending), due, after).await;
        }
        if row.items.is_some() {
            after.maps.push(row.step);
        } else {
            after.unsure.push(row);
        }
        Ok(())
    }

    /// Writes a transaction; `false` if another one came first. The end of the run is written with the last of its nodes.
    pub(super) async fn commit(
        &self,
        course: &mut Course,
        mut batch: Batch,
        work: &mut Work,
    ) -> Result<bool, StepError> {
        let ended = batch.conclude();
        let run = ended.map(|(status, reason)| {
            let ended = EndedRun { status, at: self.jobs.clock.now(), reason };
            domain::workflow::Run { ended: Some(ended), ..course.run.clone() }
        });
        let change = RunCommit {
            head: &batch.head,
            nodes: &batch.nodes,
            events: &batch.events,
            map: batch.ends,
            calls: &batch.calls,
            run: run.as_ref(),
        };
        match self.runs.commit_run(change).await {
            Ok(()) => {}
            Err(StoreError::Conflict) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
        work.stopped |= batch.head.stopped().is_some() && course.head.stopped().is_none();
        course.head = batch.head;
        course.head.version += 1;
        if let Some(run) = run {
            course.run = run;
            self.tell_of_end(course).await?;
        }
        Ok(true)
    }

    /// Wakes the execution of a run that has ended.
    pub(super) async fn tell_of_end(&self, course: &Course) -> Result<(), StepError> {
        let Some(token) = self.runs.token(course.run.id).await? else { return Ok(()) };
        match self.jobs.workflows.succeed(&token, &json!({})).await {
            Ok(()) | Err(WorkflowError::TokenGone) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes jobs that were claimed. A run that was stopped meanwhile may have looked for them in vain.
    pub(super) async fn make(
        &self,
        course: &mut Course,
        work: &mut Work,
        jobs: Vec<NodeJob>,
    ) -> Result<(), StepError> {
        if jobs.is_empty() {
            return Ok(());
        }
        stream::iter(jobs)
            .map(|job| self.jobs.spawn(job))
            .buffer_unordered(JOBS_AT_ONCE)
            .try_collect::<Vec<()>>()
            .await?;
        let before = course.head.stopped();
        self.refresh(course, &[]).await?;
        work.stopped |= course.head.stopped().is_some() && before.is_none();
        Ok(())
    }

    /// Lets others go first: each turn a little longer.
    pub(super) async fn give_way(&self, turn: u32) {
        let most = (2_u64 << turn.min(5)).min(40);
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..=most))).await;
    }
}

/// Whether a node that its dependencies let through may begin: in a run that stops because a node failed, only what takes
/// care of failures does.
fn may_begin(course: &Course, batch: &Batch, next: Due) -> Result<bool, StepError> {
    Ok(match batch.head.stopped() {
        None => true,
        Some(Stopped::Asked) => false,
        Some(Stopped::Failing) => next.failed && takes_care(course.step(next.step)?.trigger),
    })
}

/// Whether a step with this rule is there for failures too.
pub(super) const fn takes_care(rule: TriggerRule) -> bool {
    matches!(rule, TriggerRule::OneFailed | TriggerRule::AllDone)
}

/// The try that a node's row stands for.
pub(super) fn reference(node: &NodeState) -> NodeRef {
    NodeRef {
        run: node.run_id,
        step: node.step,
        item: node.item,
        attempt: node.attempt,
        not_before: node.not_before,
    }
}
