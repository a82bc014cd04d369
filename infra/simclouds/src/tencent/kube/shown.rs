//! What a pod's status says at each moment of its life.

use super::store::Key;
use crate::clock;
use crate::tencent::account::{Account, Why};
use crate::tencent::stamp;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Why the containers do not run yet.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    reason: &'a str,
    message: &'a str,
}

impl<'a> Waiting<'a> {
    pub(crate) fn new(reason: &'a str, message: &'a str) -> Self {
        Self { reason, message }
    }
}

/// A container that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) name: String,
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) code: i32,
    pub(crate) reason: Option<&'static str>,
    pub(crate) message: Option<String>,
}

impl Ended {
    pub(crate) fn unstarted(name: String, from: Timestamp, error: &std::io::Error) -> Self {
        Self {
            name,
            from,
            to: from,
            code: 128,
            reason: Some("StartError"),
            message: Some(format!(
                "failed to create containerd task: OCI runtime create failed: exec: {error}"
            )),
        }
    }
}

fn condition(pod: &mut Value, kind: &str, status: &str, reason: &str, message: &str) {
    let now = stamp(clock::now());
    if !pod["status"]["conditions"].is_array() {
        pod["status"]["conditions"] = json!([]);
    }
    let Some(all) = pod["status"]["conditions"].as_array_mut() else { return };
    let mut new = json!({"type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": now});
    if !reason.is_empty() {
        new["reason"] = reason.into();
    }
    if !message.is_empty() {
        new["message"] = message.into();
    }
    match all.iter_mut().find(|one| one["type"] == kind) {
        Some(old) if old["status"] == new["status"] && old["reason"] == new["reason"] => {
            old["message"] = new["message"].take();
        }
        Some(old) => *old = new,
        None => all.push(new),
    }
}

/// One status for each container, as it stands or as `state` says.
fn statuses(pod: &mut Value, state: impl Fn(&str, &Value) -> Value) {
    let named = pod["spec"]["containers"].as_array().cloned().unwrap_or_default();
    let old = pod["status"]["containerStatuses"].take();
    let each = named.iter().map(|one| {
        let name = one["name"].as_str().unwrap_or_default();
        let was = old.as_array().into_iter().flatten().find(|status| status["name"] == name);
        let was = was.map_or(Value::Null, |status| status["state"].clone());
        let state = state(name, &was);
        let running = !state["running"].is_null();
        json!({
            "name": name, "image": one["image"], "imageID": "", "restartCount": 0, "ready": running,
            "started": running, "lastState": {}, "state": state,
        })
    });
    let each: Vec<Value> = each.collect();
    pod["status"]["containerStatuses"] = each.into();
}

pub(crate) fn unschedulable(account: &mut Account, key: &Key, message: &str) {
    let first = account.store.get(key).is_some_and(|pod| pod["status"]["conditions"].is_null());
    account.store.change(key, |pod| condition(pod, "PodScheduled", "False", "Unschedulable", message));
    if first {
        account.event(key, "FailedScheduling", message, true);
    }
}

pub(crate) fn scheduled(account: &mut Account, key: &Key, node: &str, now: &str) {
    account.store.change(key, |pod| {
        pod["spec"]["nodeName"] = node.into();
        pod["status"]["startTime"] = now.into();
        pod["status"]["hostIP"] = "10.0.0.5".into();
        condition(pod, "PodScheduled", "True", "", "");
        condition(pod, "Initialized", "True", "", "");
        condition(pod, "Ready", "False", "ContainersNotReady", "");
        condition(pod, "ContainersReady", "False", "ContainersNotReady", "");
        statuses(pod, |_, _| json!({"waiting": {"reason": "ContainerCreating"}}));
    });
}

pub(crate) fn waiting(account: &mut Account, key: &Key, why: &Waiting<'_>) {
    let state = json!({"waiting": {"reason": why.reason, "message": why.message}});
    account.store.change(key, |pod| statuses(pod, |_, _| state.clone()));
}

pub(crate) fn running(account: &mut Account, key: &Key, names: &[(&str, String)]) {
    account.store.change(key, |pod| {
        pod["status"]["phase"] = "Running".into();
        pod["status"]["podIP"] = "10.0.1.7".into();
        condition(pod, "Ready", "True", "", "");
        condition(pod, "ContainersReady", "True", "", "");
        statuses(pod, |name, was| match names.iter().find(|(known, _)| *known == name) {
            Some((_, at)) => json!({"running": {"startedAt": at}}),
            None => was.clone(),
        });
    });
    account.event(key, "Started", "Started container", false);
}

/// Announces an end that the pod's owner did not ask for.
pub(crate) fn disrupted(account: &mut Account, key: &Key, message: &str) {
    account.store.change(key, |pod| {
        condition(pod, "DisruptionTarget", "True", "TerminationByKubelet", message);
    });
    account.event(key, "SpotPodInterruption", message, true);
}

pub(crate) fn ended(account: &mut Account, key: &Key, ended: Option<&[Ended]>, why: Option<Why>) {
    account.store.change(key, |pod| {
        let clean = ended.is_some_and(|all| all.iter().all(|one| one.code == 0)) && why.is_none();
        pod["status"]["phase"] = if clean { "Succeeded" } else { "Failed" }.into();
        let (reason, message) = match why {
            Some(Why::Preempted(reason)) => (reason, "Spot pod was interrupted"),
            Some(Why::Deadline) => {
                ("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
            }
            None if ended.is_none() => (
                "UnexpectedAdmissionError",
                "Allocate failed due to no healthy devices present; cannot allocate unhealthy devices \
                 nvidia.com/gpu, which is unexpected",
            ),
            _ => ("", ""),
        };
        if !reason.is_empty() {
            pod["status"]["reason"] = reason.into();
            pod["status"]["message"] = message.into();
        }
        let done = if clean { "PodCompleted" } else { "PodFailed" };
        condition(pod, "Ready", "False", done, "");
        condition(pod, "ContainersReady", "False", done, "");
        statuses(pod, |name, was| {
            let Some(one) = ended.and_then(|all| all.iter().find(|one| one.name == name)) else {
                return was.clone();
            };
            let usual = if one.code == 0 { "Completed" } else { "Error" };
            let mut said = json!({
                "exitCode": one.code, "reason": one.reason.unwrap_or(usual), "startedAt": stamp(one.from),
                "finishedAt": stamp(one.to), "containerID": format!("containerd://{name}"),
            });
            if let Some(message) = &one.message {
                said["message"] = message.clone().into();
            }
            json!({"terminated": said})
        });
        if let Some(meta) = pod["metadata"].as_object_mut() {
            meta.remove("finalizers");
        }
    });
}
