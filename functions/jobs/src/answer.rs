//! What the use cases say, as HTTP says it.

use app::jobs::{JobError, Seen};
use contract::jobs::{Job, JobFacts};
use http::{HeaderValue, StatusCode, header};
use lambda::Problem;

/// A job as it is shown.
pub(crate) fn job(seen: Seen) -> Job {
    let facts = JobFacts {
        now: seen.at,
        attempt_id: seen.attempt_id,
        progress: seen.progress,
        cost: seen.cost,
        waits_for: seen.waits_for,
    };
    Job::new(seen.job, facts)
}

/// An error as it is shown.
pub(crate) fn problem(error: JobError) -> Problem {
    match error {
        JobError::Invalid(errors) => Problem::invalid(errors),
        JobError::NotFound => Problem::not_found("job"),
        JobError::NoSuchAttempt => Problem::not_found("attempt"),
        JobError::NotEnded => Problem::conflict(
            "job_not_ended",
            "The job has not ended. Cancel it, wait until it has a final status, and repeat the request.",
        ),
        JobError::Ended => Problem::conflict("job_ended", "The job has ended already: there is nothing to cancel."),
        JobError::KeyReused => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_key_reused",
            "This Idempotency-Key was used for another request within the last 24 hours. Use a new one.",
        ),
        JobError::NotWoken(_) => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not_woken",
            "The cancellation is recorded, but the job may only see it at its next look. Repeat the request to hurry it.",
        )
        .with_header(header::RETRY_AFTER, HeaderValue::from_static("2")),
        JobError::Store(error) => error.into(),
        JobError::Seal(_) => Problem::internal(error),
    }
}
