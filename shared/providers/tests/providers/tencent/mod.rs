//! Tencent Cloud: the cloud's own API and a cluster's.

mod answers;
mod requests;
mod simulated;

use std::sync::Arc;

use app::ports::{Clock, Provider};
use domain::{
    job::Handle,
    money::{Currency, Money},
    placement::{Offer, Stock},
};
use jiff::Timestamp;
use providers::tencent::{self, Settings};
use serde_json::json;

use crate::{
    peer::{Answer, Peer, Seen},
    values::SEEN,
};

pub(crate) const SECRET_ID: &str = "AKIDFAKEFORTESTS";
pub(crate) const SECRET_KEY: &str = "FAKESECRETKEYFORTESTS";
const TOKEN: &str = "TESTTOKEN";

/// Signatures are good for five minutes.
pub(crate) struct Now;

impl Clock for Now {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

pub(crate) fn tencent(url: &str, secret_key: &str, cluster: &str, namespace: &str) -> Arc<dyn Provider> {
    let parameter = json!({"secret_id": SECRET_ID, "secret_key": secret_key, "region": "ap-guangzhou",
        "cluster_id": cluster, "namespace": namespace, "zones": ["ap-guangzhou-6"]});
    let settings = Settings::parse(&parameter.to_string()).unwrap().at(url).unwrap();
    tencent::provider(settings, Arc::new(Now))
}

/// The provider in front of a peer.
fn of(peer: &Peer) -> Arc<dyn Provider> {
    tencent(&peer.url, SECRET_KEY, "cls-abcd1234", "gpu")
}

fn handle(attempt: u128) -> Handle {
    let job = format!("gpu-{}", crate::values::attempt(attempt)).replace('_', "-");
    let id = format!("cls-abcd1234/gpu/{job}");
    Handle { provider: "tencent".into(), region: "ap-guangzhou".into(), id }
}

fn offer() -> Offer {
    Offer {
        provider: "tencent".into(),
        region: "ap-guangzhou-6".into(),
        gpu: "T4".into(),
        instance_type: "GN7.2XLARGE32".into(),
        gpu_count: 1,
        gpu_memory_gib: 16,
        cpus: Some(4),
        memory_gib: Some(16),
        spot: false,
        price_per_hour: Money::new(8_680_000, Currency::Cny),
        stock: Stock::High,
        seen_at: SEEN.parse().unwrap(),
    }
}

/// The cloud's own API in front of `cluster`, whose answers are the ones under test.
async fn cloud(cluster: impl Fn(&Seen) -> Answer + Send + Sync + 'static) -> Peer {
    Peer::start(move |seen| match seen.headers.get("x-tc-action") {
        Some(action) => (200, vec![], json!({"Response": own(action, seen)}).to_string()),
        None => cluster(seen),
    })
    .await
}

fn own(action: &str, seen: &Seen) -> serde_json::Value {
    match action {
        "DescribeClusterEndpoints" => json!({"ClusterExternalEndpoint": "127.0.0.1", "RequestId": "r"}),
        "DescribeClusterKubeconfig" => {
            let server = format!("http://{}", seen.headers["host"]);
            let text = format!(
                "clusters:\n- cluster:\n    server: {server}\n  name: c\nusers:\n- name: u\n  user:\n    token: {TOKEN}\n"
            );
            json!({"Kubeconfig": text, "RequestId": "r"})
        }
        "DescribeZones" => {
            json!({"ZoneSet": [{"Zone": "ap-guangzhou-6", "ZoneId": "100006"}], "RequestId": "r"})
        }
        "DescribeZoneInstanceConfigInfos" => json!({"InstanceTypeQuotaSet": [], "RequestId": "r"}),
        other => json!({"Error": {"Code": "InvalidAction", "Message": other}, "RequestId": "r"}),
    }
}

/// What the cluster was sent.
fn of_cluster(peer: &Peer) -> Vec<Seen> {
    peer.seen().into_iter().filter(|seen| !seen.headers.contains_key("x-tc-action")).collect()
}

/// A job of ours as the cluster has it.
fn job(attempt: u128, status: &serde_json::Value) -> serde_json::Value {
    let attempt = crate::values::attempt(attempt).to_string();
    let name = format!("gpu-{attempt}").replace('_', "-");
    json!({"metadata": {"name": name, "uid": "u1", "creationTimestamp": SEEN,
        "labels": {"gpu-attempt": attempt, "app.kubernetes.io/managed-by": "gpu-control-plane"}}, "status": status})
}
