//! Looks at jobs.

use app::{jobs::LogRange, ports::JobFilter};
use axum::{
    Json,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use contract::jobs::{
    Attempt, AttemptCost, Attempts, Cost, Counts, CountsQuery, EventPage, EventsQuery, GpuFigures, Job,
    JobPage, ListQuery, Log, LogPosition, LogQuery, Metrics, MetricsQuery, MetricsRow,
};
use domain::JobId;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use lambda::{Caller, Path, Platform, Problem};

use crate::answer;

const LOG_NEXT: HeaderName = HeaderName::from_static("log-next");
const LOG_COMPLETE: HeaderName = HeaderName::from_static("log-complete");

pub(crate) async fn job(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<JobId>,
) -> Result<Json<Job>, Problem> {
    let seen = platform.jobs().get(&caller, id).await.map_err(answer::problem)?;
    Ok(Json(answer::job(seen)))
}

pub(crate) async fn list(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<JobPage>, Problem> {
    let query = ListQuery::read(&query.unwrap_or_default())?;
    let filter = JobFilter {
        statuses: query.status,
        provider: query.provider,
        tag: query.tag,
        name: query.name,
        submitted_after: query.submitted_after,
        submitted_before: query.submitted_before,
    };
    let page = platform
        .jobs()
        .list(&caller, query.owner, &filter, query.limit, query.cursor.as_deref())
        .await
        .map_err(answer::problem)?;
    Ok(Json(JobPage { items: page.items.into_iter().map(answer::job).collect(), next: page.next }))
}

pub(crate) async fn counts(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<Counts>, Problem> {
    let query = CountsQuery::read(&query.unwrap_or_default())?;
    let counts = platform.jobs().counts(&caller, query.owner).await.map_err(answer::problem)?;
    let by_status =
        counts.by_status.into_iter().map(|(status, count)| (status.as_str().to_owned(), count)).collect();
    let (_, quota) = platform.purse().allowance(query.owner.unwrap_or(caller.user)).await?;
    Ok(Json(Counts { by_status, admitted: counts.admitted, limit: quota.jobs }))
}

pub(crate) async fn log(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<JobId>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = LogQuery::read(&query.unwrap_or_default())?;
    let attempt = query.attempt.or(query.after.map(|place| place.attempt));
    let from = query.after.map(|place| place.offset).or(query.offset).unwrap_or(0);
    let range = match query.tail {
        Some(lines) => LogRange::Tail { lines },
        None => LogRange::From { offset: from, limit: query.limit },
    };
    let follow = query.attempt.is_none();
    let part = platform.jobs().log(&caller, id, attempt, range, follow).await.map_err(answer::problem)?;
    let next = LogPosition { attempt: part.next.0, offset: part.next.1 }.to_string();
    if !wants_text(&headers) {
        return Ok(Json(Log {
            attempt: part.attempt,
            text: part.text,
            offset: part.offset,
            next,
            dropped: part.dropped,
            complete: part.complete,
        })
        .into_response());
    }
    let mut response = part.text.into_response();
    let headers = response.headers_mut();
    if let Ok(next) = HeaderValue::from_str(&next) {
        headers.insert(LOG_NEXT, next);
    }
    let complete = if part.complete { "true" } else { "false" };
    headers.insert(LOG_COMPLETE, HeaderValue::from_static(complete));
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// Whether the first of our two media types that the caller names is text.
fn wants_text(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept
        .split(',')
        .map(|range| range.split(';').next().unwrap_or_default().trim())
        .find(|media| ["text/plain", "application/json"].contains(media))
        .is_some_and(|media| media == "text/plain")
}

pub(crate) async fn events(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<JobId>,
    RawQuery(query): RawQuery,
) -> Result<Json<EventPage>, Problem> {
    let query = EventsQuery::read(&query.unwrap_or_default())?;
    let seen =
        platform.jobs().events(&caller, id, query.after, query.limit).await.map_err(answer::problem)?;
    let next = seen.events.last().map_or(query.after, |last| last.seq);
    Ok(Json(EventPage { items: seen.events.into_iter().map(Into::into).collect(), next, more: seen.more }))
}

pub(crate) async fn metrics(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<JobId>,
    RawQuery(query): RawQuery,
) -> Result<Json<Metrics>, Problem> {
    let query = MetricsQuery::read(&query.unwrap_or_default())?;
    let seen = platform
        .jobs()
        .metrics(&caller, id, query.attempt, query.after, query.limit)
        .await
        .map_err(answer::problem)?;
    let items: Vec<MetricsRow> = seen
        .rows
        .into_iter()
        .map(|(at, rows)| MetricsRow {
            at,
            gpus: rows
                .into_iter()
                .map(|row| GpuFigures {
                    gpu: row.gpu,
                    utilisation_percent: row.utilisation,
                    memory_used_mib: row.memory_used_mib,
                    memory_total_mib: row.memory_total_mib,
                    temperature_celsius: row.temperature_c,
                    power_watts: row.power_w,
                })
                .collect(),
        })
        .collect();
    let next = items.last().map(|row| row.at).or(query.after);
    Ok(Json(Metrics { attempt: seen.attempt, items, next }))
}

pub(crate) async fn attempts(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<JobId>,
) -> Result<Json<Attempts>, Problem> {
    let (attempts, at) = platform.jobs().attempts(&caller, id).await.map_err(answer::problem)?;
    Ok(Json(Attempts { items: attempts.into_iter().map(|attempt| Attempt::new(attempt, at)).collect() }))
}

pub(crate) async fn cost(
    State(platform): State<Platform>,
    Caller(caller): Caller,
    Path(id): Path<JobId>,
) -> Result<Json<Cost>, Problem> {
    let cost = platform.jobs().cost(&caller, id).await.map_err(answer::problem)?;
    Ok(Json(Cost {
        attempts: cost.attempts.iter().map(|attempt| AttemptCost::new(attempt, cost.as_of)).collect(),
        total: cost.total.into_iter().map(Into::into).collect(),
        is_final: cost.is_final,
        as_of: cost.as_of,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_for_those_who_ask_for_it_first() {
        let wants = |accept: &str| {
            wants_text(&HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_str(accept).unwrap())]))
        };
        assert!(
            wants("text/plain")
                && wants("text/plain;q=1, application/json")
                && wants("text/html, text/plain")
        );
        assert!(!wants("*/*") && !wants("application/json, text/plain") && !wants(""));
    }
}
