//! In and out.

use app::accounts::{AccountError, Registration};
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use contract::accounts::{Login, Refresh, Register};
use http::{HeaderMap, StatusCode, header};
use lambda::{Body, Platform, Problem, SourceAddress};

use crate::{
    accounts,
    answers::{clear_cookie, cookie, counted, problem, session},
};

pub(crate) async fn register(
    State(platform): State<Platform>,
    SourceAddress(address): SourceAddress,
    Body(mut body): Body<Register>,
) -> Result<Response, Problem> {
    let profile = body.profile();
    let registration = Registration { email: body.email, password: body.password, profile };
    let (signed_in, limits) = counted(accounts(&platform).register(registration, &address).await)?;
    let (cookie, body) = session(&platform, signed_in).await?;
    Ok((StatusCode::CREATED, limits, cookie, Json(body)).into_response())
}

pub(crate) async fn login(
    State(platform): State<Platform>,
    SourceAddress(address): SourceAddress,
    Body(body): Body<Login>,
) -> Result<Response, Problem> {
    let (signed_in, limits) =
        counted(accounts(&platform).sign_in(&body.email, body.password, &address).await)?;
    let (cookie, body) = session(&platform, signed_in).await?;
    Ok((limits, cookie, Json(body)).into_response())
}

pub(crate) async fn refresh(
    State(platform): State<Platform>,
    headers: HeaderMap,
    body: Option<Body<Refresh>>,
) -> Result<Response, Problem> {
    let token = refresh_token(&headers, body).ok_or_else(|| problem(AccountError::SessionOver))?;
    match accounts(&platform).refresh(&token).await {
        Ok(signed_in) => {
            let (cookie, body) = session(&platform, signed_in).await?;
            Ok((cookie, Json(body)).into_response())
        }
        // A cookie that helps no more is taken away, so that the browser does not send it again.
        Err(error @ (AccountError::SessionOver | AccountError::Reused)) => {
            Ok((clear_cookie(&platform), problem(error)).into_response())
        }
        Err(error) => Err(problem(error)),
    }
}

pub(crate) async fn logout(
    State(platform): State<Platform>,
    headers: HeaderMap,
    body: Option<Body<Refresh>>,
) -> Result<Response, Problem> {
    if let Some(token) = refresh_token(&headers, body) {
        accounts(&platform).sign_out(&token).await.map_err(problem)?;
    }
    Ok((StatusCode::NO_CONTENT, clear_cookie(&platform)).into_response())
}

/// The token of the body, or else of the cookie.
fn refresh_token(headers: &HeaderMap, body: Option<Body<Refresh>>) -> Option<String> {
    let given = body.and_then(|Body(body)| body.refresh_token);
    given.or_else(|| headers.get_all(header::COOKIE).iter().find_map(|value| cookie(value.to_str().ok()?)))
}
