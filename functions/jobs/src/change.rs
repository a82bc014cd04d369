//! Changes of a job that is there.

use axum::{Json, extract::State};
use contract::jobs::{EditJob, Job};
use domain::JobId;
use http::StatusCode;
use lambda::{Body, Caller, Path, Platform, Problem};

use crate::answer;

pub(crate) async fn edit(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<JobId>,
    Body(body): Body<EditJob>,
) -> Result<Json<Job>, Problem> {
    let jobs = platform.jobs();
    let edit = body.read()?;
    let job = jobs.edit(&caller, id, edit).await.map_err(answer::problem)?;
    let seen = jobs.see(job).await.map_err(answer::problem)?;
    Ok(Json(answer::job(seen)))
}

pub(crate) async fn cancel(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<JobId>,
) -> Result<(StatusCode, Json<Job>), Problem> {
    let jobs = platform.jobs();
    let job = jobs.cancel(&caller, id).await.map_err(answer::problem)?;
    let seen = jobs.see(job).await.map_err(answer::problem)?;
    Ok((StatusCode::ACCEPTED, Json(answer::job(seen))))
}

pub(crate) async fn delete(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<JobId>,
) -> Result<StatusCode, Problem> {
    platform.jobs().delete(&caller, id).await.map_err(answer::problem)?;
    Ok(StatusCode::NO_CONTENT)
}
