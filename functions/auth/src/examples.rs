//! What a protected operation looks like: the extractor in the signature is the whole protection.

use axum::{Json, extract::State};
use contract::accounts::Example;
use domain::Principal;
use lambda::{AdminCaller, Caller, Platform, Problem};

use crate::{accounts, answers::problem};

pub(crate) async fn protected(
    State(platform): State<Platform>,
    Caller(caller): Caller,
) -> Result<Json<Example>, Problem> {
    greet(&platform, caller, "Hello").await
}

pub(crate) async fn admin(
    State(platform): State<Platform>,
    AdminCaller(caller): AdminCaller,
) -> Result<Json<Example>, Problem> {
    greet(&platform, caller, "Hello, administrator").await
}

async fn greet(platform: &Platform, caller: Principal, greeting: &str) -> Result<Json<Example>, Problem> {
    let user = accounts(platform).user(caller.user).await.map_err(problem)?;
    let message = format!("{greeting} {}.", user.email);
    Ok(Json(Example { message, user_id: user.id.to_string(), role: user.role.into() }))
}
