//! Which offers a launch tries, in which order.

use domain::{
    job::{Job, Outcome},
    placement::{Conditions, Offer, Ranking, rank},
};
use jiff::SignedDuration;

use super::{Machine, StepError};

/// How long an offer that took the job's instance away is tried last.
const GRUDGE: SignedDuration = SignedDuration::from_hours(1);

/// What a launch goes through.
pub(super) struct Choices {
    /// Every offer that was looked at.
    pub(super) offers: Vec<Offer>,
    pub(super) ranking: Ranking,
    /// The providers that have no offers because they do not answer, with their words.
    pub(super) silent: Vec<String>,
}

impl Machine {
    /// The offers in the order in which they are tried. Where what is remembered has nothing for the job, the providers
    /// are asked before it waits.
    pub(super) async fn choices(&self, job: &Job) -> Result<Choices, StepError> {
        let conditions = Conditions {
            statistics: self.market.statistics().await,
            rates: self.market.rates,
            avoid: self.lost_lately(job).await?,
            hours: None,
        };
        let mut view = self.market.for_launch().await?;
        let mut ranking = rank(&job.spec, view.offers(), &conditions);
        if ranking.offers.is_empty() {
            let spare = SignedDuration::from_millis(i64::from(self.settings.capacity_backoff_seconds) * 500);
            if let Some(again) = self.market.look_again(&view, spare).await {
                view = again;
                ranking = rank(&job.spec, view.offers(), &conditions);
            }
        }
        Ok(Choices { offers: view.offers(), ranking, silent: view.silent() })
    }

    /// The offers that took the job's instance away within [`GRUDGE`].
    async fn lost_lately(&self, job: &Job) -> Result<Vec<Offer>, StepError> {
        if job.attempt == 0 {
            return Ok(Vec::new());
        }
        let since = self.clock.now() - GRUDGE;
        let mut attempts = self.jobs.attempts(job.id).await?;
        attempts.retain(|attempt| {
            let lost = matches!(attempt.outcome, Some(Outcome::Preempted | Outcome::Lost { .. }));
            lost && attempt.ended_at.is_some_and(|at| at > since)
        });
        Ok(attempts.into_iter().map(|attempt| attempt.offer).collect())
    }
}
