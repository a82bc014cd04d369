//! Launch: choose an offer, write the intent, ask the provider, save what it answered.

use std::collections::{BTreeMap, HashSet};

use domain::{
    AttemptId, JobId, Money,
    job::{Attempt, BOOT_TIMEOUT_SECONDS, DEADLINE_GRACE, Job, Outcome, RunnerState, Spot},
    placement::{Offer, ProviderName, Tally},
};
use jiff::{SignedDuration, Timestamp};

use super::{Change, Kind, MAX_BACKOFF, Machine, StepError, Timers, offers::Choices};
use crate::{
    market::refusal,
    ports::{Instance, Launch, ProviderError},
};

/// Offers that one launch tries before it lets the state machine wait: a function must answer in time.
const TRIES: usize = 6;

/// Of those, spot offers of a job that takes on-demand too.
const SPOT_TRIES: usize = 3;

/// Where a command keeps what a later attempt can go on from, unless the job names another place.
const CHECKPOINT_DIR: &str = "/tmp/gpu-checkpoint";

impl Machine {
    /// Brings the job to an instance, or says why that has to wait. A job that should not be launched any more is left
    /// as it is: the states that follow see that and end it.
    pub async fn launch(&self, id: JobId) -> Result<Timers, StepError> {
        let Some(mut job) = self.jobs.job(id).await? else { return Ok(self.nothing_to_do()) };
        if job.status.is_terminal() {
            return Ok(self.nothing_to_do());
        }
        if let Some(attempt) = self.latest(&job).await? {
            return self.resume(job, attempt).await;
        }
        if job.cancel.is_some() || self.queue_time_is_over(&job).await? {
            return Ok(self.timers(&job, None));
        }
        if let Some(seconds) = self.pause_before(&job) {
            return Err(StepError::Capacity { seconds });
        }
        if let Some(reason) = self.no_money(&job).await? {
            self.end_unpaid(&mut job, reason).await?;
            return Ok(self.nothing_to_do());
        }
        let Choices { offers, ranking, silent } = self.choices(&job).await?;
        let on_demand = on_demand(&job, &offers);
        let mut refused: HashSet<ProviderName> = HashSet::new();
        let mut reasons = Vec::new();
        let mut spots = 0;
        for ranked in &ranking.offers {
            let offer = &ranked.offer;
            // Wrong credentials or a spent quota hold for every offer of the provider. Where on-demand will do, it gets
            // its turn in the same launch, however many spot offers come before it.
            let enough_spot = offer.spot && job.spec.spot == Spot::Prefer && spots == SPOT_TRIES;
            if refused.contains(&offer.provider) || enough_spot {
                continue;
            }
            if reasons.len() == TRIES {
                break;
            }
            spots += usize::from(offer.spot);
            let mut attempt = self.intend(&mut job, offer.clone(), price_of(&on_demand, offer)).await?;
            match self.create(&mut job, &mut attempt).await {
                Ok(()) => return Ok(self.timers(&job, Some(&attempt))),
                Err(Refusal::Retry(error)) => return Err(error),
                Err(Refusal::Offer(error)) => {
                    reasons.push(error.to_string());
                    if matches!(
                        error,
                        ProviderError::Credentials(_)
                            | ProviderError::Quota(_)
                            | ProviderError::RateLimited { .. }
                    ) {
                        refused.insert(offer.provider.clone());
                    }
                    self.refuse(&mut job, &mut attempt, &error).await?;
                }
            }
        }
        let reason = why_nothing(&ranking.excluded, &reasons, &silent);
        let seconds = self.capacity_backoff(&job);
        let event = job.wait_for_capacity(&reason, seconds, self.clock.now())?;
        let (from, events) = (job.status, [event]);
        self.commit(&mut job, None, Change::of(from, &events)).await?;
        Err(StepError::Capacity { seconds })
    }

    /// How many seconds are left of the pause before a node's next try.
    fn pause_before(&self, job: &Job) -> Option<u32> {
        let left = job.node?.not_before?.duration_since(self.clock.now());
        let seconds = u32::try_from(left.as_secs()).ok()? + u32::from(left.subsec_nanos() > 0);
        (seconds > 0).then(|| seconds.min(MAX_BACKOFF))
    }

    /// The states that follow find the job ended and end the execution.
    fn nothing_to_do(&self) -> Timers {
        self.timers_of(None, 1, 2)
    }

    /// An attempt whose instance is known is launched; of one without, the instance is looked for before it is asked
    /// for again.
    async fn resume(&self, mut job: Job, mut attempt: Attempt) -> Result<Timers, StepError> {
        if attempt.handle.is_some() || attempt.outcome.is_some() || job.cancel.is_some() {
            return Ok(self.timers(&job, Some(&attempt)));
        }
        let Some(provider) = self.providers.get(&attempt.offer.provider).cloned() else {
            return Err(StepError::LaunchUnknown(format!(
                "{} has no credentials any more",
                attempt.offer.provider
            )));
        };
        let mut found = provider
            .find(attempt.id, &attempt.offer)
            .await
            .map_err(|e| StepError::LaunchUnknown(e.to_string()))?;
        if !found.is_empty() {
            let instance = found.swap_remove(0);
            self.adopt(&mut job, &mut attempt, &instance).await?;
            self.market.measure(&attempt.offer, Tally::launched()).await;
            return Ok(self.timers(&job, Some(&attempt)));
        }
        attempt.asked += 1;
        let from = job.status;
        self.commit(&mut job, Some((Kind::Update, &mut attempt)), Change::of(from, &[])).await?;
        match self.create(&mut job, &mut attempt).await {
            Ok(()) => Ok(self.timers(&job, Some(&attempt))),
            Err(Refusal::Retry(error)) => Err(error),
            Err(Refusal::Offer(error)) => {
                self.refuse(&mut job, &mut attempt, &error).await?;
                Err(StepError::Capacity { seconds: 1 })
            }
        }
    }

    async fn intend(
        &self,
        job: &mut Job,
        offer: Offer,
        on_demand_per_hour: Option<Money>,
    ) -> Result<Attempt, StepError> {
        let now = self.clock.now();
        let id = AttemptId::new(self.ids.uuid());
        let mut attempt = Attempt::intend(id, job.id, job.owner, job.attempt + 1, offer, now);
        attempt.on_demand_per_hour = on_demand_per_hour;
        let from = job.status;
        let events = [job.provision(&attempt, now)?];
        let runner = RunnerState { masked: job.spec.has_secrets(), ..RunnerState::silent(&attempt) };
        self.commit(job, Some((Kind::Intend(&runner), &mut attempt)), Change::of(from, &events)).await?;
        Ok(attempt)
    }

    async fn create(&self, job: &mut Job, attempt: &mut Attempt) -> Result<(), Refusal> {
        let Some(provider) = self.providers.get(&attempt.offer.provider).cloned() else {
            return Err(Refusal::Offer(ProviderError::Credentials(
                "no credentials for this provider".into(),
            )));
        };
        let launch = Launch {
            attempt: attempt.id,
            offer: attempt.offer.clone(),
            spec: job.spec.clone(),
            env: self.environment(job, attempt),
            release_at: self.release_at(job, &attempt.offer),
        };
        match provider.launch(&launch).await {
            Ok(instance) => {
                self.adopt(job, attempt, &instance).await.map_err(Refusal::Retry)?;
                self.market.measure(&attempt.offer, Tally::launched()).await;
                Ok(())
            }
            Err(ProviderError::Unknown(why)) => Err(Refusal::Retry(StepError::LaunchUnknown(why))),
            Err(error) => Err(Refusal::Offer(error)),
        }
    }

    /// Saves what the provider answered.
    pub(super) async fn adopt(
        &self,
        job: &mut Job,
        attempt: &mut Attempt,
        instance: &Instance,
    ) -> Result<(), StepError> {
        let now = self.clock.now();
        attempt.handle = Some(instance.handle.clone());
        attempt.created_at = Some(instance.created_at.unwrap_or(now));
        let from = job.status;
        let events = [job.instance_created(attempt.number, &instance.handle.id, now)?];
        self.commit(job, Some((Kind::Update, attempt)), Change::of(from, &events)).await?;
        Ok(())
    }

    async fn refuse(
        &self,
        job: &mut Job,
        attempt: &mut Attempt,
        error: &ProviderError,
    ) -> Result<(), StepError> {
        let now = self.clock.now();
        let reason = error.to_string();
        attempt.outcome = Some(Outcome::Refused { reason: reason.clone() });
        attempt.ended_at = Some(now);
        let from = job.status;
        let events = [job.launch_refused(attempt, &reason, now)?];
        self.commit(job, Some((Kind::Close, attempt)), Change::of(from, &events)).await?;
        if matches!(error, ProviderError::Capacity(_)) {
            self.market.sold_out(&attempt.offer).await;
        }
        self.market.measure(&attempt.offer, Tally::refused(refusal(error))).await;
        Ok(())
    }

    fn environment(&self, job: &Job, attempt: &Attempt) -> BTreeMap<String, String> {
        let runner = runner::Environment {
            api_url: self.settings.api_url.clone(),
            attempt_id: attempt.id.to_string(),
            job_id: job.id.to_string(),
            attempt: attempt.number,
            token: runner::Token::new(self.runner_key.token(attempt.id)),
            command: job.spec.command.clone(),
            timeout_seconds: u64::from(job.spec.timeout_seconds),
            checkpoint_dir: job
                .spec
                .env
                .get("GPU_CHECKPOINT_DIR")
                .cloned()
                .unwrap_or_else(|| CHECKPOINT_DIR.to_owned()),
        };
        let mut env = job.spec.env.clone();
        env.extend(runner.variables());
        env
    }

    /// When the provider itself should give the instance back: after everything that we would do.
    fn release_at(&self, job: &Job, offer: &Offer) -> Timestamp {
        let boot = SignedDuration::from_secs(i64::from(BOOT_TIMEOUT_SECONDS));
        let run = boot + SignedDuration::from_secs(i64::from(job.spec.timeout_seconds));
        let affordable = job.affordable(offer.price_per_hour, self.purse.rates).unwrap_or(run);
        self.clock.now() + run.min(affordable) + DEADLINE_GRACE
    }

    pub(super) async fn queue_time_is_over(&self, job: &Job) -> Result<bool, StepError> {
        Ok(self.clock.now() >= self.queue_deadline(job).await?)
    }

    /// The time for finding capacity counts from the admission, or from the end of the attempt before.
    pub(super) async fn queue_deadline(&self, job: &Job) -> Result<Timestamp, StepError> {
        let before = match job.attempt {
            0 => None,
            number => self.jobs.attempt(job.id, number).await?.and_then(|attempt| attempt.ended_at),
        };
        let since = before.or(job.admitted_at).unwrap_or(job.submitted_at);
        let since = job.node.and_then(|node| node.not_before).map_or(since, |pause| since.max(pause));
        Ok(since + SignedDuration::from_secs(i64::from(job.spec.queue_timeout_seconds)))
    }

    /// The pause grows with the time already waited: a quarter of it, so that a long wait costs few transitions.
    fn capacity_backoff(&self, job: &Job) -> u32 {
        let waited = job.admitted_at.map_or(0, |at| self.clock.now().duration_since(at).as_secs());
        let first = self.settings.capacity_backoff_seconds;
        u32::try_from(waited / 4).unwrap_or(MAX_BACKOFF).clamp(first, MAX_BACKOFF.max(first))
    }
}

/// The on-demand offers beside which spot has its price, for a job that takes spot.
fn on_demand(job: &Job, offers: &[Offer]) -> Vec<Offer> {
    if job.spec.spot == Spot::Never {
        return Vec::new();
    }
    offers.iter().filter(|offer| !offer.spot).cloned().collect()
}

/// What the same thing as the spot offer `spot` costs on demand, if it is offered so.
fn price_of(on_demand: &[Offer], spot: &Offer) -> Option<Money> {
    let same = |offer: &&Offer| {
        offer.provider == spot.provider
            && offer.region == spot.region
            && offer.instance_type == spot.instance_type
            && offer.gpu_count == spot.gpu_count
    };
    on_demand.iter().filter(|_| spot.spot).find(same).map(|offer| offer.price_per_hour)
}

enum Refusal {
    /// This offer cannot be had: take the next.
    Offer(ProviderError),
    /// The step has to be done again.
    Retry(StepError),
}

/// Says in one line why no offer was taken.
fn why_nothing(
    excluded: &[(Offer, domain::placement::Exclusion)],
    refusals: &[String],
    silent: &[String],
) -> String {
    let mut parts = Vec::new();
    if !refusals.is_empty() {
        let mut reasons: Vec<&str> = refusals.iter().map(String::as_str).collect();
        reasons.dedup();
        parts.push(format!("{} offers were refused ({})", refusals.len(), reasons.join("; ")));
    }
    if !excluded.is_empty() {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (_, why) in excluded {
            *counts.entry(why.to_string()).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let shown: Vec<String> = counts.iter().take(3).map(|(why, n)| format!("{n}× {why}")).collect();
        parts.push(format!("{} offers do not fit ({})", excluded.len(), shown.join(", ")));
    }
    if !silent.is_empty() {
        parts.push(format!("no answer from {}", silent.join("; ")));
    }
    if parts.is_empty() { "no provider has an offer".into() } else { parts.join("; ") }
}
