//! What the cluster says of itself.

use super::store::Kind;
use crate::serve::{answer as text, json_answer};
use axum::body::Body;
use hyper::{Method, Response};
use serde_json::{Value, json};

pub(super) fn answer(method: &Method, path: &str) -> Option<Response<Body>> {
    if method != Method::GET {
        return None;
    }
    let group = json!({"groupVersion": "batch/v1", "version": "v1"});
    let batch = json!({"name": "batch", "versions": [group], "preferredVersion": group});
    let body = match path.trim_end_matches('/') {
        "/version" => json!({
            "major": "1", "minor": "30", "gitVersion": "v1.30.0-tke.1", "gitCommit": "simulated",
            "gitTreeState": "clean", "buildDate": "2026-01-01T00:00:00Z", "goVersion": "go1.22", "compiler": "gc",
            "platform": "linux/amd64",
        }),
        "/healthz" | "/livez" | "/readyz" => return Some(text(200, "text/plain", "ok")),
        "/api" => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        "/apis" => json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [batch]}),
        "/apis/batch" => {
            let mut one = batch;
            one["kind"] = "APIGroup".into();
            one["apiVersion"] = "v1".into();
            one
        }
        "/api/v1" => resources("v1"),
        "/apis/batch/v1" => resources("batch/v1"),
        _ => return None,
    };
    Some(json_answer(200, &body))
}

fn resources(version: &str) -> Value {
    let kinds = Kind::ALL.into_iter().filter(|kind| kind.version() == version);
    let mut each: Vec<Value> = kinds
        .map(|kind| {
            let verbs: &[&str] = match kind {
                Kind::Job | Kind::Secret | Kind::ConfigMap => {
                    &["create", "delete", "get", "list", "patch", "watch"]
                }
                Kind::Pod => &["delete", "get", "list", "patch", "watch"],
                Kind::Namespace => &["create", "get", "list", "watch"],
                Kind::Event | Kind::Node => &["get", "list", "watch"],
            };
            json!({
                "name": kind.plural(), "singularName": kind.word().to_lowercase(), "namespaced": kind.namespaced(),
                "kind": kind.word(), "verbs": verbs,
            })
        })
        .collect();
    if version == "v1" {
        each.push(json!({
            "name": "pods/log", "singularName": "", "namespaced": true, "kind": "Pod", "verbs": ["get"],
        }));
    } else {
        each.push(json!({
            "name": "jobs/status", "singularName": "", "namespaced": true, "kind": "Job", "verbs": ["get"],
        }));
    }
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": each})
}
