//! A container's log as plain text, as far as it goes or for as long as it grows.

use super::query::Query;
use super::status::Refusal;
use crate::clock;
use crate::log::{Line, Log};
use crate::serve;
use crate::tencent::account::Account;
use axum::body::Body;
use bytes::Bytes;
use futures::Stream;
use hyper::Response;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How the lines are written, and how many bytes of them.
#[derive(Clone, Copy)]
struct Form {
    timestamps: bool,
    left: Option<usize>,
}

impl Form {
    fn write(&mut self, lines: &[Line]) -> Bytes {
        let mut text = String::new();
        for line in lines {
            if self.timestamps {
                text.extend([format!("{:.9}", line.ts).as_str(), " "]);
            }
            text.push_str(&line.text);
            text.push('\n');
        }
        let mut bytes = text.into_bytes();
        if let Some(left) = &mut self.left {
            bytes.truncate(*left);
            *left -= bytes.len();
        }
        bytes.into()
    }

    fn full(&self) -> bool {
        self.left == Some(0)
    }
}

struct Follow {
    log: Arc<Log>,
    changed: watch::Receiver<u64>,
    stop: CancellationToken,
    cursor: Option<Timestamp>,
    backlog: Vec<Line>,
    form: Form,
}

pub(crate) fn answer(
    account: &Account,
    pod: &Value,
    query: &Query,
    stop: &CancellationToken,
) -> Result<Response<Body>, Refusal> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let named: Vec<&str> = ["initContainers", "containers"]
        .iter()
        .flat_map(|field| pod["spec"][*field].as_array().into_iter().flatten())
        .filter_map(|one| one["name"].as_str())
        .collect();
    let container = match query.text("container") {
        Some(wanted) if named.contains(&wanted) => wanted,
        Some(wanted) => {
            return Err(Refusal::bad(format!("container {wanted} is not valid for pod {name}")));
        }
        None if named.len() == 1 => named[0],
        None => {
            let all = named.join(" ");
            return Err(Refusal::bad(format!(
                "a container name must be specified for pod {name}, choose one of: [{all}]"
            )));
        }
    };
    if query.flag("previous")? {
        let message = format!("previous terminated container \"{container}\" in pod \"{name}\" not found");
        return Err(Refusal::bad(message));
    }
    let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
    let run = account.runs.get(uid);
    let Some(log) = run.and_then(|run| run.logs.get(container)).map(Arc::clone) else {
        let statuses = pod["status"]["containerStatuses"].as_array().into_iter().flatten();
        let why = statuses.into_iter().find(|one| one["name"] == container);
        let why =
            why.and_then(|one| one["state"]["waiting"]["reason"].as_str()).unwrap_or("ContainerCreating");
        let message = format!("container \"{container}\" in pod \"{name}\" is waiting to start: {why}");
        return Err(Refusal::bad(message));
    };
    let since = match (query.number("sinceSeconds")?, query.text("sinceTime")) {
        (Some(seconds), None) => {
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX).min(1 << 32);
            Some(clock::now() - SignedDuration::from_secs(seconds))
        }
        (None, Some(time)) => {
            Some(time.parse().map_err(|_| Refusal::bad(format!("sinceTime {time:?} is not a time")))?)
        }
        (None, None) => None,
        (Some(_), Some(_)) => {
            return Err(Refusal::bad("at most one of sinceTime or sinceSeconds may be specified"));
        }
    };
    let changed = log.subscribe();
    let cursor = since.and_then(|at| at.saturating_sub(SignedDuration::from_nanos(1)).ok());
    let mut lines = log.lines(cursor);
    let cursor = lines.last().map(|line| line.ts).or(cursor);
    if let Some(tail) = query.number("tailLines")? {
        let tail = usize::try_from(tail).unwrap_or(usize::MAX);
        lines.drain(..lines.len().saturating_sub(tail));
    }
    let left = query.number("limitBytes")?.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if left == Some(0) {
        return Err(Refusal::bad("limitBytes: Invalid value: 0: must be greater than 0"));
    }
    let mut form = Form { timestamps: query.flag("timestamps")?, left };
    if query.flag("follow")? {
        let follow = Follow { log, changed, stop: stop.clone(), cursor, backlog: lines, form };
        return Ok(serve::answer(200, "text/plain", Body::from_stream(stream(follow))));
    }
    Ok(serve::answer(200, "text/plain", form.write(&lines)))
}

fn stream(follow: Follow) -> impl Stream<Item = Result<Bytes, Infallible>> + Send {
    futures::stream::unfold(follow, async |mut follow| {
        loop {
            if follow.form.full() {
                return None;
            }
            follow.changed.borrow_and_update();
            let closed = follow.log.closed();
            let mut lines = std::mem::take(&mut follow.backlog);
            if lines.is_empty() {
                lines = follow.log.lines(follow.cursor);
            }
            if let Some(last) = lines.last() {
                follow.cursor = Some(follow.cursor.map_or(last.ts, |cursor| cursor.max(last.ts)));
                let bytes = follow.form.write(&lines);
                return Some((Ok(bytes), follow));
            }
            if closed {
                return None;
            }
            tokio::select! {
                () = follow.stop.cancelled() => return None,
                changed = follow.changed.changed() => if changed.is_err() { return None },
            }
        }
    })
}
