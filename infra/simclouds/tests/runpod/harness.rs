//! A simulated RunPod on a free port. At the end of a test no process of any pod may be left.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use simclouds::runpod::{Config, Handle, serve};
use std::time::{Duration, Instant};

pub(crate) const KEY: &str = "rpa_FAKEKEYFORTESTS";
pub(crate) const GPU: &str = "NVIDIA GeForce RTX 4090";

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Sim {
    handle: Option<Handle>,
    pub(crate) url: String,
    pub(crate) client: reqwest::Client,
}

pub(crate) fn config() -> Config {
    let mut config = Config::new(KEY);
    config.boot = Duration::from_millis(20);
    config.restart = Duration::from_millis(20);
    config.stop_grace = Duration::from_secs(5);
    config
}

impl Sim {
    pub(crate) async fn start() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let handle = serve(config).await.unwrap();
        let url = handle.url.clone();
        Self { handle: Some(handle), url, client: reqwest::Client::new() }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(KEY).timeout(PATIENCE)
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        let value = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        (status, value)
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> StatusCode {
        self.call(Method::DELETE, path, None).await.0
    }

    pub(crate) async fn graphql(&self, query: &str) -> (StatusCode, Value) {
        self.post("/graphql", json!({"query": query})).await
    }

    /// Creates a pod that runs `script` with sh, and returns its id.
    pub(crate) async fn pod(&self, name: &str, script: &str) -> String {
        let (status, pod) = self.post("/v2/pods", pod(name, script)).await;
        assert_eq!(status, 201, "{pod}");
        pod["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn fault(&self, plan: Value) {
        let (status, answer) = self.post("/_sim/faults", plan).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// The control's view of a pod, which includes terminated ones.
    pub(crate) async fn inside(&self, id: &str) -> Value {
        let (_, all) = self.get("/_sim/pods").await;
        all["pods"].as_array().unwrap().iter().find(|pod| pod["id"] == id).cloned().unwrap()
    }

    /// How many create calls were done for this name.
    pub(crate) async fn created(&self, name: &str) -> u64 {
        self.get("/_sim/pods").await.1["created"][name].as_u64().unwrap_or(0)
    }

    /// Waits until the control's view of a pod satisfies `holds`.
    pub(crate) async fn until(&self, id: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let pod = self.inside(id).await;
            if holds(&pod) {
                return pod;
            }
            assert!(begun.elapsed() < PATIENCE, "never {what}: {pod}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn until_status(&self, id: &str, status: &str) -> Value {
        self.until(id, status, |pod| pod["status"] == status).await
    }

    /// Reads the container's log, from its beginning, until a line satisfies `holds`; returns all lines read.
    pub(crate) async fn log_until(&self, id: &str, holds: impl Fn(&str) -> bool) -> Vec<String> {
        let path = format!("/v2/pods/{id}/logs?source=container&tail=5000");
        let mut lines = Vec::new();
        let mut events = self.events(&path, None).await;
        while let Some(event) = events.next().await {
            lines.push(event.line);
            if holds(&lines[lines.len() - 1]) {
                return lines;
            }
        }
        panic!("the log ended: {lines:?}");
    }

    pub(crate) async fn events(&self, path: &str, last: Option<&str>) -> Events {
        let mut request = self.request(Method::GET, path);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events { response, text: String::new() }
    }

    /// Ends the cloud as a power cut does and returns the ids of its pods.
    pub(crate) async fn power_off(mut self) -> Vec<String> {
        let (_, all) = self.get("/_sim/pods").await;
        let ids = all["pods"]
            .as_array()
            .unwrap()
            .iter()
            .map(|pod| pod["id"].as_str().unwrap().to_owned())
            .collect();
        self.handle.take().unwrap().stop().await;
        ids
    }

    /// Ends the cloud and asserts that none of its pods left a process behind.
    pub(crate) async fn finish(self) {
        for id in self.power_off().await {
            until_no_process(&id).await;
        }
    }
}

pub(crate) fn pod(name: &str, script: &str) -> Value {
    json!({
        "name": name,
        "image": "docker.io/library/busybox:1.36",
        "args": format!("sh -c '{script}'"),
        "disk": 20,
        "gpu": {"id": GPU, "count": 1},
        "cloud": "SECURE",
    })
}

#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) line: String,
}

pub(crate) struct Events {
    response: reqwest::Response,
    text: String,
}

impl Events {
    /// None: the stream ended.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(at) = self.text.find("\n\n") {
                let event: String = self.text.drain(..at + 2).collect();
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                let Some(data) = field("data: ") else { continue };
                let data: Value = serde_json::from_str(data).unwrap();
                let id = field("id: ").unwrap().to_owned();
                assert_eq!(data["ts"], id.as_str());
                let text = |name: &str| data[name].as_str().unwrap().to_owned();
                return Some(Event { id, source: text("source"), line: text("line") });
            }
            let chunk = self.response.chunk().await.ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

/// The processes of a pod, found by the environment that it gives them.
pub(crate) fn processes(id: &str) -> Vec<u32> {
    let mark = format!("RUNPOD_POD_ID={id}");
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .filter(|(_, path)| {
            std::fs::read(path.join("environ"))
                .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|one| one == mark.as_bytes()))
        })
        .map(|(pid, _)| pid)
        .collect()
}

pub(crate) async fn until_no_process(id: &str) {
    let begun = Instant::now();
    loop {
        let left = processes(id);
        if left.is_empty() {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "pod {id} left processes {left:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
