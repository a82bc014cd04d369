//! The end of what runs, in a run that stops; and of nodes whose jobs may have been lost.

use domain::{
    JobId, Principal,
    access::Role,
    workflow::{Kind, NodeState, NodeStatus, Stopped},
};
use futures::{StreamExt, stream};

use super::{
    Runs,
    batch::Ending,
    begin::Begin,
    course::Course,
    drive::{Work, reference, takes_care},
};
use crate::{
    calls,
    jobs::{JobError, NodeJob},
    machine::StepError,
    ports::CallFor,
};

/// Jobs that are cancelled at a time.
const AT_ONCE: usize = 8;
/// Messages of a run that are looked through for one node's.
const CALLS: usize = 1_000;

impl Runs {
    /// Ends everything that runs: jobs are cancelled, and their ends end their nodes.
    pub(super) async fn end_what_runs(&self, course: &mut Course, work: &mut Work) -> Result<(), StepError> {
        let Some(why) = course.head.stopped() else { return Ok(()) };
        let mut running = self.runs.running_nodes(course.run.id).await?;
        running.retain(|node| match why {
            Stopped::Asked => true,
            Stopped::Failing => course.step(node.step).is_ok_and(|step| !takes_care(step.trigger)),
        });
        let mut jobs = Vec::new();
        for node in running {
            match node.job_id {
                Some(job) => jobs.push((node, job)),
                None if node.items.is_some() => work.maps.push(node.step),
                None => work.endings.push_back((node, Ending::of(NodeStatus::Cancelled, None))),
            }
        }
        self.end_jobs(course, work, jobs).await
    }

    /// Cancels the jobs of nodes that run. One that ends here has no execution that would tell of it.
    pub(super) async fn end_jobs(
        &self,
        course: &mut Course,
        work: &mut Work,
        jobs: Vec<(NodeState, JobId)>,
    ) -> Result<(), StepError> {
        let owner = Principal { user: course.run.owner, role: Role::User };
        let cancelled = stream::iter(jobs)
            .map(async |(node, job)| (node, job, self.jobs.withdraw(&owner, job).await))
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        let mut failed = None;
        for (node, id, cancelled) in cancelled {
            let job = match cancelled {
                Ok(job) => job,
                // It was not made yet: whoever makes it looks whether the run goes on.
                Err(JobError::NotFound) => continue,
                Err(JobError::Ended) => match self.jobs.jobs.job(id).await? {
                    Some(job) => job,
                    None => continue,
                },
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            if job.status.is_terminal() {
                let ending = self.ending_of(course, &node, &job).await?;
                work.endings.push_back((node, ending));
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// A node that should run: its job is made if it was not, and one that ended ends it.
    pub(super) async fn make_sure(
        &self,
        course: &mut Course,
        work: &mut Work,
        node: &NodeState,
    ) -> Result<(), StepError> {
        let key = (node.step, node.item);
        let Some(id) = node.job_id else {
            if let Some(ending) = self.ended_call(course, node).await? {
                work.endings.push_back((node.clone(), ending));
            }
            return Ok(());
        };
        if let Some(job) = self.jobs.jobs.job(id).await? {
            if job.status.is_terminal() {
                let ending = self.ending_of(course, node, &job).await?;
                work.endings.push_back((node.clone(), ending));
            } else if job.admitted {
                self.jobs.start(&job).await;
            }
            return Ok(());
        }
        let value = self.item_value(course, key).await?;
        match self.begin_work(course, key, value.as_ref()).await? {
            Begin::Job { spec, .. } => {
                let begun = node.started_at.unwrap_or_else(|| self.jobs.clock.now());
                let spec = Self::in_time(&spec, begun, node.deadline);
                let job = NodeJob { id, owner: course.run.owner, spec, node: reference(node) };
                self.make(course, work, vec![job]).await
            }
            Begin::Ended(ending) => {
                work.endings.push_back((node.clone(), ending));
                Ok(())
            }
            Begin::Call(_) | Begin::Map { .. } => Ok(()),
        }
    }

    /// How a webhook's node ends whose message is over.
    async fn ended_call(&self, course: &mut Course, node: &NodeState) -> Result<Option<Ending>, StepError> {
        if !matches!(course.node((node.step, node.item))?.0.kind(), Some(Kind::Webhook(_))) {
            return Ok(None);
        }
        let try_of = reference(node);
        let calls = self.calls.calls_of_run(course.run.id, CALLS).await?;
        let call = calls
            .into_iter()
            .find(|call| matches!(call.purpose, CallFor::Node { node } if node == try_of) && call.is_over());
        match call {
            Some(call) => self.judge(course, (node.step, node.item), calls::result(&call)).await.map(Some),
            None => Ok(None),
        }
    }
}
