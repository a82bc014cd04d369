//! Runs of workflows, from their start to the end of the last node.

mod control;
mod crash;
mod large;
mod shapes;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Plan, Stack, User};

/// A stack whose cloud's commands end at once: nodes are real jobs on real executions, without processes.
pub(crate) async fn quick() -> (Stack, User) {
    quickly(Plan::default()).await
}

/// As [`quick`], and nobody looks after a boot that takes its time on a busy machine: what is counted is the same each time.
pub(crate) async fn quick_and_patient() -> (Stack, User) {
    quickly(Plan::default().with("BootCheckSeconds", "600").with("HeartbeatSeconds", "200")).await
}

async fn quickly(plan: Plan) -> (Stack, User) {
    let stack = plan.with("DefaultConcurrency", "500").with("DefaultGpus", "500").start().await;
    stack.cloud_settings(json!({ "at_once": true, "boot_ms": 0 })).await;
    let user = stack.user().await;
    (stack, user)
}

/// A job whose command ends at once with this exit code and output: JSON, or a text that becomes JSON.
pub(crate) fn ends(code: u8, output: &Value) -> Value {
    let output = output.as_str().map_or_else(|| output.to_string(), str::to_owned);
    json!({
        "image": "docker.io/library/busybox:1.36",
        "command": ["true"],
        "gpu": { "model": "RTX 4090" },
        "env": { "SIM_EXIT_CODE": code, "SIM_OUTPUT": output },
    })
}

/// A job that ends well, with `output`.
pub(crate) fn gives(output: &Value) -> Value {
    ends(0, output)
}

/// A job that fails.
pub(crate) fn fails() -> Value {
    ends(1, &Value::Null)
}

/// A node behind others.
pub(crate) fn after(before: &[&str], mut node: Value) -> Value {
    node["depends_on"] = json!(before);
    node
}

/// Where each node stands.
pub(crate) fn statuses(nodes: &BTreeMap<String, Value>) -> BTreeMap<&str, &str> {
    nodes.iter().map(|(name, node)| (name.as_str(), node["status"].as_str().unwrap_or_default())).collect()
}

/// Runs a definition to its end; the run and its nodes.
pub(crate) async fn run(user: &User, definition: &Value, params: &Value) -> (Value, BTreeMap<String, Value>) {
    let workflow = user.workflow(definition).await;
    let id = user.start(&workflow, params).await;
    let run = user.run_ended(&id).await;
    let nodes = user.nodes(&id).await;
    (run, nodes)
}

/// What must hold of every run that ended: its events have no gap and one end, each try of a node began once, and nothing
/// began before what it waits for had ended.
pub(crate) async fn check(user: &User, run: &Value) {
    let id = run["id"].as_str().expect("an id");
    let events = user.run_events(id).await;
    let numbers: Vec<u64> = events.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert_eq!(numbers, (1..=run["seq"].as_u64().unwrap_or(0)).collect::<Vec<_>>(), "the events have gaps");
    let ends = events.iter().filter(|event| event["event"]["type"] == "ended").count();
    assert_eq!(ends, 1, "{events:#?}");
    assert_eq!(events.last().map(|event| &event["event"]["type"]), Some(&json!("ended")));
    let graph = user.get(&format!("/v1/runs/{id}/graph")).await.expect(200);
    let edges = graph["edges"].as_array().cloned().unwrap_or_default();
    let (workflow, version) = (run["workflow_id"].as_str().expect("an id"), &run["workflow_version"]);
    let version = user.get(&format!("/v1/workflows/{workflow}/versions/{version}")).await.expect(200);
    let triggers = &version["definition"]["nodes"];
    let mut begun: BTreeMap<(String, Option<u64>, u64), u32> = BTreeMap::new();
    let mut ended: Vec<String> = Vec::new();
    for event in events.iter().map(|event| &event["event"]).filter(|event| event["type"] == "node") {
        let node = event["node"].as_str().unwrap_or_default().to_owned();
        if event["node_status"] == "running" {
            let attempt = event["attempt"].as_u64().unwrap_or(0);
            *begun.entry((node.clone(), event["item"].as_u64(), attempt)).or_default() += 1;
            // One success, or one failure, is enough for some.
            let is_early = triggers[&node]["trigger"].as_str().is_some_and(|rule| rule.starts_with("one_"));
            for edge in edges.iter().filter(|edge| edge["to"] == json!(node) && !is_early) {
                let before = edge["from"].as_str().unwrap_or_default();
                assert!(ended.iter().any(|name| name == before), "{node} began before {before} had ended");
            }
        } else if event["item"].is_null() {
            ended.push(node);
        }
    }
    assert!(begun.values().all(|times| *times == 1), "{begun:#?}");
    assert_eq!(ended.len() as u64, run["nodes"].as_u64().unwrap_or(0), "each node ends once: {ended:#?}");
}
