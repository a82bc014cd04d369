//! What we measured ourselves of each place, and what we expect of it. Of a place that we know nothing of we expect what
//! the priors below say; each launch, each start and each hour there moves the expectation towards what was seen.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    ops::AddAssign,
};

use serde::{Deserialize, Serialize};

use super::{Offer, ProviderName};

/// What is measured together: one GPU model of one provider in one region, spot or not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    pub provider: ProviderName,
    /// Empty where the provider chooses.
    pub region: String,
    pub gpu: String,
    pub spot: bool,
}

impl Place {
    /// Where `offer` is.
    pub fn of(offer: &Offer) -> Self {
        Self {
            provider: offer.provider.clone(),
            region: offer.region.clone(),
            gpu: offer.gpu.clone(),
            spot: offer.spot,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.spot { "spot" } else { "on_demand" };
        write!(f, "{}#{}#{}#{kind}", self.provider, self.region, self.gpu)
    }
}

/// Why a provider did not launch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Not to be had there.
    Capacity,
    /// Our account may not have more.
    Quota,
    /// Asked too often.
    RateLimited,
    /// Our key.
    Credentials,
    /// Anything else.
    Other,
}

/// What happened in a place: sums, so that two of them add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Launches that the provider answered, with an instance or with a refusal.
    pub tried: u64,
    pub refused_capacity: u64,
    pub refused_quota: u64,
    pub refused_rate_limited: u64,
    pub refused_credentials: u64,
    pub refused_other: u64,
    /// Attempts whose command began.
    pub started: u64,
    /// Of those: milliseconds from the instance to the command, summed.
    pub boot_millis: u64,
    /// Attempts with an instance that ended, however.
    pub ended: u64,
    /// Of those: taken back by the cloud.
    pub preempted: u64,
    /// Of those: vanished, never booted, or fell silent.
    pub lost: u64,
    /// Milliseconds that commands ran, summed over ended attempts.
    pub running_millis: u64,
}

impl Tally {
    /// An instance was made.
    pub fn launched() -> Self {
        Self { tried: 1, ..Self::default() }
    }

    /// A launch was refused.
    pub fn refused(why: Refusal) -> Self {
        let mut tally = Self::launched();
        *match why {
            Refusal::Capacity => &mut tally.refused_capacity,
            Refusal::Quota => &mut tally.refused_quota,
            Refusal::RateLimited => &mut tally.refused_rate_limited,
            Refusal::Credentials => &mut tally.refused_credentials,
            Refusal::Other => &mut tally.refused_other,
        } = 1;
        tally
    }

    /// A command began so long after its instance was made; a negative time counts as none.
    pub fn started(boot_millis: i64) -> Self {
        Self { started: 1, boot_millis: boot_millis.try_into().unwrap_or(0), ..Self::default() }
    }

    /// Launches that say something of the place. Our key and our haste are no fault of it.
    fn telling(&self) -> u64 {
        self.tried.saturating_sub(self.refused_rate_limited + self.refused_credentials)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.tried += other.tried;
        self.refused_capacity += other.refused_capacity;
        self.refused_quota += other.refused_quota;
        self.refused_rate_limited += other.refused_rate_limited;
        self.refused_credentials += other.refused_credentials;
        self.refused_other += other.refused_other;
        self.started += other.started;
        self.boot_millis += other.boot_millis;
        self.ended += other.ended;
        self.preempted += other.preempted;
        self.lost += other.lost;
        self.running_millis += other.running_millis;
    }
}

/// What is expected of a place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The chance that a launch is served, 0 to 1.
    pub launch_success: f64,
    /// Seconds from the instance to the command.
    pub boot_seconds: f64,
    /// How often in an hour of running the instance is taken back or lost.
    pub interruptions_per_hour: f64,
    /// Launches that stand behind it; with none it is the prior alone.
    pub launches: u64,
}

impl Estimate {
    /// Prior of the launch success: one served and one refused launch, so 1/2 while nothing is known and
    /// (served + 1) / (launches + 2) after that.
    pub const PRIOR_SERVED: f64 = 1.0;
    pub const PRIOR_REFUSED: f64 = 1.0;
    /// Prior of the boot: one start that took two minutes.
    pub const PRIOR_BOOT_SECONDS: f64 = 120.0;
    pub const PRIOR_STARTS: f64 = 1.0;
    /// Prior of the interruptions: ten hours with 0.5 of them on spot (one in 20 h), with 0.02 on demand (one in 500 h).
    pub const PRIOR_HOURS: f64 = 10.0;
    pub const PRIOR_INTERRUPTIONS_SPOT: f64 = 0.5;
    pub const PRIOR_INTERRUPTIONS_ON_DEMAND: f64 = 0.02;

    /// What `tally` lets expect of a place that is spot, or not.
    pub fn of(tally: &Tally, spot: bool) -> Self {
        let launches = tally.telling();
        let refused = tally.refused_capacity + tally.refused_quota + tally.refused_other;
        let served = launches.saturating_sub(refused) as f64;
        let hours = tally.running_millis as f64 / 3_600_000.0;
        let interruptions =
            if spot { Self::PRIOR_INTERRUPTIONS_SPOT } else { Self::PRIOR_INTERRUPTIONS_ON_DEMAND };
        Self {
            launch_success: (served + Self::PRIOR_SERVED)
                / (launches as f64 + Self::PRIOR_SERVED + Self::PRIOR_REFUSED),
            boot_seconds: (tally.boot_millis as f64 / 1_000.0
                + Self::PRIOR_BOOT_SECONDS * Self::PRIOR_STARTS)
                / (tally.started as f64 + Self::PRIOR_STARTS),
            interruptions_per_hour: ((tally.preempted + tally.lost) as f64 + interruptions)
                / (hours + Self::PRIOR_HOURS),
            launches,
        }
    }
}

/// Everything measured of late, by place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    tallies: HashMap<String, (Place, Tally)>,
}

impl Statistics {
    /// Adds what happened in `place`.
    pub fn add(&mut self, place: Place, tally: Tally) {
        self.tallies.entry(place.to_string()).or_insert_with(|| (place, Tally::default())).1 += tally;
    }

    /// What happened where, in the order of the places.
    pub fn places(&self) -> Vec<(&Place, &Tally)> {
        let mut places: Vec<_> = self.tallies.values().map(|(place, tally)| (place, tally)).collect();
        places.sort_by_key(|(place, _)| *place);
        places
    }

    /// What is expected of an offer's place.
    pub fn estimate(&self, offer: &Offer) -> Estimate {
        self.estimate_with(offer, &mut String::new())
    }

    /// As [`Self::estimate`], with a text that is used again.
    pub(super) fn estimate_with(&self, offer: &Offer, key: &mut String) -> Estimate {
        if self.tallies.is_empty() {
            return Estimate::of(&Tally::default(), offer.spot);
        }
        key.clear();
        let kind = if offer.spot { "spot" } else { "on_demand" };
        for part in [offer.provider.as_str(), "#", &offer.region, "#", &offer.gpu, "#", kind] {
            // Writing to a String does not fail.
            let _ = key.write_str(part);
        }
        let nothing = Tally::default();
        Estimate::of(self.tallies.get(key.as_str()).map_or(&nothing, |(_, tally)| tally), offer.spot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn nothing_known_is_the_prior_and_what_is_seen_moves_it() {
        let prior = Estimate::of(&Tally::default(), false);
        assert!(near(prior.launch_success, 0.5) && near(prior.boot_seconds, 120.0), "{prior:?}");
        assert!(near(prior.interruptions_per_hour, 0.002) && prior.launches == 0, "{prior:?}");
        assert!(near(Estimate::of(&Tally::default(), true).interruptions_per_hour, 0.05));

        let mut seen = Tally::default();
        for _ in 0..8 {
            seen += Tally::launched();
            seen += Tally::started(30_000);
        }
        seen += Tally { ended: 8, preempted: 2, running_millis: 90 * 3_600_000, ..Tally::default() };
        let estimate = Estimate::of(&seen, true);
        assert!(near(estimate.launch_success, 0.9), "{estimate:?}");
        assert!(near(estimate.boot_seconds, 40.0), "{estimate:?}");
        assert!(near(estimate.interruptions_per_hour, 0.025), "{estimate:?}");
    }

    #[test]
    fn our_key_and_our_haste_say_nothing_of_a_place() {
        let mut tally = Tally::refused(Refusal::Credentials);
        tally += Tally::refused(Refusal::RateLimited);
        assert!(near(Estimate::of(&tally, false).launch_success, 0.5));
        tally += Tally::refused(Refusal::Capacity);
        assert!(near(Estimate::of(&tally, false).launch_success, 1.0 / 3.0));
    }
}
