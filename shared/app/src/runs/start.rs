//! New runs.

use std::fmt;

use domain::{
    RunId, UserId, WorkflowId,
    job::{FieldError, text},
    workflow::{Head, NodeStatus, Origin, Run, RunEventKind},
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{RunError, Runs, plans::Planned};
use crate::ports::{Idempotency, NewRun, Params, StoreError, WorkflowError, WorkflowRow};

/// How long an idempotency key is remembered.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24);
/// Of a run's own name.
const NAME_CHARS: usize = 128;

/// A request that makes a run, as far as a repeat of it must be recognised.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The `Idempotency-Key` header.
    pub key: Option<&'a str>,
    /// A digest of method, path and body.
    pub digest: &'a str,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The body of the answer.
    pub answer: &'a (dyn Fn(&Run, &Head, &Params) -> Value + Sync),
}

impl Request<'_> {
    /// Of a run that nobody waits for an answer of.
    pub const NONE: Self = Self { key: None, digest: "", status: 0, answer: &|_, _, _| Value::Null };
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A run that is to be.
#[derive(Debug)]
pub struct StartRun<'a> {
    /// Whose workflow it is.
    pub owner: UserId,
    pub workflow: WorkflowId,
    /// Which version; the latest if none is named.
    pub version: Option<u32>,
    pub params: Params,
    /// The workflow's if there is none.
    pub name: Option<String>,
    pub origin: Origin,
    pub request: Request<'a>,
}

/// What became of a request for a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Started {
    /// There is a new run.
    Run { run: Box<Run>, head: Box<Head>, params: Params },
    /// An earlier request with the same key was answered so.
    Replayed { status: u16, body: Value },
}

impl Runs {
    /// Starts a run of a workflow that is not paused.
    pub async fn start(&self, new: StartRun<'_>) -> Result<Started, RunError> {
        if let Some(earlier) = self.replay(new.owner, &new.request).await? {
            return Ok(earlier);
        }
        let row = self.startable(new.owner, new.workflow).await?;
        let version = new.version.unwrap_or(row.latest);
        let planned = self.plans.of(&*self.definitions, (row.id, version)).await?;
        let planned = planned.ok_or(RunError::NotFound("version"))?;
        let name = named(new.name, &row.name);
        let params = match (name, planned.workflow().bind(new.params)) {
            (Ok(name), Ok(params)) => (name, params),
            (name, params) => {
                let errors = name.err().into_iter().flatten().chain(params.err().into_iter().flatten());
                return Err(RunError::Invalid(errors.collect()));
            }
        };
        let run = self.run_of(&row, version, &planned, params.0, new.origin);
        self.begin_run(run, params.1, &[], &new.request).await
    }

    /// The workflow, if a run of it may start.
    pub(super) async fn startable(&self, owner: UserId, id: WorkflowId) -> Result<WorkflowRow, RunError> {
        let row = self.definitions.workflow(id).await?;
        let row = row.filter(|row| row.deleted_at.is_none() && row.owner == owner);
        let row = row.ok_or(RunError::NotFound("workflow"))?;
        if row.paused { Err(RunError::Paused) } else { Ok(row) }
    }

    pub(super) fn run_of(
        &self,
        row: &WorkflowRow,
        version: u32,
        planned: &Planned,
        name: String,
        origin: Origin,
    ) -> Run {
        let workflow = planned.workflow();
        let now = self.jobs.clock.now();
        let longest = SignedDuration::from_secs(workflow.timeout_seconds.into());
        Run {
            id: RunId::new(self.jobs.ids.uuid()),
            owner: row.owner,
            workflow_id: row.id,
            workflow_version: version,
            name,
            origin,
            nodes: u32::try_from(planned.plan().steps().len()).unwrap_or(u32::MAX),
            failure_policy: workflow.failure_policy,
            priority: workflow.priority,
            started_at: now,
            deadline: now.checked_add(longest).unwrap_or(jiff::Timestamp::MAX),
            ended: None,
        }
    }

    /// Writes a run, `kept` of whose nodes ended in an earlier one, and starts its execution. The run is there whether that
    /// works or not: the sweeper starts what stands still.
    pub(super) async fn begin_run(
        &self,
        run: Run,
        params: Params,
        kept: &[NodeStatus],
        request: &Request<'_>,
    ) -> Result<Started, RunError> {
        let mut head = Head::new(&run, kept.iter().copied());
        let event = head.event(RunEventKind::Started { origin: run.origin.clone() }, run.started_at);
        let idempotency = request.key.map(|key| Idempotency {
            key: key.to_owned(),
            digest: request.digest.to_owned(),
            status: request.status,
            body: (request.answer)(&run, &head, &params),
            expires_at: run.started_at + REMEMBERED,
        });
        let new = NewRun { run: &run, head: &head, params: &params, events: &[event], idempotency };
        match self.runs.start_run(new).await {
            Ok(()) => {}
            Err(StoreError::Conflict) => {
                // Somebody else used the key or the slot meanwhile, or this write was done before and its answer lost.
                if let Some(earlier) = self.replay(run.owner, request).await? {
                    return Ok(earlier);
                }
                if self.runs.run(run.id).await?.is_none() {
                    return Err(match run.origin {
                        Origin::Schedule { .. } => RunError::SlotTaken,
                        _ => StoreError::Conflict.into(),
                    });
                }
            }
            Err(error) => return Err(error.into()),
        }
        head.version = 1;
        if let Err(error) = self.execute(&run).await {
            tracing::error!(run.id = %run.id, error = &error as &dyn std::error::Error, "the run's execution did not start; the sweeper will start it");
        }
        Ok(Started::Run { run: Box::new(run), head: Box::new(head), params })
    }

    /// Starts the execution of a run. Its name makes a repeat harmless.
    pub(super) async fn execute(&self, run: &Run) -> Result<(), WorkflowError> {
        let left = run.deadline.duration_since(run.started_at).as_secs().max(1);
        let input = json!({ "run_id": run.id, "timeout_seconds": left });
        match self.jobs.workflows.start_run(&run.id.to_string(), &input).await {
            Ok(()) | Err(WorkflowError::NameTaken) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// What an earlier request with the same key was answered, if there was one.
    pub(super) async fn replay(
        &self,
        owner: UserId,
        request: &Request<'_>,
    ) -> Result<Option<Started>, RunError> {
        let Some(key) = request.key else { return Ok(None) };
        let Some(earlier) = self.jobs.jobs.replay(owner, key).await? else { return Ok(None) };
        if earlier.digest != request.digest {
            return Err(RunError::KeyReused);
        }
        Ok(Some(Started::Replayed { status: earlier.status, body: earlier.body }))
    }
}

/// The run's own name, or `otherwise`.
fn named(name: Option<String>, otherwise: &str) -> Result<String, Vec<FieldError>> {
    let Some(name) = name else { return Ok(otherwise.to_owned()) };
    let mut errors = Vec::new();
    let mut no = |field: &str, message: String| errors.push(FieldError::new(field, message));
    text(&mut no, "name", &name, 1, NAME_CHARS);
    if errors.is_empty() { Ok(name) } else { Err(errors) }
}
