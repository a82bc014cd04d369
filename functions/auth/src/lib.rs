//! The routes of accounts.

mod admin;
mod answers;
mod examples;
mod me;
mod secrets;
mod session;

use std::sync::Arc;

use app::accounts::Accounts;
use axum::{
    Router,
    routing::{delete, get, patch, post, put},
};
use lambda::{Platform, config::Registration};

/// Every route of this function.
pub fn routes(platform: Platform) -> Router {
    Router::new()
        .route("/v1/auth/register", post(session::register))
        .route("/v1/auth/login", post(session::login))
        .route("/v1/auth/refresh", post(session::refresh))
        .route("/v1/auth/logout", post(session::logout))
        .route("/v1/me", get(me::show).patch(me::edit))
        .route("/v1/me/password", post(me::change_password))
        .route("/v1/me/api-keys", get(me::list_api_keys).post(me::create_api_key))
        .route("/v1/me/api-keys/{id}", delete(me::revoke_api_key))
        .route("/v1/admin/users", get(admin::list))
        .route("/v1/admin/users/{id}", patch(admin::edit))
        .route("/v1/secrets", get(secrets::list))
        .route("/v1/secrets/{name}", put(secrets::put).delete(secrets::delete))
        .route("/v1/examples/protected", get(examples::protected))
        .route("/v1/examples/admin", get(examples::admin))
        .with_state(platform)
}

/// The use cases on this platform.
fn accounts(platform: &Platform) -> Accounts {
    let config = platform.config();
    Accounts {
        store: Arc::new(platform.store().clone()),
        clock: platform.clock(),
        ids: platform.ids(),
        first_admin: config.first_admin.clone(),
        open: config.registration == Registration::Open,
    }
}
