//! What a pod does between creation and termination.

use crate::harness::{Sim, config, pod, processes, until_no_process};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn it_runs_its_args_with_its_environment_and_nothing_else() {
    let sim = Sim::start().await;
    let mut body = pod("n", "");
    body["args"] = json!("sh -c 'env; pwd; echo \"$1\" done; sleep 60' name 'two  words'");
    body["env"] = json!({"GP_JOB": "0001", "SPACED": "b c\nd"});
    let id = sim.post("/v2/pods", body).await.1["id"].as_str().unwrap().to_owned();
    let lines = sim.log_until(&id, |line| line.ends_with("done")).await;
    assert_eq!(lines.last().unwrap(), "two  words done");
    for line in ["GP_JOB=0001", "SPACED=b c", &format!("RUNPOD_POD_ID={id}")] {
        assert!(lines.iter().any(|one| one == line), "{line} in {lines:?}");
    }
    assert!(
        lines.iter().any(|line| line.starts_with('/') && line.ends_with(&id)),
        "its own directory: {lines:?}"
    );
    let own = |line: &&String| line.starts_with("CARGO") || line.starts_with("USER=");
    assert_eq!(lines.iter().find(own), None);
    sim.finish().await;
}

#[tokio::test]
async fn an_entrypoint_that_ends_is_started_again_in_the_same_directory() {
    let sim = Sim::start().await;
    let id = sim.pod("n", "echo x >> f; echo run $(wc -l < f); exit 3").await;
    sim.log_until(&id, |line| line == "run 3").await;
    let pod = sim.inside(&id).await;
    assert!(pod["starts"].as_u64().unwrap() >= 3);
    assert_eq!((&pod["status"], &pod["last_exit"]), (&json!("RUNNING"), &json!(3)));
    sim.finish().await;
}

#[tokio::test]
async fn only_the_main_process_is_asked_to_stop() {
    let sim = Sim::start().await;
    let child = "(trap \"echo child was asked\" TERM; while :; do sleep 0.01; done)";
    let script = format!("trap \"echo asked; sleep 0.1; exit 7\" TERM; {child} & echo up; wait");
    let id = sim.pod("n", &script).await;
    sim.log_until(&id, |line| line == "up").await;
    sim.post(&format!("/v2/pods/{id}/action"), json!({"action": "stop"})).await;
    sim.until(&id, "dead", |pod| pod["alive"] == false).await;
    assert_eq!(sim.log_until(&id, |line| line == "asked").await, ["up", "asked"]);
    assert_eq!(sim.inside(&id).await["last_exit"], 7);
    sim.finish().await;
}

#[tokio::test]
async fn a_container_dies_with_its_entrypoint_even_what_left_its_group() {
    let mut slow = config();
    slow.restart = Duration::from_hours(1);
    let sim = Sim::with(slow).await;
    let away = "setsid sh -c \"touch away; sleep 3600\" & while [ ! -e away ]; do sleep 0.01; done";
    let id = sim.pod("n", &format!("{away}; sleep 3600 & echo started; exit 0")).await;
    sim.log_until(&id, |line| line == "started").await;
    until_no_process(&id).await;
    sim.finish().await;
}

#[tokio::test]
async fn stop_releases_the_machine_and_start_boots_it_afresh() {
    let sim = Sim::start().await;
    let id = sim.pod("n", "ls f && echo kept; touch f; echo up; sleep 3600").await;
    sim.log_until(&id, |line| line == "up").await;
    let action = format!("/v2/pods/{id}/action");
    let (status, stopped) = sim.post(&action, json!({"action": "stop"})).await;
    assert_eq!((status.as_u16(), &stopped["status"], &stopped["cost"]), (200, &json!("EXITED"), &json!(0.0)));
    assert_eq!(sim.post(&action, json!({"action": "stop"})).await.0, 409);
    until_no_process(&id).await;
    let (status, started) = sim.post(&action, json!({"action": "start"})).await;
    assert_eq!((status.as_u16(), &started["status"]), (200, &json!("PROVISIONING")));
    sim.until(&id, "started twice", |pod| pod["starts"] == 2).await;
    let ups = std::cell::Cell::new(0);
    let second = |line: &str| {
        ups.set(ups.get() + u32::from(line == "up"));
        ups.get() == 2
    };
    let lines = sim.log_until(&id, second).await;
    assert!(!lines.iter().any(|line| line == "kept"));
    assert_eq!(sim.post(&action, json!({"action": "restart"})).await.0, 200);
    sim.until(&id, "started three times", |pod| pod["starts"] == 3).await;
    sim.log_until(&id, |line| line == "kept").await;
    assert_eq!(sim.post(&action, json!({"action": "terminate"})).await.0, 204);
    assert_eq!(sim.get(&format!("/v2/pods/{id}")).await.0, 404);
    sim.finish().await;
}

#[tokio::test]
async fn a_start_while_the_stop_still_waits_boots_afresh_too() {
    let sim = Sim::start().await;
    let wait = "trap \"while [ ! -e go ]; do sleep 0.01; done; exit 0\" TERM";
    let id = sim
        .pod("n", &format!("ls f && echo kept; touch f; {wait}; echo up; while :; do sleep 0.01; done"))
        .await;
    sim.log_until(&id, |line| line == "up").await;
    let old = processes(&id);
    let action = format!("/v2/pods/{id}/action");
    assert_eq!(sim.post(&action, json!({"action": "stop"})).await.0, 200);
    assert_eq!(sim.post(&action, json!({"action": "start"})).await.1["status"], "PROVISIONING");
    std::fs::write(format!("/proc/{}/cwd/go", old.iter().min().unwrap()), "").unwrap();
    sim.until(&id, "started twice", |pod| pod["starts"] == 2 && pod["status"] == "RUNNING").await;
    let ups = std::cell::Cell::new(0);
    let second = |line: &str| {
        ups.set(ups.get() + u32::from(line == "up"));
        ups.get() == 2
    };
    assert!(!sim.log_until(&id, second).await.iter().any(|line| line == "kept"));
    sim.finish().await;
}

#[tokio::test]
async fn termination_answers_at_once_and_gives_the_grace() {
    let sim = Sim::start().await;
    let id = sim
        .pod("n", "trap \"echo bye > $HOME/../bye; exit 0\" TERM; echo up; while :; do sleep 0.01; done")
        .await;
    sim.log_until(&id, |line| line == "up").await;
    assert!(!processes(&id).is_empty());
    assert_eq!(sim.delete(&format!("/v2/pods/{id}")).await, 204);
    assert_eq!(sim.get("/v2/pods").await.1["pods"], json!([]));
    assert_eq!(sim.delete(&format!("/v2/pods/{id}")).await, 404);
    sim.until(&id, "dead", |pod| pod["alive"] == false).await;
    until_no_process(&id).await;
    sim.finish().await;
}

#[tokio::test]
async fn what_ignores_sigterm_is_killed_when_the_grace_is_over() {
    let mut short = config();
    short.stop_grace = Duration::from_millis(50);
    let sim = Sim::with(short).await;
    let id = sim.pod("n", "trap \"\" TERM; echo up; while :; do sleep 0.01; done").await;
    sim.log_until(&id, |line| line == "up").await;
    sim.delete(&format!("/v2/pods/{id}")).await;
    until_no_process(&id).await;
    sim.finish().await;
}

#[tokio::test]
async fn preemption_with_notice_warns_the_process_first() {
    let sim = Sim::start().await;
    let id = sim
        .pod("n", "trap \"echo warned; sleep 0.1; exit 0\" TERM; echo up; while :; do sleep 0.01; done")
        .await;
    sim.log_until(&id, |line| line == "up").await;
    let (status, _) = sim.post(&format!("/_sim/pods/{id}/preempt"), json!({"notice_s": 20})).await;
    assert_eq!(status, 200);
    sim.until_status(&id, "EXITED").await;
    sim.log_until(&id, |line| line == "warned").await;
    until_no_process(&id).await;
    let (_, shown) =
        sim.graphql(&format!("{{pod(input:{{podId:\"{id}\"}}){{desiredStatus lastStatusChange}}}}")).await;
    assert_eq!(shown["data"]["pod"]["desiredStatus"], "EXITED");
    assert!(shown["data"]["pod"]["lastStatusChange"].as_str().unwrap().contains("interrupted"));
    sim.finish().await;
}

#[tokio::test]
async fn preemption_without_notice_does_not_wait() {
    let sim = Sim::start().await;
    let id = sim.pod("n", "trap \"\" TERM; echo up; while :; do sleep 0.01; done").await;
    sim.log_until(&id, |line| line == "up").await;
    sim.post(&format!("/_sim/pods/{id}/preempt"), json!({})).await;
    assert_eq!(sim.inside(&id).await["status"], "EXITED");
    until_no_process(&id).await;
    sim.finish().await;
}

#[tokio::test]
async fn a_lost_machine_is_either_forgotten_or_still_said_to_run() {
    let sim = Sim::start().await;
    let (gone, silent) =
        (sim.pod("a", "echo up; sleep 3600").await, sim.pod("b", "echo up; sleep 3600").await);
    for id in [&gone, &silent] {
        sim.log_until(id, |line| line == "up").await;
    }
    sim.post(&format!("/_sim/pods/{gone}/kill"), json!({})).await;
    sim.post(&format!("/_sim/pods/{silent}/kill"), json!({"as": "silent"})).await;
    until_no_process(&gone).await;
    until_no_process(&silent).await;
    assert_eq!(sim.get(&format!("/v2/pods/{gone}")).await.0, 404);
    sim.until(&silent, "dead", |pod| pod["alive"] == false).await;
    let (_, pod) = sim.get(&format!("/v2/pods/{silent}")).await;
    assert_eq!((&pod["status"], &pod["runtime"]["uptime"]), (&json!("RUNNING"), &json!(0)));
    assert_eq!(sim.delete(&format!("/v2/pods/{silent}")).await, 204);
    sim.finish().await;
}

#[tokio::test]
async fn the_bill_counts_from_running_to_the_end() {
    let sim = Sim::start().await;
    let id = sim.pod("n", "sleep 3600").await;
    sim.until(&id, "paid for", |pod| pod["cost_micros"].as_i64() > Some(0)).await;
    let (_, before) = sim.get("/_sim/bill").await;
    assert_eq!((&before["pods"][0]["running"], &before["prices"]), (&json!(true), &json!("synthetic")));
    sim.delete(&format!("/v2/pods/{id}")).await;
    let (_, one) = sim.get("/_sim/bill").await;
    let (_, two) = sim.get("/_sim/bill").await;
    assert_eq!(one, two);
    let pod = &one["pods"][0];
    let expected =
        pod["rate_micros_per_hour"].as_i64().unwrap() * pod["paid_ms"].as_i64().unwrap() / 3_600_000;
    assert_eq!(pod["cost_micros"], expected);
    assert_eq!(one["spent_micros"], expected);
    let (_, records) = sim.get(&format!("/v2/billing/pods?bucketSize=year&lastN=1&podId={id}")).await;
    let total: f64 = records["metadata"]["totals"]["totalAmount"].as_f64().unwrap();
    assert_eq!((total * 1e6).round() as i64, expected);
    sim.finish().await;
}

#[tokio::test]
async fn guards_end_a_forgotten_pod() {
    let sim = Sim::start().await;
    let rent = |extra: &str| {
        format!(
            "mutation{{podRentInterruptable(input:{{name:\"g\",imageName:\"i\",gpuTypeId:\"NVIDIA GeForce RTX 4090\",bidPerGpu:1,\
             dockerArgs:\"sleep 3600\",{extra}}}){{id}}}}"
        )
    };
    for (extra, status) in [
        ("terminateAfter:\"2020-01-01T00:00:00Z\"", "TERMINATED"),
        ("stopAfter:\"2020-01-01T00:00:00Z\"", "EXITED"),
    ] {
        let (_, made) = sim.graphql(&rent(extra)).await;
        let id = made["data"]["podRentInterruptable"]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{made}"))
            .to_owned();
        sim.until_status(&id, status).await;
    }
    sim.finish().await;
}

#[tokio::test]
async fn a_boot_can_fail_or_never_end() {
    let sim = Sim::start().await;
    sim.fault(json!({"operation": "create", "mode": "boot_fail"})).await;
    sim.fault(json!({"operation": "create", "mode": "boot_hang", "nth": 2})).await;
    let (fails, hangs, works) =
        (sim.pod("a", "sleep 9").await, sim.pod("b", "sleep 9").await, sim.pod("c", "sleep 9").await);
    sim.until_status(&fails, "ERROR").await;
    sim.until_status(&works, "RUNNING").await;
    assert_eq!(sim.inside(&hangs).await["status"], "PROVISIONING");
    assert_eq!(sim.inside(&fails).await["paid_ms"], 0);
    let (status, again) = sim.post(&format!("/v2/pods/{fails}/action"), json!({"action": "start"})).await;
    assert_eq!(status, 200, "{again}");
    sim.until_status(&fails, "RUNNING").await;
    sim.post("/_sim/settings", json!({"boot_fail_rate": 1.0})).await;
    let id = sim.pod("d", "sleep 9").await;
    sim.until_status(&id, "ERROR").await;
    let live: Value = sim.get("/_sim/pods").await.1["live"].clone();
    assert_eq!(live, 4);
    sim.finish().await;
}
