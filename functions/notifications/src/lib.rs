//! Notifications over HTTP: where ends are told, and what was told. A handler parses, asks the use case, and answers.

mod answer;
mod deliveries;
mod endpoints;

use std::sync::Arc;

use app::{notifications::Notifications, seal};
use axum::{
    Router,
    routing::{get, post},
};
use lambda::{Platform, Problem};

/// Every route of this function.
pub fn routes(platform: Platform) -> Router {
    Router::new()
        .route("/v1/notifications/endpoints", post(endpoints::create).get(endpoints::list))
        .route(
            "/v1/notifications/endpoints/{id}",
            get(endpoints::get).patch(endpoints::edit).delete(endpoints::delete),
        )
        .route("/v1/notifications/endpoints/{id}/rotate-secret", post(endpoints::rotate_secret))
        .route("/v1/notifications/endpoints/{id}/test", post(deliveries::test))
        .route("/v1/notifications/endpoints/{id}/deliveries", get(deliveries::list))
        .route("/v1/notifications/deliveries/{id}/redeliver", post(deliveries::redeliver))
        .with_state(platform)
}

/// The use cases on this platform.
async fn notifications(platform: &Platform) -> Result<Notifications, Problem> {
    let parameter = platform.parameter(seal::KEY_PARAMETER).await?;
    let store = Arc::new(platform.store().clone());
    Ok(Notifications {
        endpoints: store.clone(),
        calls: store,
        clock: platform.clock(),
        ids: platform.ids(),
        key: seal::Key::from_base64(parameter.expose()).map_err(Problem::internal)?,
    })
}
