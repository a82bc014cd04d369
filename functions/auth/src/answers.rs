//! Answers of accounts: sessions with their cookie, limits in headers, errors as problems.

use std::time::Duration;

use app::accounts::{AccountError, Budget, Counted, SignedIn};
use axum::response::AppendHeaders;
use contract::accounts::Session;
use http::{HeaderName, HeaderValue, header};
use lambda::{Platform, Problem, tokens};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// The cookie with the refresh token.
const COOKIE: &str = "refresh";

pub(crate) type Headers = AppendHeaders<Vec<(HeaderName, HeaderValue)>>;

/// The session as it goes out, with its cookie.
pub(crate) async fn session(platform: &Platform, signed_in: SignedIn) -> Result<(Headers, Session), Problem> {
    let now = platform.clock().now();
    let keys = platform.keys().await?;
    let access_token =
        keys.issue(signed_in.user.principal(), signed_in.session, now).map_err(Problem::internal)?;
    let life = signed_in.expires_at.duration_since(now).as_secs().max(0);
    let cookie = set_cookie(platform, &signed_in.refresh_token, life);
    let session = Session {
        access_token,
        token_type: "Bearer",
        expires_in: tokens::LIFE.as_secs(),
        refresh_token: signed_in.refresh_token,
        refresh_expires_at: signed_in.expires_at,
        user: signed_in.user.into(),
    };
    Ok((cookie, session))
}

/// Takes the cookie away.
pub(crate) fn clear_cookie(platform: &Platform) -> Headers {
    set_cookie(platform, "", 0)
}

/// Scripts cannot read it, other sites cannot send it, and it goes where it is of use alone.
fn set_cookie(platform: &Platform, value: &str, seconds: i64) -> Headers {
    let secure = if platform.config().api_url.starts_with("https:") { "; Secure" } else { "" };
    let text =
        format!("{COOKIE}={value}; Path=/v1/auth; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    // Tokens are of letters, digits, `-` and `_` alone: every one is a header's value.
    AppendHeaders(HeaderValue::from_str(&text).map(|text| (header::SET_COOKIE, text)).into_iter().collect())
}

/// The refresh token in a `Cookie` header.
pub(crate) fn cookie(header: &str) -> Option<String> {
    let mut pairs = header.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, value)| *name == COOKIE && !value.is_empty()).map(|(_, value)| value.to_owned())
}

/// What came of something that is throttled, with what is left of its limit.
pub(crate) fn counted<T>(counted: Counted<T>) -> Result<(T, Headers), Problem> {
    let headers = counted.budget.map(limits).unwrap_or_default();
    match counted.outcome {
        Ok(value) => Ok((value, AppendHeaders(headers))),
        Err(error) => {
            let problem = problem(error);
            Err(headers.into_iter().fold(problem, |problem, (name, value)| problem.with_header(name, value)))
        }
    }
}

/// A limit and what is left of it, as draft-ietf-httpapi-ratelimit-headers says it.
fn limits(budget: Budget) -> Vec<(HeaderName, HeaderValue)> {
    let (name, seconds) = (budget.limit.name, budget.resets_in.as_secs().max(0));
    let left = format!("\"{name}\";r={};t={seconds}", budget.left);
    let policy = format!("\"{name}\";q={};w={}", budget.limit.quota, budget.limit.window_seconds);
    let header = |name, text: String| HeaderValue::from_str(&text).ok().map(|text| (name, text));
    [header(RATE_LIMIT, left), header(RATE_LIMIT_POLICY, policy)].into_iter().flatten().collect()
}

/// An error of accounts as an answer.
pub(crate) fn problem(error: AccountError) -> Problem {
    match error {
        AccountError::Invalid(errors) => Problem::invalid(errors),
        AccountError::RegistrationClosed => {
            Problem::forbidden("registration_closed", "Registration is closed. Ask an administrator.")
        }
        AccountError::EmailTaken => Problem::conflict(
            "email_taken",
            "There is an account with this address. Sign in at POST /v1/auth/login, or use another address.",
        )
        .with_field("email", "has an account already"),
        AccountError::WrongCredentials => Problem::unauthorized(
            "wrong_credentials",
            "The address or the password is wrong. Check both and try again.",
        ),
        AccountError::Deactivated => {
            Problem::forbidden("account_deactivated", "This account is deactivated. Ask an administrator.")
        }
        AccountError::Throttled(budget) => {
            let wait = Duration::try_from(budget.resets_in).unwrap_or_default();
            let detail = "There were too many tries. Wait until Retry-After is over, then try again.";
            Problem::too_many("too_many_tries", detail, wait)
        }
        AccountError::SessionOver => Problem::unauthorized(
            "session_over",
            "This session is over, or there is no refresh token. Sign in at POST /v1/auth/login.",
        ),
        AccountError::Reused => Problem::unauthorized(
            "refresh_token_reused",
            "This refresh token was used before, so somebody else may have had it; its session is over. Sign in again.",
        ),
        AccountError::NotFound => Problem::not_found("account or key"),
        AccountError::OwnAccount(_) => Problem::conflict(
            "own_account",
            "Administrators cannot demote or deactivate themselves. Ask another administrator.",
        ),
        AccountError::TooManyKeys => Problem::conflict(
            "too_many_keys",
            "This account has as many API keys as it may. Revoke one at DELETE /v1/me/api-keys/{id}.",
        ),
        AccountError::Store(error) => error.into(),
        AccountError::Hash(error) => Problem::internal(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookie_is_found_among_others() {
        assert_eq!(cookie("theme=dark; refresh=gpur_x; a=b").as_deref(), Some("gpur_x"));
        for none in ["", "refresh", "refresh=", "xrefresh=gpur_x", "theme=refresh"] {
            assert_eq!(cookie(none), None, "{none}");
        }
    }
}
