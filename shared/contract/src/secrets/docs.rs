//! The operations on secrets, for the OpenAPI document. The functions are never called: their attributes are the document.
#![expect(dead_code, reason = "only the attributes are read")]

use utoipa::OpenApi;

use super::{PutSecret, Secret, Secrets};
use crate::openapi::{Refused, Standard};
use crate::problem::Problem;

/// The operations on secrets.
#[derive(Debug, OpenApi)]
#[openapi(
    tags((name = "secrets", description = "Values that jobs get and nobody sees")),
    paths(list_secrets, put_secret, delete_secret)
)]
pub struct Docs;

/// List one's own secrets
///
/// Their names and times. A value is never shown, to nobody.
#[utoipa::path(
    get, path = "/v1/secrets", operation_id = "list_secrets", tag = "secrets",
    responses(Standard, (status = 200, description = "The secrets, by name.", body = Secrets))
)]
fn list_secrets() {}

/// Keep a secret
///
/// Makes it, or replaces its value. A job refers to it by name in `secrets`, and its command gets the value that the secret has
/// when it starts. In the job's log, progress and output the value is masked: each byte of it, of each of its lines and of its
/// base64 is shown as `*`. Values under 4 characters are not masked.
#[utoipa::path(
    put, path = "/v1/secrets/{name}", operation_id = "put_secret", tag = "secrets",
    params(("name" = String, Path, description = "A name of an environment variable", example = "HF_TOKEN")),
    request_body(content = PutSecret),
    responses(
        Refused,
        Standard,
        (status = 200, description = "It has the new value.", body = Secret),
        (status = 201, description = "It was made.", body = Secret),
        (status = 409, description = "`too_many_secrets`: delete one first.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each field.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
fn put_secret() {}

/// Delete a secret
///
/// Commands that have it keep it. A job that refers to it and has not started fails when it starts.
#[utoipa::path(
    delete, path = "/v1/secrets/{name}", operation_id = "delete_secret", tag = "secrets",
    params(("name" = String, Path, description = "Its name", example = "HF_TOKEN")),
    responses(
        Standard,
        (status = 204, description = "It is gone."),
        (status = 404, description = "`not_found`: there is no such secret.", body = Problem,
            content_type = "application/problem+json"),
    )
)]
fn delete_secret() {}
