//! When workflows run by themselves.

use app::workflows::{self, ScheduleChange};
use axum::{Json, extract::State};
use contract::schedules::{EditSchedule, NewSchedule, Schedule, Schedules};
use domain::{ScheduleId, WorkflowId};
use http::{HeaderName, StatusCode, header};
use lambda::{Body, Caller, Path, Platform, Problem};

use crate::{answer, definitions};

pub(crate) async fn list(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<WorkflowId>,
) -> Result<Json<Schedules>, Problem> {
    let rows = definitions(&platform).schedules(&caller, id).await.map_err(answer::problem)?;
    let now = platform.clock().now();
    Ok(Json(Schedules { items: rows.into_iter().map(|row| answer::schedule(row, now)).collect() }))
}

pub(crate) async fn create(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<WorkflowId>,
    Body(body): Body<NewSchedule>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<Schedule>), Problem> {
    let new = workflows::NewSchedule { schedule: body.schedule(), params: body.params, active: body.active };
    let row = definitions(&platform).add_schedule(&caller, id, new).await.map_err(answer::problem)?;
    let shown = answer::schedule(row, platform.clock().now());
    Ok((StatusCode::CREATED, [(header::LOCATION, shown.link.clone())], Json(shown)))
}

pub(crate) async fn get(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path((workflow, id)): Path<(WorkflowId, ScheduleId)>,
) -> Result<Json<Schedule>, Problem> {
    let row = definitions(&platform).schedule(&caller, workflow, id).await.map_err(answer::problem)?;
    Ok(Json(answer::schedule(row, platform.clock().now())))
}

pub(crate) async fn edit(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path((workflow, id)): Path<(WorkflowId, ScheduleId)>,
    Body(body): Body<EditSchedule>,
) -> Result<Json<Schedule>, Problem> {
    let change = ScheduleChange { params: body.params.clone(), active: body.active };
    let row = definitions(&platform)
        .change_schedule(&caller, workflow, id, |before| body.schedule(before), change)
        .await
        .map_err(answer::problem)?;
    Ok(Json(answer::schedule(row, platform.clock().now())))
}

pub(crate) async fn delete(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path((workflow, id)): Path<(WorkflowId, ScheduleId)>,
) -> Result<StatusCode, Problem> {
    definitions(&platform).remove_schedule(&caller, workflow, id).await.map_err(answer::problem)?;
    Ok(StatusCode::NO_CONTENT)
}
