//! The adapter against the simulated Tencent Cloud.

use std::{sync::Arc, time::Duration};

use app::ports::{Phase, Provider};
use async_trait::async_trait;
use domain::{job::Handle, placement::Stock};
use serde_json::{Value, json};

use super::{SECRET_ID, SECRET_KEY, tencent};
use crate::{
    contract::{self, Call, Cloud, Fault},
    peer::Peer,
    values::{attempt, launch},
};

const TOKEN: &str = "not-a-real-token";

struct Tke {
    simulation: simclouds::tencent::Handle,
    http: reqwest::Client,
}

impl Tke {
    async fn control(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/_sim/{path}", self.simulation.url);
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path} {body}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    /// As the cluster's owner calls it, not as our adapter does.
    async fn cluster(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Value {
        let mut request =
            self.http.request(method, format!("{}{path}", self.simulation.url)).bearer_auth(TOKEN);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    async fn items(&self, path: &str) -> Vec<Value> {
        let list = self.cluster(reqwest::Method::GET, path, None).await;
        list["items"].as_array().unwrap().clone()
    }
}

fn job(handle: &Handle) -> &str {
    handle.id.rsplit('/').next().unwrap()
}

#[async_trait]
impl Cloud for Tke {
    async fn start() -> Self {
        let config = simclouds::tencent::Config {
            boot: Duration::from_millis(20),
            token: TOKEN.to_owned(),
            ..simclouds::tencent::Config::new(SECRET_ID, SECRET_KEY)
        };
        Self { simulation: simclouds::tencent::serve(config).await.unwrap(), http: reqwest::Client::new() }
    }

    fn provider(&self) -> Arc<dyn Provider> {
        tencent(&self.simulation.url, SECRET_KEY, &self.simulation.cluster_id, "gpu")
    }

    fn stranger(&self) -> Arc<dyn Provider> {
        tencent(&self.simulation.url, "somebody-elses-key", &self.simulation.cluster_id, "gpu")
    }

    fn handle(&self, id: &str) -> Handle {
        let id = format!("{}/gpu/{id}", self.simulation.cluster_id);
        Handle { provider: "tencent".into(), region: "ap-guangzhou".into(), id }
    }

    fn names_a_wait(&self, call: Call) -> bool {
        // The cloud's own API refuses what is too much and names no time; the cluster does.
        call != Call::Offers
    }

    async fn plan(&self, call: Call, fault: Fault) {
        let operation = match call {
            Call::Launch | Call::LaunchSpot => "jobs.create",
            Call::List => "jobs.list",
            Call::Observe => "jobs.get",
            Call::Terminate => "jobs.delete",
            Call::Offers => "DescribeZoneInstanceConfigInfos",
        };
        self.control("faults", fault.plan(operation)).await;
    }

    async fn sell_out(&self) {
        self.control("stock", json!({"count": 0})).await;
    }

    async fn spend_everything(&self) {
        // The quota is one job, and somebody has it.
        self.add_foreign().await;
        self.control("settings", json!({"quota_jobs": 1})).await;
    }

    async fn add_foreign(&self) -> Handle {
        let labels = json!({"gpu-attempt": "att_mine", "app.kubernetes.io/managed-by": "gpu-control-plane"});
        let pod = json!({"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox:1.36",
            "command": ["sleep", "600"]}]});
        let body = json!({"apiVersion": "batch/v1", "kind": "Job",
            "metadata": {"name": "gpu-att-mine", "labels": labels},
            "spec": {"template": {"metadata": {"labels": labels}, "spec": pod}}});
        self.cluster(reqwest::Method::POST, "/apis/batch/v1/namespaces/gpu/jobs", Some(body)).await;
        self.handle("gpu-att-mine")
    }

    async fn preempt(&self, instance: &Handle) {
        self.control(&format!("pods/{}/preempt", job(instance)), json!({})).await;
    }

    async fn stop(&self, instance: &Handle) {
        let selector = format!("labelSelector=batch.kubernetes.io/job-name%3D{}", job(instance));
        for pod in self.items(&format!("/api/v1/namespaces/gpu/pods?{selector}")).await {
            let name = pod["metadata"]["name"].as_str().unwrap();
            let path = format!("/api/v1/namespaces/gpu/pods/{name}?gracePeriodSeconds=0");
            self.cluster(reqwest::Method::DELETE, &path, None).await;
        }
    }

    async fn lose(&self, instance: &Handle) {
        let path =
            format!("/apis/batch/v1/namespaces/gpu/jobs/{}?propagationPolicy=Background", job(instance));
        self.cluster(reqwest::Method::DELETE, &path, None).await;
    }

    async fn live(&self) -> u64 {
        // A pod has some time for its end.
        while self
            .items("/api/v1/namespaces/gpu/pods")
            .await
            .iter()
            .any(|pod| !pod["metadata"]["deletionTimestamp"].is_null())
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let url = format!("{}/_sim/pods", self.simulation.url);
        let pods: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        pods["live"].as_u64().unwrap()
    }

    async fn spent(&self) -> i64 {
        let url = format!("{}/_sim/bill", self.simulation.url);
        let bill: Value = self.http.get(url).send().await.unwrap().json().await.unwrap();
        bill["spent_micros"].as_i64().unwrap()
    }
}

contract::contract! { Tke }

async fn offer(tke: &Tke, spot: bool) -> domain::placement::Offer {
    let offers = tke.provider().offers().await.unwrap();
    offers.into_iter().find(|o| o.spot == spot && o.gpu_count == 1 && o.stock > Stock::Low).unwrap()
}

async fn until(provider: &dyn Provider, handle: &Handle, wanted: impl Fn(&Phase) -> bool) -> Phase {
    loop {
        let seen = provider.observe(handle).await.unwrap();
        if wanted(&seen.phase) {
            return seen.phase;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_cluster_tells_the_exit_code() {
    let tke = Tke::start().await;
    let provider = tke.provider();
    for (number, code) in [(1, 0), (2, 3), (3, 137)] {
        let mut launch = launch(number, offer(&tke, false).await);
        launch.env.insert("GPU_RUNNER".into(), format!("exit {code}"));
        let made = provider.launch(&launch).await.unwrap();
        let ended =
            until(provider.as_ref(), &made.handle, |phase| matches!(phase, Phase::Exited { .. })).await;
        assert_eq!(ended, Phase::Exited { code: Some(code) });
    }
}

/// The whole way of a command: the pod, the runner in it, the command's exit code.
#[tokio::test]
async fn a_command_runs_to_its_end_under_the_runner() {
    let tke = Tke::start().await;
    let provider = tke.provider();
    let api = Peer::saying(200, "go\nevery 0.1\n").await;
    let runner = runner::Environment {
        api_url: api.url.clone(),
        attempt_id: attempt(1).to_string(),
        job_id: "job_00000000000000000000000000000001".into(),
        attempt: 1,
        token: runner::Token::new("fake-runner-token"),
        command: ["sh", "-c", "echo \"it is $WORD\"; exit 7"].map(str::to_owned).to_vec(),
        timeout_seconds: 60,
        checkpoint_dir: "/tmp/gpu-checkpoint".into(),
    };
    let mut launch = launch(1, offer(&tke, true).await);
    launch.env = runner.variables().into_iter().collect();
    launch.env.insert("WORD".into(), "a word with 'quotes' and ünïcode".into());
    let made = provider.launch(&launch).await.unwrap();

    let exit = loop {
        if let Some(exit) = api.seen().into_iter().find(|seen| seen.target.ends_with("/exit")) {
            break exit;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    assert_eq!(exit.target, format!("/v1/runner/{}/exit", attempt(1)));
    assert_eq!(exit.headers["authorization"], "Bearer fake-runner-token");
    assert!(exit.body.starts_with("code 7\nreason exited\n"), "{}", exit.body);
    // The runner waits to be taken down.
    assert_eq!(provider.observe(&made.handle).await.unwrap().phase, Phase::Running);
    let log = provider.last_log(&made.handle, 50).await.unwrap();
    assert!(log.contains(&"it is a word with 'quotes' and ünïcode".to_owned()), "{log:?}");
    assert_eq!(runner::protocol::find_exit_marker(&log, &attempt(1).to_string()), Some(7));

    provider.terminate(&made.handle).await.unwrap();
    assert_eq!(tke.live().await, 0);
}

#[tokio::test]
async fn the_secret_goes_with_its_job() {
    let tke = Tke::start().await;
    let provider = tke.provider();
    let secrets = "/api/v1/namespaces/gpu/secrets";
    for number in [1, 2] {
        let made = provider.launch(&launch(number, offer(&tke, false).await)).await.unwrap();
        assert_eq!(tke.items(secrets).await.len(), 1);
        // By us, and by somebody who deletes the job alone.
        if number == 1 {
            provider.terminate(&made.handle).await.unwrap();
        } else {
            tke.lose(&made.handle).await;
        }
        assert_eq!(tke.items(secrets).await, [Value::Null; 0]);
    }
    // Of a job that we do not know of.
    tke.plan(Call::Launch, Fault::ReplyLost).await;
    provider.launch(&launch(3, offer(&tke, false).await)).await.unwrap_err();
    let found = provider.find(attempt(3), &offer(&tke, false).await).await.unwrap();
    provider.terminate(&found[0].handle).await.unwrap();
    assert_eq!(tke.items(secrets).await, [Value::Null; 0]);
    // And a refused launch leaves none.
    tke.spend_everything().await;
    provider.launch(&launch(4, offer(&tke, false).await)).await.unwrap_err();
    assert_eq!(tke.items(secrets).await, [Value::Null; 0]);
}

#[tokio::test]
async fn a_pod_that_finds_no_machine_still_starts_and_says_why() {
    let tke = Tke::start().await;
    let provider = tke.provider();
    tke.control("faults", json!({"operation": "jobs.create", "mode": "no_capacity"})).await;
    let made = provider.launch(&launch(1, offer(&tke, false).await)).await.unwrap();
    loop {
        let seen = provider.observe(&made.handle).await.unwrap();
        assert_eq!(seen.phase, Phase::Starting);
        if seen.detail.is_some_and(|words| words.contains("Insufficient nvidia.com/gpu")) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_quota_on_pods_is_told_by_what_waits_for_it() {
    let tke = Tke::start().await;
    let provider = tke.provider();
    tke.control("settings", json!({"quota_gpus": 1})).await;
    let first = provider.launch(&launch(1, offer(&tke, false).await)).await.unwrap();
    until(provider.as_ref(), &first.handle, |phase| *phase == Phase::Running).await;
    let second = provider.launch(&launch(2, offer(&tke, false).await)).await.unwrap();
    loop {
        let seen = provider.observe(&second.handle).await.unwrap();
        assert_eq!(seen.phase, Phase::Starting);
        if seen.detail.is_some_and(|words| words.contains("FailedCreate") && words.contains("exceeded quota"))
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A pod's time is over for the cluster too, should nobody of us be there.
#[tokio::test]
async fn the_cluster_ends_what_is_past_its_time() {
    let tke = Tke::start().await;
    let provider = tke.provider();
    let mut launch = launch(1, offer(&tke, false).await);
    launch.release_at = "2026-01-01T00:00:00Z".parse().unwrap();
    let made = provider.launch(&launch).await.unwrap();
    let ended = until(provider.as_ref(), &made.handle, |phase| matches!(phase, Phase::Exited { .. })).await;
    assert!(matches!(ended, Phase::Exited { .. }));
    assert_eq!(tke.live().await, 0);
}
