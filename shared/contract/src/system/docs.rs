//! The platform's operations on itself, for the OpenAPI document. The functions are never called: their attributes are the
//! document.
#![expect(dead_code, reason = "only the attributes are read")]

use utoipa::OpenApi;

use super::Health;

/// The platform's operations on itself.
#[derive(Debug, OpenApi)]
#[openapi(
    tags((name = "system", description = "The platform about itself")),
    paths(get_health, get_openapi, get_docs)
)]
pub struct Docs;

/// Whether the API answers
#[utoipa::path(
    get, path = "/healthz", operation_id = "get_health", tag = "system", security(()),
    responses((status = 200, description = "It does.", body = Health, example = json!({"status": "ok"})))
)]
fn get_health() {}

/// This document
#[utoipa::path(
    get, path = "/v1/openapi.json", operation_id = "get_openapi", tag = "system", security(()),
    responses((status = 200, description = "OpenAPI 3.1.", body = serde_json::Value))
)]
fn get_openapi() {}

/// This document as a page
#[utoipa::path(
    get, path = "/docs", operation_id = "get_docs", tag = "system", security(()),
    responses((status = 200, description = "A page to read.", body = String, content_type = "text/html"))
)]
fn get_docs() {}
