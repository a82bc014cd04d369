//! The Kubernetes API of the cluster: bearer tokens, jobs, pods with logs, secrets, events, nodes; discovery and watches.

mod discovery;
pub(super) mod drive;
mod env;
mod job;
mod lead;
mod list;
mod logs;
mod names;
mod nodes;
mod place;
mod query;
pub(super) mod remove;
mod schema;
mod selector;
pub(super) mod shown;
pub(super) mod status;
pub(super) mod store;
mod write;

use super::Cloud;
use crate::serve::Dropped;
use crate::serve::json_answer;
use crate::strike::{Turn, Voice};
use axum::body::Body;
use bytes::Bytes;
use hyper::{Method, Request, Response};
use query::Query;
use status::Refusal;
use std::sync::Arc;
use store::{Kind, key};

/// What a fault may be planned for, beside the actions of the cloud's own API.
pub(super) const OPERATIONS: [&str; 26] = [
    "jobs.create",
    "jobs.get",
    "jobs.list",
    "jobs.watch",
    "jobs.delete",
    "jobs.patch",
    "pods.get",
    "pods.list",
    "pods.watch",
    "pods.log",
    "pods.delete",
    "secrets.create",
    "secrets.get",
    "secrets.list",
    "secrets.delete",
    "secrets.patch",
    "configmaps.create",
    "configmaps.get",
    "configmaps.list",
    "configmaps.delete",
    "configmaps.patch",
    "events.list",
    "nodes.list",
    "namespaces.create",
    "namespaces.list",
    "discovery",
];

/// What a call is about.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) kind: Kind,
    /// None: all of them, or it has none.
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) sub: Option<String>,
}

impl Target {
    /// None: there is nothing at this path.
    fn of(path: &str) -> Option<Self> {
        let words: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (version, rest) = match words.split_first_chunk::<2>() {
            Some((["api", "v1"], rest)) => ("v1", rest),
            Some((["apis", "batch"], ["v1", rest @ ..])) => ("batch/v1", rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some((*namespace).to_owned()), rest),
            rest => (None, rest),
        };
        let (plural, rest) = rest.split_first()?;
        let kind =
            Kind::ALL.into_iter().find(|kind| kind.plural() == *plural && kind.version() == version)?;
        if kind.namespaced() != namespace.is_some() && (namespace.is_some() || !rest.is_empty()) {
            return None;
        }
        let (name, sub) = match rest {
            [] => (None, None),
            [name] => (Some(*name), None),
            [name, sub] => (Some(*name), Some(*sub)),
            _ => return None,
        };
        Some(Self { kind, namespace, name: name.map(str::to_owned), sub: sub.map(str::to_owned) })
    }

    fn key(&self) -> store::Key {
        key(
            self.kind,
            self.namespace.as_deref().unwrap_or_default(),
            self.name.as_deref().unwrap_or_default(),
        )
    }
}

/// Whether a path is the cluster's.
pub(super) fn serves(path: &str) -> bool {
    ["/api", "/apis", "/version", "/healthz", "/livez", "/readyz", "/openapi"]
        .iter()
        .any(|begin| path.strip_prefix(begin).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

fn label(method: &Method, target: Option<&Target>, query: &Query) -> String {
    let Some(target) = target else { return "discovery".to_owned() };
    let verb = match (method, &target.name, target.sub.as_deref()) {
        (&Method::GET, _, Some("log")) => "log",
        (&Method::GET, Some(_), _) => "get",
        (&Method::GET, None, _) if query.flag("watch").unwrap_or(false) => "watch",
        (&Method::GET, None, _) => "list",
        (&Method::POST, ..) => "create",
        (&Method::DELETE, ..) => "delete",
        _ => "patch",
    };
    format!("{}.{verb}", target.kind.plural())
}

pub(super) async fn answer(cloud: &Arc<Cloud>, request: &Request<Bytes>) -> Result<Response<Body>, Dropped> {
    let method = request.method();
    let query = Query::new(request.uri().query().unwrap_or_default());
    let target = Target::of(request.uri().path());
    let label = label(method, target.as_ref(), &query);
    let path = request.uri().path().to_owned();
    let note = |status, fault| cloud.journal.note(&label, method.as_str(), &path, status, fault);
    let token = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    if token.and_then(|value| value.strip_prefix("Bearer ")) != Some(cloud.token.as_str()) {
        note(Some(401), None);
        return Ok(Refusal::unauthorized().answer());
    }
    if let Some(seconds) = cloud.excess() {
        note(Some(429), None);
        return Ok(Refusal::throttled(seconds).answer());
    }
    let target_text = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let plan = cloud.faults.meet(&label, &target_text, request.body());
    let perform = |turn: Turn| match perform(cloud, request, target.as_ref(), &query, turn) {
        Ok(response) => response,
        Err(refusal) => refusal.answer(),
    };
    let voice = Voice {
        perform: &perform,
        failure: &|status| Refusal::failure(status).answer(),
        throttled: &|seconds| Refusal::throttled(seconds).answer(),
        sold_out: None,
    };
    cloud.meet(plan.as_ref(), &voice, &note).await
}

fn perform(
    cloud: &Arc<Cloud>,
    request: &Request<Bytes>,
    target: Option<&Target>,
    query: &Query,
    turn: Turn,
) -> Result<Response<Body>, Refusal> {
    let nothing = || Refusal::new(404, "NotFound", "the server could not find the requested resource");
    let Some(target) = target else {
        return discovery::answer(request.method(), request.uri().path()).ok_or_else(nothing);
    };
    let method = request.method();
    match (method, target.name.is_some(), target.sub.as_deref()) {
        (&Method::GET, false, None) if query.flag("watch")? => list::watch(cloud, target, query),
        (&Method::GET, false, None) => list::list(cloud, target, query, turn),
        (&Method::GET, true, None | Some("status")) => get(cloud, target),
        (&Method::GET, true, Some("log")) if target.kind == Kind::Pod => {
            let account = cloud.lock();
            let pod = account.store.get(&target.key()).map(Arc::clone);
            let name = target.name.as_deref().unwrap_or_default();
            let pod = pod.ok_or_else(|| Refusal::not_found("pods", name))?;
            logs::answer(&account, &pod, query, &cloud.stop)
        }
        (&Method::POST, false, None) => write::create(cloud, target, query, request.body(), turn),
        (&Method::DELETE, true, None) => write::delete(cloud, target, query, request.body()),
        (&Method::PATCH, true, None) => write::patch(cloud, target, request),
        _ => Err(Refusal::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )),
    }
}

fn get(cloud: &Cloud, target: &Target) -> Result<Response<Body>, Refusal> {
    let account = cloud.lock();
    let name = target.name.as_deref().unwrap_or_default();
    let missing = || Refusal::not_found(target.kind.resource(), name);
    if target.kind == Kind::Node {
        let all = nodes::all(&account, &cloud.region);
        let node = all.into_iter().find(|node| node["metadata"]["name"] == name).ok_or_else(missing)?;
        return Ok(json_answer(200, &node));
    }
    let object = account.store.get(&target.key()).ok_or_else(missing)?;
    Ok(json_answer(200, object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_what_it_is_about() {
        let read = |path: &str| Target::of(path).map(|one| (one.kind, one.namespace, one.name, one.sub));
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            read("/apis/batch/v1/namespaces/gpu/jobs/a/status"),
            Some((Kind::Job, text("gpu"), text("a"), text("status")))
        );
        assert_eq!(read("/api/v1/pods"), Some((Kind::Pod, None, None, None)));
        assert_eq!(read("/api/v1/namespaces/gpu"), Some((Kind::Namespace, None, text("gpu"), None)));
        assert_eq!(read("/api/v1/namespaces"), Some((Kind::Namespace, None, None, None)));
        for nothing in ["/api/v1/pods/a", "/api/v1/jobs", "/apis/batch/v1", "/api/v1/namespaces/gpu/nodes/a"]
        {
            assert_eq!(read(nothing), None, "{nothing}");
        }
        assert!(serves("/api/v1/pods") && serves("/version/") && !serves("/") && !serves("/apiary"));
    }
}
