//! Each fault does what its name says to the caller, and what it says to the account.

use crate::harness::{Sim, pod};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// What the caller sees of a create call: the status, or None when there was no answer.
async fn create(sim: &Sim, name: &str) -> Option<u16> {
    let request = sim.request(Method::POST, "/v2/pods").json(&pod(name, "sleep 60"));
    request.send().await.ok().map(|response| response.status().as_u16())
}

#[tokio::test]
async fn failures_before_and_after_and_twice() {
    let sim = Sim::start().await;
    for (mode, status, made) in [
        ("fail_before", Some(500), 0),
        ("fail_after", Some(500), 1),
        ("drop_before", None, 0),
        ("drop_after", None, 1),
        ("throttle", Some(429), 0),
        ("nonsense", Some(200), 0),
        ("nonsense_after", Some(200), 1),
        ("twice", Some(201), 2),
        ("no_capacity", Some(400), 0),
    ] {
        sim.call(Method::DELETE, "/_sim/faults", None).await;
        sim.fault(json!({"operation": "create", "mode": mode, "contains": mode})).await;
        assert_eq!(create(&sim, mode).await, status, "{mode}");
        assert_eq!(sim.created(mode).await, made, "{mode}");
        let (_, faults) = sim.get("/_sim/faults").await;
        assert_eq!(faults["faults"][0]["hits"], 1, "{mode}");
        assert_eq!(create(&sim, &format!("{mode}-next")).await, Some(201), "{mode}: one call only");
    }
    let (_, calls) = sim.get("/_sim/calls").await;
    let dropped: Vec<_> =
        calls["calls"].as_array().unwrap().iter().filter(|call| call["status"].is_null()).collect();
    assert_eq!(dropped.len(), 2);
    assert_eq!(dropped[1]["fault"], "drop_after");
    sim.finish().await;
}

#[tokio::test]
async fn a_throttled_caller_is_told_how_long() {
    let sim = Sim::start().await;
    sim.fault(json!({"operation": "list", "mode": "throttle", "retry_after_s": 7})).await;
    let response = sim.request(Method::GET, "/v2/pods").send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["detail"], "rate limit exceeded for the minute window");

    sim.post("/_sim/settings", json!({"rate_per_minute": 2})).await;
    for (status, left) in [(200, 1), (200, 0), (429, 0)] {
        let response = sim.request(Method::GET, "/v2/pods").send().await.unwrap();
        assert_eq!(response.status(), status);
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert!(
            header("ratelimit").starts_with(&format!("\"minute\";r={left};t=")),
            "{}",
            header("ratelimit")
        );
        assert_eq!(header("ratelimit-policy"), "\"minute\";q=2;w=60");
        assert_eq!(response.headers().contains_key("retry-after"), status == 429);
    }
    sim.finish().await;
}

#[tokio::test]
async fn a_hanging_call_is_noted_and_never_answered() {
    let sim = Sim::start().await;
    for (mode, made) in [("hang", 0), ("hang_after", 1)] {
        sim.fault(json!({"operation": "create", "mode": mode})).await;
        let request = sim.request(Method::POST, "/v2/pods").json(&pod(mode, "sleep 60"));
        let call = tokio::spawn(request.send());
        loop {
            let (_, calls) = sim.get("/_sim/calls").await;
            if calls["calls"].as_array().unwrap().iter().any(|call| call["fault"] == mode) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        while sim.created(mode).await < made {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(sim.created(mode).await, made);
        assert!(!call.is_finished());
        call.abort();
    }
    sim.finish().await;
}

#[tokio::test]
async fn a_stale_listing_lacks_the_new_and_shows_the_dead() {
    let sim = Sim::start().await;
    let id = sim.pod("n", "sleep 60").await;
    sim.until_status(&id, "RUNNING").await;
    sim.fault(json!({"operation": "list", "mode": "stale"})).await;
    sim.fault(json!({"operation": "get", "mode": "stale"})).await;
    assert_eq!(sim.get("/v2/pods").await.1["pods"], json!([]));
    assert_eq!(sim.get("/v2/pods").await.1["pods"][0]["id"], id.as_str());
    assert_eq!(sim.get(&format!("/v2/pods/{id}")).await.0, 404);
    sim.fault(json!({"operation": "graphql:myself", "mode": "stale"})).await;
    let mine = "{myself{pods{id}}}";
    assert_eq!(sim.graphql(mine).await.1["data"]["myself"]["pods"], json!([]));

    // In a listing of the time between its creation and its end it still runs.
    sim.delete(&format!("/v2/pods/{id}")).await;
    let created: jiff::Timestamp = sim.inside(&id).await["created_at"].as_str().unwrap().parse().unwrap();
    for attempt in 0.. {
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
        let age = now - created.as_millisecond();
        sim.fault(json!({"operation": "list", "mode": "stale", "lag_ms": age - 1})).await;
        let (_, listed) = sim.get("/v2/pods").await;
        // A slow machine answers when that moment has passed.
        if let Some(pod) = listed["pods"].get(0) {
            assert_eq!((&pod["id"], &pod["status"]), (&json!(id), &json!("RUNNING")));
            break;
        }
        assert!(attempt < 1000, "never listed");
    }
    sim.finish().await;
}

#[tokio::test]
async fn graphql_faults_speak_graphql() {
    let sim = Sim::start().await;
    let stop = "mutation{podStop(input:{podId:\"x\"}){id}}";
    sim.fault(json!({"operation": "graphql:podStop", "mode": "no_capacity"})).await;
    let (status, answer) = sim.graphql(stop).await;
    assert_eq!((status.as_u16(), &answer["data"]["podStop"]), (200, &Value::Null));
    assert!(
        answer["errors"][0]["message"].as_str().unwrap().starts_with("There are no longer any instances")
    );
    sim.fault(json!({"operation": "graphql:*", "mode": "fail_before", "status": 503})).await;
    let (status, answer) = sim.graphql(stop).await;
    assert_eq!(status, 503);
    assert!(answer["errors"][0]["message"].is_string());
    sim.finish().await;
}

#[tokio::test]
async fn a_lost_delete_was_done() {
    let sim = Sim::start().await;
    let id = sim.pod("n", "sleep 60").await;
    sim.fault(json!({"operation": "delete", "mode": "fail_after", "status": 502})).await;
    assert_eq!(sim.delete(&format!("/v2/pods/{id}")).await, 502);
    assert_eq!(sim.inside(&id).await["status"], "TERMINATED");
    sim.fault(json!({"operation": "delete", "mode": "twice"})).await;
    let id = sim.pod("m", "sleep 60").await;
    assert_eq!(sim.delete(&format!("/v2/pods/{id}")).await, 404, "the second delivery finds nothing");
    sim.finish().await;
}
