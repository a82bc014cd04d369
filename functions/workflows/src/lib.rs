//! Workflows, their runs, templates and schedules over HTTP. A handler parses, asks the use case, and answers.

mod answer;
mod control;
mod definitions;
mod digest;
mod runs;
mod schedules;
mod templates;

use std::sync::Arc;

use app::workflows::{Definitions, look::Looks};
use axum::{
    Router,
    routing::{get, post},
};
use lambda::Platform;

/// Every route of this function.
pub fn routes(platform: Platform) -> Router {
    Router::new()
        .route("/v1/workflows", post(definitions::create).get(definitions::list))
        .route("/v1/workflows:validate", post(definitions::validate))
        .route(
            "/v1/workflows/{id}",
            get(definitions::get)
                .put(definitions::update)
                .patch(definitions::edit)
                .delete(definitions::delete),
        )
        .route("/v1/workflows/{id}/activate", post(definitions::activate))
        .route("/v1/workflows/{id}/pause", post(definitions::pause))
        .route("/v1/workflows/{id}/versions", get(definitions::versions))
        .route("/v1/workflows/{id}/versions/{n}", get(definitions::version))
        .route("/v1/workflows/{id}/runs", get(runs::of_workflow).post(control::start))
        .route("/v1/workflows/{id}/schedules", post(schedules::create).get(schedules::list))
        .route(
            "/v1/workflows/{id}/schedules/{schedule}",
            get(schedules::get).patch(schedules::edit).delete(schedules::delete),
        )
        .route("/v1/templates", get(templates::list))
        .route("/v1/templates/{id}", get(templates::get))
        .route("/v1/templates/{id}/instantiate", post(templates::instantiate))
        .route("/v1/runs", get(runs::list))
        .route("/v1/runs/{id}", get(runs::get))
        .route("/v1/runs/{id}/cancel", post(control::cancel))
        .route("/v1/runs/{id}/resume", post(control::resume))
        .route("/v1/runs/{id}/rerun", post(control::rerun))
        .route("/v1/runs/{id}/graph", get(runs::graph))
        .route("/v1/runs/{id}/events", get(runs::events))
        .route("/v1/runs/{id}/compare", get(runs::compare))
        .route("/v1/runs/{id}/nodes", get(runs::nodes))
        .route("/v1/runs/{id}/nodes/{node}", get(runs::node))
        .route("/v1/runs/{id}/nodes/{node}/retry", post(control::retry))
        .route("/v1/runs/{id}/nodes/{node}/items", get(runs::items))
        .with_state(platform)
}

/// The use cases of definitions on this platform.
fn definitions(platform: &Platform) -> Definitions {
    let store = Arc::new(platform.store().clone());
    Definitions {
        store: store.clone(),
        schedules: store.clone(),
        runs: store.clone(),
        jobs: store,
        clock: platform.clock(),
        ids: platform.ids(),
    }
}

/// The looks at runs on this platform.
fn looks(platform: &Platform) -> Looks {
    let store = Arc::new(platform.store().clone());
    Looks { runs: store.clone(), workflows: store.clone(), calls: store, clock: platform.clock() }
}
