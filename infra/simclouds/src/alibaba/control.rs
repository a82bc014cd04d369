//! `/_sim`: what a test causes and learns. Not part of the cloud; no key is needed, as it is on loopback.

use super::account::Settings;
use super::catalogue;
use super::error::Refusal;
use super::instance::{Instance, Spot, Status};
use super::{ACTIONS, Cloud, drive};
use crate::clock;
use crate::control::{self, Kill, Loss, body};
use crate::serve::json_answer;
use axum::body::Body;
use bytes::Bytes;
use hyper::{Method, Request, Response};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Preempt {
    /// Between the lock that announces it and the release; 0 = no warning at all.
    #[serde(default = "five_minutes")]
    notice_s: f64,
}

/// As the cloud does it.
fn five_minutes() -> f64 {
    300.0
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
    /// Spot instances whose limit is lower are pre-empted.
    spot_micros_per_s: Option<i64>,
    #[serde(default = "five_minutes")]
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
            Err(refusal) => refusal.answer(),
        },
    }
}

fn done(cloud: &Arc<Cloud>, request: &Request<Bytes>) -> Result<Value, Error> {
    let known = |operation: &str| ACTIONS.contains(&operation);
    if let Some(done) = control::usual(request, &cloud.faults, &cloud.journal, known) {
        return done;
    }
    match (request.method(), &control::path(request)[..]) {
        (&Method::GET, ["settings"]) => Ok(json!(cloud.lock().settings)),
        (&Method::POST, ["settings"]) => settings(cloud, body(request)?),
        (&Method::POST, ["instances", id, "preempt"]) => {
            let Preempt { notice_s } = body(request)?;
            preempt(cloud, id, control::notice(notice_s)?)?;
            let account = cloud.lock();
            account.instances.iter().find(|one| one.id == *id).map(shown).ok_or(Error::Unknown)
        }
        (&Method::POST, ["instances", id, "kill"]) => {
            let Kill { how } = body(request)?;
            if how == Loss::Gone {
                cloud.lock().release(id, "lost")?;
            } else {
                cloud.lock().instance_mut(id)?.lost = true;
                cloud.lost.notify_waiters();
            }
            Ok(json!({}))
        }
        (&Method::POST, ["instances", id, "stop"]) => {
            cloud.lock().instance_mut(id)?.off = true;
            cloud.lost.notify_waiters();
            Ok(json!({}))
        }
        (&Method::GET, ["instances"]) => {
            let account = cloud.lock();
            let all: Vec<Value> = account.instances.iter().map(shown).collect();
            let live = account.instances.iter().filter(|one| !one.gone()).count();
            Ok(json!({"instances": all, "live": live, "created": account.created}))
        }
        (&Method::GET, ["stock"]) => Ok(shelves(cloud)),
        (&Method::POST, ["stock"]) => {
            let Stock { instance_type, zone, count } = body(request)?;
            let mut account = cloud.lock();
            for (kind, zone) in meant(account.shelves(), instance_type.as_deref(), zone.as_deref())? {
                account.set_stock(kind, zone, count);
            }
            drop(account);
            Ok(shelves(cloud))
        }
        (&Method::POST, ["prices"]) => {
            prices(cloud, &body(request)?)?;
            Ok(shelves(cloud))
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
    Ok(all)
}

/// Takes the machine away; announced by a lock unless there is no notice.
fn preempt(cloud: &Arc<Cloud>, id: &str, notice: Duration) -> Result<(), Refusal> {
    let mut account = cloud.lock();
    let one = account.instance_mut(id)?;
    if one.spec.spot == Spot::No {
        return Err(Refusal::new(403, "IncorrectSpotStrategy", "Only a spot instance can be pre-empted."));
    }
    if notice.is_zero() {
        return account.release(id, "preempted");
    }
    one.recycled_at = Some(clock::now() + SignedDuration::try_from(notice).unwrap_or_default());
    drop(account);
    let (owner, id) = (Arc::clone(cloud), id.to_owned());
    cloud.tasks.spawn(async move { owner.release_in(notice, &id, "preempted").await });
    Ok(())
}

/// The types in zones that a test names; both named, also one that has never been on sale there.
fn meant(
    all: impl Iterator<Item = (&'static str, &'static str)>,
    kind: Option<&str>,
    zone: Option<&str>,
) -> Result<Vec<(&'static str, &'static str)>, Error> {
    let known = kind.map(|id| catalogue::find(id).map(|kind| kind.id).ok_or(id)).transpose();
    let kind = known.map_err(|id| Error::Wrong(format!("unknown instance_type {id:?}")))?;
    let zones = || catalogue::REGIONS.iter().flat_map(|(_, zones)| zones.iter().copied());
    let known = zone.map(|id| zones().find(|zone| *zone == id).ok_or(id)).transpose();
    let zone = known.map_err(|id| Error::Wrong(format!("unknown zone {id:?}")))?;
    if let (Some(kind), Some(zone)) = (kind, zone) {
        return Ok(vec![(kind, zone)]);
    }
    Ok(all
        .filter(|(k, z)| kind.is_none_or(|kind| kind == *k) && zone.is_none_or(|zone| zone == *z))
        .collect())
}

fn prices(cloud: &Arc<Cloud>, wanted: &Prices) -> Result<(), Error> {
    let notice = control::notice(wanted.notice_s)?;
    if [wanted.on_demand_micros_per_s, wanted.spot_micros_per_s].into_iter().flatten().any(|price| price < 0)
    {
        return Err(Error::Wrong("a price is not negative".to_owned()));
    }
    let mut account = cloud.lock();
    let places = meant(account.shelves(), wanted.instance_type.as_deref(), wanted.zone.as_deref())?;
    for (kind, zone) in &places {
        account.move_price(kind, zone, wanted.on_demand_micros_per_s, wanted.spot_micros_per_s);
    }
    let outbid: Vec<String> = account
        .instances
        .iter()
        .filter(|one| {
            !one.gone() && one.recycled_at.is_none() && places.contains(&(one.spec.kind.id, one.zone))
        })
        .filter(|one| match (one.spec.spot, wanted.spot_micros_per_s) {
            (Spot::Limit(limit), Some(market)) => limit < market.saturating_mul(3600),
            _ => false,
        })
        .map(|one| one.id.clone())
        .collect();
    drop(account);
    for id in outbid {
        preempt(cloud, &id, notice)?;
    }
    Ok(())
}

fn shelves(cloud: &Cloud) -> Value {
    let account = cloud.lock();
    let now = clock::now();
    let each = account.shelves().map(|(kind, zone)| {
        let (on_demand, spot) = account.price(kind, zone, now).unwrap_or_default();
        json!({
            "instance_type": kind, "zone": zone, "region": catalogue::region_of(zone),
            "free": account.free(kind, zone), "on_demand_micros_per_s": on_demand, "spot_micros_per_s": spot,
        })
    });
    json!({"stock": each.collect::<Vec<_>>(), "currency": "CNY", "synthetic": true})
}

fn shown(one: &Instance) -> Value {
    let now = clock::now();
    let place = drive::inside(&one.disk);
    let read = |name: &str| std::fs::read_to_string(place.join(name)).ok();
    let status = if one.gone() { json!("Released") } else { json!(one.status) };
    json!({
        "id": one.id, "name": one.spec.name, "status": status, "alive": one.alive, "starts": one.starts,
        "zone": one.zone, "instance_type": one.spec.kind.id, "spot": one.spec.spot.word(), "tags": one.spec.tags,
        "recycling": one.recycled_at.is_some(), "end": one.end, "lost": one.lost,
        "seconds": one.seconds(now), "cost_micros": one.cost(now),
        // While the disk is there: the exit code of the user data, and what it said.
        "user_data_exit": read("user-data.exit").and_then(|text| text.trim().parse::<i32>().ok()),
        "user_data_log": read("user-data.log"),
        "running": one.status == Status::Running && !one.gone(),
    })
}

fn bill(cloud: &Cloud) -> Value {
    let account = cloud.lock();
    let now = clock::now();
    let each = account.instances.iter().map(|one| {
        json!({
            "id": one.id, "name": one.spec.name, "micros_per_s": one.rate, "seconds": one.seconds(now),
            "cost_micros": one.cost(now), "from": one.created_at, "to": one.released_at,
        })
    });
    let spent = account.spent(now);
    json!({
        "currency": "CNY", "synthetic": true, "spent_micros": spent,
        "balance_micros": account.settings.balance_micros - spent, "instances": each.collect::<Vec<_>>(),
    })
}
