//! The control refuses what it does not understand: a plan with a typing error must not be a plan without effect.

use crate::harness::Sim;
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn unknown_words_are_refused() {
    let sim = Sim::start().await;
    for (path, body) in [
        ("/_sim/faults", json!({"operation": "creat", "mode": "hang"})),
        ("/_sim/faults", json!({"operation": "graphql:podRentInteruptable", "mode": "hang"})),
        ("/_sim/faults", json!({"operation": "create", "mode": "explode"})),
        ("/_sim/faults", json!({"operation": "create", "mode": "hang", "nth": 0})),
        ("/_sim/faults", json!({"operation": "create", "mode": "fail_after", "status": 200})),
        ("/_sim/faults", json!({"mode": "hang"})),
        ("/_sim/settings", json!({"boot": 1})),
        ("/_sim/settings", json!({"boot_ms": "1"})),
        ("/_sim/settings", json!({"boot_fail_rate": 2})),
        ("/_sim/stock", json!({"gpu": "Abacus", "secure": 1})),
        ("/_sim/stock", json!({"data_center": "MOON-1", "secure": 1})),
        ("/_sim/pods/x/preempt", json!({"notice": 1})),
        ("/_sim/pods/x/preempt", json!({"notice_s": -1})),
        ("/_sim/pods/x/kill", json!({"as": "ghost"})),
    ] {
        let (status, answer) = sim.post(path, body.clone()).await;
        assert_eq!(status, 422, "{path} {body}: {answer}");
    }
    assert_eq!(sim.post("/_sim/pods/x/preempt", json!({})).await.0, 404);
    assert_eq!(sim.get("/_sim/nothing").await.0, 404);
    assert_eq!(sim.get("/_sim/faults").await.1["faults"], json!([]));
    sim.finish().await;
}

#[tokio::test]
async fn settings_change_by_name_and_calls_are_counted_without_bodies() {
    let sim = Sim::start().await;
    let (_, before) = sim.get("/_sim/settings").await;
    let (_, after) = sim.post("/_sim/settings", json!({"boot_ms": 7})).await;
    assert_eq!(after["boot_ms"], 7);
    assert_eq!(after["stop_grace_ms"], before["stop_grace_ms"]);

    let mut body = crate::harness::pod("n", "sleep 60");
    body["env"] = json!({"TOKEN": "hunter2-fake"});
    assert_eq!(sim.post("/v2/pods", body).await.0, 201);
    sim.graphql("{myself{id}}").await;
    let (_, calls) = sim.get("/_sim/calls").await;
    assert_eq!(calls["counts"], json!({"create": 1, "graphql:myself": 1}));
    let (_, pods) = sim.get("/_sim/pods").await;
    assert_eq!(pods["pods"][0]["env_names"], json!(["TOKEN"]));
    for answer in [calls, pods] {
        assert!(!answer.to_string().contains("hunter2-fake"));
    }
    assert_eq!(sim.call(Method::DELETE, "/_sim/faults", None).await.0, 200);
    sim.finish().await;
}
