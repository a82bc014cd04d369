//! `/_sim`: what a test causes and learns. Not part of the cloud; no key is needed, as it is on loopback.

use super::account::{Run, Settings, Why};
use super::catalogue;
use super::kube::{OPERATIONS, remove, shown};
use super::market::Place;
use super::{Cloud, api};
use crate::clock;
use crate::control::{self, Kill, Loss, body};
use crate::serve::json_answer;
use axum::body::Body;
use bytes::Bytes;
use hyper::{Method, Request, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Preempt {
    /// Between SIGTERM and SIGKILL; 0 = no warning at all.
    #[serde(default)]
    notice_s: f64,
}

/// What is named changes; without a type, every type; without a zone, every one that has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stock {
    instance_type: Option<String>,
    zone: Option<String>,
    count: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prices {
    instance_type: Option<String>,
    zone: Option<String>,
    on_demand_micros_per_s: Option<i64>,
    spot_micros_per_s: Option<i64>,
}

/// No such pod runs.
struct NoPod;

type Error = control::Error<NoPod>;

pub(super) fn answer(cloud: &Arc<Cloud>, request: &Request<Bytes>) -> Response<Body> {
    match done(cloud, request) {
        Ok(value) => json_answer(200, &value),
        Err(error) => {
            let none = |NoPod| (404, json!({"error": "no such pod runs"}));
            let (status, said) = error.answer().unwrap_or_else(none);
            json_answer(status, &said)
        }
    }
}

fn done(cloud: &Arc<Cloud>, request: &Request<Bytes>) -> Result<Value, Error> {
    let known = |operation: &str| api::known(operation) || OPERATIONS.contains(&operation);
    if let Some(done) = control::usual(request, &cloud.faults, &cloud.journal, known) {
        return done;
    }
    match (request.method(), &control::path(request)[..]) {
        (&Method::GET, ["settings"]) => Ok(json!(cloud.lock().settings)),
        (&Method::POST, ["settings"]) => settings(cloud, body(request)?),
        (&Method::POST, ["instances" | "pods", id, "preempt"]) => {
            let Preempt { notice_s } = body(request)?;
            preempt(cloud, id, notice_s)
        }
        (&Method::POST, ["instances" | "pods", id, "kill"]) => {
            let Kill { how } = body(request)?;
            kill(cloud, id, &how)
        }
        (&Method::GET, ["instances" | "pods"]) => {
            let account = cloud.lock();
            let all: Vec<Value> = account.ordered().into_iter().map(shown_run).collect();
            let live = account.runs.values().filter(|run| !run.done).count();
            Ok(json!({"instances": all, "live": live, "created": account.created}))
        }
        (&Method::GET, ["stock"]) => Ok(shelves(cloud)),
        (&Method::POST, ["stock"]) => {
            let Stock { instance_type, zone, count } = body(request)?;
            let mut account = cloud.lock();
            for place in meant(&account.market, instance_type.as_deref(), zone.as_deref())? {
                account.market.shelf_mut(place).count = count;
            }
            drop(account);
            cloud.room.notify_waiters();
            Ok(shelves(cloud))
        }
        (&Method::POST, ["prices"]) => {
            prices(cloud, &body(request)?)?;
            Ok(shelves(cloud))
        }
        (&Method::POST, ["compact"]) => {
            cloud.lock().store.compact();
            Ok(json!({}))
        }
        (&Method::GET, ["bill"]) => Ok(bill(cloud)),
        _ => Err(Error::Unknown),
    }
}

/// Only what is named changes.
fn settings(cloud: &Cloud, changes: Map<String, Value>) -> Result<Value, Error> {
    let mut account = cloud.lock();
    let settings: Settings = control::changed(&account.settings, changes)?;
    let all = json!(settings);
    account.settings = settings;
    drop(account);
    cloud.room.notify_waiters();
    Ok(all)
}

fn preempt(cloud: &Cloud, id: &str, notice_s: f64) -> Result<Value, Error> {
    let notice = control::notice(notice_s)?;
    let mut account = cloud.lock();
    let run = account.run(id).filter(|run| !run.done).ok_or(Error::Refused(NoPod))?;
    let (uid, key, spot) = (run.uid.clone(), run.key(), run.spot);
    let message = if spot {
        "Spot pod was interrupted, it will be killed and re-created"
    } else {
        "The node is drained, the pod is evicted"
    };
    shown::disrupted(&mut account, &key, message);
    let run = account.runs.get(&uid).ok_or(Error::Refused(NoPod))?;
    run.end(Why::Preempted(if spot { "Preempted" } else { "Evicted" }), notice);
    Ok(shown_run(run))
}

fn kill(cloud: &Cloud, id: &str, how: &Loss) -> Result<Value, Error> {
    let mut account = cloud.lock();
    let run = account.run(id).filter(|run| !run.done).ok_or(Error::Refused(NoPod))?;
    let uid = run.uid.clone();
    if *how == Loss::Silent {
        run.end(Why::Silent, Duration::ZERO);
    } else {
        remove::pod(&mut account, &uid, Some(0), Why::Lost);
    }
    Ok(json!({}))
}

/// The types in zones that a test names; both named, also one that has never been on sale there.
fn meant(
    market: &super::market::Market,
    kind: Option<&str>,
    zone: Option<&str>,
) -> Result<Vec<Place>, Error> {
    let known = kind.map(|id| catalogue::find(id).map(|kind| kind.id).ok_or(id)).transpose();
    let kind = known.map_err(|id| Error::Wrong(format!("unknown instance_type {id:?}")))?;
    let known = zone.map(|id| catalogue::zone(id).map(|zone| zone.id).ok_or(id)).transpose();
    let zone = known.map_err(|id| Error::Wrong(format!("unknown zone {id:?}")))?;
    if let (Some(kind), Some(zone)) = (kind, zone) {
        return Ok(vec![(kind, zone)]);
    }
    Ok(market
        .shelves
        .keys()
        .copied()
        .filter(|(k, z)| kind.is_none_or(|kind| kind == *k) && zone.is_none_or(|zone| zone == *z))
        .collect())
}

/// What runs keeps its price.
fn prices(cloud: &Cloud, wanted: &Prices) -> Result<(), Error> {
    if [wanted.on_demand_micros_per_s, wanted.spot_micros_per_s].into_iter().flatten().any(|price| price < 0)
    {
        return Err(Error::Wrong("a price is not negative".to_owned()));
    }
    let mut account = cloud.lock();
    let places = meant(&account.market, wanted.instance_type.as_deref(), wanted.zone.as_deref())?;
    for place in places {
        let shelf = account.market.shelf_mut(place);
        shelf.on_demand = wanted.on_demand_micros_per_s.unwrap_or(shelf.on_demand);
        shelf.spot = wanted.spot_micros_per_s.unwrap_or(shelf.spot);
    }
    Ok(())
}

fn shelves(cloud: &Cloud) -> Value {
    let account = cloud.lock();
    let each = account.market.shelves.iter().map(|((kind, zone), shelf)| {
        json!({
            "instance_type": kind, "zone": zone, "region": catalogue::zone(zone).map(|zone| zone.region),
            "free": shelf.free(), "on_demand_micros_per_s": shelf.on_demand, "spot_micros_per_s": shelf.spot,
        })
    });
    json!({"stock": each.collect::<Vec<_>>(), "currency": "CNY", "synthetic": true})
}

fn shown_run(run: &Run) -> Value {
    let now = clock::now();
    let status = match (run.deleted, run.done, run.alive, run.from) {
        (true, ..) => "Deleted",
        (_, true, ..) => "Ended",
        (_, _, true, _) => "Running",
        (_, _, _, Some(_)) => "Starting",
        _ => "Pending",
    };
    json!({
        "id": run.name, "uid": run.uid, "name": run.job, "namespace": run.namespace, "status": status,
        "alive": run.alive, "starts": run.starts, "last_exit": run.exit, "end": run.end, "spot": run.spot,
        "gpus": run.gpus, "instance_type": run.place.map(|place| place.0), "zone": run.place.map(|place| place.1),
        "seconds": run.seconds(now), "cost_micros": run.cost(now), "running": run.alive,
    })
}

fn bill(cloud: &Cloud) -> Value {
    let account = cloud.lock();
    let now = clock::now();
    let each = account.ordered().into_iter().map(|run| {
        json!({
            "id": run.name, "uid": run.uid, "name": run.job, "micros_per_s": run.rate, "seconds": run.seconds(now),
            "cost_micros": run.cost(now), "from": run.from, "to": run.to,
        })
    });
    let spent = account.spent(now);
    json!({
        "currency": "CNY", "synthetic": true, "spent_micros": spent,
        "balance_micros": account.settings.balance_micros - spent, "instances": each.collect::<Vec<_>>(),
    })
}
