//! A node's job or message ended.

use async_trait::async_trait;
use domain::{
    JobId,
    job::{Job, NodeRef, Status},
    workflow::{CachedFrom, Kind, NodeState, NodeStatus},
};
use jiff::SignedDuration;
use serde_json::Value;

use super::{
    Runs, TRIES,
    batch::Ending,
    begin::Begin,
    course::Course,
    drive::{Work, reference},
};
use crate::{
    jobs::NodeJob,
    machine::StepError,
    ports::{CachedResult, CallResult, NodeCalls, is_of},
};

/// What ended.
enum End<'a> {
    Job(&'a Job),
    Call(CallResult),
}

impl Runs {
    /// A job ended; if it is a node's, its run goes on. Repeating it is harmless, and does what an earlier call left undone.
    pub async fn job_ended(&self, job: &Job) -> Result<(), StepError> {
        match job.node {
            Some(of) if job.status.is_terminal() => self.node_ended(of, End::Job(job)).await,
            _ => Ok(()),
        }
    }

    async fn node_ended(&self, of: NodeRef, end: End<'_>) -> Result<(), StepError> {
        let (course, rows) = futures::try_join!(self.course(of.run, false), async {
            Ok(self.runs.nodes(of.run, &[(of.step, of.item)]).await?)
        })?;
        let (Some(mut course), Some(node)) = (course, rows.into_iter().next()) else { return Ok(()) };
        let mut work = Work::default();
        if is_of(&node, &of) {
            let ending = match end {
                End::Job(job) => self.ending_of(&mut course, &node, job).await?,
                End::Call(result) => self.judge(&mut course, (node.step, node.item), result).await?,
            };
            if self.try_again(&mut course, &mut work, &node, &ending).await? {
                return self.drive(&mut course, work).await;
            }
            work.endings.push_back((node, ending));
            self.drive(&mut course, work).await?;
            return Ok(());
        }
        self.go_over(&mut course, node).await
    }

    /// The end was written before: what should have followed it is looked at again.
    async fn go_over(&self, course: &mut Course, node: NodeState) -> Result<(), StepError> {
        if course.run.ended.is_some() {
            return self.tell_of_end(course).await;
        }
        course.again = true;
        let mut work = Work { stopped: course.head.stopped().is_some(), ..Work::default() };
        match (node.item, node.status.is_terminal()) {
            (_, false) => work.unsure.push(node),
            (Some(_), true) => work.maps.push(node.step),
            (None, true) => {
                course.met.insert(node.step);
                let output = self.output(&node).await?;
                course.saw(node.step, node.status, output);
                work.due.extend(self.sole_followers(course, node.step, node.status).await?);
                work.behind.push((node.step, node.status));
            }
        }
        self.drive(course, work).await
    }

    /// How a node ends whose job did.
    pub(super) async fn ending_of(
        &self,
        course: &mut Course,
        node: &NodeState,
        job: &Job,
    ) -> Result<Ending, StepError> {
        let key = (node.step, node.item);
        let is_late = node.deadline.is_some_and(|deadline| self.jobs.clock.now() >= deadline);
        let mut ending = match job.status {
            Status::Succeeded => {
                let output = job.exit.as_ref().and_then(|exit| exit.output.clone()).unwrap_or_default();
                self.remember(course, node, job, &output).await?;
                self.judge(course, key, Ok(output)).await?
            }
            Status::TimedOut | Status::Cancelled if is_late => {
                Ending::of(NodeStatus::TimedOut, "its time was over".to_owned())
            }
            Status::TimedOut => Ending::of(NodeStatus::TimedOut, job.reason.clone()),
            Status::Cancelled if course.head.stopped().is_some() => Ending::of(NodeStatus::Cancelled, None),
            Status::Cancelled => Ending::of(NodeStatus::Cancelled, "its job was cancelled".to_owned()),
            _ => Ending::of(NodeStatus::Failed, job.reason.clone()),
        };
        ending.cost.clone_from(&job.cost);
        Ok(ending)
    }

    /// Keeps a result that later runs may take.
    async fn remember(
        &self,
        course: &Course,
        node: &NodeState,
        job: &Job,
        output: &Value,
    ) -> Result<(), StepError> {
        let (definition, _) = course.node((node.step, node.item))?;
        let (Some(cache), Some(key)) = (definition.cache, &node.cache_key) else { return Ok(()) };
        let at = job.ended_at.unwrap_or_else(|| self.jobs.clock.now());
        let from = CachedFrom { run_id: node.run_id, node: node.node.clone(), job_id: job.id, at };
        let expires = SignedDuration::from_secs(cache.expires_after_seconds.into());
        let Ok(expires_at) = at.checked_add(expires) else { return Ok(()) };
        let result = CachedResult { from, output: output.clone() };
        Ok(self.runs.cache(course.run.owner, key, &result, expires_at).await?)
    }

    /// Begins another try of a node whose job failed, if its policy has one and the run goes on.
    async fn try_again(
        &self,
        course: &mut Course,
        work: &mut Work,
        node: &NodeState,
        ending: &Ending,
    ) -> Result<bool, StepError> {
        let key = (node.step, node.item);
        let (definition, _) = course.node(key)?;
        let delay = match (definition.kind(), definition.retry, ending.status) {
            (Some(Kind::Job(_)), Some(retry), NodeStatus::Failed | NodeStatus::TimedOut) => {
                retry.delay_after(node.attempt)
            }
            _ => None,
        };
        let Some(delay) = delay else { return Ok(false) };
        let now = self.jobs.clock.now();
        let Ok(not_before) = now.checked_add(SignedDuration::from_secs(delay.into())) else {
            return Ok(false);
        };
        let too_late =
            not_before >= course.run.deadline || node.deadline.is_some_and(|deadline| not_before >= deadline);
        if too_late {
            return Ok(false);
        }
        let value = self.item_value(course, key).await?;
        let Begin::Job { spec, .. } = self.begin_work(course, key, value.as_ref()).await? else {
            return Ok(false);
        };
        let spec = Self::in_time(&spec, not_before, node.deadline);
        for turn in 0..TRIES {
            if course.head.stopped().is_some() {
                return Ok(false);
            }
            let next = self.next_try(node, (delay > 0).then_some(not_before), ending);
            let Some(id) = next.job_id else { return Ok(false) };
            let job = NodeJob { id, owner: course.run.owner, spec: spec.clone(), node: reference(&next) };
            let mut batch = self.batch(course);
            batch.head.charge(&ending.cost);
            batch.run_again(next)?;
            if self.commit(course, batch, work).await? {
                self.make(course, work, vec![job]).await?;
                return Ok(true);
            }
            self.give_way(turn).await;
            self.refresh(course, &[key]).await?;
            if course.rows.get(&key).is_none_or(|row| row.version != node.version) {
                // Whoever wrote the row sees to the rest.
                return Ok(true);
            }
        }
        Err(StepError::Collision)
    }

    fn next_try(&self, node: &NodeState, not_before: Option<jiff::Timestamp>, ending: &Ending) -> NodeState {
        let mut next = node.clone();
        next.attempt += 1;
        next.earlier_jobs.extend(node.job_id);
        next.job_id = Some(JobId::new(self.jobs.ids.uuid()));
        next.not_before = not_before;
        next.reason.clone_from(&ending.reason);
        next.charge(&ending.cost);
        next
    }
}

#[async_trait]
impl NodeCalls for Runs {
    async fn call_ended(&self, node: NodeRef, result: CallResult) -> Result<(), StepError> {
        self.node_ended(node, End::Call(result)).await
    }
}
