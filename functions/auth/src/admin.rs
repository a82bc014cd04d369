//! Accounts, for administrators.

use axum::{Json, extract::State};
use contract::accounts::{EditUser, ListUsers, User, UserPage};
use domain::{UserId, job::FieldError};
use lambda::{AdminCaller, Body, Params, Path, Platform, Problem};

use crate::{accounts, answers::problem};

pub(crate) async fn list(
    State(platform): State<Platform>,
    AdminCaller(_): AdminCaller,
    Params(query): Params<ListUsers>,
) -> Result<Json<UserPage>, Problem> {
    let limit = query.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(FieldError::new("limit", "must be a whole number from 1 to 100").into());
    }
    let page = accounts(&platform).users(limit as usize, query.cursor.as_deref()).await.map_err(problem)?;
    Ok(Json(UserPage { items: page.items.into_iter().map(User::from).collect(), next: page.next }))
}

pub(crate) async fn edit(
    State(platform): State<Platform>,
    AdminCaller(admin): AdminCaller,
    Path(id): Path<UserId>,
    Body(body): Body<EditUser>,
) -> Result<Json<User>, Problem> {
    let role = body.role.map(domain::Role::from);
    let allowance = body.allowance()?;
    let changed = accounts(&platform).administer(admin.user, id, role, body.active, allowance).await;
    let user = changed.map_err(problem)?;
    Ok(Json(user.into()))
}
