//! Where ends are told.

use app::notifications::{Change, Wish};
use axum::{Json, extract::State};
use contract::notifications::{
    EditEndpoint, EndStatus, Endpoint, EndpointSecret, Endpoints, NewEndpoint, NotificationEvent,
};
use domain::EndpointId;
use http::{HeaderName, StatusCode, header};
use lambda::{Body, Caller, Path, Platform, Problem};

use crate::{answer, notifications};

fn events(events: Vec<NotificationEvent>) -> Vec<String> {
    events.into_iter().map(|event| event.as_str().to_owned()).collect()
}

fn statuses(statuses: Vec<EndStatus>) -> Vec<String> {
    statuses.into_iter().map(|status| status.as_str().to_owned()).collect()
}

pub(crate) async fn list(
    State(platform): State<Platform>,
    Caller(caller): Caller,
) -> Result<Json<Endpoints>, Problem> {
    let endpoints = notifications(&platform).await?.list(caller.user).await.map_err(answer::problem)?;
    Ok(Json(Endpoints { items: endpoints.into_iter().map(answer::endpoint).collect() }))
}

pub(crate) async fn create(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Body(body): Body<NewEndpoint>,
) -> Result<(StatusCode, [(HeaderName, String); 1], Json<EndpointSecret>), Problem> {
    let wish = Wish {
        url: body.url,
        description: body.description,
        events: events(body.events),
        statuses: statuses(body.statuses),
    };
    let made = notifications(&platform).await?.create(caller.user, wish).await.map_err(answer::problem)?;
    let shown = answer::with_secret(made);
    let location = format!("/v1/notifications/endpoints/{}", shown.endpoint.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(shown)))
}

pub(crate) async fn get(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<EndpointId>,
) -> Result<Json<Endpoint>, Problem> {
    let endpoint = notifications(&platform).await?.endpoint(caller.user, id).await;
    Ok(Json(answer::endpoint(endpoint.map_err(answer::problem)?)))
}

pub(crate) async fn edit(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<EndpointId>,
    Body(body): Body<EditEndpoint>,
) -> Result<Json<Endpoint>, Problem> {
    let change = Change {
        url: body.url,
        description: body.description,
        events: body.events.map(events),
        statuses: body.statuses.map(statuses),
        enabled: body.enabled,
    };
    let endpoint = notifications(&platform).await?.change(caller.user, id, change).await;
    Ok(Json(answer::endpoint(endpoint.map_err(answer::problem)?)))
}

pub(crate) async fn delete(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<EndpointId>,
) -> Result<StatusCode, Problem> {
    notifications(&platform).await?.remove(caller.user, id).await.map_err(answer::problem)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn rotate_secret(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<EndpointId>,
) -> Result<Json<EndpointSecret>, Problem> {
    let rotated = notifications(&platform).await?.rotate_secret(caller.user, id).await;
    Ok(Json(answer::with_secret(rotated.map_err(answer::problem)?)))
}
