//! New jobs: submitted, or repeating one that has ended.

use std::{collections::BTreeMap, fmt};

use domain::{
    JobId, Principal, UserId,
    account::Quota,
    job::{Event, FieldError, Job, NodeRef, Spec},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{JobError, Jobs, TRIES};
use crate::{
    ports::{Admission, Commit, Idempotency, StoreError},
    seal::{Key, open, seal},
    secrets::check_references,
};

/// How long an idempotency key is remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);

/// A checked submission. The specification has the names of its secrets, and `secrets` their values.
#[derive(Clone)]
pub struct Draft {
    pub spec: Spec,
    pub secrets: BTreeMap<String, String>,
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("spec", &self.spec).finish_non_exhaustive()
    }
}

/// A request that makes a job, as far as a repeat of it must be recognised.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The `Idempotency-Key` header.
    pub key: Option<&'a str>,
    /// A digest of method, path and body.
    pub digest: &'a str,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The body of the answer.
    pub answer: &'a (dyn Fn(&Job) -> Value + Sync),
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The answer to a request that makes a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    pub status: u16,
    pub body: Value,
    /// It is the answer of an earlier request with the same key.
    pub replayed: bool,
}

/// The job of one try of a node.
#[derive(Debug, Clone)]
pub struct NodeJob {
    pub id: JobId,
    pub owner: UserId,
    pub spec: Spec,
    pub node: NodeRef,
}

/// Makes a job, and what is remembered of the request for it.
struct New<'a> {
    /// The job as it is written, and its first event.
    of: &'a (dyn Fn(bool, Timestamp) -> (Job, Event) + Sync),
    remembered: &'a (dyn Fn(&Job, Timestamp) -> Option<Idempotency> + Sync),
}

/// What an owner's new job finds.
#[derive(Debug, Clone, Copy)]
struct Room {
    quota: Quota,
    /// A budget is used up: it waits.
    stopped: bool,
}

impl Jobs {
    /// What an earlier request with the same key was answered, if there was one.
    async fn replay(&self, caller: &Principal, request: &Request<'_>) -> Result<Option<Created>, JobError> {
        let Some(key) = request.key else { return Ok(None) };
        let Some(earlier) = self.jobs.replay(caller.user, key).await? else { return Ok(None) };
        if earlier.digest != request.digest {
            return Err(JobError::KeyReused);
        }
        Ok(Some(Created { status: earlier.status, body: earlier.body, replayed: true }))
    }

    /// Accepts a job. Over its owner's limit it waits in the queue.
    pub async fn submit(
        &self,
        caller: &Principal,
        draft: impl FnOnce() -> Result<Draft, Vec<FieldError>> + Send,
        key: &Key,
        request: &Request<'_>,
    ) -> Result<Created, JobError> {
        // Before any look at the body's meaning: a repeat is answered as before even if the rules changed.
        if let Some(earlier) = self.replay(caller, request).await? {
            return Ok(earlier);
        }
        let draft = draft().map_err(JobError::Invalid)?;
        let id = JobId::new(self.ids.uuid());
        self.create(caller, id, draft, key, None, request).await
    }

    /// Repeats a job that has ended, with the same specification, as a new job of the same owner.
    pub async fn restart(
        &self,
        caller: &Principal,
        id: JobId,
        key: &Key,
        request: &Request<'_>,
    ) -> Result<Created, JobError> {
        let old = self.visible(caller, id).await?;
        // An administrator who repeats somebody's job does it for its owner, who pays for it.
        let owner = Principal { user: old.owner, ..*caller };
        if let Some(earlier) = self.replay(&owner, request).await? {
            return Ok(earlier);
        }
        if !old.status.is_terminal() {
            return Err(JobError::NotEnded);
        }
        let mut secrets = BTreeMap::new();
        for (name, sealed) in &old.spec.secret_env {
            secrets.insert(name.clone(), open(key, old.id, name, sealed)?);
        }
        let new = JobId::new(self.ids.uuid());
        self.create(&owner, new, Draft { spec: old.spec, secrets }, key, Some(old.id), request).await
    }

    async fn create(
        &self,
        owner: &Principal,
        id: JobId,
        draft: Draft,
        key: &Key,
        restart_of: Option<JobId>,
        request: &Request<'_>,
    ) -> Result<Created, JobError> {
        let mut spec = draft.spec;
        let room = self.room(owner.user).await?;
        let errors = self.objections_in(owner.user, &spec, room.quota).await?;
        if !errors.is_empty() {
            return Err(JobError::Invalid(errors));
        }
        spec.secret_env = BTreeMap::new();
        for (name, value) in &draft.secrets {
            spec.secret_env.insert(name.clone(), seal(key, id, name, value)?);
        }
        let answer = |job: &Job| (request.answer)(&Job { version: job.version + 1, ..job.clone() });
        let new = New {
            of: &|admitted, now| Job::submit(id, owner.user, spec.clone(), admitted, restart_of, now),
            remembered: &|job, now| {
                request.key.map(|key| Idempotency {
                    key: key.to_owned(),
                    digest: request.digest.to_owned(),
                    status: request.status,
                    body: answer(job),
                    expires_at: now + REMEMBERED,
                })
            },
        };
        for _ in 0..TRIES {
            if let Some(job) = self.enter(&new, room).await? {
                return Ok(Created { status: request.status, body: answer(&job), replayed: false });
            }
            // Either somebody else used the key meanwhile, or this write was done before and its answer lost.
            if let Some(earlier) = self.replay(owner, request).await? {
                return Ok(earlier);
            }
            if let Some(job) = self.jobs.job(id).await? {
                if job.admitted {
                    self.start(&job).await;
                }
                return Ok(Created { status: request.status, body: (request.answer)(&job), replayed: false });
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// Accepts the job of a node and starts it. Repeating it is harmless.
    pub async fn spawn(&self, new: NodeJob) -> Result<(), JobError> {
        let room = self.room(new.owner).await?;
        let make = New {
            of: &|admitted, now| {
                let (job, event) = Job::submit(new.id, new.owner, new.spec.clone(), admitted, None, now);
                (Job { node: Some(new.node), ..job }, event)
            },
            remembered: &|_, _| None,
        };
        for _ in 0..TRIES {
            if self.enter(&make, room).await?.is_some() {
                return Ok(());
            }
            if let Some(job) = self.jobs.job(new.id).await? {
                if job.admitted && !job.status.is_terminal() {
                    self.start(&job).await;
                }
                return Ok(());
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// Why a job with this specification would not be accepted from its owner, beyond what the specification itself says.
    pub async fn objections(&self, owner: UserId, spec: &Spec) -> Result<Vec<FieldError>, JobError> {
        let (_, quota) = self.purse.allowance(owner).await?;
        self.objections_in(owner, spec, quota).await
    }

    async fn objections_in(
        &self,
        owner: UserId,
        spec: &Spec,
        quota: Quota,
    ) -> Result<Vec<FieldError>, JobError> {
        let mut errors = check_references(&*self.secrets, owner, &spec.secrets).await?;
        if spec.gpu.count > quota.gpus {
            let message = format!(
                "is {}, and the account's quota is {} GPUs at a time; ask for fewer, or an administrator for more",
                spec.gpu.count, quota.gpus
            );
            errors.push(FieldError::new("gpu.count", message));
        }
        Ok(errors)
    }

    /// What a new job of `owner` finds.
    async fn room(&self, owner: UserId) -> Result<Room, JobError> {
        let (allowance, quota) = self.purse.allowance(owner).await?;
        let stopped = self.purse.stop(owner, &allowance, self.clock.now()).await?.is_some();
        Ok(Room { quota, stopped })
    }

    /// Writes a new job, admitted if there is room, and starts it; nothing if there is such a job already, or somebody was
    /// quicker.
    async fn enter(&self, new: &New<'_>, room: Room) -> Result<Option<Job>, JobError> {
        let mut admitted = !room.stopped;
        loop {
            let now = self.clock.now();
            let (job, event) = (new.of)(admitted, now);
            let committed = self
                .jobs
                .commit(Commit {
                    job: &job,
                    from: None,
                    events: &[event],
                    attempt: None,
                    admission: if admitted { Admission::Enter(room.quota) } else { Admission::Wait },
                    paid: None,
                    idempotency: (new.remembered)(&job, now),
                })
                .await;
            match committed {
                Ok(()) => {
                    if admitted {
                        self.start(&job).await;
                    } else if !room.stopped {
                        self.let_in(job.owner, room.quota).await;
                    }
                    return Ok(Some(job));
                }
                Err(StoreError::LimitReached) if admitted => admitted = false,
                Err(StoreError::Conflict) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A new job waits behind others even where there is room, so that none overtakes: with room, the first of them all
    /// goes in now. The sweeper does the same, so a failure costs time and nothing else.
    async fn let_in(&self, owner: UserId, quota: Quota) {
        let admitted = match self.jobs.counts(owner).await {
            Ok(counts)
                if counts.admitted >= u64::from(quota.jobs) || counts.gpus >= u64::from(quota.gpus) =>
            {
                return;
            }
            Ok(_) => self.gate().admit_waiting(owner).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = admitted {
            tracing::warn!(user.id = %owner, error = &error as &dyn std::error::Error, "waiting jobs could not be admitted");
        }
    }

    /// Starts the job's execution. The job is accepted whether that works or not: the sweeper starts what stands still.
    pub(crate) async fn start(&self, job: &Job) {
        if let Err(error) = self.gate().start(job).await {
            tracing::error!(job.id = %job.id, error = &error as &dyn std::error::Error, "the job's execution did not start; the sweeper will start it");
        }
    }
}

#[cfg(test)]
pub(crate) mod samples {

    use domain::{
        AttemptId, JobId, UserId,
        job::{Attempt, Job, Spec},
        samples,
    };
    use jiff::Timestamp;
    use uuid::Uuid;

    pub(crate) fn job() -> Job {
        let spec = Spec {
            name: "sample".into(),
            image: "python".into(),
            command: vec!["python".into()],
            ..samples::spec()
        };
        let owner = UserId::new(Uuid::from_u128(1));
        Job::submit(JobId::new(Uuid::from_u128(2)), owner, spec, true, None, Timestamp::UNIX_EPOCH).0
    }

    pub(crate) fn attempt() -> Attempt {
        let job = job();
        let offer = samples::offer();
        let id = AttemptId::new(Uuid::from_u128(3));
        Attempt::intend(id, job.id, job.owner, 1, offer, Timestamp::UNIX_EPOCH)
    }
}
