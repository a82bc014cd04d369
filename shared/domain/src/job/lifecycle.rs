//! The one place where a job's status changes.
//!
//! Each change is a method that checks the transition, alters the job and returns the [`Event`] to commit with it.
//! The store writes both in one transaction on the row's version.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Attempt, Event, EventKind, Exit, Outcome, Priority, Spec};
use crate::{
    id::{JobId, RunId, UserId},
    money::Money,
    placement::Offer,
};

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for its owner's quota, for capacity, or for the next attempt.
    Queued,
    /// A provider was asked for an instance; the command does not run yet.
    Provisioning,
    /// The command runs.
    Running,
    /// The command ended with 0.
    Succeeded,
    /// The command ended otherwise, or no attempt could be made to work.
    Failed,
    /// Its owner ended it.
    Cancelled,
    /// It ran into its timeout.
    TimedOut,
}

impl Status {
    /// Every status, in the order of a life.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Provisioning,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::TimedOut,
    ];

    /// Whether nothing can follow.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled | Self::TimedOut)
    }

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Provisioning => "provisioning",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
        }
    }

    /// Whether the machine may go from here to `next`.
    pub const fn may_become(self, next: Self) -> bool {
        match self {
            Self::Queued => {
                matches!(next, Self::Provisioning | Self::Failed | Self::Cancelled | Self::TimedOut)
            }
            Self::Provisioning | Self::Running => {
                // Back to the queue means another attempt.
                matches!(next, Self::Running | Self::Queued)
                    && !matches!((self, next), (Self::Running, Self::Running))
                    || next.is_terminal()
            }
            Self::Succeeded | Self::Failed | Self::Cancelled | Self::TimedOut => false,
        }
    }
}

/// A change that the job's life does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a {from:?} job cannot {change}")]
pub struct IllegalTransition {
    /// The status that it has.
    pub from: Status,
    /// What was asked of it.
    pub change: &'static str,
}

/// Somebody asked for the end of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: UserId,
}

/// What a command says of itself with `::progress`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// 0 to 1.
    pub fraction: f64,
    /// The text behind it, empty if none.
    pub text: String,
}

/// What may be changed of a job after its submission; `None` leaves a field alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tags: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub priority: Option<Priority>,
}

/// A job as it stands in its row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    pub id: JobId,
    pub owner: UserId,
    pub spec: Spec,
    pub status: Status,
    /// Grows by one with each write of the row; every write is conditional on the one that was read.
    pub version: u64,
    /// The number of its last event.
    pub seq: u64,
    /// Counts against its owner's concurrency limit and has an execution.
    pub admitted: bool,
    /// The number of the latest attempt; 0 before the first.
    pub attempt: u32,
    /// Which execution in turn carries it: grows at each hand-over before the history limit.
    pub handover: u32,
    pub cancel: Option<Cancel>,
    pub submitted_at: Timestamp,
    pub updated_at: Timestamp,
    pub admitted_at: Option<Timestamp>,
    /// When the command first ran.
    pub started_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// When the job is over whatever happens; the sweeper ends it then. Unset while it waits in its owner's queue.
    pub deadline: Option<Timestamp>,
    /// Where the latest attempt was placed.
    pub offer: Option<Offer>,
    pub exit: Option<Exit>,
    /// Why it ended as it did, in words for its owner.
    pub reason: Option<String>,
    /// What its ended attempts cost.
    pub cost: Vec<Money>,
    /// How long commands ran whose instance was taken away or lost, in milliseconds.
    #[serde(default)]
    pub lost_millis: i64,
    /// The job that this one repeats.
    pub restart_of: Option<JobId>,
    /// The node of a workflow's run that this is a try of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeRef>,
}

/// One try of a node of a workflow's run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRef {
    pub run: RunId,
    /// The number of the node's step in the plan.
    pub step: u32,
    /// Which item of a map, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<u32>,
    /// Which try of the node, from 1.
    pub attempt: u32,
    /// The job's launch waits until then: a node's next try comes after a pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
}

/// Extra time on top of a job's own timeout before the platform ends it by force: the command's grace after SIGTERM,
/// the last log, the cloud's own deletion.
pub const DEADLINE_GRACE: SignedDuration = SignedDuration::from_mins(10);

impl Job {
    /// A new job and its first event.
    pub fn submit(
        id: JobId,
        owner: UserId,
        spec: Spec,
        admitted: bool,
        restart_of: Option<JobId>,
        at: Timestamp,
    ) -> (Self, Event) {
        let mut job = Self {
            id,
            owner,
            spec,
            status: Status::Queued,
            version: 0,
            seq: 0,
            admitted: false,
            attempt: 0,
            handover: 0,
            cancel: None,
            submitted_at: at,
            updated_at: at,
            admitted_at: None,
            started_at: None,
            ended_at: None,
            deadline: None,
            offer: None,
            exit: None,
            reason: None,
            cost: Vec::new(),
            lost_millis: 0,
            restart_of,
            node: None,
        };
        if admitted {
            job.admit_at(at);
        }
        let event = job.event(EventKind::Submitted { admitted }, at);
        (job, event)
    }

    /// Leaves the owner's queue.
    pub fn admit(&mut self, at: Timestamp) -> Result<Event, IllegalTransition> {
        if self.status != Status::Queued || self.admitted {
            return Err(self.illegal("be admitted"));
        }
        self.admit_at(at);
        Ok(self.event(EventKind::Admitted, at))
    }

    fn admit_at(&mut self, at: Timestamp) {
        self.admitted = true;
        self.admitted_at = Some(at);
        self.deadline = Some(at + self.spec.longest_life());
    }

    /// A provider is being asked for `offer` under a new attempt.
    pub fn provision(&mut self, attempt: &Attempt, at: Timestamp) -> Result<Event, IllegalTransition> {
        self.must_be_live("be provisioned")?;
        if !self.admitted || attempt.number != self.attempt + 1 {
            return Err(self.illegal("begin this attempt"));
        }
        self.become_status(Status::Provisioning, "be provisioned")?;
        self.attempt = attempt.number;
        self.offer = Some(attempt.offer.clone());
        Ok(self.event(
            EventKind::Provisioning { attempt: attempt.number, offer: Box::new(attempt.offer.clone()) },
            at,
        ))
    }

    /// The provider has an instance for the latest attempt.
    pub fn instance_created(
        &mut self,
        attempt: u32,
        instance: &str,
        at: Timestamp,
    ) -> Result<Event, IllegalTransition> {
        self.must_be_latest(attempt, "have an instance")?;
        Ok(self.event(EventKind::InstanceCreated { attempt, instance: instance.to_owned() }, at))
    }

    /// The offer of the latest attempt was refused: the job is back in the queue and the next offer may be tried.
    pub fn launch_refused(
        &mut self,
        attempt: &Attempt,
        reason: &str,
        at: Timestamp,
    ) -> Result<Event, IllegalTransition> {
        self.must_be_latest(attempt.number, "be refused")?;
        self.become_status(Status::Queued, "be refused")?;
        // The number is free again: an offer that was never served is not a try of the command.
        self.attempt -= 1;
        let kind = EventKind::LaunchRefused {
            attempt: attempt.number,
            offer: Box::new(attempt.offer.clone()),
            reason: reason.to_owned(),
        };
        Ok(self.event(kind, at))
    }

    /// Nothing can be had at the moment.
    pub fn wait_for_capacity(
        &mut self,
        reason: &str,
        retry_in_seconds: u32,
        at: Timestamp,
    ) -> Result<Event, IllegalTransition> {
        if self.status != Status::Queued {
            return Err(self.illegal("wait for capacity"));
        }
        Ok(self.event(EventKind::WaitingForCapacity { reason: reason.to_owned(), retry_in_seconds }, at))
    }

    /// The runner of the latest attempt was heard.
    pub fn run(&mut self, attempt: u32, at: Timestamp) -> Result<Event, IllegalTransition> {
        self.must_be_latest(attempt, "run")?;
        self.become_status(Status::Running, "run")?;
        self.started_at.get_or_insert(at);
        Ok(self.event(EventKind::Running { attempt }, at))
    }

    /// Somebody asks for the end. Asking again changes nothing and is no event.
    pub fn request_cancel(&mut self, by: UserId, at: Timestamp) -> Result<Option<Event>, IllegalTransition> {
        self.must_be_live("be cancelled")?;
        if self.cancel.is_some() {
            return Ok(None);
        }
        self.cancel = Some(Cancel { at, by });
        Ok(Some(self.event(EventKind::CancelRequested, at)))
    }

    /// The latest attempt is over and another one follows.
    pub fn retry(
        &mut self,
        attempt: &Attempt,
        retry_in_seconds: u32,
        at: Timestamp,
    ) -> Result<Event, IllegalTransition> {
        self.must_be_latest(attempt.number, "try again")?;
        self.become_status(Status::Queued, "try again")?;
        self.charge(attempt);
        let outcome =
            attempt.outcome.clone().unwrap_or(Outcome::Lost { reason: "no outcome was recorded".into() });
        Ok(self.event(
            EventKind::AttemptEnded {
                attempt: attempt.number,
                outcome,
                retry_in_seconds: Some(retry_in_seconds),
            },
            at,
        ))
    }

    /// The job is over. With an attempt, its end is an event of its own before the job's.
    pub fn end(
        &mut self,
        status: Status,
        attempt: Option<&Attempt>,
        reason: Option<String>,
        at: Timestamp,
    ) -> Result<Vec<Event>, IllegalTransition> {
        if !status.is_terminal() {
            return Err(self.illegal("end with a status that is no end"));
        }
        if let Some(attempt) = attempt {
            self.must_be_latest(attempt.number, "end")?;
        }
        self.become_status(status, "end")?;
        let mut events = Vec::with_capacity(2);
        if let Some(attempt) = attempt {
            self.charge(attempt);
            if let Some(Outcome::Exited { exit }) = &attempt.outcome {
                self.exit = Some(exit.clone());
            }
            if let Some(outcome) = attempt.outcome.clone() {
                events.push(self.event(
                    EventKind::AttemptEnded { attempt: attempt.number, outcome, retry_in_seconds: None },
                    at,
                ));
            }
        }
        self.ended_at = Some(at);
        self.deadline = None;
        self.reason.clone_from(&reason);
        events.push(self.event(EventKind::Ended { exit: self.exit.clone(), reason }, at));
        Ok(events)
    }

    /// Changes what may be changed; `None` if that is nothing.
    pub fn edit(&mut self, edit: Edit, at: Timestamp) -> Option<Event> {
        let before = (
            self.spec.name.clone(),
            self.spec.description.clone(),
            self.spec.tags.clone(),
            self.spec.priority,
        );
        if let Some(name) = edit.name.clone() {
            self.spec.name = name;
        }
        if let Some(description) = edit.description.clone() {
            self.spec.description = Some(description).filter(|text| !text.is_empty());
        }
        if let Some(tags) = edit.tags.clone() {
            self.spec.tags = tags;
        }
        if let Some(priority) = edit.priority {
            self.spec.priority = priority;
        }
        let after = (
            self.spec.name.clone(),
            self.spec.description.clone(),
            self.spec.tags.clone(),
            self.spec.priority,
        );
        (before != after).then(|| self.event(EventKind::Edited { edit }, at))
    }

    fn charge(&mut self, attempt: &Attempt) {
        if attempt.outcome.as_ref().is_some_and(Outcome::is_loss) {
            self.lost_millis = self.lost_millis.saturating_add(attempt.running_millis());
        }
        let Some(cost) = attempt.cost else { return };
        match self.cost.iter_mut().find(|sum| sum.currency == cost.currency) {
            Some(sum) => sum.micros = sum.micros.saturating_add(cost.micros),
            None => self.cost.push(cost),
        }
    }

    /// One of its attempts cost `after`, not `before`, which is in [`Self::cost`].
    pub fn correct_cost(&mut self, before: Money, after: Money) {
        if let Some(sum) = self.cost.iter_mut().find(|sum| sum.currency == before.currency) {
            sum.micros = sum.micros.saturating_add(after.micros.saturating_sub(before.micros));
        }
    }

    fn event(&mut self, kind: EventKind, at: Timestamp) -> Event {
        self.seq += 1;
        self.updated_at = at;
        Event { job_id: self.id, seq: self.seq, at, status: self.status, kind }
    }

    fn become_status(&mut self, next: Status, change: &'static str) -> Result<(), IllegalTransition> {
        if !self.status.may_become(next) {
            return Err(self.illegal(change));
        }
        self.status = next;
        Ok(())
    }

    fn must_be_live(&self, change: &'static str) -> Result<(), IllegalTransition> {
        if self.status.is_terminal() { Err(self.illegal(change)) } else { Ok(()) }
    }

    fn must_be_latest(&self, attempt: u32, change: &'static str) -> Result<(), IllegalTransition> {
        self.must_be_live(change)?;
        if attempt == self.attempt { Ok(()) } else { Err(self.illegal(change)) }
    }

    fn illegal(&self, change: &'static str) -> IllegalTransition {
        IllegalTransition { from: self.status, change }
    }
}
