//! What a runner says, and what it is told.

use domain::{
    AttemptId,
    job::{Attempt, Exit, ExitReason, Handle, Job, Outcome, RunnerState, RunnerWord, Seam, Status},
    placement::Tally,
};
use jiff::{SignedDuration, Timestamp};

use super::{Change, Kind, Machine, StepError};
use crate::{
    mask::Mask,
    ports::{Heard, Report, StoreError, Topic, WorkflowError},
    secrets::HandOutError,
};

/// What a shell gives for a command that it found and could not start.
const NOT_STARTED: i32 = 126;
/// How long one look keeps a job watched; a client's pings make it longer.
const WATCH: SignedDuration = SignedDuration::from_secs(60);

/// The least time between two reports, in seconds.
const MIN_INTERVAL: f64 = 0.2;

/// One message of a runner.
#[derive(Debug)]
pub struct Message {
    pub attempt: AttemptId,
    /// Which process says it.
    pub runner: String,
    /// Its number; a message that is sent again keeps it.
    pub number: u64,
    pub report: Report,
}

/// What the runner is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Keep working, and report every so many seconds.
    Go {
        every: f64,
        /// Only to a start: the values of the job's secret environment.
        secrets: Vec<(String, String)>,
    },
    /// End the command.
    Stop(Stop),
}

/// Why a runner is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The job was cancelled, or has cost what it may cost.
    Cancel,
    /// Another runner has the attempt.
    Superseded,
    /// The attempt is over.
    Gone,
}

impl Machine {
    /// Takes a message in. It is only acknowledged once everything that follows from it is done, so a runner that
    /// repeats a message repairs what was cut short.
    pub async fn hear(&self, message: &Message) -> Result<Reply, StepError> {
        let now = self.clock.now();
        let mut state = match self.masked_and_heard(message, now).await? {
            Heard::Superseded => {
                if message.report.started {
                    self.restarted(message).await?;
                }
                return Ok(Reply::Stop(Stop::Superseded));
            }
            Heard::Closed => return Ok(Reply::Stop(Stop::Gone)),
            Heard::Yes(state) | Heard::Again(state) => state,
            // Only what was not masked is turned away for it.
            Heard::Unmasked(_) => return Err(StepError::Collision),
        };
        let mut secrets = Vec::new();
        if message.report.started || message.report.exit.is_some() {
            let Some((job, attempt)) = self.run(&state, message.report.instance.as_deref()).await? else {
                return Ok(Reply::Stop(Stop::Gone));
            };
            if message.report.started {
                secrets = match self.hand_out.give(&job, message.attempt, now).await {
                    Ok(values) => values.into_iter().collect(),
                    Err(HandOutError::Refused(reason)) => return self.cannot_start(&state, reason).await,
                    Err(error) => return Err(error.into()),
                };
                self.limit(&mut state, &job, &attempt).await?;
                self.watch_for_listeners(&mut state, now).await;
            }
        }
        self.wake(&state).await?;
        let spent = state.spent_at.is_some_and(|at| now >= at);
        if (state.stopping || spent) && state.exit.is_none() {
            return Ok(Reply::Stop(Stop::Cancel));
        }
        Ok(Reply::Go { every: self.every(&state, now), secrets })
    }

    /// Whoever subscribed before the attempt began could not mark it as watched.
    async fn watch_for_listeners(&self, state: &mut RunnerState, now: Timestamp) {
        let until = now + WATCH;
        let watched = match self.listeners.subscribers(Topic::Job(state.job_id)).await {
            Ok(listeners) if listeners.is_empty() => return,
            Ok(_) => self.runners.watch(state.attempt_id, until).await,
            Err(error) => Err(error),
        };
        match watched {
            Ok(()) => state.watched_until = Some(until),
            // Who listens hears less often; nothing is lost.
            Err(error) => {
                tracing::warn!(attempt.id = %state.attempt_id, %error, "the listeners could not be asked for");
            }
        }
    }

    fn every(&self, state: &RunnerState, now: Timestamp) -> f64 {
        let watched = state.watched_until.is_some_and(|until| until > now);
        let every = if watched { self.settings.watched_seconds } else { self.settings.heartbeat_seconds };
        // The next report comes when the money ends, not up to a minute behind it.
        match state.spent_at {
            Some(at) => every.min(at.duration_since(now).as_secs_f64().max(MIN_INTERVAL)),
            None => every,
        }
    }

    /// Notes when the job will have cost what it may cost: reports are answered from the runner's row alone.
    async fn limit(&self, state: &mut RunnerState, job: &Job, attempt: &Attempt) -> Result<(), StoreError> {
        let spent_at = job.spent_at(attempt, self.purse.rates);
        if let Some(at) = spent_at.filter(|_| state.spent_at != spent_at) {
            self.runners.limit(state.attempt_id, at).await?;
            state.spent_at = spent_at;
        }
        Ok(())
    }

    /// Takes a message in; of a command with secret values nothing is kept before it is masked.
    async fn masked_and_heard(&self, message: &Message, now: Timestamp) -> Result<Heard, StepError> {
        let (attempt, runner, number) = (message.attempt, &message.runner, message.number);
        let heard = self.runners.hear(attempt, runner, number, &message.report, now).await?;
        let Heard::Unmasked(state) = heard else { return Ok(heard) };
        let mask = self.mask(attempt).await?;
        let mut report = Report { masked: true, ..message.report.clone() };
        if let Some(progress) = &mut report.progress {
            progress.text = mask.text(&progress.text);
        }
        if let Some(output) = report.exit.as_mut().and_then(|exit| exit.output.as_mut()) {
            mask.json(output);
        }
        if let Some(log) = &mut report.log {
            let before = state.seam.filter(|_| log.dropped == 0).and_then(|seam| seam.before(log.offset));
            let after = mask.piece(before, &mut log.bytes);
            let end = log.offset + log.bytes.len() as u64;
            report.seam = Some(Seam { at: log.offset, before, end, after });
        }
        Ok(self.runners.hear(attempt, runner, number, &report, now).await?)
    }

    /// What must not be read in what the attempt's command says.
    pub(super) async fn mask(&self, attempt: AttemptId) -> Result<Mask, StepError> {
        let values = self.hand_out.given(attempt).await?.unwrap_or_default();
        Ok(Mask::of(values.values().map(String::as_str)))
    }

    /// The command cannot have the values that its job wants: its attempt ends before it begins.
    async fn cannot_start(&self, state: &RunnerState, reason: String) -> Result<Reply, StepError> {
        let Some(mut job) = self.jobs.job(state.job_id).await? else { return Ok(Reply::Stop(Stop::Gone)) };
        let Some(mut attempt) = self.latest(&job).await?.filter(|attempt| attempt.id == state.attempt_id)
        else {
            return Ok(Reply::Stop(Stop::Gone));
        };
        if attempt.outcome.is_none() {
            let now = self.clock.now();
            let exit = Exit {
                code: NOT_STARTED,
                reason: ExitReason::CommandNotStarted,
                at: now,
                output: None,
                output_error: Some(reason),
            };
            attempt.outcome = Some(Outcome::Exited { exit });
            attempt.ended_at = Some(now);
            let from = job.status;
            self.commit(&mut job, Some((Kind::Close, &mut attempt)), Change::of(from, &[])).await?;
        }
        if let Some(waiting) = &state.waiting {
            self.say(&waiting.token, "lost").await?;
        }
        Ok(Reply::Stop(Stop::Gone))
    }

    /// Another runner has the attempt. Where it was on the same instance, it is dead: the machine or its container
    /// started anew, and what the command had done is gone with it. The attempt ends, and the policy says what follows.
    async fn restarted(&self, message: &Message) -> Result<(), StepError> {
        let Some(instance) = message.report.instance.as_deref() else { return Ok(()) };
        let Some(state) = self.runners.runner(message.attempt).await? else { return Ok(()) };
        if state.exit.is_some() {
            return Ok(());
        }
        let Some(mut job) = self.jobs.job(state.job_id).await? else { return Ok(()) };
        let latest = self.latest(&job).await?.filter(|attempt| attempt.id == state.attempt_id);
        let Some(mut attempt) =
            latest.filter(|a| a.handle.as_ref().is_some_and(|handle| handle.id == instance))
        else {
            return Ok(());
        };
        if attempt.outcome.is_none() {
            attempt.outcome =
                Some(Outcome::Lost { reason: "the machine restarted under the command".into() });
            attempt.ended_at = Some(self.clock.now());
            let from = job.status;
            self.commit(&mut job, Some((Kind::Update, &mut attempt)), Change::of(from, &[])).await?;
        }
        match &state.waiting {
            Some(waiting) => self.say(&waiting.token, "lost").await,
            None => Ok(()),
        }
    }

    /// The command runs: says so once. `None` if the attempt is not the job's latest any more.
    async fn run(
        &self,
        state: &RunnerState,
        instance: Option<&str>,
    ) -> Result<Option<(Job, Attempt)>, StepError> {
        // A collision with the launch that saves the provider's answer is likely at just this moment.
        for _ in 0..5 {
            let Some(mut job) = self.jobs.job(state.job_id).await? else { return Ok(None) };
            let Some(mut attempt) = self.latest(&job).await?.filter(|a| a.id == state.attempt_id) else {
                return Ok(None);
            };
            let elsewhere =
                instance.is_some_and(|id| attempt.handle.as_ref().is_none_or(|handle| handle.id != id));
            if job.status == Status::Running && !elsewhere {
                return Ok(Some((job, attempt)));
            }
            match self.say_running(&mut job, &mut attempt, state, instance).await {
                Ok(()) => return Ok(Some((job, attempt))),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StepError::Collision)
    }

    async fn say_running(
        &self,
        job: &mut Job,
        attempt: &mut Attempt,
        state: &RunnerState,
        instance: Option<&str>,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let from = job.status;
        let mut events = Vec::new();
        // The runner that was heard first has the attempt, so the instance it is on is the attempt's, whatever the
        // create call answered. Another one is found by the sweeper.
        if let Some(id) = instance.filter(|id| attempt.handle.as_ref().is_none_or(|handle| handle.id != *id))
        {
            let region =
                attempt.handle.take().map_or_else(|| attempt.offer.region.clone(), |handle| handle.region);
            attempt.handle =
                Some(Handle { provider: attempt.offer.provider.clone(), region, id: id.to_owned() });
            attempt.created_at.get_or_insert(attempt.intended_at);
            events.extend(job.instance_created(attempt.number, id, now).ok());
        }
        let starts = job.status == Status::Provisioning;
        if starts {
            attempt.started_at = state.started_at.or(Some(now));
            events.extend(job.run(attempt.number, now).ok());
        }
        self.commit(job, Some((Kind::Update, attempt)), Change::of(from, &events)).await?;
        if starts {
            self.measure_start(attempt).await;
        }
        Ok(())
    }

    /// How long the attempt took from its instance to its command.
    pub(super) async fn measure_start(&self, attempt: &Attempt) {
        let (Some(from), Some(until)) = (attempt.created_at, attempt.started_at) else { return };
        let boot = until.as_millisecond() - from.as_millisecond();
        self.market.measure(&attempt.offer, Tally::started(boot)).await;
    }

    /// Ends the wait that the word is for, or tells it that the runner lives.
    async fn wake(&self, state: &RunnerState) -> Result<(), StepError> {
        let Some(waiting) = &state.waiting else { return Ok(()) };
        if state.exit.is_some() {
            return self.say(&waiting.token, "exit").await;
        }
        if waiting.until == RunnerWord::Start && state.started_at.is_some() {
            return self.say(&waiting.token, "start").await;
        }
        match self.workflows.heartbeat(&waiting.token).await {
            Ok(()) | Err(WorkflowError::TokenGone) => Ok(()),
            // A missed heartbeat only leads to a look at the provider.
            Err(error) => {
                tracing::warn!(attempt.id = %state.attempt_id, %error, "a heartbeat was not passed on");
                Ok(())
            }
        }
    }
}
