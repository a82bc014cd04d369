//! Budgets of a calendar month (UTC): an owner's, and the whole platform's.

use serde::{Deserialize, Serialize};

use crate::money::{Currency, Money, Rates};

/// Per cent of a budget at which it is said that it nears its end.
pub const WARNING_PERCENT: u32 = 80;

/// How near a budget is to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// [`WARNING_PERCENT`] are used.
    Warning,
    /// It is used up: nothing new starts.
    Exceeded,
}

impl Level {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Exceeded => "exceeded",
        }
    }
}

/// How a month stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// What the attempts cost that ended in it, in their providers' currencies.
    pub spent: Vec<Money>,
    /// What the instances that run now cost up to now.
    pub running: Vec<Money>,
    /// `None` is no limit.
    pub budget: Option<Money>,
}

impl Standing {
    /// Spent and running together, at the rate of this moment.
    pub fn used(&self, rates: Rates, currency: Currency) -> Money {
        rates.total(self.spent.iter().chain(&self.running).copied(), currency)
    }

    /// Whole per cent of the budget that are used; `None` without one. A budget of nothing is always used up.
    pub fn percent(&self, rates: Rates) -> Option<u32> {
        let budget = self.budget?;
        let used = i128::from(self.used(rates, budget.currency).micros);
        if budget.micros <= 0 {
            return Some(100);
        }
        Some(u32::try_from(used.max(0) * 100 / i128::from(budget.micros)).unwrap_or(u32::MAX))
    }

    /// How near the end is, if it is near.
    pub fn level(&self, rates: Rates) -> Option<Level> {
        match self.percent(rates)? {
            100.. => Some(Level::Exceeded),
            WARNING_PERCENT.. => Some(Level::Warning),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_over_when_spent_and_running_reach_it() {
        let rates = Rates::parse("7").unwrap();
        let usd = |micros| Money::new(micros, Currency::Usd);
        let mut month = Standing {
            spent: vec![usd(600), Money::new(700, Currency::Cny)],
            running: vec![usd(99)],
            budget: Some(usd(1_000)),
        };
        assert_eq!(month.used(rates, Currency::Usd), usd(799));
        assert_eq!((month.percent(rates), month.level(rates)), (Some(79), None));
        month.running = vec![usd(100)];
        assert_eq!(month.level(rates), Some(Level::Warning));
        month.running = vec![usd(299)];
        assert_eq!(month.level(rates), Some(Level::Warning), "a micro is left");
        month.running = vec![usd(300)];
        assert_eq!(month.level(rates), Some(Level::Exceeded));
        month.budget = None;
        assert_eq!((month.percent(rates), month.level(rates)), (None, None));
        month.budget = Some(usd(0));
        assert_eq!(
            Standing { budget: Some(usd(0)), ..Standing::default() }.level(rates),
            Some(Level::Exceeded)
        );
    }
}
