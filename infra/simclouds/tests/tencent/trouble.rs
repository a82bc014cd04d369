//! What goes wrong on demand.

use crate::harness::{JOBS, PODS, Sim, job, tke};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_reply_is_lost_but_the_job_is_there() {
    let sim = Sim::start().await;
    sim.control("faults", json!({"operation": "jobs.create", "mode": "drop_after", "contains": "\"a\""}))
        .await;
    let lost = sim.request(Method::POST, JOBS).body(job("a", "exit 0").to_string()).send().await;
    assert!(lost.is_err());
    assert_eq!(sim.post(JOBS, job("a", "exit 0")).await.0, 409);
    sim.control("faults", json!({"operation": "jobs.create", "mode": "fail_after"})).await;
    assert_eq!(sim.post(JOBS, job("b", "exit 0")).await.0, 500);
    for name in ["a", "b"] {
        assert_eq!(sim.ended(name).await["status"]["succeeded"], 1);
    }
    sim.finish().await;
}

#[tokio::test]
async fn too_many_calls_are_told_when_to_come_back() {
    let sim = Sim::start().await;
    sim.control("faults", json!({"operation": "jobs.list", "mode": "throttle", "retry_after_s": 7})).await;
    let response = sim.request(Method::GET, JOBS).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    sim.control("faults", json!({"operation": "DescribeClusters", "mode": "throttle"})).await;
    let said = sim.cloud(tke("DescribeClusters", json!({}))).await;
    assert_eq!(said["Error"]["Code"], "RequestLimitExceeded");
    sim.control("settings", json!({"rate_per_minute": 1})).await;
    assert_eq!(sim.get(JOBS).await.0, 200);
    assert_eq!(sim.get(JOBS).await.0, 429);
    sim.finish().await;
}

#[tokio::test]
async fn quotas_are_on_jobs_or_on_what_pods_ask_for() {
    let sim = Sim::start().await;
    sim.control("settings", json!({"quota_jobs": 1})).await;
    sim.job("a", "sleep 3600").await;
    let (status, said) = sim.post(JOBS, job("b", "true")).await;
    assert_eq!((status.as_u16(), &said["reason"]), (403, &json!("Forbidden")));
    assert!(said["message"].as_str().unwrap().contains("exceeded quota"), "{said}");
    sim.pod("a", "Running").await;
    sim.control("settings", json!({"quota_jobs": 0, "quota_gpus": 1})).await;
    sim.job("c", "exit 0").await;
    // The job is there, and has no pod.
    let path = "/api/v1/namespaces/gpu/events?fieldSelector=reason%3DFailedCreate";
    let has = |list: &Value| list["items"].as_array().is_some_and(|all| !all.is_empty());
    let events = sim.until(path, "said", has).await;
    assert!(events["items"][0]["message"].as_str().unwrap().contains("requests.nvidia.com/gpu=1"));
    assert_eq!(sim.pods("c").await, Vec::<Value>::new());
    sim.delete(&format!("{JOBS}/a?propagationPolicy=Background")).await;
    assert_eq!(sim.ended("c").await["status"]["succeeded"], 1);
    sim.finish().await;
}

#[tokio::test]
async fn pods_fail_to_boot_hang_and_lack_their_image() {
    let sim = Sim::start().await;
    for (name, mode) in [("fail", "boot_fail"), ("hang", "boot_hang"), ("none", "no_capacity")] {
        sim.control("faults", json!({"operation": "jobs.create", "mode": mode})).await;
        sim.job(name, "exit 0").await;
    }
    sim.ended("fail").await;
    assert_eq!(sim.pods("fail").await[0]["status"]["reason"], "UnexpectedAdmissionError");
    sim.control("settings", json!({"missing_image": "busybox"})).await;
    sim.job("image", "exit 0").await;
    let waiting = |list: &Value| {
        list["items"][0]["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].clone()
    };
    let selector = |name: &str| format!("{PODS}?labelSelector=job-name%3D{name}");
    sim.until(&selector("image"), "no image", |list| waiting(list) == "ImagePullBackOff").await;
    sim.until(&selector("hang"), "creating", |list| waiting(list) == "ContainerCreating").await;
    let lacks = |list: &Value| list["items"][0]["status"]["conditions"][0]["reason"] == "Unschedulable";
    sim.until(&selector("none"), "no room", lacks).await;
    sim.control("settings", json!({"missing_image": ""})).await;
    assert_eq!(sim.ended("image").await["status"]["succeeded"], 1);
    for name in ["hang", "none"] {
        sim.delete(&format!("{JOBS}/{name}?propagationPolicy=Background")).await;
        sim.gone(name).await;
    }
    sim.finish().await;
}

#[tokio::test]
async fn a_lost_machine_is_known_or_it_is_not() {
    let sim = Sim::start().await;
    for name in ["known", "silent"] {
        sim.job(name, "sleep 3600").await;
        sim.pod(name, "Running").await;
    }
    sim.control("instances/known/kill", json!({})).await;
    assert_eq!(sim.ended("known").await["status"]["failed"], 1);
    assert_eq!(sim.pods("known").await, Vec::<Value>::new());
    sim.control("instances/silent/kill", json!({"as": "silent"})).await;
    let dead = |all: &Value| {
        let all = all["instances"].as_array().unwrap();
        all.iter().any(|one| one["name"] == "silent" && one["alive"] == false)
    };
    sim.until("/_sim/instances", "dead", dead).await;
    assert_eq!(sim.pods("silent").await[0]["status"]["phase"], "Running");
    sim.delete(&format!("{JOBS}/silent?propagationPolicy=Background")).await;
    sim.gone("silent").await;
    sim.finish().await;
}

#[tokio::test]
async fn a_cloud_that_is_down_answers_nothing_and_loses_nothing() {
    let sim = Sim::start().await;
    sim.job("a", "exit 0").await;
    sim.control("settings", json!({"down": true})).await;
    assert!(sim.request(Method::GET, JOBS).send().await.is_err());
    sim.control("settings", json!({"down": false})).await;
    assert_eq!(sim.ended("a").await["status"]["succeeded"], 1);
    let (status, _) = sim.post("/_sim/settings", json!({"dwn": true})).await;
    assert_eq!(status, 422);
    let (status, _) = sim.post("/_sim/faults", json!({"operation": "jobs.creat", "mode": "hang"})).await;
    assert_eq!(status, 422);
    sim.finish().await;
}
