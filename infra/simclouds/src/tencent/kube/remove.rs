//! How objects go: gracefully, and with what belongs to them.

use super::lead::{self, Outcome};
use super::store::{Key, Kind};
use crate::clock;
use crate::tencent::account::{Account, Why};
use crate::tencent::stamp;
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    Background,
    Foreground,
    Orphan,
}

/// A pod that still runs goes when its processes are dead.
pub(crate) fn pod(account: &mut Account, uid: &str, grace_s: Option<u64>, why: Why) {
    let Some(run) = account.runs.get(uid) else { return };
    let key = run.key();
    let Some(object) = account.store.get(&key) else { return };
    let grace = grace_s.or(object["spec"]["terminationGracePeriodSeconds"].as_u64()).unwrap_or(30);
    if run.done || why == Why::Lost {
        run.end(why, Duration::ZERO);
        forget_pod(account, uid);
        return;
    }
    run.end(why, Duration::from_secs(grace));
    let at = clock::now() + SignedDuration::from_secs(i64::try_from(grace).unwrap_or(0));
    account.store.change(&key, |pod| {
        pod["metadata"]["deletionTimestamp"] = stamp(at).into();
        pod["metadata"]["deletionGracePeriodSeconds"] = grace.into();
    });
}

/// The object goes, now.
pub(crate) fn forget_pod(account: &mut Account, uid: &str) {
    let Some(run) = account.runs.get_mut(uid) else { return };
    run.deleted = true;
    let (key, job_uid) = (run.key(), run.job_uid.clone());
    // Another pod may have the name by now.
    if account.store.get(&key).is_some_and(|pod| pod["metadata"]["uid"] == uid)
        && let Some(last) = account.store.remove(&key)
    {
        lead::pod_ended(account, &job_uid, uid, Outcome::Vanished, &last);
    }
    let Some(owner) = account.leads.get(&job_uid).map(|lead| lead.key.clone()) else { return };
    let waits = account.store.get(&owner).is_some_and(|job| !job["metadata"]["deletionTimestamp"].is_null());
    if waits && pods_of(account, &job_uid).is_empty() {
        forget_job(account, &owner, &job_uid);
    }
}

fn owned(object: &Value, uid: &str) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners.into_iter().flatten().any(|owner| owner["uid"] == uid)
}

fn pods_of(account: &Account, uid: &str) -> Vec<String> {
    let pods = account.store.of(Kind::Pod).filter(|(_, pod)| owned(pod, uid));
    pods.filter_map(|(_, pod)| pod["metadata"]["uid"].as_str().map(str::to_owned)).collect()
}

fn forget_job(account: &mut Account, key: &Key, uid: &str) {
    account.store.remove(key);
    if let Some(lead) = account.leads.remove(uid) {
        lead.wake.notify_one();
    }
    collect(account, uid);
}

/// What belonged to an object that is gone goes too.
pub(crate) fn collect(account: &mut Account, uid: &str) {
    let kinds = [Kind::Secret, Kind::ConfigMap, Kind::Pod, Kind::Job];
    let left: Vec<(Key, Value)> = kinds
        .into_iter()
        .flat_map(|kind| account.store.of(kind))
        .filter(|(_, object)| owned(object, uid))
        .map(|(key, object)| (key.clone(), object["metadata"]["uid"].clone()))
        .collect();
    for (key, own) in left {
        let own = own.as_str().unwrap_or_default();
        match key.0 {
            Kind::Pod => pod(account, own, None, Why::Deleted),
            Kind::Job => job(account, &key, Policy::Background),
            _ => {
                account.store.remove(&key);
                collect(account, own);
            }
        }
    }
}

pub(crate) fn job(account: &mut Account, key: &Key, policy: Policy) {
    let Some(job) = account.store.get(key) else { return };
    let uid = job["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
    match policy {
        Policy::Background => forget_job(account, key, &uid),
        Policy::Orphan => {
            let kinds = [Kind::Secret, Kind::ConfigMap, Kind::Pod];
            let left: Vec<Key> = kinds
                .into_iter()
                .flat_map(|kind| account.store.of(kind))
                .filter(|(_, object)| owned(object, &uid))
                .map(|(key, _)| key.clone())
                .collect();
            for one in left {
                account.store.change(&one, |object| {
                    if let Some(owners) = object["metadata"]["ownerReferences"].as_array_mut() {
                        owners.retain(|owner| owner["uid"] != uid.as_str());
                    }
                });
            }
            forget_job(account, key, &uid);
        }
        Policy::Foreground => {
            let now = stamp(clock::now());
            account.store.change(key, |job| {
                if job["metadata"]["deletionTimestamp"].is_null() {
                    job["metadata"]["deletionTimestamp"] = now.into();
                    job["metadata"]["deletionGracePeriodSeconds"] = 0.into();
                    job["metadata"]["finalizers"] = json!(["foregroundDeletion"]);
                }
            });
            let pods = pods_of(account, &uid);
            if pods.is_empty() {
                forget_job(account, key, &uid);
            }
            for one in pods {
                pod(account, &one, None, Why::Deleted);
            }
        }
    }
}
