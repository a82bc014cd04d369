//! The operations on notifications, for the OpenAPI document. The functions are never called: their attributes are the document.
#![expect(dead_code, reason = "only the attributes are read")]

use utoipa::OpenApi;

use super::{Delivery, DeliveryPage, EditEndpoint, Endpoint, EndpointSecret, Endpoints, NewEndpoint};
use crate::openapi::{Refused, Standard};
use crate::problem::Problem;
use crate::workflows::PageQuery;

/// The operations on notifications.
#[derive(Debug, OpenApi)]
#[openapi(
    tags((name = "notifications", description = "Tell your servers of the ends of jobs and runs")),
    paths(
        list_endpoints, create_endpoint, get_endpoint, edit_endpoint, delete_endpoint, test_endpoint, rotate_endpoint_secret, list_deliveries, redeliver
    )
)]
pub struct Docs;

/// List endpoints
#[utoipa::path(
    get, path = "/v1/notifications/endpoints", operation_id = "list_endpoints", tag = "notifications",
    responses(
        (status = 200, description = "All of them, the oldest first.", body = Endpoints),
        Standard,
    )
)]
fn list_endpoints() {}

/// Create an endpoint
///
/// Messages are signed as Standard Webhooks 1.0 says, and tried again with pauses for a day. The signing secret is shown once.
#[utoipa::path(
    post, path = "/v1/notifications/endpoints", operation_id = "create_endpoint", tag = "notifications",
    request_body(content = NewEndpoint),
    responses(
        (status = 201, description = "The endpoint with its secret.", body = EndpointSecret),
        (status = 409, description = "`too_many_endpoints`: delete one first.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each field.", body = Problem, content_type = "application/problem+json"),
        Refused,
        Standard,
    )
)]
fn create_endpoint() {}

/// Get an endpoint
#[utoipa::path(
    get, path = "/v1/notifications/endpoints/{id}", operation_id = "get_endpoint", tag = "notifications",
    params(("id" = String, Path, description = "The endpoint's id", example = "whk_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 200, description = "The endpoint.", body = Endpoint),
        (status = 404, description = "`not_found`: no such endpoint, or not yours.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn get_endpoint() {}

/// Change an endpoint
#[utoipa::path(
    patch, path = "/v1/notifications/endpoints/{id}", operation_id = "edit_endpoint", tag = "notifications",
    params(("id" = String, Path, description = "The endpoint's id", example = "whk_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    request_body(content = EditEndpoint),
    responses(
        (status = 200, description = "The endpoint as it is now.", body = Endpoint),
        (status = 404, description = "`not_found`: no such endpoint, or not yours.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each field.", body = Problem, content_type = "application/problem+json"),
        Refused,
        Standard,
    )
)]
fn edit_endpoint() {}

/// Delete an endpoint
///
/// What was not delivered yet is not delivered any more.
#[utoipa::path(
    delete, path = "/v1/notifications/endpoints/{id}", operation_id = "delete_endpoint", tag = "notifications",
    params(("id" = String, Path, description = "The endpoint's id", example = "whk_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "`not_found`: no such endpoint, or not yours.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn delete_endpoint() {}

/// Send a test message
///
/// Of type `test.ping`, signed as any other and tried once, also if the endpoint is turned off.
#[utoipa::path(
    post, path = "/v1/notifications/endpoints/{id}/test", operation_id = "test_endpoint", tag = "notifications",
    params(("id" = String, Path, description = "The endpoint's id", example = "whk_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 202, description = "The message; its tries are in the log of deliveries.", body = Delivery),
        (status = 404, description = "`not_found`: no such endpoint, or not yours.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn test_endpoint() {}

/// Make a new signing secret
///
/// It counts at once, for messages that are tried again too.
#[utoipa::path(
    post, path = "/v1/notifications/endpoints/{id}/rotate-secret", operation_id = "rotate_endpoint_secret", tag = "notifications",
    params(("id" = String, Path, description = "The endpoint's id", example = "whk_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 200, description = "The endpoint with its new secret.", body = EndpointSecret),
        (status = 404, description = "`not_found`: no such endpoint, or not yours.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn rotate_endpoint_secret() {}

/// List what was sent to an endpoint
///
/// Newest first, each with its tries.
#[utoipa::path(
    get, path = "/v1/notifications/endpoints/{id}/deliveries", operation_id = "list_deliveries", tag = "notifications",
    params(("id" = String, Path, description = "The endpoint's id", example = "whk_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), PageQuery),
    responses(
        (status = 200, description = "A page of messages.", body = DeliveryPage),
        (status = 404, description = "`not_found`: no such endpoint, or not yours.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter. `invalid_cursor`: it is not one of this list's.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn list_deliveries() {}

/// Send a message again
///
/// To where its endpoint is now, with the same body and the same `webhook-id`, tried once.
#[utoipa::path(
    post, path = "/v1/notifications/deliveries/{id}/redeliver", operation_id = "redeliver", tag = "notifications",
    params(("id" = String, Path, description = "The message's id", example = "msg_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 202, description = "The new message.", body = Delivery),
        (status = 404, description = "`not_found`: no such message, or not yours, or its endpoint is gone.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn redeliver() {}
