//! The order in which an owner's waiting jobs are admitted.

use jiff::Timestamp;

use super::{Job, Priority};

/// A waiting job goes up one class with each of these, so that nothing waits for ever behind what is more urgent.
const SECONDS_PER_CLASS: i64 = 3_600;

fn class(priority: Priority) -> i64 {
    match priority {
        Priority::Urgent => 0,
        Priority::High => 1,
        Priority::Normal => 2,
        Priority::Low => 3,
    }
}

/// Sorts waiting jobs: by class, which their age raises, then the oldest first.
pub fn in_order(waiting: &mut [Job], now: Timestamp) {
    waiting.sort_by_key(|job| {
        let waited = now.duration_since(job.submitted_at).as_secs().max(0);
        let class = (class(job.spec.priority) - waited / SECONDS_PER_CLASS).max(0);
        (class, job.submitted_at, job.id)
    });
}
