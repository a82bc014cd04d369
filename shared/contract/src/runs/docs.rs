//! The operations on runs, for the OpenAPI document. The functions are never called: their attributes are the document.
#![expect(dead_code, reason = "only the attributes are read")]

use utoipa::OpenApi;

use super::{
    ChangeRun, CompareQuery, Comparison, ItemPage, NodeDetail, NodePage, NodesQuery, Run, RunDetail,
    RunEventPage, RunPage, RunsQuery, StartRun,
};
use crate::jobs::EventsQuery;
use crate::openapi::{Refused, Standard};
use crate::problem::Problem;
use crate::workflows::{Graph, PageQuery};

/// The operations on runs.
#[derive(Debug, OpenApi)]
#[openapi(
    tags((name = "runs", description = "Start, watch, end, resume and compare runs of workflows")),
    paths(
        start_run, list_workflow_runs, list_runs, get_run, get_run_graph, list_run_nodes, get_run_node, list_run_node_items, list_run_events, cancel_run, resume_run, rerun_run, retry_run_node, compare_runs
    )
)]
pub struct Docs;

/// Start a run
///
/// It keeps the version that it starts with.
#[utoipa::path(
    post, path = "/v1/workflows/{id}/runs", operation_id = "start_run", tag = "runs",
    params(("id" = String, Path, description = "The workflow's id", example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), ("Idempotency-Key" = Option<String>, Header,
            description = "1 to 255 printable ASCII characters of your own. Within 24 hours the same key with the same request is \
                answered as before, with `Idempotent-Replayed: true`, and nothing is made again.",
            example = "nightly-2026-01-02")),
    request_body(content = Option<StartRun>),
    responses(
        (status = 201, description = "The run.", body = Run,
            headers(("Location" = String, description = "Path of it"),
                ("Idempotent-Replayed" = String, description = "`true` if this is the answer of an earlier request"))),
        (status = 404, description = "`not_found`: no such workflow or version, or not yours.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`workflow_paused`: activate it first.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter. `idempotency_key_reused`: the key was used for another request.", body = Problem, content_type = "application/problem+json"),
        Refused,
        Standard,
    )
)]
fn start_run() {}

/// List the runs of a workflow
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/workflows/{id}/runs", operation_id = "list_workflow_runs", tag = "runs",
    params(("id" = String, Path, description = "The workflow's id", example = "wfl_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), ("status" = Option<Vec<super::RunStatus>>, Query, description = "One of these: repeated, or separated by commas"), PageQuery),
    responses(
        (status = 200, description = "A page of runs.", body = RunPage),
        (status = 404, description = "`not_found`: no such workflow, or not yours.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter. `invalid_cursor`: it is not one of this list's.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn list_workflow_runs() {}

/// List runs
///
/// Of all of one's workflows, newest first; those of deleted workflows too.
#[utoipa::path(
    get, path = "/v1/runs", operation_id = "list_runs", tag = "runs",
    params(RunsQuery),
    responses(
        (status = 200, description = "A page of runs.", body = RunPage),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter. `invalid_cursor`: it is not one of this list's.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn list_runs() {}

/// Get a run
///
/// With its parameters and its critical path.
#[utoipa::path(
    get, path = "/v1/runs/{id}", operation_id = "get_run", tag = "runs",
    params(("id" = String, Path, description = "The run's id", example = "run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 200, description = "The run.", body = RunDetail),
        (status = 404, description = "`not_found`: no such run, or not yours.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn get_run() {}

/// Get the graph of a run
///
/// Of the version that it started with, whatever became of the workflow.
#[utoipa::path(
    get, path = "/v1/runs/{id}/graph", operation_id = "get_run_graph", tag = "runs",
    params(("id" = String, Path, description = "The run's id", example = "run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 200, description = "Its nodes and edges.", body = Graph),
        (status = 404, description = "`not_found`: no such run, or not yours.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn get_run_graph() {}

/// List the nodes of a run
///
/// All of them by their numbers, those that wait too; the items of maps are not among them.
#[utoipa::path(
    get, path = "/v1/runs/{id}/nodes", operation_id = "list_run_nodes", tag = "runs",
    params(("id" = String, Path, description = "The run's id", example = "run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), NodesQuery),
    responses(
        (status = 200, description = "A page of nodes.", body = NodePage),
        (status = 404, description = "`not_found`: no such run, or not yours.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter. `invalid_cursor`: it is not one of this list's.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn list_run_nodes() {}

/// Get a node of a run
#[utoipa::path(
    get, path = "/v1/runs/{id}/nodes/{node}", operation_id = "get_run_node", tag = "runs",
    params(("id" = String, Path, description = "The run's id", example = "run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), ("node" = String, Path, description = "The node's name, behind those of its groups, or its number", example = "check.accuracy")),
    responses(
        (status = 200, description = "The node.", body = NodeDetail),
        (status = 404, description = "`not_found`: no such run or node, or not yours.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn get_run_node() {}

/// List the items of a map
///
/// Those that something has happened to, in order.
#[utoipa::path(
    get, path = "/v1/runs/{id}/nodes/{node}/items", operation_id = "list_run_node_items", tag = "runs",
    params(("id" = String, Path, description = "The run's id", example = "run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), ("node" = String, Path, description = "The node's name, behind those of its groups, or its number", example = "check.accuracy"), PageQuery),
    responses(
        (status = 200, description = "A page of items.", body = ItemPage),
        (status = 404, description = "`not_found`: no such run or node, or not yours.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter. `invalid_cursor`: it is not one of this list's.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn list_run_node_items() {}

/// List what happened to a run
///
/// In order and without gaps; what happened to its nodes is in it.
#[utoipa::path(
    get, path = "/v1/runs/{id}/events", operation_id = "list_run_events", tag = "runs",
    params(("id" = String, Path, description = "The run's id", example = "run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), EventsQuery),
    responses(
        (status = 200, description = "A page of events.", body = RunEventPage),
        (status = 404, description = "`not_found`: no such run, or not yours.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn list_run_events() {}

/// Cancel a run
///
/// Nothing new starts, and the jobs that run are cancelled; the run is `cancelled` once they have ended. Asking again changes
/// nothing.
#[utoipa::path(
    post, path = "/v1/runs/{id}/cancel", operation_id = "cancel_run", tag = "runs",
    params(("id" = String, Path, description = "The run's id", example = "run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 202, description = "It will end.", body = Run),
        (status = 404, description = "`not_found`: no such run, or not yours.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`run_ended`: it has ended already.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn cancel_run() {}

/// Resume a run that has ended
///
/// As a new run: nodes that succeeded keep their outputs, the others run again, and so does what reads a parameter that changed and
/// everything behind.
#[utoipa::path(
    post, path = "/v1/runs/{id}/resume", operation_id = "resume_run", tag = "runs",
    params(("id" = String, Path, description = "The run's id", example = "run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), ("Idempotency-Key" = Option<String>, Header,
            description = "1 to 255 printable ASCII characters of your own. Within 24 hours the same key with the same request is \
                answered as before, with `Idempotent-Replayed: true`, and nothing is made again.",
            example = "nightly-2026-01-02")),
    request_body(content = Option<ChangeRun>),
    responses(
        (status = 201, description = "The new run.", body = Run,
            headers(("Location" = String, description = "Path of it"),
                ("Idempotent-Replayed" = String, description = "`true` if this is the answer of an earlier request"))),
        (status = 404, description = "`not_found`: no such run, or not yours.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`run_not_ended`: cancel it first. `workflow_paused`: activate the workflow first.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter. `idempotency_key_reused`: the key was used for another request.", body = Problem, content_type = "application/problem+json"),
        Refused,
        Standard,
    )
)]
fn resume_run() {}

/// Repeat a run that has ended from its beginning
///
/// As a new run of the same version, with the same parameters but for those that are given.
#[utoipa::path(
    post, path = "/v1/runs/{id}/rerun", operation_id = "rerun_run", tag = "runs",
    params(("id" = String, Path, description = "The run's id", example = "run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), ("Idempotency-Key" = Option<String>, Header,
            description = "1 to 255 printable ASCII characters of your own. Within 24 hours the same key with the same request is \
                answered as before, with `Idempotent-Replayed: true`, and nothing is made again.",
            example = "nightly-2026-01-02")),
    request_body(content = Option<ChangeRun>),
    responses(
        (status = 201, description = "The new run.", body = Run,
            headers(("Location" = String, description = "Path of it"),
                ("Idempotent-Replayed" = String, description = "`true` if this is the answer of an earlier request"))),
        (status = 404, description = "`not_found`: no such run, or not yours.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`run_not_ended`: cancel it first. `workflow_paused`: activate the workflow first.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter. `idempotency_key_reused`: the key was used for another request.", body = Problem, content_type = "application/problem+json"),
        Refused,
        Standard,
    )
)]
fn rerun_run() {}

/// Run one node of an ended run again
///
/// And everything behind it, as a new run; the other nodes keep their outputs.
#[utoipa::path(
    post, path = "/v1/runs/{id}/nodes/{node}/retry", operation_id = "retry_run_node", tag = "runs",
    params(("id" = String, Path, description = "The run's id", example = "run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), ("node" = String, Path, description = "The node's name, behind those of its groups, or its number", example = "check.accuracy"), ("Idempotency-Key" = Option<String>, Header,
            description = "1 to 255 printable ASCII characters of your own. Within 24 hours the same key with the same request is \
                answered as before, with `Idempotent-Replayed: true`, and nothing is made again.",
            example = "nightly-2026-01-02")),
    responses(
        (status = 201, description = "The new run.", body = Run,
            headers(("Location" = String, description = "Path of it"),
                ("Idempotent-Replayed" = String, description = "`true` if this is the answer of an earlier request"))),
        (status = 400, description = "`invalid_idempotency_key`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: no such run or node, or not yours.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`run_not_ended`: cancel it first. `workflow_paused`: activate the workflow first.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter. `idempotency_key_reused`: the key was used for another request.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn retry_run_node() {}

/// Compare two runs
///
/// Differences alone: parameters, definitions, and the nodes' statuses, attempts, times, costs and outputs.
#[utoipa::path(
    get, path = "/v1/runs/{id}/compare", operation_id = "compare_runs", tag = "runs",
    params(("id" = String, Path, description = "The run's id", example = "run_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), CompareQuery),
    responses(
        (status = 200, description = "What differs.", body = Comparison),
        (status = 404, description = "`not_found`: no such run, or not yours.", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn compare_runs() {}
