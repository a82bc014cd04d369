//! What a job and its pod say of the instance.

use app::ports::{Observation, Phase};

use super::wire::{Condition, Job, Pod};
use crate::words::bounded;

/// Reasons of a pod that ended because its node was taken from it, not because of what it did.
const TAKEN: [&str; 8] = [
    "Evicted",
    "Preempted",
    "Preempting",
    "NodeLost",
    "NodeShutdown",
    "Shutdown",
    "Terminated",
    "SpotReclaimed",
];

/// Reasons of a container that waits for what will never come.
const HOPELESS: [&str; 2] = ["InvalidImageName", "ErrImageNeverPull"];

/// The latest pod: a job of ours has one, and another only where the cluster replaced it.
pub(super) fn latest(pods: &[Pod]) -> Option<&Pod> {
    pods.iter().max_by_key(|pod| &pod.metadata.creation_timestamp)
}

/// Whether a pod still costs, and nobody has asked for its end.
pub(super) fn is_left(pod: &Pod) -> bool {
    let ended = matches!(pod.status.phase.as_deref(), Some("Succeeded" | "Failed"));
    pod.metadata.deletion_timestamp.is_none() && !ended
}

/// Where the instance stands.
pub(super) fn observation(job: &Job, pods: &[Pod]) -> Observation {
    if job.metadata.deletion_timestamp.is_some() {
        return Observation { phase: Phase::Gone, detail: Some("the job is being deleted".to_owned()) };
    }
    // Before everything else: such a pod ends with a code too, that of the signal.
    if let Some(why) = pods.iter().find_map(taken) {
        return Observation { phase: Phase::Preempted, detail: Some(why) };
    }
    let pod = latest(pods);
    let of_job = ended(job);
    match (pod, of_job) {
        (Some(pod), Some(job)) => {
            let pod = of_pod(pod);
            // The job's end counts while its pod is on the way out, and its reason says more than a code.
            if matches!(pod.phase, Phase::Exited { .. }) { pod } else { job }
        }
        (Some(pod), None) => of_pod(pod),
        (None, Some(job)) => job,
        (None, None) => {
            Observation { phase: Phase::Starting, detail: Some("there is no pod yet".to_owned()) }
        }
    }
}

/// What a list of jobs shows of one, without its pod.
pub(super) fn phase(job: &Job) -> Phase {
    if job.metadata.deletion_timestamp.is_some() {
        return Phase::Gone;
    }
    match ended(job) {
        Some(observation) => observation.phase,
        None if job.status.ready > 0 => Phase::Running,
        None => Phase::Starting,
    }
}

fn ended(job: &Job) -> Option<Observation> {
    let holds = |kind: &str| job.status.conditions.iter().find(|c| c.kind == kind && c.status == "True");
    if let Some(failed) = holds("Failed").or_else(|| holds("FailureTarget")) {
        return Some(Observation { phase: Phase::Exited { code: None }, detail: words(failed) });
    }
    let complete = holds("Complete")?;
    Some(Observation { phase: Phase::Exited { code: Some(0) }, detail: words(complete) })
}

fn taken(pod: &Pod) -> Option<String> {
    let disrupted = pod.status.conditions.iter().find(|c| c.kind == "DisruptionTarget" && c.status == "True");
    if let Some(condition) = disrupted {
        return Some(words(condition).unwrap_or_else(|| "DisruptionTarget".to_owned()));
    }
    let reason = pod.status.reason.as_deref().filter(|reason| TAKEN.contains(reason))?;
    join(Some(reason), pod.status.message.as_deref())
}

fn of_pod(pod: &Pod) -> Observation {
    let seen = |phase, detail| Observation { phase, detail };
    let state = pod.status.container_statuses.first().and_then(|status| status.state.as_ref());
    if let Some(end) = state.and_then(|state| state.terminated.as_ref()) {
        let detail = join(end.reason.as_deref(), end.message.as_deref());
        return seen(Phase::Exited { code: Some(end.exit_code) }, detail);
    }
    let own = || join(pod.status.reason.as_deref(), pod.status.message.as_deref());
    match pod.status.phase.as_deref() {
        Some("Succeeded") => seen(Phase::Exited { code: Some(0) }, own()),
        Some("Failed") => seen(Phase::Exited { code: None }, own()),
        _ if pod.metadata.deletion_timestamp.is_some() => {
            seen(Phase::Gone, Some("the pod is being deleted".to_owned()))
        }
        Some("Running") => seen(Phase::Running, None),
        Some("Pending") => {
            let waiting = state.and_then(|state| state.waiting.as_ref());
            let reason = waiting.and_then(|waiting| waiting.reason.as_deref());
            let detail = waiting.and_then(|waiting| join(reason, waiting.message.as_deref()));
            if reason.is_some_and(|reason| HOPELESS.contains(&reason)) {
                return seen(Phase::Exited { code: None }, detail);
            }
            // No machine for it, as yet: the state machine's patience with a boot ends that.
            let unscheduled =
                pod.status.conditions.iter().find(|c| c.kind == "PodScheduled" && c.status == "False");
            seen(Phase::Starting, detail.or_else(|| words(unscheduled?)).or_else(own))
        }
        Some(other) => seen(Phase::Unknown(bounded(other)), own()),
        None => seen(Phase::Unknown("no phase".to_owned()), own()),
    }
}

fn words(condition: &Condition) -> Option<String> {
    join(condition.reason.as_deref(), condition.message.as_deref())
}

/// Both in one line, where there is anything to say.
pub(super) fn join(reason: Option<&str>, message: Option<&str>) -> Option<String> {
    let parts: Vec<&str> = [reason, message].into_iter().flatten().filter(|part| !part.is_empty()).collect();
    (!parts.is_empty()).then(|| bounded(&parts.join(": ")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn look(job: Value, pods: Value) -> Observation {
        let job = serde_json::from_value(json!({"metadata": {"name": "j"}, "status": job})).unwrap();
        let pods = pods.as_array().unwrap().iter().map(|status| {
            let mut metadata = json!({"name": "p"});
            metadata["deletionTimestamp"] = status["deleted"].clone();
            serde_json::from_value(json!({"metadata": metadata, "status": status})).unwrap()
        });
        observation(&job, &pods.collect::<Vec<Pod>>())
    }

    fn failed(reason: &str) -> Value {
        json!({"conditions": [{"type": "Failed", "status": "True", "reason": reason, "message": "m"}]})
    }

    #[test]
    fn each_state_of_job_and_pod_has_its_phase() {
        let exited = |code| Phase::Exited { code };
        let terminated = |code| {
            json!({"phase": "Failed", "containerStatuses":
            [{"state": {"terminated": {"exitCode": code, "reason": "Error"}}}]})
        };
        let waiting = |reason| {
            json!({"phase": "Pending", "containerStatuses":
            [{"state": {"waiting": {"reason": reason, "message": "m"}}}]})
        };
        let unscheduled = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."}]});
        let disrupted = json!({"phase": "Failed", "conditions": [{"type": "DisruptionTarget", "status": "True",
            "reason": "PreemptionByScheduler", "message": "m"}],
            "containerStatuses": [{"state": {"terminated": {"exitCode": 143}}}]});
        for (job, pods, phase, detail) in [
            (json!({}), json!([]), Phase::Starting, "no pod yet"),
            (json!({}), json!([unscheduled]), Phase::Starting, "Unschedulable: 0/3 nodes"),
            (json!({}), json!([waiting("ContainerCreating")]), Phase::Starting, "ContainerCreating: m"),
            (json!({}), json!([waiting("ImagePullBackOff")]), Phase::Starting, "ImagePullBackOff: m"),
            (json!({}), json!([waiting("ErrImagePull")]), Phase::Starting, "ErrImagePull"),
            (
                json!({}),
                json!([waiting("CreateContainerConfigError")]),
                Phase::Starting,
                "CreateContainerConfigError",
            ),
            (json!({}), json!([waiting("InvalidImageName")]), exited(None), "InvalidImageName"),
            (json!({}), json!([{"phase": "Running"}]), Phase::Running, ""),
            (
                json!({}),
                json!([{"phase": "Running", "deleted": "2026-06-01T12:00:00Z"}]),
                Phase::Gone,
                "deleted",
            ),
            (json!({}), json!([{"phase": "Succeeded"}]), exited(Some(0)), ""),
            (json!({}), json!([terminated(3)]), exited(Some(3)), "Error"),
            (failed("BackoffLimitExceeded"), json!([terminated(3)]), exited(Some(3)), "Error"),
            (failed("BackoffLimitExceeded"), json!([]), exited(None), "BackoffLimitExceeded: m"),
            (failed("DeadlineExceeded"), json!([]), exited(None), "DeadlineExceeded"),
            (
                failed("DeadlineExceeded"),
                json!([{"phase": "Running", "deleted": "2026-06-01T12:00:00Z"}]),
                exited(None),
                "DeadlineExceeded",
            ),
            (json!({"conditions": [{"type": "Complete", "status": "True"}]}), json!([]), exited(Some(0)), ""),
            (json!({"conditions": [{"type": "Failed", "status": "False"}]}), json!([]), Phase::Starting, ""),
            (
                failed("BackoffLimitExceeded"),
                json!([disrupted]),
                Phase::Preempted,
                "PreemptionByScheduler: m",
            ),
            (
                json!({}),
                json!([{"phase": "Failed", "reason": "Evicted", "message": "low on memory"}]),
                Phase::Preempted,
                "Evicted: low on memory",
            ),
            (json!({}), json!([{"phase": "Failed", "reason": "NodeLost"}]), Phase::Preempted, "NodeLost"),
            (
                json!({}),
                json!([{"phase": "Failed", "reason": "UnexpectedAdmissionError"}]),
                exited(None),
                "UnexpectedAdmissionError",
            ),
            (json!({}), json!([{"phase": "Unknown"}]), Phase::Unknown("Unknown".into()), ""),
            (json!({}), json!([{"phase": "running"}]), Phase::Unknown("running".into()), ""),
            (json!({}), json!([{}]), Phase::Unknown("no phase".into()), ""),
        ] {
            let seen = look(job.clone(), pods.clone());
            assert_eq!(seen.phase, phase, "{job} {pods}");
            assert!(seen.detail.unwrap_or_default().contains(detail), "{job} {pods}: {detail}");
        }
    }

    #[test]
    fn a_list_shows_less_and_never_more() {
        let job = |metadata: Value, status: Value| -> Job {
            serde_json::from_value(json!({"metadata": metadata, "status": status})).unwrap()
        };
        let named = json!({"name": "j"});
        assert_eq!(phase(&job(named.clone(), json!({}))), Phase::Starting);
        assert_eq!(phase(&job(named.clone(), json!({"active": 1}))), Phase::Starting);
        assert_eq!(phase(&job(named.clone(), json!({"active": 1, "ready": 1}))), Phase::Running);
        assert_eq!(phase(&job(named.clone(), failed("x"))), Phase::Exited { code: None });
        let deleted = json!({"name": "j", "deletionTimestamp": "2026-06-01T12:00:00Z"});
        assert_eq!(phase(&job(deleted, json!({"ready": 1}))), Phase::Gone);
    }
}
