//! The operations on accounts, for the OpenAPI document. The functions are never called: their attributes are the document.
#![expect(dead_code, reason = "only the attributes are read")]

use utoipa::{IntoResponses, OpenApi};

use super::{
    ApiKeys, ChangePassword, CreatedApiKey, EditMe, EditUser, Example, ListUsers, Login, NewApiKey, Refresh,
    Register, Session, User, UserPage,
};
use crate::openapi::{Refused, Standard};
use crate::problem::Problem;

/// The operations on accounts.
#[derive(Debug, OpenApi)]
#[openapi(
    tags(
        (name = "auth", description = "Sign in, stay signed in, sign out"),
        (name = "me", description = "One's own account and keys"),
        (name = "admin", description = "Accounts, for administrators"),
        (name = "examples", description = "What a protected operation looks like")
    ),
    paths(
        register, login, refresh, logout, get_me, edit_me, change_password, create_api_key, list_api_keys, revoke_api_key,
        list_users, edit_user, get_protected_example, get_admin_example
    )
)]
pub struct Docs;

/// What an operation without a caller may answer.
#[derive(Debug, IntoResponses)]
enum Open {
    /// `too_many_tries`: `Retry-After` says when to come back.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(#[to_schema] Problem),
    /// `internal`: the platform failed. It is not known whether the request was done.
    #[response(status = 500, content_type = "application/problem+json")]
    Failed(#[to_schema] Problem),
    /// `busy`: nothing was done. `Retry-After` says when to come back.
    #[response(status = 503, content_type = "application/problem+json")]
    Busy(#[to_schema] Problem),
}

/// Make an account
///
/// Signs it in at once. Where registration is closed only the first administrator's address is taken.
#[utoipa::path(
    post, path = "/v1/auth/register", operation_id = "register", tag = "auth", security(()),
    request_body(content = Register),
    responses(
        Refused,
        Open,
        (status = 201, description = "The account was made.", body = Session,
            headers(("Set-Cookie" = String, description = "`refresh`: the refresh token, for `/v1/auth` alone"))),
        (status = 403, description = "`registration_closed`: ask an administrator.", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "`email_taken`: sign in, or use another address.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each field.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
fn register() {}

/// Sign in
///
/// After 10 wrong passwords for one account, or 50 from one address, within 15 minutes nobody can sign in to that account, or
/// from that address, until the 15 minutes are over.
#[utoipa::path(
    post, path = "/v1/auth/login", operation_id = "login", tag = "auth", security(()),
    request_body(content = Login),
    responses(
        Refused,
        Open,
        (status = 200, description = "A session.", body = Session,
            headers(
                ("Set-Cookie" = String, description = "`refresh`: the refresh token, for `/v1/auth` alone"),
                ("RateLimit" = String, description = "What is left of the tightest limit")
            )),
        (status = 401, description = "`wrong_credentials`: the address or the password is wrong.", body = Problem,
            content_type = "application/problem+json"),
        (status = 403, description = "`account_deactivated`: ask an administrator.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each field.", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "`too_many_tries`: `Retry-After` says when to come back.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
fn login() {}

/// Stay signed in
///
/// A refresh token is good once; the answer has the next one. One that is used twice was stolen or lost, so its whole session is
/// over then, for everybody who has a token of it.
#[utoipa::path(
    post, path = "/v1/auth/refresh", operation_id = "refresh", tag = "auth", security(()),
    params(("refresh" = Option<String>, Cookie, description = "The refresh token, where the body has none")),
    request_body(content = Option<Refresh>),
    responses(
        Refused,
        Open,
        (status = 200, description = "The session goes on.", body = Session,
            headers(("Set-Cookie" = String, description = "`refresh`: the next refresh token"))),
        (status = 401, description = "`session_over`: sign in again. `refresh_token_reused`: somebody else may have had the \
            token; sign in again.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each field.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
fn refresh() {}

/// Sign out
///
/// The session is over; access tokens of it expire by themselves. Repeating it is harmless.
#[utoipa::path(
    post, path = "/v1/auth/logout", operation_id = "logout", tag = "auth", security(()),
    params(("refresh" = Option<String>, Cookie, description = "The refresh token, where the body has none")),
    request_body(content = Option<Refresh>),
    responses(
        Refused,
        Open,
        (status = 204, description = "There is no such session any more.",
            headers(("Set-Cookie" = String, description = "`refresh`: taken away"))),
        (status = 422, description = "`invalid_fields`: `errors` names each field.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
fn logout() {}

/// Get one's own account
#[utoipa::path(
    get, path = "/v1/me", operation_id = "get_me", tag = "me",
    responses(Standard, (status = 200, description = "The account.", body = User))
)]
fn get_me() {}

/// Change one's own account
#[utoipa::path(
    patch, path = "/v1/me", operation_id = "edit_me", tag = "me",
    request_body(content = EditMe),
    responses(
        Refused,
        Standard,
        (status = 200, description = "The account as it is now.", body = User),
        (status = 409, description = "`conflict`: somebody else changed it at the same time.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each field.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
fn edit_me() {}

/// Change the password
///
/// Every other session of the account is over. It wants an access token; an API key cannot do it.
#[utoipa::path(
    post, path = "/v1/me/password", operation_id = "change_password", tag = "me",
    request_body(content = ChangePassword),
    responses(
        Refused,
        Standard,
        (status = 204, description = "The new password counts."),
        (status = 403, description = "`wrong_password`: the current password is another one. `session_required`: an API key \
            cannot do this.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each field.", body = Problem,
            content_type = "application/problem+json"),
        (status = 429, description = "`too_many_tries`: `Retry-After` says when to come back.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
fn change_password() {}

/// Make an API key
///
/// It acts as its owner, except that it cannot change the password or make keys. It is shown this once.
#[utoipa::path(
    post, path = "/v1/me/api-keys", operation_id = "create_api_key", tag = "me",
    request_body(content = NewApiKey),
    responses(
        Refused,
        Standard,
        (status = 201, description = "The key.", body = CreatedApiKey),
        (status = 403, description = "`session_required`: an API key cannot do this. `account_deactivated`.", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "`too_many_keys`: revoke one first.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each field.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
fn create_api_key() {}

/// List one's own API keys
#[utoipa::path(
    get, path = "/v1/me/api-keys", operation_id = "list_api_keys", tag = "me",
    responses(Standard, (status = 200, description = "The keys, the oldest first.", body = ApiKeys))
)]
fn list_api_keys() {}

/// Revoke an API key
///
/// It is refused at once.
#[utoipa::path(
    delete, path = "/v1/me/api-keys/{id}", operation_id = "revoke_api_key", tag = "me",
    params(("id" = String, Path, description = "The key's id", example = "key_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        Standard,
        (status = 204, description = "The key is gone."),
        (status = 403, description = "`session_required`: an API key cannot do this.", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: no such key.", body = Problem, content_type = "application/problem+json"),
    )
)]
fn revoke_api_key() {}

/// List all accounts
///
/// By address.
#[utoipa::path(
    get, path = "/v1/admin/users", operation_id = "list_users", tag = "admin",
    params(ListUsers),
    responses(
        Standard,
        (status = 200, description = "A page of accounts.", body = UserPage),
        (status = 403, description = "`admin_required`.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter; `invalid_cursor`.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
fn list_users() {}

/// Change what an account may do
///
/// Once deactivated, an account cannot sign in or refresh, and its API keys are refused, at once. An access token that it has is
/// good for what is left of its 15 minutes, except for administration. A changed role is in the next access token.
#[utoipa::path(
    patch, path = "/v1/admin/users/{id}", operation_id = "edit_user", tag = "admin",
    params(("id" = String, Path, description = "The account's id", example = "usr_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    request_body(content = EditUser),
    responses(
        Refused,
        Standard,
        (status = 200, description = "The account as it is now.", body = User),
        (status = 403, description = "`admin_required`.", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: no such account.", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "`own_account`: administrators cannot demote or deactivate themselves. `conflict`.",
            body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each field.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
fn edit_user() {}

/// An example for anybody who is signed in
#[utoipa::path(
    get, path = "/v1/examples/protected", operation_id = "get_protected_example", tag = "examples",
    responses(Standard, (status = 200, description = "A greeting.", body = Example))
)]
fn get_protected_example() {}

/// An example for administrators
#[utoipa::path(
    get, path = "/v1/examples/admin", operation_id = "get_admin_example", tag = "examples",
    responses(
        Standard,
        (status = 200, description = "A greeting.", body = Example),
        (status = 403, description = "`admin_required`.", body = Problem, content_type = "application/problem+json"),
    )
)]
fn get_admin_example() {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where an operation and the common answers describe the same status, the operation's own words stand.
    #[test]
    fn an_operations_own_words_come_before_the_common_ones() {
        let document = serde_json::to_value(Docs::openapi()).unwrap();
        let says = |path: &str, status: &str| -> String {
            let description = &document["paths"][path]["post"]["responses"][status]["description"];
            description.as_str().unwrap_or_default().to_owned()
        };
        for (path, status, code) in [
            ("/v1/auth/login", "401", "wrong_credentials"),
            ("/v1/auth/login", "429", "too_many_tries"),
            ("/v1/auth/refresh", "401", "refresh_token_reused"),
            ("/v1/me/password", "429", "too_many_tries"),
        ] {
            assert!(says(path, status).contains(code), "{path} {status}: {}", says(path, status));
        }
    }
}
