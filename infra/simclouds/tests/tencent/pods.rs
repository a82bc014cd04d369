//! Where pods run, what they write and what they cost.

use crate::harness::{JOBS, PODS, Sim, T4, job};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_log_is_followed_to_its_end() {
    let sim = Sim::start().await;
    sim.job("a", "echo one; while [ ! -e go ]; do sleep 0.01; done; echo two; printf three").await;
    let pod = sim.pod("a", "Running").await;
    let name = pod["metadata"]["name"].as_str().unwrap();
    let request = sim.request(Method::GET, &format!("{PODS}/{name}/log?follow=true"));
    let mut response = request.send().await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap(), "one\n");
    let inside = sim.inside("a").await;
    let pid = crate::harness::processes(inside["uid"].as_str().unwrap())[0];
    std::fs::write(format!("/proc/{pid}/cwd/go"), "").unwrap();
    assert_eq!(response.text().await.unwrap(), "two\nthree\n");
    sim.ended("a").await;
    assert_eq!(sim.log(&pod, "?tailLines=1").await, "three\n");
    assert_eq!(sim.log(&pod, "?limitBytes=5").await, "one\nt");
    let stamped = sim.log(&pod, "?timestamps=true&tailLines=1").await;
    let (at, text) = stamped.split_once(' ').unwrap();
    assert_eq!((at.len(), text), (30, "three\n"), "{stamped}");
    assert!(sim.log(&pod, "?container=other").await.contains("container other is not valid for pod"));
    sim.finish().await;
}

#[tokio::test]
async fn without_a_place_it_waits_and_costs_nothing() {
    let sim = Sim::start().await;
    sim.control("stock", json!({"instance_type": T4, "count": 0})).await;
    sim.job("a", "exit 0").await;
    let path = format!("{PODS}?labelSelector=job-name%3Da");
    let waits = |list: &Value| list["items"][0]["status"]["conditions"].is_array();
    let list = sim.until(&path, "unschedulable", waits).await;
    let condition = &list["items"][0]["status"]["conditions"][0];
    assert_eq!((&condition["type"], &condition["reason"]), (&json!("PodScheduled"), &json!("Unschedulable")));
    let early = sim.log(&list["items"][0], "").await;
    assert!(early.contains("waiting to start") && early.contains("\"code\":400"), "{early}");
    assert_eq!(sim.get("/_sim/bill").await.1["spent_micros"], 0);
    sim.control("stock", json!({"instance_type": T4, "zone": "ap-guangzhou-7", "count": 1})).await;
    sim.ended("a").await;
    assert_eq!(sim.inside("a").await["zone"], "ap-guangzhou-7");
    let mut unknown = job("b", "exit 0");
    unknown["spec"]["template"]["metadata"]["annotations"]["eks.tke.cloud.tencent.com/gpu-type"] =
        json!("H999");
    sim.post(JOBS, unknown).await;
    let list = sim.until(&path.replace("Da", "Db"), "unschedulable", waits).await;
    let said = list["items"][0]["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(said.contains("unsupported gpu-type \"H999\""), "{said}");
    sim.finish().await;
}

#[tokio::test]
async fn the_bill_is_what_the_status_says() {
    let sim = Sim::start().await;
    let mut spot = job("spot", "sleep 1.2");
    spot["spec"]["template"]["metadata"]["annotations"]["eks.tke.cloud.tencent.com/spot-pod"] = json!("true");
    sim.post(JOBS, spot).await;
    sim.job("full", "exit 0").await;
    let mut sum = 0;
    for (name, rate) in [("spot", 460), ("full", 2300)] {
        sim.ended(name).await;
        let pod = &sim.pods(name).await[0];
        let at = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
        let end = &pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"];
        let seconds = (at(end) - at(&pod["status"]["startTime"])).max(1);
        let (_, bill) = sim.get("/_sim/bill").await;
        let line = bill["instances"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap();
        assert_eq!((&line["micros_per_s"], &line["seconds"]), (&json!(rate), &json!(seconds)), "{line}");
        assert_eq!(line["cost_micros"], json!(rate * seconds));
        sum += rate * seconds;
    }
    let (_, bill) = sim.get("/_sim/bill").await;
    assert_eq!((&bill["spent_micros"], &bill["currency"]), (&json!(sum), &json!("CNY")));
    sim.finish().await;
}

#[tokio::test]
async fn a_pre_empted_pod_says_so_and_uses_its_notice() {
    let sim = Sim::start().await;
    let mut body = job("spot", "trap 'echo saved; exit 7' TERM; echo up; while :; do sleep 0.01; done");
    body["spec"]["template"]["metadata"]["annotations"]["eks.tke.cloud.tencent.com/spot-pod"] = json!("true");
    sim.post(JOBS, body).await;
    let pod = sim.pod("spot", "Running").await;
    let name = pod["metadata"]["name"].as_str().unwrap();
    let request = sim.request(Method::GET, &format!("{PODS}/{name}/log?follow=true"));
    let mut log = request.send().await.unwrap();
    assert_eq!(log.chunk().await.unwrap().unwrap(), "up\n");
    sim.control("instances/spot/preempt", json!({"notice_s": 20})).await;
    sim.ended("spot").await;
    let pod = &sim.pods("spot").await[0];
    assert_eq!((&pod["status"]["phase"], &pod["status"]["reason"]), (&json!("Failed"), &json!("Preempted")));
    let conditions = pod["status"]["conditions"].as_array().unwrap();
    assert!(conditions.iter().any(|one| one["type"] == "DisruptionTarget" && one["status"] == "True"));
    let state = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(state["exitCode"], 7);
    assert_eq!(sim.log(pod, "").await, "up\nsaved\n");
    let (_, events) =
        sim.get(&format!("/api/v1/namespaces/gpu/events?fieldSelector=involvedObject.name%3D{name}")).await;
    let events = events["items"].as_array().unwrap();
    assert!(events.iter().any(|event| event["reason"] == "SpotPodInterruption"));
    sim.job("full", "trap 'echo asked' TERM; while :; do sleep 0.01; done").await;
    sim.pod("full", "Running").await;
    sim.control("instances/full/preempt", json!({"notice_s": 0})).await;
    sim.ended("full").await;
    let pod = &sim.pods("full").await[0];
    let state = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((&pod["status"]["reason"], &state["exitCode"]), (&json!("Evicted"), &json!(137)));
    sim.finish().await;
}
