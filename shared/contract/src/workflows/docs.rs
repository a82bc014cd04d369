//! The operations on workflows, for the OpenAPI document. The functions are never called: their attributes are the document.
#![expect(dead_code, reason = "only the attributes are read")]

use utoipa::OpenApi;

use super::{
    EditWorkflow, Instantiate, NewVersion, NewWorkflow, PageQuery, TemplatePage, TemplatesQuery,
    ValidateWorkflow, Validated, VersionDetail, VersionPage, Workflow, WorkflowPage, WorkflowsQuery,
};
use crate::openapi::{Refused, Standard};
use crate::problem::Problem;

/// The operations on workflows.
#[derive(Debug, OpenApi)]
#[openapi(
    tags((name = "workflows", description = "Define graphs of jobs, keep their versions, share them as templates")),
    paths(
        create_workflow, validate_workflow, list_workflows, get_workflow, update_workflow, edit_workflow, delete_workflow, activate_workflow, pause_workflow, list_workflow_versions, get_workflow_version, list_templates, get_template, instantiate_template
    )
)]
pub struct Docs;

/// Create a workflow
///
/// The definition is checked as a whole: whatever is wrong is said at once, each error with its place such as
/// `nodes.train.depends_on[0]`. At most 4 MiB.
#[utoipa::path(
    post, path = "/v1/workflows", operation_id = "create_workflow", tag = "workflows",
    params(("Idempotency-Key" = Option<String>, Header,
            description = "1 to 255 printable ASCII characters of your own. Within 24 hours the same key with the same request is \
                answered as before, with `Idempotent-Replayed: true`, and nothing is made again.",
            example = "nightly-2026-01-02")),
    request_body(content = NewWorkflow),
    responses(
        (status = 201, description = "The workflow.", body = Workflow,
            headers(("Location" = String, description = "Path of it"),
                ("Idempotent-Replayed" = String, description = "`true` if this is the answer of an earlier request"))),
        (status = 422, description = "`invalid_fields`: `errors` names each field, or place in the definition. `idempotency_key_reused`: the key was used with another body.", body = Problem, content_type = "application/problem+json"),
        Refused,
        Standard,
    )
)]
fn create_workflow() {}

/// Check a definition
///
/// Nothing is kept. A definition that is wrong is no error of this request: `errors` says what is wrong, with lines of YAML where
/// they are known.
#[utoipa::path(
    post, path = "/v1/workflows:validate", operation_id = "validate_workflow", tag = "workflows",
    request_body(content = ValidateWorkflow),
    responses(
        (status = 200, description = "What was found.", body = Validated),
        (status = 422, description = "`invalid_fields`: there is not exactly one of definition and yaml.", body = Problem, content_type = "application/problem+json"),
        Refused,
        Standard,
    )
)]
fn validate_workflow() {}

/// List workflows
///
/// Newest first, with their runs so far and their next slot.
#[utoipa::path(
    get, path = "/v1/workflows", operation_id = "list_workflows", tag = "workflows",
    params(WorkflowsQuery),
    responses(
        (status = 200, description = "A page of workflows.", body = WorkflowPage),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter. `invalid_cursor`: it is not one of this list's.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn list_workflows() {}

/// Get a workflow
#[utoipa::path(
    get, path = "/v1/workflows/{id}", operation_id = "get_workflow", tag = "workflows",
    params(("id" = String, Path, description = "The workflow's id", example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 200, description = "The workflow.", body = Workflow),
        (status = 404, description = "`not_found`: no such workflow, or not yours.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn get_workflow() {}

/// Make a new version
///
/// Runs that go on keep the version that they started with; new runs and schedules take this one. A definition that is the same as
/// the latest makes no version.
#[utoipa::path(
    put, path = "/v1/workflows/{id}", operation_id = "update_workflow", tag = "workflows",
    params(("id" = String, Path, description = "The workflow's id", example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    request_body(content = NewVersion),
    responses(
        (status = 200, description = "The workflow as it is now.", body = Workflow),
        (status = 404, description = "`not_found`: no such workflow, or not yours.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`version_conflict`: there is a later version than `base_version`. `conflict`: somebody changed it at the same time.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each field, or place in the definition.", body = Problem, content_type = "application/problem+json"),
        Refused,
        Standard,
    )
)]
fn update_workflow() {}

/// Share a workflow as a template, or no longer
///
/// What was instantiated from it stays.
#[utoipa::path(
    patch, path = "/v1/workflows/{id}", operation_id = "edit_workflow", tag = "workflows",
    params(("id" = String, Path, description = "The workflow's id", example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    request_body(content = EditWorkflow),
    responses(
        (status = 200, description = "The workflow as it is now.", body = Workflow),
        (status = 404, description = "`not_found`: no such workflow, or not yours.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each field.", body = Problem, content_type = "application/problem+json"),
        Refused,
        Standard,
    )
)]
fn edit_workflow() {}

/// Delete a workflow
///
/// With its schedules. Runs that go on do so to their end, and its runs can still be read.
#[utoipa::path(
    delete, path = "/v1/workflows/{id}", operation_id = "delete_workflow", tag = "workflows",
    params(("id" = String, Path, description = "The workflow's id", example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "`not_found`: no such workflow, or not yours.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn delete_workflow() {}

/// Activate a workflow
///
/// Its schedules fire again; their `catch_up` says what becomes of slots that passed meanwhile.
#[utoipa::path(
    post, path = "/v1/workflows/{id}/activate", operation_id = "activate_workflow", tag = "workflows",
    params(("id" = String, Path, description = "The workflow's id", example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 200, description = "The workflow as it is now.", body = Workflow),
        (status = 404, description = "`not_found`: no such workflow, or not yours.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn activate_workflow() {}

/// Pause a workflow
///
/// No schedule fires and no run starts. Runs that go on do so.
#[utoipa::path(
    post, path = "/v1/workflows/{id}/pause", operation_id = "pause_workflow", tag = "workflows",
    params(("id" = String, Path, description = "The workflow's id", example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 200, description = "The workflow as it is now.", body = Workflow),
        (status = 404, description = "`not_found`: no such workflow, or not yours.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn pause_workflow() {}

/// List the versions of a workflow
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/workflows/{id}/versions", operation_id = "list_workflow_versions", tag = "workflows",
    params(("id" = String, Path, description = "The workflow's id", example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), PageQuery),
    responses(
        (status = 200, description = "A page of versions.", body = VersionPage),
        (status = 404, description = "`not_found`: no such workflow, or not yours.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter. `invalid_cursor`: it is not one of this list's.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn list_workflow_versions() {}

/// Get a version with its definition
#[utoipa::path(
    get, path = "/v1/workflows/{id}/versions/{n}", operation_id = "get_workflow_version", tag = "workflows",
    params(("id" = String, Path, description = "The workflow's id", example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), ("n" = u32, Path, description = "The version's number", example = 1)),
    responses(
        (status = 200, description = "The version.", body = VersionDetail),
        (status = 404, description = "`not_found`: no such workflow or version, or not yours.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn get_workflow_version() {}

/// List templates
///
/// One's own, then those that others made public.
#[utoipa::path(
    get, path = "/v1/templates", operation_id = "list_templates", tag = "workflows",
    params(TemplatesQuery),
    responses(
        (status = 200, description = "A page of templates.", body = TemplatePage),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter. `invalid_cursor`: it is not one of this list's.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn list_templates() {}

/// Get a template with its definition
#[utoipa::path(
    get, path = "/v1/templates/{id}", operation_id = "get_template", tag = "workflows",
    params(("id" = String, Path, description = "The template's id", example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 200, description = "Its latest version.", body = VersionDetail),
        (status = 404, description = "`not_found`: no such template, or not yours and not public.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn get_template() {}

/// Make a workflow out of a template
///
/// A workflow of one's own with the template's definition as it is now.
#[utoipa::path(
    post, path = "/v1/templates/{id}/instantiate", operation_id = "instantiate_template", tag = "workflows",
    params(("id" = String, Path, description = "The template's id", example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), ("Idempotency-Key" = Option<String>, Header,
            description = "1 to 255 printable ASCII characters of your own. Within 24 hours the same key with the same request is \
                answered as before, with `Idempotent-Replayed: true`, and nothing is made again.",
            example = "nightly-2026-01-02")),
    request_body(content = Option<Instantiate>),
    responses(
        (status = 201, description = "The new workflow.", body = Workflow,
            headers(("Location" = String, description = "Path of it"),
                ("Idempotent-Replayed" = String, description = "`true` if this is the answer of an earlier request"))),
        (status = 404, description = "`not_found`: no such template, or not yours and not public.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each field. `idempotency_key_reused`: the key was used for another request.", body = Problem, content_type = "application/problem+json"),
        Refused,
        Standard,
    )
)]
fn instantiate_template() {}
