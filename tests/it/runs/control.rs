//! What people do with runs that go on, or have ended.

use serde_json::{Value, json};

use super::{after, check, fails, gives, quick, statuses};
use crate::support::{Stack, shell_job};

/// A job that works until somebody ends it.
fn endless() -> Value {
    let mut job = shell_job("sleep 600", json!({}));
    job.as_object_mut().expect("an object").remove("name");
    job
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_ends_what_works_and_begins_nothing() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let workflow = user
        .workflow(&json!({
            "name": "long",
            "nodes": {
                "works": { "job": endless() },
                "each": { "map": { "over": [1, 2, 3, 4], "max_parallel": 2, "node": { "job": endless() } } },
                "next": after(&["works"], json!({ "job": gives(&Value::Null) })),
                "anyway": after(&["works", "each"], json!({ "job": gives(&Value::Null), "trigger": "all_done" })),
            },
        }))
        .await;
    let id = user.start(&workflow, &json!({})).await;
    user.run_until(&id, |message| {
        message["event"]["node"] == "works" && message["event"]["node_status"] == "running"
    })
    .await;
    let works = user.nodes(&id).await["works"]["job_id"].as_str().expect("a job").to_owned();
    user.until(&works, "running").await;
    let told = user.post(&format!("/v1/runs/{id}/cancel"), &json!({})).await.expect(202);
    assert_eq!(told["stop"]["stop"], "cancelled", "{told:#}");
    let run = user.run_ended(&id).await;
    let nodes = user.nodes(&id).await;
    let expected =
        [("works", "cancelled"), ("each", "cancelled"), ("next", "upstream_failed"), ("anyway", "cancelled")];
    assert_eq!(statuses(&nodes), expected.into_iter().collect(), "{nodes:#?}");
    assert_eq!(run["status"], "cancelled", "{run:#}");
    check(&user, &run).await;
    user.post(&format!("/v1/runs/{id}/cancel"), &json!({})).await.problem(409, "run_ended");
    stack.rest().await;
    assert_eq!((stack.live_pods().await, stack.executions().await), (Vec::new(), Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resumed_run_keeps_what_had_succeeded() {
    let (_stack, user) = quick().await;
    let mut bad = fails();
    bad["env"]["SIM_EXIT_CODE"] = json!("${{ params.code }}");
    bad["env"]["SIM_OUTPUT"] = json!("2");
    let workflow = user
        .workflow(&json!({
            "name": "resumed",
            "params": { "code": { "default": 1 } },
            "nodes": {
                "first": { "job": gives(&json!("1")) },
                "large": { "map": { "over": [1, 2, 3], "node": { "job": gives(&json!(format!("\"{}\"", "x".repeat(4_000)))) } } },
                "bad": after(&["first", "large"], json!({ "job": bad })),
                "last": after(&["bad"], json!({
                    "condition": "nodes.first.output + nodes.bad.output == 3 && nodes.large.output.size() == 3",
                })),
            },
        }))
        .await;
    let id = user.start(&workflow, &json!({})).await;
    let before = user.run_ended(&id).await;
    assert_eq!(before["status"], "failed");
    let again =
        user.post(&format!("/v1/runs/{id}/resume"), &json!({ "params": { "code": 0 } })).await.expect(201);
    let again = again["id"].as_str().expect("an id").to_owned();
    let run = user.run_ended(&again).await;
    let nodes = user.nodes(&again).await;
    assert_eq!(run["status"], "succeeded", "{run:#}\n{nodes:#?}");
    assert_eq!(run["origin"], json!({ "type": "resume", "of": id }));
    assert_eq!((&nodes["first"]["kept_from"], &nodes["large"]["kept_from"]), (&json!(id), &json!(id)));
    assert_eq!((&nodes["bad"]["kept_from"], &nodes["bad"]["attempt"]), (&Value::Null, &json!(1)));

    let retried = user.post(&format!("/v1/runs/{again}/nodes/bad/retry"), &json!({})).await.expect(201);
    let retried = user.run_ended(retried["id"].as_str().expect("an id")).await;
    assert_eq!(retried["status"], "succeeded", "{retried:#}");
    assert_eq!(retried["origin"], json!({ "type": "retry", "of": again, "node": "bad" }));
    let nodes = user.nodes(retried["id"].as_str().expect("an id")).await;
    assert!(nodes["bad"]["job_id"].is_string() && nodes["first"]["kept_from"] == json!(id), "{nodes:#?}");

    let rerun = user.post(&format!("/v1/runs/{again}/rerun"), &json!({})).await.expect(201);
    let rerun = user.run_ended(rerun["id"].as_str().expect("an id")).await;
    assert_eq!(rerun["status"], "succeeded", "{rerun:#}");
    let nodes = user.nodes(rerun["id"].as_str().expect("an id")).await;
    assert!(nodes.values().all(|node| node["kept_from"].is_null()), "{nodes:#?}");
    check(&user, &rerun).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_with_its_own_version_whatever_becomes_of_its_workflow() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let mut first = shell_job("while [ ! -e \"$GATE\" ]; do sleep 0.05; done", json!({}));
    let gate = tempfile::tempdir().expect("a folder");
    let opened = gate.path().join("open");
    first["env"] = json!({ "GATE": opened });
    first.as_object_mut().expect("an object").remove("name");
    let definition = json!({
        "name": "its own",
        "nodes": {
            "first": { "job": first },
            "second": after(&["first"], json!({ "condition": "true", "outputs": { "version": "1" } })),
        },
    });
    let workflow = user.workflow(&definition).await;
    let id = user.start(&workflow, &json!({})).await;
    let mut changed = definition.clone();
    changed["nodes"]["second"]["outputs"]["version"] = json!("2");
    let path = format!("/v1/workflows/{workflow}");
    let put = user.send(reqwest::Method::PUT, &path, Some(&json!({ "definition": changed })), &[]).await;
    put.expect(200);
    user.delete(&path).await.expect(204);
    std::fs::write(&opened, "").expect("the gate opens");
    let run = user.run_ended(&id).await;
    assert_eq!((&run["status"], &run["workflow_version"]), (&json!("succeeded"), &json!(1)), "{run:#}");
    assert_eq!(user.nodes(&id).await["second"]["output"], json!({ "version": 1 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_out_of_time_is_stopped() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let workflow = user
        .workflow(
            &json!({ "name": "short", "timeout_seconds": 3, "nodes": { "works": { "job": endless() } } }),
        )
        .await;
    let id = user.start(&workflow, &json!({})).await;
    let run = user.run_ended(&id).await;
    assert_eq!(
        (&run["status"], &run["reason"]),
        (&json!("timed_out"), &json!("its time was over")),
        "{run:#}"
    );
    check(&user, &run).await;
    stack.rest().await;
    assert_eq!((stack.live_pods().await, stack.executions().await), (Vec::new(), Vec::new()));
}
