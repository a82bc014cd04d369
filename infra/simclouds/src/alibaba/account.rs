//! The account: its instances, what the zones have left, what everything costs, and which calls were made before.

use super::catalogue::{self, KINDS, Kind};
use super::command::Invocation;
use super::error::Refusal;
use super::instance::{self, Instance, Spec, Spot, Status};
use crate::clock;
use crate::strike::Boot;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::Path;
use tokio_util::sync::CancellationToken;

/// What a test may change while the cloud runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// From creation to Running.
    pub(crate) boot_ms: u64,
    pub(crate) boot_fail_rate: f64,
    /// How old every listing is.
    pub(crate) list_lag_ms: u64,
    pub(crate) latency_ms: u64,
    /// 0 = no limit.
    pub(crate) rate_per_minute: u32,
    /// Instances at a time; 0 = no limit.
    pub(crate) quota_instances: u32,
    /// Millionths of a yuan, before anything was spent.
    pub(crate) balance_micros: i64,
    /// How far behind the account's books are.
    pub(crate) bill_lag_ms: u32,
    /// `AutoReleaseTime` must be at least so far away.
    pub(crate) auto_release_min_s: u32,
    /// A pending instance cannot be deleted.
    pub(crate) keep_pending: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            boot_ms: 1000,
            boot_fail_rate: 0.0,
            list_lag_ms: 0,
            latency_ms: 0,
            rate_per_minute: 0,
            quota_instances: 0,
            balance_micros: 1_000_000_000_000,
            bill_lag_ms: 0,
            auto_release_min_s: 1800,
            keep_pending: false,
        }
    }
}

/// A moment at which a price became something else.
#[derive(Clone, Copy, Debug)]
struct Move {
    at: Timestamp,
    on_demand: i64,
    spot: i64,
}

/// The answer to a call with a `ClientToken`, for when it comes again.
#[derive(Debug)]
struct Before {
    asked: BTreeMap<String, String>,
    answer: serde_json::Value,
}

#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) settings: Settings,
    /// Oldest first, released ones too.
    pub(crate) instances: Vec<Instance>,
    pub(crate) invocations: Vec<Invocation>,
    /// Successful creations by name.
    pub(crate) created: BTreeMap<String, u32>,
    stock: BTreeMap<(&'static str, &'static str), u32>,
    /// Oldest first, never empty for a type in a zone that has it.
    prices: HashMap<(&'static str, &'static str), Vec<Move>>,
    tokens: HashMap<(String, String), Before>,
    nonces: (BTreeSet<String>, VecDeque<String>),
}

impl Account {
    /// A nonce is remembered for so many calls.
    const NONCES: usize = 100_000;

    pub(crate) fn new(settings: Settings) -> Self {
        let mut account = Self { settings, ..Self::default() };
        for kind in &KINDS {
            for (zone, percent) in kind.zones.iter().zip([20, 25, 30].into_iter().cycle()) {
                account.stock.insert((kind.id, zone), kind.stock);
                // A spot machine is a fifth to a third of the price, by zone.
                let spot = kind.rate * percent / 100;
                let begin = Move { at: Timestamp::MIN, on_demand: kind.rate, spot };
                account.prices.insert((kind.id, zone), vec![begin]);
            }
        }
        account
    }

    /// False: a call with it was made before.
    pub(crate) fn note_nonce(&mut self, nonce: &str) -> bool {
        if !self.nonces.0.insert(nonce.to_owned()) {
            return false;
        }
        self.nonces.1.push_back(nonce.to_owned());
        if self.nonces.1.len() > Self::NONCES
            && let Some(oldest) = self.nonces.1.pop_front()
        {
            self.nonces.0.remove(&oldest);
        }
        true
    }

    /// The answer that this call had the first time.
    pub(crate) fn before(
        &self,
        action: &str,
        token: &str,
        asked: &BTreeMap<String, String>,
    ) -> Result<Option<serde_json::Value>, Refusal> {
        match self.tokens.get(&(action.to_owned(), token.to_owned())) {
            None => Ok(None),
            Some(before) if before.asked == *asked => Ok(Some(before.answer.clone())),
            Some(_) => Err(Refusal::new(
                400,
                "IdempotentParameterMismatch",
                "Request uses a client token in a previous request but is not identical to that request.",
            )),
        }
    }

    pub(crate) fn remember(
        &mut self,
        action: &str,
        token: &str,
        asked: BTreeMap<String, String>,
        answer: serde_json::Value,
    ) {
        self.tokens.insert((action.to_owned(), token.to_owned()), Before { asked, answer });
    }

    /// What is on the shelf less what is rented. None: not for sale there.
    pub(crate) fn free(&self, kind: &str, zone: &str) -> Option<u32> {
        let (_, shelf) = self.stock.iter().find(|((k, z), _)| *k == kind && *z == zone)?;
        let rented =
            self.instances.iter().filter(|one| !one.gone() && one.spec.kind.id == kind && one.zone == zone);
        Some(shelf.saturating_sub(u32::try_from(rented.count()).unwrap_or(u32::MAX)))
    }

    pub(crate) fn set_stock(&mut self, kind: &'static str, zone: &'static str, count: u32) {
        self.stock.insert((kind, zone), count);
        let rate = catalogue::find(kind).map_or(0, |kind| kind.rate);
        self.prices
            .entry((kind, zone))
            .or_insert_with(|| vec![Move { at: Timestamp::MIN, on_demand: rate, spot: rate / 5 }]);
    }

    pub(crate) fn shelves(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.stock.keys().copied()
    }

    /// Millionths of a yuan a second at that time: on demand and spot.
    pub(crate) fn price(&self, kind: &str, zone: &str, at: Timestamp) -> Option<(i64, i64)> {
        let (_, moves) = self.prices.iter().find(|((k, z), _)| *k == kind && *z == zone)?;
        moves.iter().rev().find(|one| one.at <= at).map(|one| (one.on_demand, one.spot))
    }

    pub(crate) fn move_price(
        &mut self,
        kind: &'static str,
        zone: &'static str,
        on_demand: Option<i64>,
        spot: Option<i64>,
    ) {
        let now = clock::now();
        let Some((was, was_spot)) = self.price(kind, zone, now) else { return };
        if let Some(moves) = self.prices.get_mut(&(kind, zone)) {
            let (on_demand, spot) = (on_demand.unwrap_or(was), spot.unwrap_or(was_spot));
            moves.push(Move { at: now, on_demand, spot });
        }
    }

    pub(crate) fn spent(&self, now: Timestamp) -> i64 {
        self.instances.iter().map(|one| one.cost(now)).sum()
    }

    pub(crate) fn instance(&self, id: &str) -> Result<&Instance, Refusal> {
        self.instances.iter().find(|one| one.id == id && !one.gone()).ok_or_else(Refusal::no_instance)
    }

    pub(crate) fn instance_mut(&mut self, id: &str) -> Result<&mut Instance, Refusal> {
        self.instances.iter_mut().find(|one| one.id == id && !one.gone()).ok_or_else(Refusal::no_instance)
    }

    /// All or none. Returns the ids of the new instances.
    pub(crate) fn create(
        &mut self,
        spec: &Spec,
        zone: Option<&'static str>,
        amounts: (u32, u32),
        boot: Option<Boot>,
        disks: &Path,
        stop: &CancellationToken,
    ) -> Result<Vec<String>, Refusal> {
        let (least, most) = amounts;
        let now = clock::now();
        let live = self.instances.iter().filter(|one| !one.gone()).count();
        let live = u32::try_from(live).unwrap_or(u32::MAX);
        let quota = self.settings.quota_instances;
        if quota > 0 && live.saturating_add(least) > quota {
            return Err(Refusal::new(
                403,
                "QuotaExceed.ElasticQuota",
                "The number of the specified ECS instances has exceeded the quota of the specified instance type.",
            ));
        }
        let most = if quota > 0 { most.min(quota - live) } else { most };
        let zone = self.zone_for(spec.kind, spec.region, zone, least)?;
        let most = most.min(self.free(spec.kind.id, zone).unwrap_or(0));
        let (on_demand, market) = self.price(spec.kind.id, zone, now).ok_or_else(Refusal::no_stock)?;
        let rate = match spec.spot {
            Spot::No => on_demand,
            Spot::Limit(limit) if limit < market.saturating_mul(3600) => {
                return Err(Refusal::new(
                    400,
                    "InvalidSpotPriceLimit.LowerThanPublicPrice",
                    "The specified parameter \"spotPriceLimit\" can't be lower than current public price.",
                ));
            }
            Spot::Limit(_) | Spot::AsPriceGo => market,
        };
        if self.settings.balance_micros - self.spent(now) < rate.saturating_mul(3600) {
            return Err(Refusal::new(
                403,
                "InsufficientBalance",
                "Your account does not have enough balance.",
            ));
        }
        let mut ids = Vec::new();
        for _ in 0..most {
            let id = instance::id("i-");
            let fails = rand::random::<f64>() < self.settings.boot_fail_rate;
            let boot = boot.unwrap_or(if fails { Boot::Fails } else { Boot::Works });
            let mut meter = crate::ledger::Meter::default();
            meter.start(now);
            self.instances.push(Instance {
                disk: disks.join(&id),
                id: id.clone(),
                spec: spec.clone(),
                zone,
                rate,
                status: Status::Pending,
                boot,
                created_at: now,
                started_at: None,
                released_at: None,
                recycled_at: None,
                end: None,
                lost: false,
                off: false,
                alive: false,
                starts: 0,
                meter,
                halt: stop.child_token(),
            });
            *self.created.entry(spec.name.clone()).or_default() += 1;
            ids.push(id);
        }
        Ok(ids)
    }

    /// The zone asked for, or the one of the region that has most left.
    fn zone_for(
        &self,
        kind: &Kind,
        region: &str,
        zone: Option<&'static str>,
        least: u32,
    ) -> Result<&'static str, Refusal> {
        if let Some(zone) = zone {
            return match self.free(kind.id, zone) {
                None => Err(Refusal::new(
                    403,
                    "Zone.NotOnSale",
                    "The resource in the specified zone is no longer available for sale.",
                )),
                Some(free) if free < least => Err(Refusal::no_stock()),
                Some(_) => Ok(zone),
            };
        }
        let zones = catalogue::zones(region).unwrap_or_default().iter();
        let free = zones.filter_map(|zone| Some((self.free(kind.id, zone)?, *zone)));
        match free.max_by_key(|(free, _)| *free) {
            Some((free, zone)) if free >= least.max(1) => Ok(zone),
            _ => Err(Refusal::no_stock()),
        }
    }

    /// Gives everything back, at once and for good.
    pub(crate) fn release(&mut self, id: &str, why: &'static str) -> Result<(), Refusal> {
        let one = self.instance_mut(id)?;
        let now = clock::now();
        one.released_at = Some(now);
        one.end = Some(why);
        one.meter.stop(now);
        one.halt.cancel();
        // May hold secrets, and nobody can ask for it any more.
        one.spec.user_data.clear();
        Ok(())
    }

    /// What the owner's delete does.
    pub(crate) fn deletable(&self, id: &str, force: bool) -> Result<(), Refusal> {
        let one = self.instance(id)?;
        if one.status == Status::Pending && self.settings.keep_pending {
            return Err(Refusal::new(
                403,
                "IncorrectInstanceStatus.Initializing",
                "The specified instance status does not support this operation.",
            ));
        }
        if !force && one.status != Status::Stopped {
            return Err(Refusal::new(
                403,
                "IncorrectInstanceStatus",
                "The current status of the resource does not support this operation.",
            ));
        }
        Ok(())
    }
}
