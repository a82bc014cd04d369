//! The operations on schedules, for the OpenAPI document. The functions are never called: their attributes are the document.
#![expect(dead_code, reason = "only the attributes are read")]

use utoipa::OpenApi;

use super::{EditSchedule, NewSchedule, Schedule, Schedules};
use crate::openapi::{Refused, Standard};
use crate::problem::Problem;

/// The operations on schedules.
#[derive(Debug, OpenApi)]
#[openapi(
    tags((name = "schedules", description = "Run workflows at set times")),
    paths(
        list_schedules, create_schedule, get_schedule, edit_schedule, delete_schedule
    )
)]
pub struct Docs;

/// List the schedules of a workflow
#[utoipa::path(
    get, path = "/v1/workflows/{id}/schedules", operation_id = "list_schedules", tag = "schedules",
    params(("id" = String, Path, description = "The workflow's id", example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 200, description = "All of them, the oldest first.", body = Schedules),
        (status = 404, description = "`not_found`: no such workflow, or not yours.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn list_schedules() {}

/// Create a schedule
#[utoipa::path(
    post, path = "/v1/workflows/{id}/schedules", operation_id = "create_schedule", tag = "schedules",
    params(("id" = String, Path, description = "The workflow's id", example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    request_body(content = NewSchedule),
    responses(
        (status = 201, description = "The schedule.", body = Schedule),
        (status = 404, description = "`not_found`: no such workflow, or not yours.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`too_many_schedules`: delete one first.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each field.", body = Problem, content_type = "application/problem+json"),
        Refused,
        Standard,
    )
)]
fn create_schedule() {}

/// Get a schedule
#[utoipa::path(
    get, path = "/v1/workflows/{id}/schedules/{schedule}", operation_id = "get_schedule", tag = "schedules",
    params(("id" = String, Path, description = "The workflow's id", example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), ("schedule" = String, Path, description = "The schedule's id", example = "sch_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 200, description = "The schedule.", body = Schedule),
        (status = 404, description = "`not_found`: no such workflow or schedule, or not yours.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn get_schedule() {}

/// Change a schedule
///
/// Slots that passed while it was not active are not caught up.
#[utoipa::path(
    patch, path = "/v1/workflows/{id}/schedules/{schedule}", operation_id = "edit_schedule", tag = "schedules",
    params(("id" = String, Path, description = "The workflow's id", example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), ("schedule" = String, Path, description = "The schedule's id", example = "sch_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    request_body(content = EditSchedule),
    responses(
        (status = 200, description = "The schedule as it is now.", body = Schedule),
        (status = 404, description = "`not_found`: no such workflow or schedule, or not yours.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each field.", body = Problem, content_type = "application/problem+json"),
        Refused,
        Standard,
    )
)]
fn edit_schedule() {}

/// Delete a schedule
///
/// The runs that it started stay.
#[utoipa::path(
    delete, path = "/v1/workflows/{id}/schedules/{schedule}", operation_id = "delete_schedule", tag = "schedules",
    params(("id" = String, Path, description = "The workflow's id", example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), ("schedule" = String, Path, description = "The schedule's id", example = "sch_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "`not_found`: no such workflow or schedule, or not yours.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn delete_schedule() {}
