//! New jobs.

use app::{
    jobs::{Created, Draft, Request, Seen},
    seal,
};
use axum::extract::State;
use contract::jobs::SubmitJob;
use domain::{JobId, job::Job};
use http::StatusCode;
use lambda::{Body, Caller, IdempotencyKey, Made, Path, Platform, Problem};
use serde_json::Value;

use crate::answer;

pub(crate) async fn submit(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    IdempotencyKey(idempotency): IdempotencyKey,
    Body(body): Body<SubmitJob>,
) -> Result<Made, Problem> {
    let key = secrets_key(&platform).await?;
    // Read and written again, the body has one spelling: white space and the order of its fields do not count.
    let canonical = serde_json::to_vec(&body).map_err(Problem::internal)?;
    let digest = key.digest(&[b"POST /v1/jobs", &canonical]);
    let request = request(idempotency.as_deref(), &digest);
    let draft = || body.read().map(|(spec, secrets)| Draft { spec, secrets });
    let created = platform.jobs().submit(&caller, draft, &key, &request).await.map_err(answer::problem)?;
    Ok(made(created))
}

pub(crate) async fn restart(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<JobId>,
    IdempotencyKey(idempotency): IdempotencyKey,
) -> Result<Made, Problem> {
    let key = secrets_key(&platform).await?;
    let digest = key.digest(&[format!("POST /v1/jobs/{id}/restart").as_bytes()]);
    let request = request(idempotency.as_deref(), &digest);
    let created = platform.jobs().restart(&caller, id, &key, &request).await.map_err(answer::problem)?;
    Ok(made(created))
}

async fn secrets_key(platform: &Platform) -> Result<seal::Key, Problem> {
    let parameter = platform.parameter(seal::KEY_PARAMETER).await?;
    seal::Key::from_base64(parameter.expose()).map_err(Problem::internal)
}

fn request<'a>(key: Option<&'a str>, digest: &'a str) -> Request<'a> {
    Request { key, digest, status: StatusCode::CREATED.as_u16(), answer: &shown }
}

/// A new job as it is shown, now and whenever the request is repeated.
fn shown(job: &Job) -> Value {
    let seen = Seen {
        attempt_id: None,
        progress: None,
        cost: Vec::new(),
        waits_for: None,
        at: job.submitted_at,
        job: job.clone(),
    };
    // Its maps have text for keys and its numbers are finite: there is nothing that JSON could not hold.
    serde_json::to_value(answer::job(seen)).unwrap_or_default()
}

fn made(created: Created) -> Made {
    Made { status: created.status, body: created.body, replayed: created.replayed }
}
