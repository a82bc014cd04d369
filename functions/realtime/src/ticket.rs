//! `POST /v1/realtime/ticket`.

use axum::{Json, Router, extract::State, routing::post};
use contract::realtime::Ticket;
use http::StatusCode;
use lambda::{Caller, Platform, Problem};

/// The function's HTTP routes.
pub(crate) fn routes(platform: Platform) -> Router {
    Router::new().route("/v1/realtime/ticket", post(create)).with_state(platform)
}

async fn create(
    State(platform): State<Platform>,
    Caller(principal): Caller,
) -> Result<(StatusCode, Json<Ticket>), Problem> {
    let issued = crate::realtime(&platform).issue_ticket(principal).await?;
    let url = format!("{}?ticket={}", platform.config().websocket_url, issued.text);
    Ok((StatusCode::CREATED, Json(Ticket { ticket: issued.text, expires_at: issued.expires_at, url })))
}
