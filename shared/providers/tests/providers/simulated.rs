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
        let mut plan = match fault {
            Fault::ReplyLost => json!({"mode": "drop_after"}),
            Fault::DoneWithNonsense => json!({"mode": "nonsense_after"}),
            Fault::Nonsense => json!({"mode": "nonsense"}),
            Fault::Dropped => json!({"mode": "drop_before"}),
            Fault::OutOfOrder => json!({"mode": "fail_before", "status": 503}),
            Fault::Throttled(seconds) => json!({"mode": "throttle", "retry_after_s": seconds}),
            Fault::BootHangs => json!({"mode": "boot_hang"}),
            Fault::BootFails => json!({"mode": "boot_fail"}),
        };
        plan["operation"] = json!(operation);
        self.control("faults", plan).await;
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
}

contract::contract! { RunPod:
    offers_are_sound
    an_instance_lives_and_dies
    a_lost_reply_is_found_again
    a_launch_that_was_not_done_is_not_found
    each_state_is_seen
    terminating_again_says_that_it_is_gone
    a_lost_termination_can_be_repeated
    the_list_is_ours_and_complete
    an_empty_shelf_is_no_capacity
    an_empty_account_is_a_quota
    a_throttled_call_says_how_long
    a_wrong_key_is_told
    nonsense_is_never_a_success
    the_log_is_what_the_container_wrote
}
