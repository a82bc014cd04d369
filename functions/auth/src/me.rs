//! One's own account and keys.

use app::accounts::AccountError;
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use contract::accounts::{ApiKey, ApiKeys, ChangePassword, CreatedApiKey, EditMe, NewApiKey, User};
use domain::{ApiKeyId, account::ProfileChange};
use http::StatusCode;
use lambda::{Body, Caller, Path, Platform, Problem, SessionCaller, SourceAddress};

use crate::{
    accounts,
    answers::{counted, problem},
};

pub(crate) async fn show(
    State(platform): State<Platform>,
    Caller(caller): Caller,
) -> Result<Json<User>, Problem> {
    let user = accounts(&platform).user(caller.user).await.map_err(problem)?;
    Ok(Json(user.into()))
}

pub(crate) async fn edit(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Body(body): Body<EditMe>,
) -> Result<Json<User>, Problem> {
    let change = ProfileChange::from(body);
    let user = accounts(&platform).edit(caller.user, &change).await.map_err(problem)?;
    Ok(Json(user.into()))
}

pub(crate) async fn change_password(
    State(platform): State<Platform>,
    caller: SessionCaller,
    SourceAddress(address): SourceAddress,
    Body(body): Body<ChangePassword>,
) -> Result<Response, Problem> {
    let accounts = accounts(&platform);
    let (user, session) = (caller.principal.user, caller.session);
    let mut changed =
        accounts.change_password(user, session, body.current_password, body.new_password, &address).await;
    changed.outcome = match changed.outcome {
        // Signed in, with the wrong word for this: a client must not take it for an expired token.
        Err(AccountError::WrongCredentials) => return Err(wrong_password()),
        other => other,
    };
    let ((), limits) = counted(changed)?;
    Ok((StatusCode::NO_CONTENT, limits).into_response())
}

fn wrong_password() -> Problem {
    Problem::forbidden("wrong_password", "The current password is another one. Nothing was changed.")
        .with_field("current_password", "is not the current password")
}

pub(crate) async fn create_api_key(
    State(platform): State<Platform>,
    caller: SessionCaller,
    Body(body): Body<NewApiKey>,
) -> Result<(StatusCode, Json<CreatedApiKey>), Problem> {
    let created = accounts(&platform).create_api_key(caller.principal.user, body.name, body.expires_at).await;
    let (about, key) = created.map_err(problem)?;
    Ok((StatusCode::CREATED, Json(CreatedApiKey { key, about: about.into() })))
}

pub(crate) async fn list_api_keys(
    State(platform): State<Platform>,
    Caller(caller): Caller,
) -> Result<Json<ApiKeys>, Problem> {
    let keys = accounts(&platform).api_keys(caller.user).await.map_err(problem)?;
    Ok(Json(ApiKeys { items: keys.into_iter().map(ApiKey::from).collect() }))
}

pub(crate) async fn revoke_api_key(
    State(platform): State<Platform>,
    caller: SessionCaller,
    Path(id): Path<ApiKeyId>,
) -> Result<StatusCode, Problem> {
    accounts(&platform).revoke_api_key(caller.principal.user, id).await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}
