//! What a job costs.

use domain::{
    JobId, Money, Principal,
    job::{Attempt, Job, Status},
};
use jiff::Timestamp;

use super::{JobError, Jobs};

/// A job's attempts, and what they cost together.
#[derive(Debug, Clone)]
pub struct Cost {
    /// All attempts, the first first.
    pub attempts: Vec<Attempt>,
    /// One amount for each currency.
    pub total: Vec<Money>,
    /// Whether nothing will be added.
    pub is_final: bool,
    /// Up to when running instances are counted.
    pub as_of: Timestamp,
}

/// What `job` cost up to `now`. Its row has what its ended attempts cost; `latest` is its latest attempt.
pub fn cost_so_far(job: &Job, latest: Option<&Attempt>, now: Timestamp) -> Vec<Money> {
    let mut sums = job.cost.clone();
    // An attempt's cost enters the job's row when the job leaves these two.
    if matches!(job.status, Status::Provisioning | Status::Running)
        && let Some(attempt) = latest
    {
        add(&mut sums, attempt.cost.unwrap_or_else(|| attempt.cost_at(now)));
    }
    sums
}

fn add(sums: &mut Vec<Money>, amount: Money) {
    match sums.iter_mut().find(|sum| sum.currency == amount.currency) {
        Some(sum) => sum.micros = sum.micros.saturating_add(amount.micros),
        None => sums.push(amount),
    }
}

impl Jobs {
    /// What each attempt cost, and all together.
    pub async fn cost(&self, caller: &Principal, id: JobId) -> Result<Cost, JobError> {
        let job = self.visible(caller, id).await?;
        let attempts = self.jobs.attempts(id).await?;
        let as_of = self.clock.now();
        let mut total = Vec::new();
        for attempt in &attempts {
            add(&mut total, attempt.cost.unwrap_or_else(|| attempt.cost_at(as_of)));
        }
        let gone = |attempt: &Attempt| attempt.gone_at.is_some() || attempt.created_at.is_none();
        Ok(Cost { is_final: job.status.is_terminal() && attempts.iter().all(gone), attempts, total, as_of })
    }

    /// All attempts of a job, the first first, and the time at which they were looked at.
    pub async fn attempts(
        &self,
        caller: &Principal,
        id: JobId,
    ) -> Result<(Vec<Attempt>, Timestamp), JobError> {
        self.visible(caller, id).await?;
        Ok((self.jobs.attempts(id).await?, self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use domain::{Currency, job::Outcome};

    use super::*;
    use crate::jobs::create::samples::{attempt, job};

    #[test]
    fn the_running_instance_counts_up_to_now_and_once() {
        let (mut job, mut attempt) = (job(), attempt());
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        job.provision(&attempt, at(0)).unwrap();
        assert_eq!(cost_so_far(&job, Some(&attempt), at(60)), [Money::new(0, Currency::Usd)]);
        attempt.created_at = Some(at(0));
        assert_eq!(cost_so_far(&job, Some(&attempt), at(3_600)), [attempt.offer.price_per_hour]);

        attempt.gone_at = Some(at(1_800));
        attempt.cost = Some(attempt.cost_at(at(9_999)));
        attempt.outcome = Some(Outcome::Cancelled);
        job.end(Status::Cancelled, Some(&attempt), None, at(1_800)).unwrap();
        let half = Money::new(attempt.offer.price_per_hour.micros / 2, Currency::Usd);
        assert_eq!(cost_so_far(&job, Some(&attempt), at(9_999)), [half]);
    }
}
