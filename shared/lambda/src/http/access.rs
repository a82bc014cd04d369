//! Who calls: an access token or an API key in `Authorization: Bearer …`.

use app::ports::AccountStore;
use axum::extract::{FromRef, FromRequestParts};
use domain::{Principal, SessionId};
use http::{header, request::Parts};

use crate::{Platform, Problem, tokens::Refused};

/// Whoever is signed in, by token or by key.
#[derive(Debug, Clone, Copy)]
pub struct Caller(pub Principal);

/// A person's session: what a machine's key must not reach, since a stolen one could then make itself at home.
#[derive(Debug, Clone, Copy)]
pub struct SessionCaller {
    pub principal: Principal,
    pub session: SessionId,
}

/// An administrator, by the account's row: it counts at once when somebody stops being one.
#[derive(Debug, Clone, Copy)]
pub struct AdminCaller(pub Principal);

enum Credential {
    Token(SessionCaller),
    Key(Principal),
}

impl Credential {
    fn principal(&self) -> Principal {
        match self {
            Self::Token(caller) => caller.principal,
            Self::Key(principal) => *principal,
        }
    }
}

async fn credential(parts: &Parts, platform: &Platform) -> Result<Credential, Problem> {
    let mut given = parts.headers.get_all(header::AUTHORIZATION).iter();
    let bearer = match (given.next(), given.next()) {
        (Some(value), None) => value.to_str().ok().and_then(bearer),
        _ => None,
    };
    let Some(bearer) = bearer else {
        return Err(Problem::unauthorized(
            "not_authenticated",
            "Sign in at POST /v1/auth/login and send `Authorization: Bearer` with the access token, or with an API key.",
        ));
    };
    let now = platform.clock().now();
    if bearer.starts_with(app::accounts::API_KEY_PREFIX) {
        let principal = app::accounts::api_key_principal(platform.store(), bearer, now).await?;
        return principal.map(Credential::Key).ok_or_else(|| {
            Problem::unauthorized(
                "invalid_api_key",
                "This API key does not exist any more, has expired, or its account is deactivated. Make a new one.",
            )
        });
    }
    match platform.keys().await?.check(bearer, now) {
        Ok(claims) => {
            Ok(Credential::Token(SessionCaller { principal: claims.principal(), session: claims.sid }))
        }
        Err(Refused::Expired) => Err(Problem::unauthorized(
            "token_expired",
            "The access token has expired. Get the next one at POST /v1/auth/refresh.",
        )),
        Err(Refused::Invalid) => Err(Problem::unauthorized(
            "invalid_token",
            "This is not an access token of ours. Sign in at POST /v1/auth/login.",
        )),
    }
}

/// The token of a header `Bearer token`; the scheme's case does not count.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

impl<S: Send + Sync> FromRequestParts<S> for Caller
where
    Platform: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(credential(parts, &Platform::from_ref(state)).await?.principal()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for SessionCaller
where
    Platform: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match credential(parts, &Platform::from_ref(state)).await? {
            Credential::Token(caller) => Ok(caller),
            Credential::Key(_) => Err(Problem::forbidden(
                "session_required",
                "An API key cannot do this. Sign in at POST /v1/auth/login and use the access token.",
            )),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AdminCaller
where
    Platform: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let platform = Platform::from_ref(state);
        let principal = credential(parts, &platform).await?.principal();
        let refused = || Problem::forbidden("admin_required", "Only administrators may do this.");
        if !principal.is_admin() {
            return Err(refused());
        }
        match platform.store().user(principal.user).await? {
            Some(user) if user.active && user.principal().is_admin() => Ok(Self(user.principal())),
            _ => Err(refused()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_token_is_taken() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc "), Some("abc"));
        for bad in ["abc", "Bearer", "Bearer ", "Basic abc", ""] {
            assert_eq!(bearer(bad), None, "{bad}");
        }
    }
}
