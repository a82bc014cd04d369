//! Pods outlive the simulated cloud on disk, their processes never do.

use crate::harness::{KEY, Sim, config, processes, until_no_process};
use serde_json::{Value, json};
use std::io::BufRead;
use std::process::{Child, Command, Stdio};

#[tokio::test]
async fn pods_come_back_after_a_restart_as_after_a_power_cut() {
    let data = tempfile::tempdir().unwrap();
    let lasting = || {
        let mut config = config();
        config.data = Some(data.path().to_owned());
        config
    };
    let sim = Sim::with(lasting()).await;
    let runs = sim.pod("runs", "echo up; sleep 3600").await;
    let stopped = sim.pod("stopped", "sleep 3600").await;
    let gone = sim.pod("gone", "sleep 3600").await;
    sim.log_until(&runs, |line| line == "up").await;
    sim.until_status(&stopped, "RUNNING").await;
    sim.post(&format!("/v2/pods/{stopped}/action"), json!({"action": "stop"})).await;
    sim.delete(&format!("/v2/pods/{gone}")).await;
    sim.post("/_sim/stock", json!({"gpu": "NVIDIA L4", "secure": 5})).await;
    for id in sim.power_off().await {
        until_no_process(&id).await;
    }

    let sim = Sim::with(lasting()).await;
    sim.until(&runs, "started again", |pod| pod["starts"] == 2).await;
    let ups = sim.log_until(&runs, |line| line == "up").await;
    assert_eq!(ups.len(), 1, "the log of its earlier life is kept");
    assert_eq!(sim.get(&format!("/v2/pods/{stopped}")).await.1["status"], "EXITED");
    assert_eq!(sim.get(&format!("/v2/pods/{gone}")).await.0, 404);
    assert_eq!(sim.inside(&gone).await["status"], "TERMINATED");
    assert_eq!(sim.created("runs").await, 1);
    let (_, stock) = sim.get("/_sim/stock").await;
    let l4: Vec<_> =
        stock["stock"].as_array().unwrap().iter().filter(|shelf| shelf["gpu"] == "NVIDIA L4").collect();
    assert!(l4.iter().all(|shelf| shelf["secure"] == 5));
    assert_eq!(sim.delete(&format!("/v2/pods/{runs}")).await, 204);
    sim.finish().await;
}

/// The program itself, so that it can be killed.
struct Program {
    process: Child,
    url: String,
    client: reqwest::Client,
}

impl Program {
    fn start(words: &[&str]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_simclouds"))
            .args(["--key", KEY])
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let url = ready["runpod"]["url"].as_str().unwrap().to_owned();
        Self { process, url, client: reqwest::Client::new() }
    }

    async fn pod(&self, script: &str) -> String {
        let body = crate::harness::pod("n", script);
        let request = self.client.post(format!("{}/v2/pods", self.url)).bearer_auth(KEY).json(&body);
        let made: Value = request.send().await.unwrap().json().await.unwrap();
        made["id"].as_str().unwrap().to_owned()
    }

    /// The first line of a pod's container.
    async fn first_line(&self, id: &str) -> String {
        let path = format!("{}/v2/pods/{id}/logs?source=container", self.url);
        let mut logs = self.client.get(path).bearer_auth(KEY).send().await.unwrap();
        let mut text = String::new();
        loop {
            text.push_str(std::str::from_utf8(&logs.chunk().await.unwrap().unwrap()).unwrap());
            if let Some((_, rest)) = text.split_once("data: ")
                && let Some((json, _)) = rest.split_once('\n')
            {
                let event: Value = serde_json::from_str(json).unwrap();
                return event["line"].as_str().unwrap().to_owned();
            }
        }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[tokio::test]
async fn kill_minus_nine_leaves_no_process_and_no_directory() {
    let mut cloud = Program::start(&[]);
    let id = cloud.pod("trap \"\" TERM; sleep 3600 & echo $PWD; sleep 3600").await;
    let home = cloud.first_line(&id).await;
    assert!(std::path::Path::new(&home).is_dir());
    assert!(processes(&id).len() >= 2);
    cloud.kill();
    until_no_process(&id).await;
    while std::path::Path::new(&home).exists() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_was_answered_before_kill_minus_nine_is_known_after() {
    let data = tempfile::tempdir().unwrap();
    let words = ["--data", data.path().to_str().unwrap()];
    let mut cloud = Program::start(&words);
    let id = cloud.pod("echo $$; sleep 3600").await;
    cloud.kill();
    let mut cloud = Program::start(&words);
    let main = cloud.first_line(&id).await;
    assert_eq!(
        std::fs::read_link(format!("/proc/{main}/cwd")).unwrap(),
        data.path().join("runpod/disks").join(&id)
    );
    let mut mine = config();
    mine.data = Some(data.path().join("runpod"));
    let refused = simclouds::runpod::serve(mine).await.unwrap_err();
    assert!(refused.to_string().contains("belongs to"), "two at once would each run the pods: {refused}");
    cloud.kill();
    until_no_process(&id).await;
}

#[tokio::test]
async fn dropping_the_handle_is_enough() {
    let handle = simclouds::runpod::serve(config()).await.unwrap();
    let client = reqwest::Client::new();
    let body = crate::harness::pod("n", "echo up; sleep 3600");
    let made =
        client.post(format!("{}/v2/pods", handle.url)).bearer_auth(KEY).json(&body).send().await.unwrap();
    let made: Value = made.json().await.unwrap();
    let id = made["id"].as_str().unwrap();
    while processes(id).is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    drop(handle);
    until_no_process(id).await;
}
