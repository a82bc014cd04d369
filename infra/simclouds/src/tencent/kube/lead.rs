//! The job controller: makes a job's pod, and says what its end means for the job.

use super::store::{Key, Kind, key};
use super::{place, remove};
use crate::clock;
use crate::strike::Boot;
use crate::tencent::account::{Account, Run, Why};
use crate::tencent::{Cloud, stamp, uuid, word};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Letters that make no words.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

enum Next {
    Gone,
    Finished(Option<i64>),
    Pod(Duration),
    Busy,
}

/// How a pod ended, as its job sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Succeeded,
    Failed,
    /// Deleted, whatever it was doing.
    Vanished,
}

pub(crate) fn finished(job: &Value) -> bool {
    let conditions = job["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|one| matches!(one["type"].as_str(), Some("Complete" | "Failed")))
}

impl Cloud {
    /// Carries a job until it is deleted.
    pub(crate) async fn lead(self: Arc<Self>, uid: String) {
        let begun = Instant::now();
        let Some((wake, limit)) = ({
            let account = self.lock();
            account.leads.get(&uid).map(|lead| {
                let job = account.store.get(&lead.key);
                let limit = job.and_then(|job| job["spec"]["activeDeadlineSeconds"].as_u64());
                (Arc::clone(&lead.wake), limit)
            })
        }) else {
            return;
        };
        let mut deadline = limit.map(|seconds| begun + Duration::from_secs(seconds));
        let mut not_before = None;
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            let until = match self.next(&uid) {
                Next::Gone => return,
                Next::Busy => deadline,
                Next::Finished(ttl) => {
                    deadline = None;
                    let Some(seconds) = ttl else {
                        tokio::select! {
                            () = self.stop.cancelled() => return,
                            () = wake.notified() => continue,
                        }
                    };
                    tokio::select! {
                        () = self.stop.cancelled() => return,
                        () = wake.notified() => {}
                        () = tokio::time::sleep(Duration::from_secs(seconds.unsigned_abs())) => {
                            let mut account = self.lock();
                            if let Some(key) = account.leads.get(&uid).map(|lead| lead.key.clone()) {
                                remove::job(&mut account, &key, remove::Policy::Background);
                            }
                        }
                    }
                    continue;
                }
                Next::Pod(delay) => {
                    let at = *not_before.get_or_insert(Instant::now() + delay);
                    if at <= Instant::now() {
                        not_before = None;
                        let made = make_pod(&mut self.lock(), &uid, &self.disks);
                        if let Some(pod) = made {
                            self.attend(pod);
                        }
                        deadline
                    } else {
                        Some(deadline.map_or(at, |deadline| deadline.min(at)))
                    }
                }
            };
            let alarm = async {
                match until {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = wake.notified() => {}
                () = room => {}
                () = alarm => if deadline.is_some_and(|at| at <= Instant::now()) {
                    deadline = None;
                    out_of_time(&mut self.lock(), &uid);
                },
            }
        }
    }

    fn next(&self, uid: &str) -> Next {
        let account = self.lock();
        let Some(lead) = account.leads.get(uid) else { return Next::Gone };
        let Some(job) = account.store.get(&lead.key) else { return Next::Gone };
        if finished(job) {
            return Next::Finished(job["spec"]["ttlSecondsAfterFinished"].as_i64());
        }
        if lead.pod.is_some() || !job["metadata"]["deletionTimestamp"].is_null() {
            return Next::Busy;
        }
        if lead.failed == 0 || lead.at_once {
            return Next::Pod(Duration::ZERO);
        }
        let times = 1_u64 << (lead.failed - 1).min(6);
        Next::Pod(Duration::from_millis(account.settings.backoff_ms.saturating_mul(times)))
    }
}

/// None: a quota is in the way.
fn make_pod(account: &mut Account, uid: &str, disks: &Path) -> Option<String> {
    let lead = account.leads.get(uid)?;
    let (owner, boot) = (lead.key.clone(), lead.boot);
    let job = Arc::clone(account.store.get(&owner)?);
    let (_, namespace, name) = &owner;
    let template = &job["spec"]["template"];
    let pod_name = format!("{name}-{}", word(LETTERS, 5));
    let mut pod = json!({
        "metadata": {
            "name": pod_name,
            "generateName": format!("{name}-"),
            "labels": template["metadata"]["labels"],
            "finalizers": ["batch.kubernetes.io/job-tracking"],
            "ownerReferences": [{
                "apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid, "controller": true,
                "blockOwnerDeletion": true,
            }],
            "uid": uuid(),
        },
        "spec": template["spec"],
        "status": {"phase": "Pending", "qosClass": "Burstable"},
    });
    if let Some(notes) = template["metadata"]["annotations"].as_object() {
        pod["metadata"]["annotations"] = Value::Object(notes.clone());
    }
    let gpus = place::gpus(&pod);
    let used: u32 = account.runs.values().filter(|run| !run.done).map(|run| run.gpus).sum();
    let quota = account.settings.quota_gpus;
    if quota > 0 && gpus > 0 && used.saturating_add(gpus) > quota {
        let gpu = "requests.nvidia.com/gpu";
        let message = format!(
            "Error creating: pods \"{pod_name}\" is forbidden: exceeded quota: gpu, requested: {gpu}={gpus}, used: \
             {gpu}={used}, limited: {gpu}={quota}"
        );
        let said = account
            .store
            .of(Kind::Event)
            .any(|(_, event)| event["reason"] == "FailedCreate" && event["involvedObject"]["uid"] == uid);
        if !said {
            account.event(&owner, "FailedCreate", &message, true);
        }
        return None;
    }
    let pod = account.put(Kind::Pod, namespace, pod);
    let pod_uid = pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    let fails = rand::random::<f64>() < account.settings.boot_fail_rate;
    account.runs.insert(
        pod_uid.clone(),
        Run {
            uid: pod_uid.clone(),
            namespace: namespace.clone(),
            name: pod_name.clone(),
            job: name.clone(),
            job_uid: uid.to_owned(),
            gpus,
            spot: place::spot(&pod),
            tags: place::tags(&pod),
            boot: boot.unwrap_or(if fails { Boot::Fails } else { Boot::Works }),
            created_at: clock::now(),
            place: None,
            rate: 0,
            from: None,
            to: None,
            alive: false,
            done: false,
            deleted: false,
            starts: 0,
            exit: None,
            end: None,
            wish: watch::channel(None).0,
            logs: BTreeMap::new(),
            disk: disks.join(&pod_uid),
        },
    );
    if let Some(lead) = account.leads.get_mut(uid) {
        lead.pod = Some(pod_uid.clone());
        lead.at_once = false;
    }
    account.store.change(&owner, |job| {
        job["status"]["active"] = 1.into();
        job["status"]["ready"] = 0.into();
    });
    account.event(&owner, "SuccessfulCreate", &format!("Created pod: {pod_name}"), false);
    Some(pod_uid)
}

/// Writes the end of a job into it.
fn finish(account: &mut Account, key: &Key, kind: &str, reason: &str, message: &str) {
    let now = stamp(clock::now());
    account.store.change(key, |job| {
        let mut condition =
            json!({"type": kind, "status": "True", "lastProbeTime": now, "lastTransitionTime": now});
        if !reason.is_empty() {
            condition["reason"] = reason.into();
            condition["message"] = message.into();
        }
        job["status"]["conditions"] = json!([condition]);
        if kind == "Complete" {
            job["status"]["completionTime"] = now.clone().into();
        }
    });
    if kind == "Complete" {
        account.event(key, "Completed", "Job completed", false);
    } else {
        account.event(key, reason, message, true);
    }
}

fn out_of_time(account: &mut Account, uid: &str) {
    let Some(lead) = account.leads.get(uid) else { return };
    let (key, pod) = (lead.key.clone(), lead.pod.clone());
    if account.store.get(&key).is_none_or(|job| finished(job)) {
        return;
    }
    finish(account, &key, "Failed", "DeadlineExceeded", "Job was active longer than specified deadline");
    // As the job controller does it: what still runs is deleted, and its log with it.
    if let Some(pod) = pod {
        remove::pod(account, &pod, None, Why::Deleted);
    }
    if let Some(lead) = account.leads.get(uid) {
        lead.wake.notify_one();
    }
}

/// A pod of the job has come to its end.
pub(crate) fn pod_ended(account: &mut Account, job_uid: &str, pod_uid: &str, outcome: Outcome, pod: &Value) {
    let Some(lead) = account.leads.get_mut(job_uid) else { return };
    if lead.pod.as_deref() != Some(pod_uid) {
        return;
    }
    lead.pod = None;
    lead.wake.notify_one();
    let owner = lead.key.clone();
    let Some(job) = account.store.get(&owner).map(Arc::clone) else { return };
    if outcome == Outcome::Succeeded {
        account.store.change(&owner, |job| {
            job["status"]["active"] = 0.into();
            job["status"]["ready"] = 0.into();
            job["status"]["succeeded"] = 1.into();
        });
        if !finished(&job) {
            finish(account, &owner, "Complete", "", "");
        }
        return;
    }
    let action = if outcome == Outcome::Failed { action(&job, pod) } else { None };
    let Some(lead) = account.leads.get_mut(job_uid) else { return };
    if action == Some("Ignore") {
        lead.at_once = true;
    } else {
        lead.failed += 1;
    }
    let failed = lead.failed;
    account.store.change(&owner, |job| {
        job["status"]["active"] = 0.into();
        job["status"]["ready"] = 0.into();
        if failed > 0 {
            job["status"]["failed"] = failed.into();
        }
    });
    if finished(&job) || !job["metadata"]["deletionTimestamp"].is_null() {
        return;
    }
    let limit = job["spec"]["backoffLimit"].as_u64().unwrap_or(6);
    if action == Some("FailJob") {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let message = format!("Pod {}/{name} has condition or exit code matching FailJob rule", owner.1);
        finish(account, &owner, "Failed", "PodFailurePolicy", &message);
    } else if u64::from(failed) > limit {
        let message = "Job has reached the specified backoff limit";
        finish(account, &owner, "Failed", "BackoffLimitExceeded", message);
    }
}

/// What the first rule that fits says.
fn action<'a>(job: &'a Value, pod: &Value) -> Option<&'a str> {
    let statuses = pod["status"]["containerStatuses"].as_array().map(Vec::as_slice).unwrap_or_default();
    let conditions = pod["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let fits = |rule: &Value| {
        if let Some(patterns) = rule["onPodConditions"].as_array() {
            return patterns.iter().any(|pattern| {
                let status = pattern["status"].as_str().unwrap_or("True");
                conditions.iter().any(|one| one["type"] == pattern["type"] && one["status"] == status)
            });
        }
        let codes = &rule["onExitCodes"];
        let values = codes["values"].as_array().map(Vec::as_slice).unwrap_or_default();
        statuses.iter().any(|status| {
            let code = &status["state"]["terminated"]["exitCode"];
            let named = codes["containerName"].as_str().is_none_or(|name| status["name"] == name);
            let listed = values.contains(code);
            // An exit code of 0 never meets a rule.
            named && code.as_i64().is_some_and(|code| code != 0) && (codes["operator"] == "In") == listed
        })
    };
    let mut rules = job["spec"]["podFailurePolicy"]["rules"].as_array()?.iter();
    rules.find(|rule| fits(rule))?["action"].as_str()
}

pub(crate) fn job_key(namespace: &str, name: &str) -> Key {
    key(Kind::Job, namespace, name)
}
