//! `/_sim`: what a test causes and learns. Not part of RunPod; no key is needed, as it is on loopback.

use super::account::{Refusal, Slot};
use super::catalogue;
use super::graphql;
use super::pod::{PodId, Status};
use super::{Cloud, rest};
use crate::clock;
use crate::control::{self, Kill, Loss, body};
use crate::ledger::Micros;
use crate::serve::json_answer;
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

type Error = control::Error<Refusal>;

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

pub(crate) fn answer(cloud: &Arc<Cloud>, request: &Request<Bytes>) -> Response<Body> {
    match done(cloud, request) {
        Ok(value) => json_answer(200, &value),
        Err(error) => match error.answer() {
            Ok((status, said)) => json_answer(status, &said),
            Err(refusal) => rest::refusal(&refusal),
        },
    }
}

fn done(cloud: &Arc<Cloud>, request: &Request<Bytes>) -> Result<Value, Error> {
    if let Some(done) = control::usual(request, &cloud.faults, &cloud.journal, known) {
        return done;
    }
    match (request.method(), &control::path(request)[..]) {
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

fn known(operation: &str) -> bool {
    operation == "graphql:*"
        || rest::Operation::LABELS.contains(&operation)
        || graphql::Call::labels().any(|label| label == operation)
}

/// Only what is named changes.
fn settings(cloud: &Cloud, changes: Map<String, Value>) -> Result<Value, Error> {
    let mut account = cloud.lock();
    let settings: super::Settings = control::changed(&account.books.settings, changes)?;
    let all = json!(settings);
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
