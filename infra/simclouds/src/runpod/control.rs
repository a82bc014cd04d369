//! `/_sim`: what a test causes and learns. Not part of RunPod; no key is needed, as it is on loopback.

use super::account::{Refusal, Slot};
use super::catalogue;
use super::graphql;
use super::pod::{PodId, Status};
use super::{Cloud, json_answer, rest};
use crate::clock;
use crate::faults::Plan;
use crate::ledger::Micros;
use axum::body::Body;
use bytes::Bytes;
use hyper::{Method, Request, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Preempt {
    /// Between SIGTERM and SIGKILL; 0 = no warning at all.
    #[serde(default)]
    notice_s: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kill {
    /// `gone`: the pod is forgotten. `silent`: the cloud goes on saying RUNNING.
    #[serde(default, rename = "as")]
    how: Loss,
}

#[derive(Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Loss {
    #[default]
    Gone,
    Silent,
}

/// What is named changes; without a model, every model; without a data centre, every one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stock {
    gpu: Option<String>,
    data_center: Option<String>,
    secure: Option<u32>,
    community: Option<u32>,
    /// The new lowest bid for the model. Spot pods that bid less lose their machines.
    spot_floor_micros: Option<Micros>,
    #[serde(default)]
    notice_s: f64,
}

enum Error {
    Wrong(String),
    Unknown,
    Refused(Refusal),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

pub(crate) fn answer(cloud: &Arc<Cloud>, request: &Request<Bytes>) -> Response<Body> {
    match done(cloud, request) {
        Ok(value) => json_answer(200, &value),
        Err(Error::Wrong(what)) => json_answer(422, &json!({"error": what})),
        Err(Error::Unknown) => json_answer(404, &json!({"error": "no such control"})),
        Err(Error::Refused(why)) => rest::refusal(&why),
    }
}

fn body<T: serde::de::DeserializeOwned>(request: &Request<Bytes>) -> Result<T, Error> {
    let bytes = if request.body().is_empty() { b"{}" } else { &request.body()[..] };
    serde_json::from_slice(bytes).map_err(|error| Error::Wrong(error.to_string()))
}

fn done(cloud: &Arc<Cloud>, request: &Request<Bytes>) -> Result<Value, Error> {
    let path: Vec<&str> = request.uri().path().trim_start_matches('/').split('/').skip(1).collect();
    let method = request.method();
    match (method, &path[..]) {
        (&Method::GET, ["faults"]) => Ok(json!({"faults": cloud.faults.list()})),
        (&Method::DELETE, ["faults"]) => {
            cloud.faults.clear();
            Ok(json!({}))
        }
        (&Method::POST, ["faults"]) => plan(cloud, body(request)?),
        (&Method::GET, ["settings"]) => Ok(json!(cloud.lock().books.settings)),
        (&Method::POST, ["settings"]) => settings(cloud, body(request)?),
        (&Method::POST, ["pods", id, "preempt"]) => {
            let Preempt { notice_s } = body(request)?;
            let mut account = cloud.lock();
            let id = PodId((*id).to_owned());
            account.preempt(&id, millis(notice_s)?)?;
            account.slot(&id).map(shown).ok_or(Error::Unknown)
        }
        (&Method::POST, ["pods", id, "kill"]) => {
            let Kill { how } = body(request)?;
            cloud.lock().lose(&PodId((*id).to_owned()), how == Loss::Gone)?;
            Ok(json!({}))
        }
        (&Method::GET, ["pods"]) => {
            let account = cloud.lock();
            let pods: Vec<_> = account.slots.iter().map(shown).collect();
            let live = account.slots.iter().filter(|slot| !slot.pod.gone()).count();
            Ok(json!({"pods": pods, "live": live, "created": account.books.created}))
        }
        (&Method::GET, ["stock"]) => Ok(stock_shown(cloud)),
        (&Method::POST, ["stock"]) => {
            stock(cloud, &body(request)?)?;
            Ok(stock_shown(cloud))
        }
        (&Method::GET, ["calls"]) => Ok(cloud.journal.report()),
        (&Method::GET, ["bill"]) => Ok(bill(cloud)),
        _ => Err(Error::Unknown),
    }
}

fn millis(seconds: f64) -> Result<u64, Error> {
    let millis = (seconds * 1000.0).round();
    if (0.0..=1e9).contains(&millis) {
        Ok(millis as u64)
    } else {
        Err(Error::Wrong("notice_s is out of range".to_owned()))
    }
}

fn plan(cloud: &Cloud, plan: Plan) -> Result<Value, Error> {
    let known = matches!(plan.operation.as_str(), "*" | "graphql:*")
        || rest::Operation::LABELS.contains(&plan.operation.as_str())
        || graphql::Call::labels().any(|label| label == plan.operation);
    if !known {
        return Err(Error::Wrong(format!("unknown operation {:?}", plan.operation)));
    }
    if plan.nth == 0 {
        return Err(Error::Wrong("nth counts from 1".to_owned()));
    }
    if !(400..=599).contains(&plan.status) {
        return Err(Error::Wrong("status must be an error".to_owned()));
    }
    Ok(json!({"id": cloud.faults.add(plan)}))
}

/// Only what is named changes.
fn settings(cloud: &Cloud, changes: Map<String, Value>) -> Result<Value, Error> {
    let mut account = cloud.lock();
    let mut all = json!(account.books.settings);
    for (name, value) in changes {
        let Some(old) = all.get_mut(&name) else {
            return Err(Error::Wrong(format!("unknown setting {name:?}")));
        };
        *old = value;
    }
    let settings: super::Settings =
        serde_json::from_value(all.clone()).map_err(|error| Error::Wrong(error.to_string()))?;
    if !(0.0..=1.0).contains(&settings.boot_fail_rate) {
        return Err(Error::Wrong("boot_fail_rate is from 0 to 1".to_owned()));
    }
    account.books.settings = settings;
    Ok(all)
}

fn stock(cloud: &Cloud, wanted: &Stock) -> Result<(), Error> {
    let mut account = cloud.lock();
    if wanted.gpu.as_ref().is_some_and(|id| catalogue::gpu(id).is_none()) {
        return Err(Error::Wrong("unknown gpu".to_owned()));
    }
    if wanted.data_center.as_ref().is_some_and(|id| catalogue::data_centre(id).is_none()) {
        return Err(Error::Wrong("unknown data_center".to_owned()));
    }
    // A model may be put where it has never been.
    if let (Some(gpu), Some(place)) = (&wanted.gpu, &wanted.data_center)
        && !account.books.shelves.iter().any(|shelf| shelf.gpu == *gpu && shelf.data_center == *place)
    {
        let new = catalogue::Shelf { gpu: gpu.clone(), data_center: place.clone(), secure: 0, community: 0 };
        account.books.shelves.push(new);
    }
    for shelf in &mut account.books.shelves {
        let meant = wanted.gpu.as_ref().is_none_or(|gpu| *gpu == shelf.gpu)
            && wanted.data_center.as_ref().is_none_or(|place| *place == shelf.data_center);
        if meant {
            shelf.secure = wanted.secure.unwrap_or(shelf.secure);
            shelf.community = wanted.community.unwrap_or(shelf.community);
        }
    }
    if let Some(floor) = wanted.spot_floor_micros {
        let meant = |id: &str| wanted.gpu.as_ref().is_none_or(|gpu| gpu == id);
        for gpu in catalogue::GPUS.iter().filter(|gpu| meant(gpu.id)) {
            account.books.floors.insert(gpu.id.to_owned(), floor);
        }
        let outbid = account.slots.iter().map(|slot| &slot.pod).filter(|pod| {
            meant(&pod.spec.gpu)
                && pod.status.actions().contains(&"stop")
                && pod.spec.bid.is_some_and(|bid| bid < floor)
        });
        let outbid: Vec<_> = outbid.map(|pod| pod.id.clone()).collect();
        for id in outbid {
            account.preempt(&id, millis(wanted.notice_s)?)?;
        }
    }
    account.save_books();
    Ok(())
}

fn stock_shown(cloud: &Cloud) -> Value {
    let account = cloud.lock();
    let each = account.books.shelves.iter().map(|shelf| {
        let free = |tier| account.stock(&shelf.gpu, &shelf.data_center, tier).0;
        json!({
            "gpu": shelf.gpu,
            "data_center": shelf.data_center,
            "secure": shelf.secure,
            "community": shelf.community,
            "secure_free": free(catalogue::Tier::Secure),
            "community_free": free(catalogue::Tier::Community),
        })
    });
    json!({"stock": each.collect::<Vec<_>>(), "spot_floors": account.books.floors, "prices": "synthetic"})
}

/// Without the environment, which holds other people's secrets.
fn shown(slot: &Slot) -> Value {
    let pod = &slot.pod;
    let now = clock::now();
    let paid = pod.meter.millis(now);
    json!({
        "id": pod.id,
        "name": pod.spec.name,
        "status": pod.status,
        "wish": pod.wish,
        "gpu": pod.spec.gpu,
        "count": pod.spec.count,
        "tier": pod.tier,
        "data_center": pod.data_center,
        "spot": pod.spot(),
        "lost": pod.lost,
        "alive": slot.alive,
        "starts": pod.starts,
        "last_exit": pod.last_exit,
        "env_names": pod.spec.env.keys().collect::<Vec<_>>(),
        "rate_micros_per_hour": pod.rate,
        "paid_ms": paid,
        "cost_micros": pod.rate.for_millis(paid),
        "created_at": pod.created_at,
        "started_at": pod.started_at,
        "terminated_at": pod.terminated_at,
    })
}

fn bill(cloud: &Cloud) -> Value {
    let account = cloud.lock();
    let now = clock::now();
    let each = account.slots.iter().map(|slot| {
        let pod = &slot.pod;
        let paid = pod.meter.millis(now);
        json!({
            "id": pod.id,
            "name": pod.spec.name,
            "running": pod.meter.runs(),
            "terminated": pod.status == Status::Terminated,
            "rate_micros_per_hour": pod.rate,
            "paid_ms": paid,
            "cost_micros": pod.rate.for_millis(paid),
        })
    });
    json!({
        "currency": "USD",
        "prices": "synthetic",
        "pods": each.collect::<Vec<_>>(),
        "spent_micros": account.spent(now),
        "balance_micros": account.balance(now),
    })
}
