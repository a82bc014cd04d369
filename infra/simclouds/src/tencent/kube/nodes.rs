//! The cluster's nodes: for each type in a zone one that has all machines of it. They are shown, not stored.

use crate::tencent::account::Account;
use crate::tencent::catalogue;
use crate::tencent::market::Place;
use serde_json::{Value, json};

pub(crate) fn of(place: Place) -> String {
    format!("eklet-{}-{}", place.1, place.0.to_lowercase().replace('.', "-"))
}

pub(crate) fn all(account: &Account, region: &str) -> Vec<Value> {
    let here = account.market.shelves.iter().filter_map(|(place, shelf)| {
        let zone = catalogue::zone(place.1).filter(|zone| zone.region == region)?;
        let kind = catalogue::find(place.0)?;
        let gpus = (kind.gpus * shelf.count).to_string();
        let all = json!({
            "cpu": (kind.cpus * shelf.count).to_string(), "memory": format!("{}Gi", kind.memory_gib * shelf.count),
            "nvidia.com/gpu": gpus, "pods": "110",
        });
        Some(json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {
                "name": of(*place), "uid": of(*place), "resourceVersion": account.store.version().to_string(),
                "labels": {
                    "node.kubernetes.io/instance-type": kind.id, "kubernetes.io/hostname": of(*place),
                    "topology.kubernetes.io/zone": zone.number, "topology.kubernetes.io/region": region,
                    "eks.tke.cloud.tencent.com/gpu-type": kind.gpu.replace('*', "-"),
                },
            },
            "spec": {"providerID": format!("qcloud:///{}/{}", zone.number, of(*place))},
            "status": {
                "allocatable": all, "capacity": all,
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            },
        }))
    });
    here.collect()
}
