//! The account: its pods, its stock, its balance, and what may be done with them.

use super::catalogue::{self, Availability, Shelf, Tier};
use super::pod::{Pod, PodId, Spec, Status, Wish, word};
use super::store::Store;
use crate::clock;
use crate::ledger::{Meter, Micros};
use crate::log::{Log, Source};
use crate::strike::Boot;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// How the cloud behaves while nothing is planned to go wrong. Milliseconds unless named otherwise.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// From PROVISIONING to RUNNING.
    pub(crate) boot_ms: u64,
    /// How many boots end in ERROR, 0 to 1.
    pub(crate) boot_fail_rate: f64,
    /// No process is started: the cloud itself says, in the words of the platform's runner, that the command ended. What is
    /// measured then is the platform and not this machine's processes.
    pub(crate) at_once: bool,
    /// Between the end of an entrypoint and its next start; doubles while it keeps ending within ten seconds.
    pub(crate) restart_ms: u64,
    /// Between SIGTERM and SIGKILL when a pod is stopped or terminated.
    pub(crate) stop_grace_ms: u64,
    /// How old every listing is.
    pub(crate) list_lag_ms: u64,
    /// Before every answer.
    pub(crate) latency_ms: u64,
    /// Calls a minute; 0 = no limit.
    pub(crate) rate_per_minute: u32,
    /// What was paid in. What is spent is subtracted from it.
    pub(crate) balance_micros: Micros,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            boot_ms: 300,
            boot_fail_rate: 0.0,
            at_once: false,
            restart_ms: 500,
            stop_grace_ms: 30_000,
            list_lag_ms: 0,
            latency_ms: 0,
            rate_per_minute: 0,
            balance_micros: Micros(1_000_000_000),
        }
    }
}

/// Why something is not done.
#[derive(Debug)]
pub(crate) enum Refusal {
    NotFound,
    Capacity,
    Balance,
    Invalid(String),
    Conflict(String),
}

/// What somebody wants to rent.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) spec: Spec,
    /// In order of preference.
    pub(crate) tiers: Vec<Tier>,
    /// In order of preference; empty: anywhere.
    pub(crate) data_centers: Vec<String>,
    pub(crate) country: Option<String>,
    /// No machine has what is asked for beyond model and place.
    pub(crate) impossible: bool,
    pub(crate) boot: Option<Boot>,
}

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) pod: Pod,
    pub(crate) wish: watch::Sender<Wish>,
    pub(crate) log: Arc<Log>,
    /// It has processes, wanted or not.
    pub(crate) alive: bool,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Books {
    /// Come from the start of the simulated cloud, not from its past.
    #[serde(skip)]
    pub(crate) settings: Settings,
    pub(crate) shelves: Vec<Shelf>,
    /// Spot floors that were moved, by model.
    pub(crate) floors: BTreeMap<String, Micros>,
    /// Create calls that were done, by pod name.
    pub(crate) created: BTreeMap<String, u64>,
    /// Spent by pods that are no longer listed here.
    pub(crate) archived: Micros,
}

#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) slots: Vec<Slot>,
    pub(crate) books: Books,
    store: Option<Store>,
}

impl Account {
    /// Terminated pods that are remembered.
    const KEPT: usize = 2000;

    pub(crate) fn new(books: Books, store: Option<Store>) -> Self {
        Self { slots: Vec::new(), books, store }
    }

    pub(crate) fn save_books(&self) {
        if let Some(store) = &self.store {
            store.save_books(&self.books);
        }
    }

    pub(crate) fn slot(&self, id: &PodId) -> Option<&Slot> {
        self.slots.iter().find(|slot| slot.pod.id == *id)
    }

    fn live(&mut self, id: &PodId) -> Result<&mut Slot, Refusal> {
        self.slots.iter_mut().find(|slot| slot.pod.id == *id && !slot.pod.gone()).ok_or(Refusal::NotFound)
    }

    /// Changes a pod, saves it, and tells its driver if the wish is another.
    fn change(&mut self, id: &PodId, change: impl FnOnce(&mut Slot)) -> Result<Pod, Refusal> {
        let slot = self.live(id)?;
        change(slot);
        let (pod, wish) = (slot.pod.clone(), slot.pod.wish);
        slot.wish.send_if_modified(|current| std::mem::replace(current, wish) != wish);
        if let Some(store) = &self.store {
            store.save_pod(&pod);
        }
        Ok(pod)
    }

    fn used(&self, gpu: &str, data_center: &str, tier: Tier) -> u32 {
        let held = self.slots.iter().map(|slot| &slot.pod).filter(|pod| {
            pod.status.occupies() && pod.spec.gpu == gpu && pod.data_center == data_center && pod.tier == tier
        });
        held.map(|pod| pod.spec.count).sum()
    }

    /// Free and all GPUs of a model in a data centre.
    pub(crate) fn stock(&self, gpu: &str, data_center: &str, tier: Tier) -> (u32, u32) {
        let shelf =
            self.books.shelves.iter().find(|shelf| shelf.gpu == gpu && shelf.data_center == data_center);
        let total = shelf.map_or(0, |shelf| shelf.total(tier));
        (total.saturating_sub(self.used(gpu, data_center, tier)), total)
    }

    pub(crate) fn availability(&self, gpu: &str, data_center: &str, tier: Tier, count: u32) -> Availability {
        let (free, total) = self.stock(gpu, data_center, tier);
        Availability::of(free, total, count)
    }

    pub(crate) fn floor(&self, gpu: &catalogue::Gpu, tier: Tier) -> Micros {
        self.books.floors.get(gpu.id).copied().unwrap_or_else(|| gpu.floor.of(tier))
    }

    pub(crate) fn spent(&self, now: Timestamp) -> Micros {
        let each = self.slots.iter().map(|slot| slot.pod.rate.for_millis(slot.pod.meter.millis(now)));
        each.sum::<Micros>() + self.books.archived
    }

    pub(crate) fn balance(&self, now: Timestamp) -> Micros {
        self.books.settings.balance_micros - self.spent(now)
    }

    fn boot(&self) -> Boot {
        if rand::random::<f64>() < self.books.settings.boot_fail_rate { Boot::Fails } else { Boot::Works }
    }

    pub(crate) fn create(&mut self, order: Order) -> Result<(Pod, Arc<Log>, watch::Receiver<Wish>), Refusal> {
        let Order { spec, tiers, data_centers, country, impossible, boot } = order;
        let gpu = catalogue::gpu(&spec.gpu)
            .ok_or_else(|| Refusal::Invalid(format!("gpu type {:?} not found", spec.gpu)))?;
        for id in &data_centers {
            if catalogue::data_centre(id).is_none() {
                return Err(Refusal::Invalid(format!("data center {id:?} not found")));
            }
        }
        if tiers.iter().all(|tier| spec.count > gpu.max_count.of(*tier)) {
            return Err(Refusal::Invalid(format!(
                "gpu count {} exceeds the maximum for {:?} on this cloud",
                spec.count, spec.gpu
            )));
        }
        let fits = |tier: Tier, place: &catalogue::DataCentre| {
            !impossible
                && country.as_ref().is_none_or(|code| code == place.country)
                && spec.bid.is_none_or(|bid| bid >= self.floor(gpu, tier))
                && spec.count <= gpu.max_count.of(tier)
                && self.stock(gpu.id, place.id, tier).0 >= spec.count
        };
        let places: Vec<_> = if data_centers.is_empty() {
            catalogue::DATA_CENTRES.iter().collect()
        } else {
            data_centers.iter().filter_map(|id| catalogue::data_centre(id)).collect()
        };
        let found = tiers.iter().flat_map(|tier| places.iter().map(move |place| (*tier, *place)));
        let (tier, place) =
            found.into_iter().find(|(tier, place)| fits(*tier, place)).ok_or(Refusal::Capacity)?;
        let rate = spec.bid.unwrap_or_else(|| gpu.price.of(tier)).times(spec.count);
        let now = clock::now();
        if self.balance(now) < rate {
            return Err(Refusal::Balance);
        }
        let pod = Pod {
            id: PodId::random(),
            tier,
            data_center: place.id.to_owned(),
            machine: word(12),
            rate,
            wish: Wish::Run { epoch: 1 },
            status: Status::Provisioning,
            before: Status::Provisioning,
            boot: boot.unwrap_or_else(|| self.boot()),
            created_at: now,
            started_at: None,
            terminated_at: None,
            lost: false,
            change: since("Rented by User", now),
            starts: 0,
            last_exit: None,
            meter: Meter::default(),
            spec,
        };
        *self.books.created.entry(pod.spec.name.clone()).or_default() += 1;
        self.save_books();
        let log = Arc::new(self.open_log(&pod.id));
        log.append(Source::System, &format!("create pod {} on {}", pod.id, pod.data_center));
        let receiver = self.adopt(pod.clone(), Arc::clone(&log));
        Ok((pod, log, receiver))
    }

    pub(crate) fn open_log(&self, id: &PodId) -> Log {
        self.store.as_ref().map_or_else(Log::new, |store| store.open_log(id))
    }

    pub(crate) fn adopt(&mut self, pod: Pod, log: Arc<Log>) -> watch::Receiver<Wish> {
        if let Some(store) = &self.store {
            store.save_pod(&pod);
        }
        let (wish, receiver) = watch::channel(pod.wish);
        self.slots.push(Slot { pod, wish, log, alive: false });
        receiver
    }

    /// Pods as they were `lag_ms` ago, the terminated left out.
    pub(crate) fn pods(&self, lag_ms: u64) -> Vec<Pod> {
        let lag = SignedDuration::from_millis(i64::try_from(lag_ms).unwrap_or(i64::MAX));
        let then = clock::now().saturating_sub(lag).unwrap_or(Timestamp::MIN);
        let seen = self.slots.iter().filter_map(|slot| {
            let mut pod = slot.pod.clone();
            if lag_ms > 0 && pod.created_at > then {
                return None;
            }
            if pod.gone() {
                if lag_ms == 0 || pod.terminated_at.is_none_or(|at| at <= then) {
                    return None;
                }
                pod.status = pod.before;
                pod.wish = Wish::Run { epoch: 0 };
            }
            Some(pod)
        });
        seen.collect()
    }

    pub(crate) fn stop(&mut self, id: &PodId, why: &str) -> Result<Pod, Refusal> {
        let grace_ms = self.books.settings.stop_grace_ms;
        let slot = self.live(id)?;
        allow(&slot.pod, "stop")?;
        self.change(id, |slot| {
            let now = clock::now();
            slot.pod.wish = Wish::Stop { grace_ms };
            slot.pod.status = Status::Exited;
            slot.pod.meter.stop(now);
            slot.pod.change = since(why, now);
            slot.log.append(Source::System, "stop container");
        })
    }

    /// `bid`: a new price for a spot pod.
    pub(crate) fn start(&mut self, id: &PodId, bid: Option<Micros>) -> Result<Pod, Refusal> {
        let boot = self.boot();
        let slot = self.live(id)?;
        allow(&slot.pod, "start")?;
        let pod = slot.pod.clone();
        let spec = &pod.spec;
        let gpu = catalogue::gpu(&spec.gpu).ok_or(Refusal::Capacity)?;
        if bid.is_some() && !pod.spot() {
            return Err(Refusal::Invalid("not an interruptable pod".to_owned()));
        }
        let bid = bid.or(spec.bid);
        // A stopped pod stays on its machine and comes back only when that has room.
        let free = self.stock(&spec.gpu, &pod.data_center, pod.tier).0;
        let holds = if pod.status.occupies() { spec.count } else { 0 };
        if free + holds < spec.count || bid.is_some_and(|bid| bid < self.floor(gpu, pod.tier)) {
            return Err(Refusal::Capacity);
        }
        if self.balance(clock::now()) < pod.rate {
            return Err(Refusal::Balance);
        }
        self.change(id, |slot| {
            let now = clock::now();
            slot.pod.wish = slot.pod.next_run();
            slot.pod.status = Status::Provisioning;
            slot.pod.boot = boot;
            slot.pod.lost = false;
            slot.pod.spec.bid = bid;
            if let Some(bid) = bid {
                slot.pod.rate = bid.times(slot.pod.spec.count);
            }
            slot.pod.change = since("Resumed by User", now);
        })
    }

    pub(crate) fn restart(&mut self, id: &PodId) -> Result<Pod, Refusal> {
        let slot = self.live(id)?;
        allow(&slot.pod, "restart")?;
        self.change(id, |slot| {
            slot.pod.wish = slot.pod.next_run();
            slot.log.append(Source::System, "restart container");
        })
    }

    pub(crate) fn terminate(&mut self, id: &PodId) -> Result<(), Refusal> {
        let grace_ms = self.books.settings.stop_grace_ms;
        self.end(id, grace_ms)
    }

    fn end(&mut self, id: &PodId, grace_ms: u64) -> Result<(), Refusal> {
        self.change(id, |slot| {
            let now = clock::now();
            slot.pod.before = slot.pod.status;
            slot.pod.wish = Wish::End { grace_ms };
            slot.pod.status = Status::Terminated;
            slot.pod.terminated_at = Some(now);
            slot.pod.meter.stop(now);
            slot.pod.change = since("Terminated by User", now);
            slot.log.append(Source::System, "terminate pod");
        })?;
        Ok(())
    }

    /// Takes the machine away from a pod; it gets SIGTERM, and SIGKILL after the notice.
    pub(crate) fn preempt(&mut self, id: &PodId, notice_ms: u64) -> Result<Pod, Refusal> {
        let slot = self.live(id)?;
        allow(&slot.pod, "stop")?;
        self.change(id, |slot| {
            let now = clock::now();
            slot.pod.wish = Wish::Stop { grace_ms: notice_ms };
            slot.pod.change = since("Exited by Runpod: spot instance interrupted", now);
            slot.log.append(Source::System, "spot instance interrupted");
            if notice_ms == 0 || slot.pod.status != Status::Running {
                slot.pod.status = Status::Exited;
                slot.pod.meter.stop(now);
            }
        })
    }

    /// The machine breaks. `gone`: the pod is forgotten; otherwise the cloud goes on saying RUNNING.
    pub(crate) fn lose(&mut self, id: &PodId, gone: bool) -> Result<(), Refusal> {
        if gone {
            return self.end(id, 0);
        }
        self.change(id, |slot| {
            slot.pod.lost = true;
            slot.pod.wish = Wish::Stop { grace_ms: 0 };
        })?;
        Ok(())
    }

    /// What a driver reports.
    pub(crate) fn observe(&mut self, id: &PodId, change: impl FnOnce(&mut Pod)) {
        let wish = self.slot(id).map(|slot| slot.pod.wish);
        let changed = self.change(id, |slot| {
            change(&mut slot.pod);
            // A driver reports what is, it never changes what is wanted.
            if let Some(wish) = wish {
                slot.pod.wish = wish;
            }
        });
        drop(changed);
    }

    pub(crate) fn alive(&mut self, id: &PodId, alive: bool) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.pod.id == *id) {
            slot.alive = alive;
        }
    }

    /// The last of a terminated pod's processes is gone: forget what is large or secret.
    pub(crate) fn bury(&mut self, id: &PodId) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.pod.id == *id) {
            slot.pod.spec.env.clear();
            slot.log.close();
            slot.log = Arc::new(Log::new());
            if let Some(store) = &self.store {
                store.save_pod(&slot.pod);
                store.remove_log(id);
            }
        }
        let gone = self.slots.iter().filter(|slot| slot.pod.gone()).count();
        if gone > Self::KEPT
            && let Some(at) =
                self.slots.iter().position(|slot| slot.pod.gone() && slot.pod.spec.env.is_empty())
        {
            let slot = self.slots.remove(at);
            let now = clock::now();
            self.books.archived = self.books.archived + slot.pod.rate.for_millis(slot.pod.meter.millis(now));
            if !self.slots.iter().any(|other| other.pod.spec.name == slot.pod.spec.name) {
                self.books.created.remove(&slot.pod.spec.name);
            }
            // The sum first: cut off in between, the pod counts twice rather than never.
            self.save_books();
            if let Some(store) = &self.store {
                store.remove_pod(&slot.pod.id);
            }
        }
    }
}

fn allow(pod: &Pod, action: &str) -> Result<(), Refusal> {
    if pod.status.actions().contains(&action) {
        return Ok(());
    }
    let status = serde_json::to_value(pod.status).unwrap_or_default();
    Err(Refusal::Conflict(format!("action {action} is not valid for a pod in status {status}")))
}

/// RunPod's way to say when something changed.
fn since(what: &str, now: Timestamp) -> String {
    format!("{what}: {}", now.strftime("%a %b %d %Y %H:%M:%S GMT+0000"))
}
