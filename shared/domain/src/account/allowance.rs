//! What an account may use at once and spend in a month.

use serde::{Deserialize, Serialize};

use super::Change;
use crate::{job::FieldError, money::Money};

/// How much of one owner runs at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Admitted jobs that have not ended.
    pub jobs: u32,
    /// The GPUs that those jobs ask for.
    pub gpus: u32,
}

/// Where an account differs from what everybody may. Administrators set it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Allowance {
    pub max_jobs: Option<u32>,
    pub max_gpus: Option<u32>,
    /// What its jobs may cost in a calendar month (UTC); `None` is no limit.
    pub monthly_budget: Option<Money>,
}

impl Allowance {
    /// The account's quota, where `everybody` has the other.
    pub fn quota(&self, everybody: Quota) -> Quota {
        Quota { jobs: self.max_jobs.unwrap_or(everybody.jobs), gpus: self.max_gpus.unwrap_or(everybody.gpus) }
    }
}

/// A change of an allowance, field by field.
#[derive(Debug, Clone, Default)]
pub struct AllowanceChange {
    pub max_jobs: Change<u32>,
    pub max_gpus: Change<u32>,
    pub monthly_budget: Change<Money>,
}

/// The largest quota; more is a typing error.
const MOST: u32 = 100_000;

impl AllowanceChange {
    /// The allowance after the change, or everything that is wrong with it.
    pub fn apply(self, mut allowance: Allowance) -> Result<Allowance, Vec<FieldError>> {
        self.max_jobs.apply(&mut allowance.max_jobs);
        self.max_gpus.apply(&mut allowance.max_gpus);
        self.monthly_budget.apply(&mut allowance.monthly_budget);
        let mut errors = Vec::new();
        for (field, value) in [("max_jobs", allowance.max_jobs), ("max_gpus", allowance.max_gpus)] {
            if value.is_some_and(|value| !(1..=MOST).contains(&value)) {
                let message = format!("must be 1 to {MOST}, or null for what everybody may");
                errors.push(FieldError::new(field, message));
            }
        }
        if errors.is_empty() { Ok(allowance) } else { Err(errors) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_what_everybody_has_unless_it_says_otherwise() {
        let everybody = Quota { jobs: 20, gpus: 32 };
        let change = AllowanceChange { max_gpus: Change::Set(4), ..AllowanceChange::default() };
        let own = change.apply(Allowance::default()).unwrap();
        assert_eq!(own.quota(everybody), Quota { jobs: 20, gpus: 4 });
        let back = AllowanceChange { max_gpus: Change::Clear, ..AllowanceChange::default() };
        assert_eq!(back.apply(own).unwrap().quota(everybody), everybody);
    }

    #[test]
    fn nobody_gets_nothing_by_mistake() {
        let change = AllowanceChange {
            max_jobs: Change::Set(0),
            max_gpus: Change::Set(100_001),
            monthly_budget: Change::Keep,
        };
        let fields: Vec<_> =
            change.apply(Allowance::default()).unwrap_err().into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["max_jobs", "max_gpus"]);
    }
}
