//! The begin and the end of runs.

use app::{
    jobs::JobError,
    ports::Params,
    runs::{Request, Resume, RunError, StartRun, Started},
};
use axum::{Json, extract::State};
use contract::runs::{self, ChangeRun};
use domain::{
    Principal, RunId, WorkflowId,
    workflow::{Head, Origin, Run},
};
use http::StatusCode;
use lambda::{Body, Caller, IdempotencyKey, Made, Path, Platform, Problem};
use serde_json::Value;

use crate::{answer, definitions, digest, looks};

pub(crate) async fn start(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<WorkflowId>,
    IdempotencyKey(key): IdempotencyKey,
    body: Option<Body<runs::StartRun>>,
) -> Result<Made, Problem> {
    let body = body.map(|Body(body)| body).unwrap_or_default();
    let digest = digest::of(&format!("POST /v1/workflows/{id}/runs"), &body)?;
    let workflow = definitions(&platform).visible(&caller, id).await.map_err(answer::problem)?;
    let new = StartRun {
        owner: workflow.owner,
        workflow: id,
        version: body.version,
        params: body.params,
        name: body.name,
        origin: Origin::Manual,
        request: request(key.as_deref(), &digest),
    };
    platform.runs().start(new).await.map(made).map_err(problem)
}

pub(crate) async fn resume(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<RunId>,
    IdempotencyKey(key): IdempotencyKey,
    body: Option<Body<ChangeRun>>,
) -> Result<Made, Problem> {
    let body = body.map(|Body(body)| body).unwrap_or_default();
    let digest = digest::of(&format!("POST /v1/runs/{id}/resume"), &body)?;
    let request = request(key.as_deref(), &digest);
    let resume = follow(&platform, &caller, id, body.params, None, request).await?;
    platform.runs().resume(resume).await.map(made).map_err(problem)
}

pub(crate) async fn retry(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path((id, node)): Path<(RunId, String)>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Made, Problem> {
    let digest = digest::of(&format!("POST /v1/runs/{id}/nodes/{node}/retry"), &())?;
    let request = request(key.as_deref(), &digest);
    // Named as lists name it: the path may have its number.
    let node = looks(&platform).node(&caller, id, &node).await.map_err(answer::problem)?.seen.state.node;
    let resume = follow(&platform, &caller, id, Params::new(), Some(node), request).await?;
    platform.runs().resume(resume).await.map(made).map_err(problem)
}

pub(crate) async fn rerun(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<RunId>,
    IdempotencyKey(key): IdempotencyKey,
    body: Option<Body<ChangeRun>>,
) -> Result<Made, Problem> {
    let body = body.map(|Body(body)| body).unwrap_or_default();
    let digest = digest::of(&format!("POST /v1/runs/{id}/rerun"), &body)?;
    let request = request(key.as_deref(), &digest);
    let rerun = follow(&platform, &caller, id, body.params, None, request).await?;
    platform.runs().rerun(rerun).await.map(made).map_err(problem)
}

pub(crate) async fn cancel(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<RunId>,
) -> Result<(StatusCode, Json<runs::Run>), Problem> {
    let looks = looks(&platform);
    looks.visible(&caller, id).await.map_err(answer::problem)?;
    platform.runs().cancel(id, caller.user).await.map_err(problem)?;
    // Afterwards: a run with nothing to wait for has ended by now.
    let seen = looks.run(&caller, id).await.map_err(answer::problem)?;
    Ok((StatusCode::ACCEPTED, Json(answer::run(seen, platform.clock().now()))))
}

/// A run that follows one which exists for the caller; it is its owner's, whoever asks.
async fn follow<'a>(
    platform: &Platform,
    caller: &Principal,
    of: RunId,
    params: Params,
    node: Option<String>,
    request: Request<'a>,
) -> Result<Resume<'a>, Problem> {
    let run = looks(platform).visible(caller, of).await.map_err(answer::problem)?;
    Ok(Resume { owner: run.owner, of, params, node, request })
}

fn request<'a>(key: Option<&'a str>, digest: &'a str) -> Request<'a> {
    Request { key, digest, status: StatusCode::CREATED.as_u16(), answer: &shown }
}

/// A new run as it is shown, now and whenever the request is repeated.
fn shown(run: &Run, head: &Head, _: &Params) -> Value {
    // Its maps have text for keys and its numbers are finite: there is nothing that JSON could not hold.
    serde_json::to_value(runs::Run::new(run.clone(), head.clone(), run.started_at)).unwrap_or_default()
}

fn made(started: Started) -> Made {
    match started {
        Started::Run { run, head, params } => {
            Made { status: StatusCode::CREATED.as_u16(), body: shown(&run, &head, &params), replayed: false }
        }
        Started::Replayed { status, body } => Made { status, body, replayed: true },
    }
}

/// An error as it is shown.
fn problem(error: RunError) -> Problem {
    match error {
        RunError::NotFound(what) => Problem::not_found(what),
        RunError::Paused => Problem::conflict(
            "workflow_paused",
            "The workflow is paused: no run of it starts. Activate it, and repeat the request.",
        ),
        RunError::NotEnded => Problem::conflict(
            "run_not_ended",
            "The run has not ended. Cancel it or wait until it has a final status, and repeat the request.",
        ),
        RunError::Ended => {
            Problem::conflict("run_ended", "The run has ended already: there is nothing to cancel.")
        }
        RunError::Invalid(errors) => Problem::invalid(errors),
        RunError::KeyReused => answer::key_reused(),
        RunError::Store(error) | RunError::Job(JobError::Store(error)) => error.into(),
        // What was asked for is recorded, and repeating the request goes on from there.
        RunError::Step(_) | RunError::Execution(_) | RunError::Job(_) => Problem::unavailable(error),
        RunError::SlotTaken => Problem::internal(error),
    }
}
