//! One's own secrets.

use app::{
    seal,
    secrets::{SecretError, Secrets as UseCases},
};
use axum::{Json, extract::State};
use contract::secrets::{PutSecret, Secret, Secrets};
use http::StatusCode;
use lambda::{Body, Caller, Path, Platform, Problem};
use std::sync::Arc;

pub(crate) async fn list(
    State(platform): State<Platform>,
    Caller(caller): Caller,
) -> Result<Json<Secrets>, Problem> {
    let secrets = secrets(&platform).await?.list(caller.user).await.map_err(problem)?;
    Ok(Json(Secrets { items: secrets.into_iter().map(Secret::from).collect() }))
}

pub(crate) async fn put(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(name): Path<String>,
    Body(body): Body<PutSecret>,
) -> Result<(StatusCode, Json<Secret>), Problem> {
    let put = secrets(&platform).await?.put(caller.user, &name, &body.value).await;
    let (secret, new) = put.map_err(problem)?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(secret.into())))
}

pub(crate) async fn delete(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    secrets(&platform).await?.remove(caller.user, &name).await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}

/// The use cases on this platform.
async fn secrets(platform: &Platform) -> Result<UseCases, Problem> {
    let parameter = platform.parameter(seal::KEY_PARAMETER).await?;
    Ok(UseCases {
        store: Arc::new(platform.store().clone()),
        clock: platform.clock(),
        ids: platform.ids(),
        key: seal::Key::from_base64(parameter.expose()).map_err(Problem::internal)?,
    })
}

fn problem(error: SecretError) -> Problem {
    match error {
        SecretError::Invalid(errors) => Problem::invalid(errors),
        SecretError::NotFound => Problem::not_found("secret"),
        SecretError::TooMany => Problem::conflict(
            "too_many_secrets",
            "This account has as many secrets as it may. Delete one at DELETE /v1/secrets/{name}.",
        ),
        SecretError::Seal(error) => Problem::internal(error),
        SecretError::Store(error) => error.into(),
    }
}
