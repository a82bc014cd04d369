//! The RunPod adapter against the simulated RunPod.

use std::sync::Arc;

use app::ports::Provider;
use async_trait::async_trait;
use domain::job::Handle;
use serde_json::{Value, json};

use crate::{
    contract::{self, Call, Cloud, Fault},
    values::{self, KEY},
};

struct RunPod {
    simulation: simclouds::runpod::Handle,
    http: reqwest::Client,
}

impl RunPod {
    async fn control(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/_sim/{path}", self.simulation.url);
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path} {body}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }

    /// As RunPod's owner calls it, not as our adapter does.
    async fn call(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/v2/{path}", self.simulation.url);
        let answer = self.http.post(url).bearer_auth(KEY).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{path} {body}: {}", answer.text().await.unwrap());
        answer.json().await.unwrap()
    }
}

#[async_trait]
impl Cloud for RunPod {
    async fn start() -> Self {
        let simulation = simclouds::runpod::serve(simclouds::runpod::Config::new(KEY)).await.unwrap();
        Self { simulation, http: reqwest::Client::new() }
    }

    fn provider(&self) -> Arc<dyn Provider> {
        values::runpod(&self.simulation.url, KEY)
    }

    fn stranger(&self) -> Arc<dyn Provider> {
        values::runpod(&self.simulation.url, "rpa_FAKEKEYOFSOMEBODYELSE")
    }

    fn handle(&self, id: &str) -> Handle {
        values::handle(id)
    }

    async fn plan(&self, call: Call, fault: Fault) {
        let operation = match call {
            Call::Launch => "create",
            Call::LaunchSpot => "graphql:podRentInterruptable",
            Call::List => "list",
            Call::Observe => "get",
            Call::Terminate => "delete",
            Call::Offers => "catalog",
        };
        self.control("faults", fault.plan(operation)).await;
    }

    async fn sell_out(&self) {
        self.control("stock", json!({"secure": 0, "community": 0})).await;
    }

    async fn spend_everything(&self) {
        self.control("settings", json!({"balance_micros": 0})).await;
    }

    async fn add_foreign(&self) -> Handle {
        let body =
            json!({"name": "gpu-att_mine", "image": "busybox", "gpu": {"id": "NVIDIA GeForce RTX 4090"}});
        let pod = self.call("pods", body).await;
        values::handle(pod["id"].as_str().unwrap())
    }

    async fn preempt(&self, instance: &Handle) {
        self.control(&format!("pods/{}/preempt", instance.id), json!({})).await;
    }

    async fn stop(&self, instance: &Handle) {
        self.call(&format!("pods/{}/action", instance.id), json!({"action": "stop"})).await;
    }

    async fn lose(&self, instance: &Handle) {
        self.control(&format!("pods/{}/kill", instance.id), json!({"as": "gone"})).await;
    }

    async fn live(&self) -> u64 {
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

contract::contract! { RunPod }
