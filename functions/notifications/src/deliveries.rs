//! What was told.

use axum::{
    Json,
    extract::{RawQuery, State},
};
use contract::{
    notifications::{Delivery, DeliveryPage},
    workflows::PageQuery,
};
use domain::{CallId, EndpointId};
use http::StatusCode;
use lambda::{Caller, Path, Platform, Problem};

use crate::{answer, notifications};

pub(crate) async fn list(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<EndpointId>,
    RawQuery(query): RawQuery,
) -> Result<Json<DeliveryPage>, Problem> {
    let query = PageQuery::read(&query.unwrap_or_default())?;
    let page = notifications(&platform)
        .await?
        .deliveries(caller.user, id, query.limit, query.cursor.as_deref())
        .await
        .map_err(answer::problem)?;
    let items = page.items.into_iter().filter_map(answer::delivery).collect();
    Ok(Json(DeliveryPage { items, next: page.next }))
}

pub(crate) async fn test(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<EndpointId>,
) -> Result<(StatusCode, Json<Delivery>), Problem> {
    let call = notifications(&platform).await?.test(caller.user, id).await.map_err(answer::problem)?;
    accepted(call)
}

pub(crate) async fn redeliver(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<CallId>,
) -> Result<(StatusCode, Json<Delivery>), Problem> {
    let call = notifications(&platform).await?.redeliver(caller.user, id).await.map_err(answer::problem)?;
    accepted(call)
}

fn accepted(call: app::ports::Call) -> Result<(StatusCode, Json<Delivery>), Problem> {
    let shown = answer::delivery(call).ok_or_else(|| Problem::not_found("delivery"))?;
    Ok((StatusCode::ACCEPTED, Json(shown)))
}
