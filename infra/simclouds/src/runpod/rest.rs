//! REST v2: what its OpenAPI document says about pods, strictly.

use super::account::Refusal;
use super::catalogue::CUDA;
use super::creation::order;
use super::pod::{Pod, PodId, Status};
use super::{Cloud, NO_BALANCE, NO_CAPACITY, billing, offers};
use crate::clock;
use crate::log::{self, Source, Start};
use crate::serve::{answer, json_answer};
use crate::strike::Turn;
use axum::body::Body;
use bytes::Bytes;
use hyper::{Method, Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) enum Operation {
    Create,
    List,
    Get(PodId),
    Delete(PodId),
    /// With the word that the body names, if it is a known one.
    Action(PodId, Option<Action>),
    Logs(PodId),
    Gpus,
    Gpu(String),
    DataCentres,
    DataCentre(String),
    Billing,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Start,
    Stop,
    Restart,
    Terminate,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionBody {
    action: Action,
}

impl Operation {
    /// Every name that a fault may be planned for.
    pub(crate) const LABELS: [&str; 11] = [
        "create", "list", "get", "delete", "stop", "start", "restart", "action", "logs", "catalog", "billing",
    ];

    pub(crate) fn of(request: &Request<Bytes>) -> Result<Self, Box<Response<Body>>> {
        let path = request.uri().path();
        let parts: Option<Vec<String>> = path.trim_start_matches('/').split('/').map(decoded).collect();
        let parts = parts.ok_or_else(|| Box::new(problem(400, "the path is not valid")))?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let id = |id: &str| PodId(id.to_owned());
        let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
        let known: Vec<(Method, Self)> = match parts[..] {
            ["v2", "pods"] => vec![(get, Self::List), (post, Self::Create)],
            ["v2", "pods", pod] => vec![(get, Self::Get(id(pod))), (delete, Self::Delete(id(pod)))],
            ["v2", "pods", pod, "logs"] => vec![(get, Self::Logs(id(pod)))],
            ["v2", "pods", pod, "action"] => {
                let word = serde_json::from_slice::<ActionBody>(request.body()).ok().map(|body| body.action);
                vec![(post, Self::Action(id(pod), word))]
            }
            ["v2", "catalog", "gpus"] => vec![(get, Self::Gpus)],
            ["v2", "catalog", "gpus", gpu] => vec![(get, Self::Gpu(gpu.to_owned()))],
            ["v2", "catalog", "datacenters"] => vec![(get, Self::DataCentres)],
            ["v2", "catalog", "datacenters", place] => vec![(get, Self::DataCentre(place.to_owned()))],
            ["v2", "billing", "pods"] => vec![(get, Self::Billing)],
            _ => return Err(Box::new(problem(404, "resource not found"))),
        };
        let allowed = known.iter().map(|(method, _)| method.as_str()).collect::<Vec<_>>().join(", ");
        known.into_iter().find(|(method, _)| method == request.method()).map(|(_, it)| it).ok_or_else(|| {
            let mut answer = problem(405, "The requested method is not allowed for this path.");
            if let Ok(allowed) = allowed.parse() {
                answer.headers_mut().insert("allow", allowed);
            }
            Box::new(answer)
        })
    }

    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::List => "list",
            Self::Get(_) => "get",
            Self::Delete(_) | Self::Action(_, Some(Action::Terminate)) => "delete",
            Self::Action(_, Some(Action::Start)) => "start",
            Self::Action(_, Some(Action::Stop)) => "stop",
            Self::Action(_, Some(Action::Restart)) => "restart",
            Self::Action(_, None) => "action",
            Self::Logs(_) => "logs",
            Self::Gpus | Self::Gpu(_) | Self::DataCentres | Self::DataCentre(_) => "catalog",
            Self::Billing => "billing",
        }
    }
}

/// One part of a path without its percent signs.
fn decoded(part: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        if *first == b'%' {
            let digits = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

pub(crate) fn perform(
    cloud: &Arc<Cloud>,
    operation: &Operation,
    request: &Request<Bytes>,
    turn: Turn,
) -> Response<Body> {
    done(cloud, operation, request, turn).unwrap_or_else(|error| error.answer())
}

fn done(
    cloud: &Arc<Cloud>,
    operation: &Operation,
    request: &Request<Bytes>,
    turn: Turn,
) -> Result<Response<Body>, Error> {
    let query = |allowed: &[&str]| query(request.uri().query().unwrap_or_default(), allowed);
    let view = |pod: &Pod| json_answer(200, &shown(pod));
    match operation {
        Operation::Create => {
            query(&[])?;
            let pod = cloud.create(order(request.body(), turn)?)?;
            Ok(json_answer(201, &shown(&pod)))
        }
        Operation::List => {
            if let Some(word) = query(&["includeClusterPods"])?.get("includeClusterPods")
                && word.parse::<bool>().is_err()
            {
                return Err(Error::invalid("includeClusterPods must be a boolean"));
            }
            let pods = cloud.lock().pods(turn.lag_ms);
            Ok(json_answer(200, &json!({"pods": pods.iter().map(shown).collect::<Vec<_>>()})))
        }
        Operation::Get(id) => {
            query(&[])?;
            let pods = cloud.lock().pods(turn.lag_ms);
            pods.iter().find(|pod| pod.id == *id).map(view).ok_or_else(|| Refusal::NotFound.into())
        }
        Operation::Delete(id) | Operation::Action(id, Some(Action::Terminate)) => {
            query(&[])?;
            cloud.lock().terminate(id)?;
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = hyper::StatusCode::NO_CONTENT;
            Ok(answer)
        }
        Operation::Action(id, Some(Action::Start)) => Ok(view(&cloud.lock().start(id, None)?)),
        Operation::Action(id, Some(Action::Stop)) => Ok(view(&cloud.lock().stop(id, "Exited by User")?)),
        Operation::Action(id, Some(Action::Restart)) => Ok(view(&cloud.lock().restart(id)?)),
        Operation::Action(_, None) => {
            let error = body::<ActionBody>(request.body()).err();
            Err(error.unwrap_or_else(|| Error::invalid("$.action: not a known action")))
        }
        Operation::Logs(id) => logs(cloud, id, request, &query(&["source", "tail", "since"])?),
        Operation::Gpus => offers::gpus(cloud, &query(&offers::GPU_FILTERS)?, None),
        Operation::Gpu(id) => offers::gpus(cloud, &query(&offers::GPU_FILTERS)?, Some(id)),
        Operation::DataCentres => offers::data_centres(cloud, &query(&offers::PLACE_FILTERS)?, None),
        Operation::DataCentre(id) => offers::data_centres(cloud, &query(&["include"])?, Some(id)),
        Operation::Billing => billing::pods(
            &cloud.lock(),
            &query(&["startTime", "endTime", "bucketSize", "lastN", "podId"])?,
            clock::now(),
        ),
    }
}

fn logs(
    cloud: &Arc<Cloud>,
    id: &PodId,
    request: &Request<Bytes>,
    query: &BTreeMap<String, String>,
) -> Result<Response<Body>, Error> {
    let source = match query.get("source").map(String::as_str) {
        None => None,
        Some("container") => Some(Source::Container),
        Some("system") => Some(Source::System),
        Some(_) => return Err(Error::invalid("source must be one of container, system")),
    };
    let time = |name: &str, text: &str| {
        text.parse::<jiff::Timestamp>()
            .map_err(|_| Error::invalid(&format!("{name} must be an RFC 3339 time")))
    };
    let cursor = request.headers().get("last-event-id").map(|value| value.to_str().unwrap_or_default());
    let start = if let Some(cursor) = cursor {
        Start::After(time("Last-Event-ID", cursor)?)
    } else if let Some(since) = query.get("since") {
        Start::Since(time("since", since)?)
    } else {
        let tail = query.get("tail").map_or(Ok(100), |text| text.parse::<usize>());
        match tail {
            Ok(lines) if lines <= 5000 => Start::Tail(lines),
            _ => return Err(Error::invalid("tail must be an integer from 0 to 5000")),
        }
    };
    let account = cloud.lock();
    let slot = account.slot(id).filter(|slot| !slot.pod.gone()).ok_or(Refusal::NotFound)?;
    let stream = log::events(Arc::clone(&slot.log), start, source, cloud.stop.clone());
    let mut answer = answer(200, "text/event-stream", Body::from_stream(stream));
    for (name, value) in [("cache-control", "no-cache"), ("x-accel-buffering", "no")] {
        answer.headers_mut().insert(name, hyper::header::HeaderValue::from_static(value));
    }
    Ok(answer)
}

/// A pod as REST v2 shows it.
fn shown(pod: &Pod) -> Value {
    let now = clock::now();
    let running = pod.status == Status::Running;
    let user = format!("{}-{}", pod.id, &pod.machine[..8.min(pod.machine.len())]);
    let mounts = if pod.spec.volume_gb > 0 {
        json!({"persistent": {"size": pod.spec.volume_gb, "path": pod.spec.volume_path}})
    } else {
        json!({})
    };
    let network = if pod.spec.global_network {
        json!({"enabled": true, "internalDns": format!("{}.runpod.internal", pod.id)})
    } else {
        json!({"enabled": false})
    };
    json!({
        "id": pod.id,
        "name": pod.spec.name,
        "image": pod.spec.image,
        "args": pod.spec.args,
        "disk": pod.spec.disk_gb,
        "ports": pod.spec.ports,
        "env": pod.spec.env,
        "registry": null,
        "status": pod.status,
        "actions": pod.status.actions(),
        "mounts": mounts,
        "gpu": {"id": pod.spec.gpu, "count": pod.spec.count},
        "cloud": pod.tier,
        "dataCenterId": pod.data_center,
        "cudaVersion": CUDA,
        "ssh": {
            "proxy": {
                "host": "ssh.runpod.io", "port": 22, "username": user,
                "command": format!("ssh {user}@ssh.runpod.io"),
            },
            "direct": null,
        },
        "template": null,
        "cost": if pod.status.occupies() { pod.rate.dollars() } else { 0.0 },
        "locked": false,
        "globalNetworking": network,
        "runtime": running.then(|| json!({"uptime": pod.uptime(now), "ports": []})),
        "createdAt": format!("{:.3}", pod.created_at),
        "startedAt": pod.started_at.map(|at| format!("{at:.3}")),
    })
}

/// Why a call is answered with a problem.
#[derive(Debug)]
pub(crate) enum Error {
    /// 400: the body is not JSON.
    Malformed,
    /// 422, with each violation.
    Body(Vec<String>),
    /// 404 of something that the call refers to.
    Missing(String),
    Refused(Refusal),
}

impl Error {
    pub(crate) fn invalid(what: &str) -> Self {
        Self::Body(vec![what.to_owned()])
    }

    fn answer(&self) -> Response<Body> {
        match self {
            Self::Malformed => problem(400, "request body is not valid JSON"),
            Self::Body(errors) => problem_with(422, "Request validation failed.", Some(errors)),
            Self::Missing(detail) => problem(404, detail),
            Self::Refused(why) => refusal(why),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

pub(crate) fn refusal(refusal: &Refusal) -> Response<Body> {
    match refusal {
        Refusal::NotFound => problem(404, "pod not found"),
        Refusal::Capacity => problem(400, NO_CAPACITY),
        Refusal::Balance => problem(402, NO_BALANCE),
        Refusal::Invalid(detail) => problem(400, detail),
        Refusal::Conflict(detail) => problem(409, detail),
    }
}

pub(crate) fn problem(status: u16, detail: &str) -> Response<Body> {
    problem_with(status, detail, None)
}

fn problem_with(status: u16, detail: &str, errors: Option<&[String]>) -> Response<Body> {
    let title = match status {
        422 => "Unprocessable Entity",
        _ => hyper::StatusCode::from_u16(status).ok().and_then(|it| it.canonical_reason()).unwrap_or("Error"),
    };
    let mut body = json!({"title": title, "status": status, "detail": detail});
    if let Some(errors) = errors {
        body["errors"] = json!(errors);
    }
    answer(status, "application/problem+json", body.to_string())
}

/// Reads a JSON body against its schema.
pub(crate) fn body<T: serde::de::DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    let value: Value = serde_json::from_slice(json).map_err(|_| Error::Malformed)?;
    // Serde takes null for absent; the schema allows null in one place only.
    if let Some(fields) = value.as_object()
        && let Some(name) =
            fields.iter().find(|(name, value)| value.is_null() && *name != "registry").map(|(n, _)| n)
    {
        return Err(Error::Body(vec![format!("$.{name}: got null")]));
    }
    serde_json::from_value(value).map_err(|error| Error::Body(vec![format!("$: {error}")]))
}

fn query(text: &str, allowed: &[&str]) -> Result<BTreeMap<String, String>, Error> {
    let mut known = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
        if !allowed.contains(&name.as_ref()) {
            return Err(Error::invalid(&format!("unknown query parameter {name:?}")));
        }
        if known.insert(name.to_string(), value.into_owned()).is_some() {
            return Err(Error::invalid(&format!("query parameter {name:?} is given twice")));
        }
    }
    Ok(known)
}
