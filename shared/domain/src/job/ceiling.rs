//! What a job may cost, and when it has cost that.

use jiff::{SignedDuration, Timestamp};

use super::{Attempt, Job};
use crate::money::{Money, Rates};

const MILLIS_PER_HOUR: i128 = 3_600_000;

impl Job {
    /// What is left of its `max_cost` when its ended attempts are paid, in the currency of the ceiling; `None` without one.
    pub fn left_to_spend(&self, rates: Rates) -> Option<Money> {
        let ceiling = self.spec.max_cost?;
        let spent = rates.total(self.cost.iter().copied(), ceiling.currency);
        Some(Money::new(ceiling.micros.saturating_sub(spent.micros).max(0), ceiling.currency))
    }

    /// What a whole run costs at the latest attempt's price: until the timeout, or until `max_cost` where that is less and in
    /// the same currency. `None` while there is no price, and once the job has ended.
    pub fn estimated_cost(&self) -> Option<Money> {
        let price = self.offer.as_ref().filter(|_| !self.status.is_terminal())?.price_per_hour;
        let whole = price.for_millis(i64::from(self.spec.timeout_seconds) * 1_000);
        match self.spec.max_cost {
            Some(max) if max.currency == whole.currency && max.micros < whole.micros => Some(max),
            _ => Some(whole),
        }
    }

    /// Whether its ended attempts have cost what it may cost: no other one begins.
    pub fn is_spent(&self, rates: Rates) -> bool {
        self.left_to_spend(rates).is_some_and(|left| left.micros == 0)
    }

    /// How long an instance at `price_per_hour` may be billed until the job has cost what it may cost; `None` if it has no
    /// ceiling, or never reaches it.
    pub fn affordable(&self, price_per_hour: Money, rates: Rates) -> Option<SignedDuration> {
        let left = self.left_to_spend(rates)?;
        let left = i128::from(rates.convert(left, price_per_hour.currency).micros);
        let price = i128::from(price_per_hour.micros);
        if price <= 0 {
            return None;
        }
        // Ten years are for ever, and far from any overflow.
        let millis = (left * MILLIS_PER_HOUR / price).min(10 * 366 * 24 * MILLIS_PER_HOUR);
        Some(SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX)))
    }

    /// When the job has cost what it may cost, with `attempt` still billed; `None` before it is billed.
    pub fn spent_at(&self, attempt: &Attempt, rates: Rates) -> Option<Timestamp> {
        let affordable = self.affordable(attempt.offer.price_per_hour, rates)?;
        attempt.created_at?.checked_add(affordable).ok()
    }
}
