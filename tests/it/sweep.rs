//! What no execution looks after any more is found by one sweep.

use serde_json::json;

use crate::support::{Stack, shell_job};

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_no_row_knows_is_given_back() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    // The create call is delivered twice: two machines, one attempt.
    stack.cloud_fault(json!({ "operation": "create", "mode": "twice" })).await;
    let id = user.submit(&shell_job("sleep 600", json!({}))).await;
    user.until(&id, "running").await;
    assert_eq!(stack.live_pods().await.len(), 2);
    let swept = stack.sweep().await;
    assert_eq!(swept["orphans"], 1, "{swept}");
    assert_eq!(stack.live_pods().await.len(), 1);
    assert_eq!(user.job(&id).await["status"], "running", "the one that works is left alone");
    let swept = stack.sweep().await;
    assert_eq!(swept["orphans"], 0, "{swept}");
    user.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await.expect(202);
    user.ended(&id).await;
    assert_eq!(stack.live_pods().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_pod_is_never_touched() {
    let stack = Stack::start().await;
    let pod = json!({ "name": "gpu-att_0123456789abcdef0123456789abcdef", "image": "busybox", "gpu": { "id": "NVIDIA GeForce RTX 4090", "count": 1 }, "cloud": "SECURE", "disk": 20 });
    let made = stack
        .http
        .post(format!("{}/v2/pods", stack.runpod))
        .bearer_auth(Stack::cloud_key())
        .json(&pod)
        .send()
        .await
        .expect("an answer");
    assert_eq!(made.status().as_u16(), 201, "{:?}", made.text().await);
    let swept = stack.sweep().await;
    assert_eq!((&swept["instances"], &swept["orphans"]), (&json!(1), &json!(0)), "{swept}");
    assert_eq!(stack.live_pods().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_execution_was_stopped_is_carried_on() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let gate = tempfile::tempdir().expect("a folder");
    let hold = format!("while [ ! -e {}/open ]; do sleep 0.05; done", gate.path().display());
    let id = user.submit(&shell_job(&hold, json!({}))).await;
    user.until(&id, "running").await;
    for execution in stack.executions().await {
        stack.stop_execution(execution.as_str().expect("an ARN")).await;
    }
    let swept = stack.sweep().await;
    assert_eq!(swept["restarted"], 1, "{swept}");
    std::fs::write(gate.path().join("open"), "").expect("the gate opens");
    let job = user.ended(&id).await;
    assert_eq!((&job["status"], &job["attempt"]), (&json!("succeeded"), &json!(1)), "{job:#}");
    stack.rest().await;
    assert_eq!(stack.live_pods().await, Vec::<String>::new());
}

/// One empty listing never ends anything.
#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_lacks_an_instance_says_nothing_about_it() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let id = user.submit(&shell_job("sleep 600", json!({}))).await;
    user.until(&id, "running").await;
    stack.cloud_fault(json!({ "operation": "list", "mode": "stale", "times": 0, "lag_ms": 3_600_000 })).await;
    for _ in 0..3 {
        stack.sweep().await;
    }
    assert_eq!(user.job(&id).await["status"], "running");
    user.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await.expect(202);
    assert_eq!(user.ended(&id).await["status"], "cancelled");
}
