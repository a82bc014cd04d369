//! What the scheduler measured, and what waits.

use domain::placement::{Place, Statistics, Tally};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::rank::Estimate;

/// What was measured of each place in the last days, what is expected of it, and the platform's queue.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SchedulingMetrics {
    pub as_of: Timestamp,
    /// UTC days that are counted, today included.
    pub days: u32,
    /// One for each place in which anything was launched; empty on a new platform.
    pub places: Vec<PlaceStatistics>,
    pub queue: QueueState,
}

/// One GPU model of one provider in one region, spot or not.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PlaceStatistics {
    pub provider: String,
    /// Null where the provider chooses.
    #[schema(required = true)]
    pub region: Option<String>,
    pub gpu: String,
    pub spot: bool,
    /// Launches that the provider answered.
    pub launches: u64,
    /// Those that it refused.
    pub refused: Refused,
    /// Attempts whose command began.
    pub started: u64,
    /// From the instance to the command, on average; null before the first start.
    #[schema(required = true)]
    pub mean_boot_seconds: Option<f64>,
    /// Attempts with an instance that ended, however.
    pub ended: u64,
    /// Of those, taken back by the cloud.
    pub preempted: u64,
    /// Of those, vanished, never booted, or fell silent.
    pub lost: u64,
    /// Hours that commands ran, over the attempts that ended.
    pub running_hours: f64,
    /// What follows for the next launch.
    pub estimate: Estimate,
}

/// Refused launches by reason.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RefusedLaunches)]
pub struct Refused {
    pub capacity: u64,
    pub quota: u64,
    pub rate_limited: u64,
    pub credentials: u64,
    pub other: u64,
}

/// The jobs of the whole platform that have not ended.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct QueueState {
    /// Wait for their owner's limits.
    pub waiting: usize,
    /// Look for an offer, or pause before another attempt.
    pub searching: usize,
    /// Their instance boots.
    pub provisioning: usize,
    pub running: usize,
    /// How long those that wait or search have waited by now, the median; null if none does.
    #[schema(required = true)]
    pub median_wait_seconds: Option<f64>,
}

impl QueueState {
    /// Of jobs that were submitted at these times and still wait or search.
    pub fn median_wait(mut since: Vec<Timestamp>, now: Timestamp) -> Option<f64> {
        since.sort_unstable();
        since.get(since.len() / 2).map(|at| now.duration_since(*at).as_secs_f64().max(0.0))
    }
}

impl SchedulingMetrics {
    /// The measurements as they are shown.
    pub fn places(statistics: &Statistics) -> Vec<PlaceStatistics> {
        statistics.places().into_iter().map(|(place, tally)| PlaceStatistics::new(place, tally)).collect()
    }
}

impl PlaceStatistics {
    fn new(place: &Place, tally: &Tally) -> Self {
        let estimate = domain::placement::Estimate::of(tally, place.spot);
        Self {
            provider: place.provider.0.clone(),
            region: Some(place.region.clone()).filter(|region| !region.is_empty()),
            gpu: place.gpu.clone(),
            spot: place.spot,
            launches: tally.tried,
            refused: Refused {
                capacity: tally.refused_capacity,
                quota: tally.refused_quota,
                rate_limited: tally.refused_rate_limited,
                credentials: tally.refused_credentials,
                other: tally.refused_other,
            },
            started: tally.started,
            mean_boot_seconds: (tally.started > 0)
                .then(|| tally.boot_millis as f64 / 1_000.0 / tally.started as f64),
            ended: tally.ended,
            preempted: tally.preempted,
            lost: tally.lost,
            running_hours: tally.running_millis as f64 / 3_600_000.0,
            estimate: estimate.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_of_those_that_wait_now() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(QueueState::median_wait(vec![at(90), at(10), at(50)], at(100)), Some(50.0));
        assert_eq!(QueueState::median_wait(Vec::new(), at(100)), None);
    }
}
