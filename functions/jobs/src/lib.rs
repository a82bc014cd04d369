//! Jobs over HTTP, and the API's description of itself. A handler parses, asks the use case, and answers.

mod answer;
mod change;
mod create;
mod docs;
mod look;

use axum::{
    Router,
    routing::{get, post},
};
use lambda::Platform;

/// Every route of this function.
pub fn routes(platform: Platform) -> Router {
    Router::new()
        .route("/v1/jobs", post(create::submit).get(look::list))
        .route("/v1/jobs/counts", get(look::counts))
        .route("/v1/jobs/{id}", get(look::job).patch(change::edit).delete(change::delete))
        .route("/v1/jobs/{id}/cancel", post(change::cancel))
        .route("/v1/jobs/{id}/restart", post(create::restart))
        .route("/v1/jobs/{id}/log", get(look::log))
        .route("/v1/jobs/{id}/events", get(look::events))
        .route("/v1/jobs/{id}/metrics", get(look::metrics))
        .route("/v1/jobs/{id}/attempts", get(look::attempts))
        .route("/v1/jobs/{id}/cost", get(look::cost))
        .route("/healthz", get(docs::health))
        .route("/v1/openapi.json", get(docs::openapi))
        .route("/docs", get(docs::page))
        .with_state(platform)
}
