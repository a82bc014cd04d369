//! A simulated Tencent Cloud on a free port. At the end of a test no process of any pod may be left.

use hmac::{Hmac, KeyInit, Mac};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use simclouds::tencent::{Config, Handle, serve};
use std::time::{Duration, Instant};

pub(crate) const ID: &str = "AKIDFAKEFORTESTS";
pub(crate) const KEY: &str = "FAKEKEYFORTESTS";
pub(crate) const TOKEN: &str = "fake-token-for-tests";
pub(crate) const JOBS: &str = "/apis/batch/v1/namespaces/gpu/jobs";
pub(crate) const PODS: &str = "/api/v1/namespaces/gpu/pods";
pub(crate) const T4: &str = "GN7.2XLARGE32";

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Sim {
    handle: Option<Handle>,
    pub(crate) url: String,
    pub(crate) client: reqwest::Client,
}

/// A call of the cloud's own API, before it is signed.
pub(crate) struct Call<'a> {
    pub(crate) service: &'a str,
    pub(crate) version: &'a str,
    pub(crate) action: &'a str,
    pub(crate) region: &'a str,
    pub(crate) id: &'a str,
    pub(crate) key: &'a str,
    /// Seconds from now.
    pub(crate) off: i64,
    pub(crate) body: Value,
}

pub(crate) fn tke(action: &str, body: Value) -> Call<'_> {
    Call {
        service: "tke",
        version: "2018-05-25",
        action,
        region: "ap-guangzhou",
        id: ID,
        key: KEY,
        off: 0,
        body,
    }
}

pub(crate) fn cvm(action: &str, body: Value) -> Call<'_> {
    Call { service: "cvm", version: "2017-03-12", ..tke(action, body) }
}

fn hex(bytes: &[u8]) -> String {
    let each: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    each.concat()
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

impl Sim {
    pub(crate) async fn start() -> Self {
        let mut config = Config::new(ID, KEY);
        config.boot = Duration::from_millis(20);
        TOKEN.clone_into(&mut config.token);
        let handle = serve(config).await.unwrap();
        let url = handle.url.clone();
        Self { handle: Some(handle), url, client: reqwest::Client::new() }
    }

    /// A signed call; what is in `Response`.
    pub(crate) async fn cloud(&self, call: Call<'_>) -> Value {
        #[expect(clippy::disallowed_methods, reason = "the cloud's clock is real")]
        let at = jiff::Timestamp::now().as_second() + call.off;
        let day = jiff::Timestamp::from_second(at).unwrap().strftime("%Y-%m-%d").to_string();
        let body = call.body.to_string();
        let host = self.url.trim_start_matches("http://");
        let canonical = format!(
            "POST\n/\n\ncontent-type:application/json\nhost:{host}\n\ncontent-type;host\n{}",
            hex(&Sha256::digest(&body))
        );
        let scope = format!("{day}/{}/tc3_request", call.service);
        let text = format!("TC3-HMAC-SHA256\n{at}\n{scope}\n{}", hex(&Sha256::digest(&canonical)));
        let day_key = mac(format!("TC3{}", call.key).as_bytes(), &day);
        let signature = hex(&mac(&mac(&mac(&day_key, call.service), "tc3_request"), &text));
        let authorization = format!(
            "TC3-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=content-type;host, Signature={signature}",
            call.id
        );
        let request = self
            .client
            .post(&self.url)
            .header("content-type", "application/json")
            .header("authorization", authorization)
            .header("x-tc-action", call.action)
            .header("x-tc-version", call.version)
            .header("x-tc-region", call.region)
            .header("x-tc-timestamp", at);
        let response = request.body(body).timeout(PATIENCE).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let mut answer: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert!(answer["Response"]["RequestId"].is_string());
        answer["Response"].take()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(TOKEN).timeout(PATIENCE)
    }

    pub(crate) async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (StatusCode, Value) {
        self.call(Method::DELETE, path, None).await
    }

    /// A control call that must be accepted.
    pub(crate) async fn control(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.post(&format!("/_sim/{path}"), body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    pub(crate) async fn job(&self, name: &str, script: &str) {
        let (status, made) = self.post(JOBS, job(name, script)).await;
        assert_eq!(status, 201, "{made}");
    }

    pub(crate) async fn pods(&self, job: &str) -> Vec<Value> {
        let (status, list) =
            self.get(&format!("{PODS}?labelSelector=batch.kubernetes.io/job-name%3D{job}")).await;
        assert_eq!(status, 200, "{list}");
        list["items"].as_array().unwrap().clone()
    }

    pub(crate) async fn until(&self, path: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let (_, value) = self.get(path).await;
            if holds(&value) {
                return value;
            }
            assert!(begun.elapsed() < PATIENCE, "never {what}: {value}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The job, once it has come to an end.
    pub(crate) async fn ended(&self, name: &str) -> Value {
        let path = format!("{JOBS}/{name}");
        self.until(&path, "ended", |job| job["status"]["conditions"].is_array()).await
    }

    /// The job's pod, once it has this phase.
    pub(crate) async fn pod(&self, job: &str, phase: &str) -> Value {
        let path = format!("{PODS}?labelSelector=job-name%3D{job}");
        let list = self.until(&path, phase, |list| list["items"][0]["status"]["phase"] == phase).await;
        list["items"][0].clone()
    }

    /// The control's view of a job's pod, deleted ones too.
    pub(crate) async fn inside(&self, job: &str) -> Value {
        let (_, all) = self.get("/_sim/instances").await;
        let found = all["instances"].as_array().unwrap().iter().rev().find(|one| one["name"] == job);
        found.cloned().unwrap_or_default()
    }

    /// Waits until nothing of the job's pod runs or is there.
    pub(crate) async fn gone(&self, job: &str) {
        self.until(&format!("{PODS}?labelSelector=job-name%3D{job}"), "gone", |list| {
            list["items"].as_array().is_some_and(Vec::is_empty)
        })
        .await;
        assert_eq!(self.inside(job).await["alive"], false);
    }

    pub(crate) async fn log(&self, pod: &Value, query: &str) -> String {
        let name = pod["metadata"]["name"].as_str().unwrap();
        let request = self.request(Method::GET, &format!("{PODS}/{name}/log{query}"));
        request.send().await.unwrap().text().await.unwrap()
    }

    /// Ends the cloud and asserts that none of its pods left a process behind.
    pub(crate) async fn finish(mut self) {
        let (_, all) = self.get("/_sim/instances").await;
        self.handle.take().unwrap().stop().await;
        for one in all["instances"].as_array().unwrap() {
            let uid = one["uid"].as_str().unwrap();
            assert_eq!(processes(uid), Vec::<u32>::new(), "{one}");
        }
    }
}

/// As the platform makes one: a T4 in any zone.
pub(crate) fn job(name: &str, script: &str) -> Value {
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": {"gp.io/job": name}},
        "spec": {
            "backoffLimit": 0,
            "template": {
                "metadata": {"annotations": {"eks.tke.cloud.tencent.com/gpu-type": "T4"}},
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [{
                        "name": "main", "image": "busybox:1.36", "command": ["sh", "-c"], "args": [script],
                        "resources": {"limits": {"nvidia.com/gpu": "1"}},
                    }],
                },
            },
        },
    })
}

/// The processes of a pod, found by the environment that it gives them.
pub(crate) fn processes(uid: &str) -> Vec<u32> {
    let mark = format!("SIMCLOUD_POD_UID={uid}");
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
