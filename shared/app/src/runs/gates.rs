//! What the end of a node does to those that wait for it.

use domain::workflow::{Decision, Fan, NodeStatus, Outcome, Place, Status, Tally, TriggerRule};
use futures::{StreamExt, TryStreamExt, stream};

use super::{Runs, course::Course};
use crate::{machine::StepError, ports::Closed};

/// Gates that are closed at a time.
const AT_ONCE: usize = 16;

/// A node that need not wait any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) step: u32,
    pub(super) decision: Decision,
    /// Whether something before it failed.
    pub(super) failed: bool,
}

/// A member of a step's gate that ended.
#[derive(Clone, Copy)]
struct Member {
    step: u32,
    position: u32,
    /// How many there are.
    members: u32,
    rule: TriggerRule,
    outcome: Outcome,
}

impl Due {
    /// A node that waits for nothing.
    pub(super) const fn first(step: u32) -> Self {
        Self { step, decision: Decision::Start, failed: false }
    }

    const fn of(step: u32, decision: Decision, tally: Tally) -> Self {
        Self { step, decision, failed: tally.failed > 0 }
    }
}

impl Runs {
    /// Those behind `step` that wait for nothing else: they need no gate.
    pub(super) async fn sole_followers(
        &self,
        course: &mut Course,
        step: u32,
        status: NodeStatus,
    ) -> Result<Vec<Due>, StepError> {
        let members = self.members(course, step, status, |members| members == 1).await?;
        Ok(members
            .into_iter()
            .map(|member| {
                let tally = Tally::from(member.outcome);
                Due::of(member.step, member.rule.settled(tally), tally)
            })
            .collect())
    }

    /// Tells the gates of the others behind `step`; those that they let through, or leave out.
    pub(super) async fn close_gates(
        &self,
        course: &mut Course,
        step: u32,
        status: NodeStatus,
    ) -> Result<Vec<Due>, StepError> {
        let members = self.members(course, step, status, |members| members > 1).await?;
        let run = course.run.id;
        stream::iter(members)
            .map(|member| self.close(run, member))
            .buffered(AT_ONCE)
            .try_filter_map(async |due| Ok(due))
            .try_collect()
            .await
    }

    async fn close(&self, run: domain::RunId, member: Member) -> Result<Option<Due>, StepError> {
        let Member { step, position, members, rule, outcome } = member;
        let decided = |decision: Option<Decision>, tally: Tally| {
            decision.map(|decision| Due::of(step, decision, tally))
        };
        let settled = |closed: Closed, all: u32| {
            let tally = closed.after.tally;
            let done = closed.after.members >= all;
            decided(if done { Some(rule.settled(tally)) } else { rule.early(tally) }, tally)
        };
        // A definition with more is refused.
        let Some(fan) = Fan::of(members) else { return Ok(None) };
        match fan.place(position) {
            None => Ok(None),
            Some(Place::Root { member }) => {
                Ok(settled(self.runs.close_gate(run, step, None, member, outcome).await?, members))
            }
            Some(Place::Shard { shard, member }) => {
                let closed = self.runs.close_gate(run, step, Some(shard), member, outcome).await?;
                let tally = closed.after.tally;
                if closed.after.members < Fan::WIDTH.min(members - shard * Fan::WIDTH) {
                    return Ok(decided(rule.early(tally), tally));
                }
                Ok(settled(self.runs.close_shard(run, step, shard, tally).await?, fan.shards()))
            }
        }
    }

    /// What each edge from `step` carries, to steps with as many dependencies as `wanted` says.
    async fn members(
        &self,
        course: &mut Course,
        step: u32,
        status: NodeStatus,
        wanted: impl Fn(usize) -> bool,
    ) -> Result<Vec<Member>, StepError> {
        let Some(ended) = status.ended() else { return Ok(Vec::new()) };
        let planned = course.planned.clone();
        let plan = planned.plan();
        let mut members = Vec::new();
        for &number in &course.step(step)?.after.clone() {
            let Some(follower) = plan.step(number).filter(|follower| wanted(follower.before.len())) else {
                continue;
            };
            for (position, edge) in (0..).zip(&follower.before).filter(|(_, edge)| edge.step == step) {
                let holds = match (&edge.condition, ended) {
                    (Some(_), Status::Succeeded) => {
                        self.see(course, planned.uses(number).nodes.iter().copied()).await?;
                        edge.holds(&course.scope(number, None, None)).ok()
                    }
                    _ => Some(true),
                };
                members.push(Member {
                    step: number,
                    position,
                    members: u32::try_from(follower.before.len()).unwrap_or(u32::MAX),
                    rule: follower.trigger,
                    // A condition without an answer is a failure of the step behind, which says why.
                    outcome: holds.map_or(Outcome::Failed, |holds| ended.across(holds)),
                });
            }
        }
        Ok(members)
    }

    /// Why a step is blocked, if it is for a condition before it that has no answer.
    pub(super) async fn unanswered(
        &self,
        course: &mut Course,
        number: u32,
    ) -> Result<Option<String>, StepError> {
        let planned = course.planned.clone();
        let plan = planned.plan();
        let Some(step) = plan.step(number) else { return Ok(None) };
        if step.before.iter().all(|edge| edge.condition.is_none()) {
            return Ok(None);
        }
        self.see(course, planned.uses(number).nodes.iter().copied()).await?;
        self.see(course, step.before.iter().map(|edge| edge.step)).await?;
        for edge in step.before.iter().filter(|edge| course.has_succeeded(edge.step)) {
            if let Err(error) = edge.holds(&course.scope(number, None, None)) {
                return Ok(Some(error.to_string()));
            }
        }
        Ok(None)
    }
}
