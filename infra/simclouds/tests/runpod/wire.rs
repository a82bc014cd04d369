//! What RunPod's own clients were recorded to send is understood as it stands.

use crate::harness::{KEY, Sim};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Recorded {
    name: String,
    method: String,
    target: String,
    headers: BTreeMap<String, String>,
    body: String,
}

fn recorded() -> Vec<Recorded> {
    let mut file: Value = serde_json::from_str(include_str!("../fixtures/runpod.json")).unwrap();
    serde_json::from_value(file["requests"].take()).unwrap()
}

async fn replay(sim: &Sim, name: &str, pod: &str) -> (u16, Value) {
    let all = recorded();
    let one = all.iter().find(|one| one.name == name).unwrap_or_else(|| panic!("no recording {name}"));
    assert_eq!(one.headers["authorization"], format!("Bearer {KEY}"));
    // The id is of the stub that answered the recording; the date lies in the past by now.
    let fresh = |text: &str| text.replace("7h9k2m4n6p", pod).replace("2026-06-01T14", "2099-06-01T14");
    let method: Method = one.method.parse().unwrap();
    let mut request = sim.client.request(method, format!("{}{}", sim.url, fresh(&one.target)));
    for (header, value) in &one.headers {
        request = request.header(header, value);
    }
    let response = request.body(fresh(&one.body)).send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null))
}

#[tokio::test]
async fn rest_v2_from_creation_to_deletion() {
    let sim = Sim::start().await;
    let (status, pod) = replay(&sim, "runpod_rest_v2/create_pod", "").await;
    assert_eq!(status, 201);
    assert_eq!(pod["name"], "gp-job-0001");
    assert_eq!(pod["status"], "PROVISIONING");
    assert_eq!(pod["dataCenterId"], "EU-RO-1");
    assert_eq!(pod["actions"], serde_json::json!(["stop", "terminate"]));
    let id = pod["id"].as_str().unwrap();
    sim.until_status(id, "RUNNING").await;

    let (status, pod) = replay(&sim, "runpod_rest_v2/get_pod", id).await;
    assert_eq!((status, &pod["status"]), (200, &Value::from("RUNNING")));
    assert!(pod["cost"].as_f64().unwrap() > 0.0);
    let (status, pods) = replay(&sim, "runpod_rest_v2/list_pods", id).await;
    assert_eq!((status, &pods["pods"][0]["id"]), (200, &Value::from(id)));
    let (status, catalogue) = replay(&sim, "runpod_rest_v2/list_gpu_types", id).await;
    assert_eq!(status, 200);
    let gpus = catalogue["gpus"].as_array().unwrap();
    assert!(gpus.len() >= 12 && gpus.iter().all(|gpu| gpu["availability"].is_string()));
    let (status, bill) = replay(&sim, "runpod_rest_v2/list_pod_billing", id).await;
    assert_eq!((status, &bill["metadata"]["query"]["bucketSize"]), (200, &Value::from("hour")));

    let (status, pod) = replay(&sim, "runpod_rest_v2/stop_pod", id).await;
    assert_eq!((status, &pod["status"]), (200, &Value::from("EXITED")));
    assert_eq!(replay(&sim, "runpod_rest_v2/delete_pod", id).await, (204, Value::Null));
    let (status, problem) = replay(&sim, "runpod_rest_v2/err_not_found_404", id).await;
    assert_eq!((status, &problem["title"]), (404, &Value::from("Not Found")));
    sim.finish().await;
}

#[tokio::test]
async fn graphql_from_creation_to_termination() {
    let sim = Sim::start().await;
    let (status, gpu) = replay(&sim, "runpod/graphql_get_gpu", "").await;
    assert_eq!(status, 200);
    let gpu = &gpu["data"]["gpuTypes"][0];
    assert_eq!(gpu["displayName"], "RTX 4090");
    assert!(
        gpu["lowestPrice"]["minimumBidPrice"].as_f64() < gpu["lowestPrice"]["uninterruptablePrice"].as_f64()
    );
    let (_, gpus) = replay(&sim, "runpod/graphql_get_gpus", "").await;
    assert!(gpus["data"]["gpuTypes"].as_array().unwrap().len() >= 12);

    let (status, made) = replay(&sim, "runpod/err_out_of_stock_create_pod#2", "").await;
    assert_eq!(status, 200);
    let id = made["data"]["podFindAndDeployOnDemand"]["id"].as_str().unwrap();
    let running = sim.until_status(id, "RUNNING").await;
    assert_eq!(running["env_names"], serde_json::json!(["A", "GP_JOB"]));

    let (_, pod) = replay(&sim, "runpod/graphql_get_pod", id).await;
    assert_eq!(pod["data"]["pod"]["dockerArgs"], "bash -c 'echo hi; exit 3'");
    assert_eq!(pod["data"]["pod"]["podType"], "RESERVED");
    let (status, mine) = replay(&sim, "runpod/err_auth_get_pods", id).await;
    assert_eq!((status, &mine["data"]["myself"]["pods"][0]["id"]), (200, &Value::from(id)));
    let (_, user) = replay(&sim, "runpod/graphql_get_user", id).await;
    assert_eq!(user["data"]["myself"]["networkVolumes"], serde_json::json!([]));

    let (_, stopped) = replay(&sim, "runpod/graphql_stop_pod", id).await;
    assert_eq!(stopped["data"]["podStop"]["desiredStatus"], "EXITED");
    let (_, resumed) = replay(&sim, "runpod/graphql_resume_pod", id).await;
    assert_eq!(resumed["data"]["podResume"]["desiredStatus"], "RUNNING");
    let (status, gone) = replay(&sim, "runpod/graphql_terminate_pod", id).await;
    assert_eq!((status, gone), (200, serde_json::json!({"data": {"podTerminate": null}})));
    let (status, missing) = replay(&sim, "runpod/err_not_found_terminate_pod", id).await;
    assert_eq!(status, 200);
    assert_eq!(missing["errors"][0]["message"], "pod not found to terminate");
    assert_eq!(missing["data"]["podTerminate"], Value::Null);
    sim.finish().await;
}

#[tokio::test]
async fn a_spot_pod_costs_its_bid() {
    let sim = Sim::start().await;
    let (status, made) = replay(&sim, "runpod/graphql_spot_podRentInterruptable", "").await;
    assert_eq!(status, 200);
    let made = &made["data"]["podRentInterruptable"];
    assert_eq!(made["desiredStatus"], "RUNNING");
    let pod = sim.inside(made["id"].as_str().unwrap()).await;
    assert_eq!((&pod["spot"], &pod["rate_micros_per_hour"]), (&Value::from(true), &Value::from(250_000)));
    sim.finish().await;
}

#[tokio::test]
async fn every_recording_is_answered_without_a_complaint_about_its_form() {
    let sim = Sim::start().await;
    let id = sim.pod("any", "sleep 60").await;
    for one in recorded() {
        // Logs follow for ever; the test of the logs reads them.
        if one.name == "runpod_rest_v2/pod_logs" {
            continue;
        }
        let (status, answer) = replay(&sim, &one.name, &id).await;
        assert!(matches!(status, 200 | 201 | 204 | 404), "{}: {status} {answer}", one.name);
    }
    sim.finish().await;
}
