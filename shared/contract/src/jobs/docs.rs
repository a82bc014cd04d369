//! The operations on jobs, for the OpenAPI document. The functions are never called: their attributes are the document.
#![expect(dead_code, reason = "only the attributes are read")]

use utoipa::OpenApi;

use super::{
    Attempts, Cost, Counts, CountsQuery, EditJob, EventPage, EventsQuery, Job, JobPage, ListQuery, Log,
    LogQuery, Metrics, MetricsQuery, SubmitJob,
};
use crate::openapi::{Refused, Standard};
use crate::problem::Problem;

/// The operations on jobs.
#[derive(Debug, OpenApi)]
#[openapi(
    tags((name = "jobs", description = "Submit, watch, change, end and repeat jobs")),
    paths(
        submit_job, list_jobs, count_jobs, get_job, edit_job, delete_job, cancel_job, restart_job, get_job_log,
        list_job_events, get_job_metrics, list_job_attempts, get_job_cost
    )
)]
pub struct Docs;

/// Submit a job
///
/// The job is kept before the answer is sent, and every job that was accepted ends. Over the limit of running jobs it waits in
/// its owner's queue, by priority and then by age.
#[utoipa::path(
    post, path = "/v1/jobs", operation_id = "submit_job", tag = "jobs",
    params(("Idempotency-Key" = Option<String>, Header,
        description = "1 to 255 printable ASCII characters of your own. Within 24 hours the same key with the same body is \
            answered as before, with `Idempotent-Replayed: true`, and nothing is submitted again. `invalid_idempotency_key` (400) for any other key.",
        example = "nightly-2026-01-02")),
    request_body(content = SubmitJob),
    responses(
        (status = 201, description = "The job was accepted.", body = Job,
            headers(("Location" = String, description = "Path of the job"),
                ("Idempotent-Replayed" = String, description = "`true` if this is the answer of an earlier request"))),
        (status = 422, description = "`invalid_fields`: `errors` names each field. `idempotency_key_reused`: the key was \
            used with another body.", body = Problem, content_type = "application/problem+json"),
        Refused,
        Standard,
    )
)]
fn submit_job() {}

/// List jobs
///
/// Newest first.
#[utoipa::path(
    get, path = "/v1/jobs", operation_id = "list_jobs", tag = "jobs",
    params(ListQuery),
    responses(
        (status = 200, description = "A page of jobs.", body = JobPage),
        (status = 404, description = "`not_found`: no such user.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter. `invalid_cursor`: it is not one of this list's.", body = Problem,
            content_type = "application/problem+json"),
        Standard,
    )
)]
fn list_jobs() {}

/// Count jobs by status
#[utoipa::path(
    get, path = "/v1/jobs/counts", operation_id = "count_jobs", tag = "jobs",
    params(CountsQuery),
    responses(
        (status = 200, description = "The counts.", body = Counts),
        (status = 404, description = "`not_found`: no such user.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter.", body = Problem,
            content_type = "application/problem+json"),
        Standard,
    )
)]
fn count_jobs() {}

/// Get a job
#[utoipa::path(
    get, path = "/v1/jobs/{id}", operation_id = "get_job", tag = "jobs",
    params(("id" = String, Path, description = "The job's id", example = "job_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 200, description = "The job.", body = Job),
        (status = 404, description = "`not_found`: no such job, or not yours.", body = Problem,
            content_type = "application/problem+json"),
        Standard,
    )
)]
fn get_job() {}

/// Change a job's name, description, tags or priority
#[utoipa::path(
    patch, path = "/v1/jobs/{id}", operation_id = "edit_job", tag = "jobs",
    params(("id" = String, Path, description = "The job's id", example = "job_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    request_body(content = EditJob),
    responses(
        (status = 200, description = "The job as it is now.", body = Job),
        (status = 404, description = "`not_found`: no such job, or not yours.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each field.", body = Problem,
            content_type = "application/problem+json"),
        Refused,
        Standard,
    )
)]
fn edit_job() {}

/// Delete a job that has ended
///
/// With its attempts, its history and its log. What it cost stays in its owner's spend.
#[utoipa::path(
    delete, path = "/v1/jobs/{id}", operation_id = "delete_job", tag = "jobs",
    params(("id" = String, Path, description = "The job's id", example = "job_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 404, description = "`not_found`: no such job, or not yours.", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "`job_not_ended`: cancel it first.", body = Problem,
            content_type = "application/problem+json"),
        Standard,
    )
)]
fn delete_job() {}

/// Cancel a job
///
/// The command gets SIGTERM, and SIGKILL 30 seconds later; its instance is given back. The job is `cancelled` once that is done.
/// Asking again changes nothing.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/cancel", operation_id = "cancel_job", tag = "jobs",
    params(("id" = String, Path, description = "The job's id", example = "job_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 202, description = "It will end, or has ended if it was still in its owner's queue.", body = Job),
        (status = 404, description = "`not_found`: no such job, or not yours.", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "`job_ended`: it has ended already.", body = Problem,
            content_type = "application/problem+json"),
        (status = 503, description = "`not_woken`: the cancellation is recorded, but it may take until the next look at the \
            job. Repeat the request to hurry it.", body = Problem, content_type = "application/problem+json"),
        Standard,
    )
)]
fn cancel_job() {}

/// Restart a job that has ended
///
/// A new job with the same specification, secrets included; its `restart_of` names the one that it repeats.
#[utoipa::path(
    post, path = "/v1/jobs/{id}/restart", operation_id = "restart_job", tag = "jobs",
    params(("id" = String, Path, description = "The job's id", example = "job_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"),
        ("Idempotency-Key" = Option<String>, Header, description = "As for a submission", example = "again-1")),
    responses(
        (status = 201, description = "The new job.", body = Job,
            headers(("Location" = String, description = "Path of the new job"),
                ("Idempotent-Replayed" = String, description = "`true` if this is the answer of an earlier request"))),
        (status = 400, description = "`invalid_idempotency_key`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: no such job, or not yours.", body = Problem,
            content_type = "application/problem+json"),
        (status = 409, description = "`job_not_ended`: it still goes on.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`idempotency_key_reused`: the key was used for another request. `invalid_fields`: a secret \
            that it names is gone.", body = Problem,
            content_type = "application/problem+json"),
        Standard,
    )
)]
fn restart_job() {}

/// Read a job's log
///
/// From its beginning, from `offset`, its last lines (`tail`), or what came after an earlier answer (`after`). To follow it, pass
/// `next` as `after` until `complete`; while somebody reads, the log comes every two seconds. With `Accept: text/plain` the
/// answer is the text alone, and the headers `Log-Next` and `Log-Complete` say the rest.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/log", operation_id = "get_job_log", tag = "jobs",
    params(("id" = String, Path, description = "The job's id", example = "job_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), LogQuery),
    responses(
        (status = 200, description = "Some of the log.",
            headers(("Log-Next" = String, description = "`next`, with text/plain"),
                ("Log-Complete" = String, description = "`complete`, with text/plain")),
            content((Log = "application/json"), (String = "text/plain"))),
        (status = 404, description = "`not_found`: no such job or attempt, or not yours.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter.", body = Problem,
            content_type = "application/problem+json"),
        Standard,
    )
)]
fn get_job_log() {}

/// List what happened to a job
///
/// In order and without gaps, from the first event on: nothing is ever dropped before the job is deleted.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/events", operation_id = "list_job_events", tag = "jobs",
    params(("id" = String, Path, description = "The job's id", example = "job_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), EventsQuery),
    responses(
        (status = 200, description = "A page of events.", body = EventPage),
        (status = 404, description = "`not_found`: no such job, or not yours.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter.", body = Problem,
            content_type = "application/problem+json"),
        Standard,
    )
)]
fn list_job_events() {}

/// Get what an attempt's GPUs did
#[utoipa::path(
    get, path = "/v1/jobs/{id}/metrics", operation_id = "get_job_metrics", tag = "jobs",
    params(("id" = String, Path, description = "The job's id", example = "job_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f"), MetricsQuery),
    responses(
        (status = 200, description = "The figures, the oldest first.", body = Metrics),
        (status = 404, description = "`not_found`: no such job or attempt, or not yours.", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`: `errors` names each parameter.", body = Problem,
            content_type = "application/problem+json"),
        Standard,
    )
)]
fn get_job_metrics() {}

/// List a job's attempts
#[utoipa::path(
    get, path = "/v1/jobs/{id}/attempts", operation_id = "list_job_attempts", tag = "jobs",
    params(("id" = String, Path, description = "The job's id", example = "job_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 200, description = "All attempts, the first first.", body = Attempts),
        (status = 404, description = "`not_found`: no such job, or not yours.", body = Problem,
            content_type = "application/problem+json"),
        Standard,
    )
)]
fn list_job_attempts() {}

/// Get what a job cost
///
/// Each attempt at its own price, from its instance's creation until the provider confirmed that it is gone.
#[utoipa::path(
    get, path = "/v1/jobs/{id}/cost", operation_id = "get_job_cost", tag = "jobs",
    params(("id" = String, Path, description = "The job's id", example = "job_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")),
    responses(
        (status = 200, description = "The cost so far.", body = Cost),
        (status = 404, description = "`not_found`: no such job, or not yours.", body = Problem,
            content_type = "application/problem+json"),
        Standard,
    )
)]
fn get_job_cost() {}
