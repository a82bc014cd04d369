//! What is made in the cluster for one attempt: a job, and the secret with its container's environment.

use app::ports::Launch;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::AttemptId;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{catalogue, wire};

/// In front of the attempt in a job's name.
const PREFIX: &str = "gpu-";
/// The label with the attempt.
pub(super) const ATTEMPT: &str = "gpu-attempt";
/// What everything of ours is labelled with.
pub(super) const OURS: (&str, &str) = ("app.kubernetes.io/managed-by", "gpu-control-plane");
/// The job's only container.
pub(super) const CONTAINER: &str = "main";
/// How long an ended job stays if nobody deletes it, with its log: longer than anybody takes to read it.
const KEPT_SECONDS: u32 = 24 * 60 * 60;
/// What a super node gives a pod without being asked.
const FREE_DISK_GIB: u32 = 20;

/// The job's name, and the secret's: a DNS label that is the attempt's own, so that the cluster refuses a second one.
pub(super) fn name(attempt: AttemptId) -> String {
    format!("{PREFIX}{attempt}").replace('_', "-")
}

/// The attempt that a job is of. A job that is only similar is somebody else's.
pub(super) fn attempt(metadata: &wire::Metadata) -> Option<AttemptId> {
    let attempt: AttemptId = metadata.labels.get(ATTEMPT)?.parse().ok()?;
    let ours = metadata.labels.get(OURS.0).is_some_and(|value| value == OURS.1);
    (ours && metadata.name == name(attempt)).then_some(attempt)
}

fn labels(attempt: AttemptId) -> Value {
    json!({(ATTEMPT): attempt.to_string(), (OURS.0): OURS.1})
}

/// The container's environment, which holds the runner's token and the user's command: whoever may list jobs and pods
/// does not see it.
pub(super) fn secret(launch: &Launch) -> Value {
    let data: Map<String, Value> =
        launch.env.iter().map(|(name, value)| (name.clone(), STANDARD.encode(value).into())).collect();
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name(launch.attempt), "labels": labels(launch.attempt)},
        "type": "Opaque",
        "immutable": true,
        "data": data,
    })
}

/// Makes the job the secret's owner: the cluster deletes the one with the other.
pub(super) fn owner(job: &wire::Metadata) -> Value {
    let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": job.name, "uid": job.uid});
    json!({"metadata": {"ownerReferences": [owner]}})
}

/// The job. `zone` is the number that the nodes of the offer's zone are labelled with. `None` for an instance type that no
/// super node has.
pub(super) fn job(launch: &Launch, zone: &str, now: Timestamp) -> Option<Value> {
    let offer = &launch.offer;
    let mut annotations = json!({
        "eks.tke.cloud.tencent.com/gpu-type": catalogue::gpu_type(&offer.instance_type)?,
        "eks.tke.cloud.tencent.com/gpu-count": offer.gpu_count.to_string(),
        // The pod's bill has this tag: the account's books know nothing of jobs.
        "eks.tke.cloud.tencent.com/resource-tag": json!({(ATTEMPT): launch.attempt.to_string()}).to_string(),
    });
    let mut limits = json!({"nvidia.com/gpu": offer.gpu_count.to_string()});
    if let Some(cpus) = offer.cpus {
        annotations["eks.tke.cloud.tencent.com/cpu"] = cpus.to_string().into();
        limits["cpu"] = cpus.to_string().into();
    }
    if let Some(memory) = offer.memory_gib {
        annotations["eks.tke.cloud.tencent.com/mem"] = format!("{memory}Gi").into();
        limits["memory"] = format!("{memory}Gi").into();
    }
    if offer.spot {
        annotations["eks.tke.cloud.tencent.com/spot-pod"] = "true".into();
    }
    if launch.spec.disk_gib > FREE_DISK_GIB {
        annotations["eks.tke.cloud.tencent.com/root-cbs-size"] = launch.spec.disk_gib.to_string().into();
    }
    let seconds = launch.release_at.duration_since(now).as_secs().clamp(1, i64::from(i32::MAX));
    let labels = labels(launch.attempt);
    Some(json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name(launch.attempt), "labels": labels},
        "spec": {
            "activeDeadlineSeconds": seconds,
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {
                    "containers": [{
                        "name": CONTAINER,
                        "image": launch.spec.image,
                        "command": runner::START_ARGS,
                        "envFrom": [{"secretRef": {"name": name(launch.attempt)}}],
                        "resources": {"limits": limits, "requests": limits},
                    }],
                    "restartPolicy": "Never",
                    // A pod that outlives its job, however that comes about, ends all the same.
                    "activeDeadlineSeconds": seconds,
                    // What a stranger's image runs has no business with the cluster.
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "nodeSelector": {
                        "node.kubernetes.io/instance-type": "eklet",
                        "topology.kubernetes.io/zone": zone,
                    },
                    "tolerations": [
                        {"key": "eks.tke.cloud.tencent.com/eklet", "operator": "Exists", "effect": "NoSchedule"},
                        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
                    ],
                },
            },
        },
    }))
}
