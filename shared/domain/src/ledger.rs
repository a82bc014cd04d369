//! What was paid: one entry for each attempt that has ended, written in the transaction that ends it.

use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    id::{AttemptId, JobId, UserId},
    job::{Attempt, Handle, Job},
    money::Money,
    placement::ProviderName,
};

/// Whose money is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Payer {
    /// One owner's.
    Owner(UserId),
    /// Everybody's.
    Platform,
}

/// How an entry stands with its cloud's own bill.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "bill", rename_all = "snake_case")]
pub enum Bill {
    /// The cloud cannot be asked, or did not say for a week: the cost is its time at its price.
    #[default]
    Unknown,
    /// The cost is its time at its price until the cloud is asked.
    Open { ask_at: Timestamp },
    /// The cost is what the cloud billed.
    Confirmed,
}

/// Between two times that a cloud is asked for a bill that it does not have yet.
const ASK_AGAIN: SignedDuration = SignedDuration::from_hours(6);
/// After which a bill that never came is not asked for any more.
const GIVE_UP: SignedDuration = SignedDuration::from_hours(7 * 24);

/// One paid attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When the end was written: it counts in that day and month (UTC).
    pub at: Timestamp,
    pub owner: UserId,
    pub job_id: JobId,
    pub job_name: String,
    pub attempt_id: AttemptId,
    /// 1 for the job's first.
    pub attempt: u32,
    pub provider: ProviderName,
    /// Empty where any will do.
    pub region: String,
    pub gpu: String,
    pub gpu_count: u32,
    pub spot: bool,
    /// What was billed by the hour, for all GPUs together.
    pub price_per_hour: Money,
    /// What the same thing cost on demand, if it was spot and that is known.
    pub on_demand_per_hour: Option<Money>,
    /// For how long it was billed.
    pub millis: i64,
    /// What it cost.
    pub cost: Money,
    /// The job's tags at that time.
    pub tags: BTreeMap<String, String>,
    /// What became of the attempt, as [`crate::job::Outcome::as_str`] says it.
    pub outcome: String,
    /// It was lost: paid, and the platform, not the command, ended it.
    pub wasted: bool,
    /// What was paid for, as its cloud knows it.
    #[serde(default)]
    pub instance: Option<Handle>,
    #[serde(default)]
    pub bill: Bill,
}

impl Entry {
    /// The entry of an attempt whose instance is gone.
    pub fn of(job: &Job, attempt: &Attempt, at: Timestamp) -> Self {
        let offer = &attempt.offer;
        let millis = match (attempt.created_at, attempt.gone_at) {
            (Some(from), Some(until)) => (until.as_millisecond() - from.as_millisecond()).max(0),
            _ => 0,
        };
        Self {
            at,
            owner: job.owner,
            job_id: job.id,
            job_name: job.spec.name.clone(),
            attempt_id: attempt.id,
            attempt: attempt.number,
            provider: offer.provider.clone(),
            region: offer.region.clone(),
            gpu: offer.gpu.clone(),
            gpu_count: offer.gpu_count,
            spot: offer.spot,
            price_per_hour: offer.price_per_hour,
            on_demand_per_hour: attempt.on_demand_per_hour.filter(|_| offer.spot),
            millis,
            cost: attempt.cost.unwrap_or(Money::new(0, offer.price_per_hour.currency)),
            tags: job.spec.tags.clone(),
            outcome: attempt.outcome.as_ref().map_or("unknown", |outcome| outcome.as_str()).to_owned(),
            wasted: attempt.outcome.as_ref().is_some_and(crate::job::Outcome::is_loss),
            instance: attempt.handle.clone(),
            bill: Bill::Unknown,
        }
    }

    /// The entry with its cloud's bill to be asked for at `ask_at`, if there was an instance that could have one.
    #[must_use]
    pub fn ask_for_bill(self, ask_at: Timestamp) -> Self {
        let bill = if self.instance.is_some() { Bill::Open { ask_at } } else { self.bill };
        Self { bill, ..self }
    }

    /// The entry as its cloud billed it. Another currency than that of its price is no bill of it.
    pub fn billed(&self, cost: Money) -> Option<Self> {
        (cost.currency == self.cost.currency).then(|| Self { cost, bill: Bill::Confirmed, ..self.clone() })
    }

    /// The entry when its cloud had no bill for it at `now`: it is asked again later, for a week.
    #[must_use]
    pub fn not_billed(&self, now: Timestamp) -> Self {
        let late = now.duration_since(self.at) >= GIVE_UP;
        let bill = if late { Bill::Unknown } else { Bill::Open { ask_at: now + ASK_AGAIN } };
        Self { bill, ..self.clone() }
    }

    /// When its instance was paid from: its end is [`Self::at`].
    pub fn from(&self) -> Timestamp {
        self.at - SignedDuration::from_millis(self.millis)
    }

    /// What spot saved against the same thing on demand; negative where spot was dearer, `None` where it is not known.
    pub fn saved_by_spot(&self) -> Option<Money> {
        let on_demand = self.on_demand_per_hour?.for_millis(self.millis);
        (on_demand.currency == self.cost.currency)
            .then(|| Money::new(on_demand.micros.saturating_sub(self.cost.micros), self.cost.currency))
    }
}

/// What entries are gathered by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupBy {
    Day,
    Provider,
    Gpu,
    Job,
    User,
    /// The value of this tag; jobs without it are one group.
    Tag(String),
}

impl GroupBy {
    /// The group of `entry`; empty for a job without the tag.
    pub fn key(&self, entry: &Entry) -> String {
        match self {
            Self::Day => entry.at.strftime("%Y-%m-%d").to_string(),
            Self::Provider => entry.provider.to_string(),
            Self::Gpu => entry.gpu.clone(),
            Self::Job => entry.job_id.to_string(),
            Self::User => entry.owner.to_string(),
            Self::Tag(key) => entry.tags.get(key).cloned().unwrap_or_default(),
        }
    }
}

/// The sums of some entries, each in its providers' currencies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    pub attempts: u64,
    pub millis: i64,
    pub cost: Vec<Money>,
    /// Of it, what lost attempts cost.
    pub wasted: Vec<Money>,
    /// What spot saved, of the attempts of which that is known.
    pub saved_by_spot: Vec<Money>,
    /// Attempts that went on elsewhere after a lost one.
    pub failovers: u64,
    /// What those cost: work that went on and would otherwise have failed.
    pub failover_cost: Vec<Money>,
}

impl Sums {
    /// Adds one entry.
    fn add(&mut self, entry: &Entry, after_loss: bool) {
        use crate::money::add_to;
        self.attempts += 1;
        self.millis = self.millis.saturating_add(entry.millis);
        add_to(&mut self.cost, entry.cost);
        if entry.wasted {
            add_to(&mut self.wasted, entry.cost);
        }
        if let Some(saved) = entry.saved_by_spot() {
            add_to(&mut self.saved_by_spot, saved);
        }
        if after_loss && !entry.wasted {
            self.failovers += 1;
            add_to(&mut self.failover_cost, entry.cost);
        }
    }
}

/// The sums of all entries, and of each group.
pub fn gather(entries: &[Entry], by: &GroupBy) -> (Sums, BTreeMap<String, Sums>) {
    let lost: HashSet<(JobId, u32)> =
        entries.iter().filter(|entry| entry.wasted).map(|entry| (entry.job_id, entry.attempt)).collect();
    let mut all = Sums::default();
    let mut groups: BTreeMap<String, Sums> = BTreeMap::new();
    for entry in entries {
        let after_loss = entry.attempt > 1 && lost.contains(&(entry.job_id, entry.attempt - 1));
        all.add(entry, after_loss);
        groups.entry(by.key(entry)).or_default().add(entry, after_loss);
    }
    (all, groups)
}
