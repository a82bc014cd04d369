//! Runs executions: one lock over the store and everything that waits, a heap of timers with one task asleep on it, and a
//! task for each function being called. An execution that waits costs its snapshot in memory and nothing else.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{Clock, Millis};
use crate::definition::{Machine, check};
use crate::execution::{Call, Execution, Identity, Outcome, Turn};
use crate::functions::{Functions, Invocation};
use crate::store::{Error, ExecutionRow, Store};
use crate::token;

/// Where a service keeps things and who it says it is.
#[derive(Clone, Debug)]
pub struct Config {
    /// In every ARN.
    pub account: String,
    /// In every ARN.
    pub region: String,
    /// The file; `None` keeps everything in memory.
    pub database: Option<PathBuf>,
    /// How long executions are kept after their end. AWS keeps them for 90 days. Older ones are dropped when the service
    /// opens.
    pub retention: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            account: "000000000000".to_owned(),
            region: "us-east-1".to_owned(),
            database: None,
            retention: Duration::from_hours(90 * 24),
        }
    }
}

/// What AWS would bill, since the database was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Each state entered and each retry.
    pub transitions: u64,
    /// Executions started.
    pub executions: u64,
}

/// A running Step Functions. Cheap to clone; executions stop moving when the last handle is dropped, and go on when the
/// database is opened again.
#[derive(Clone)]
pub struct Service {
    pub(crate) inner: Arc<Inner>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    functions: Arc<dyn Functions>,
    state: Mutex<State>,
    timers_changed: Arc<Notify>,
    pub(crate) ended: Notify,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Lets the task that sleeps on the timers see that there is nothing left to do
        self.timers_changed.notify_one();
    }
}

/// What the lock guards.
pub(crate) struct State {
    pub(crate) store: Store,
    running: HashMap<i64, Running>,
    tokens: HashMap<String, i64>,
    /// One entry at most for each running execution, never later than its next event.
    timers: BTreeSet<(Millis, i64)>,
    machines: HashMap<i64, Weak<Machine>>,
}

struct Running {
    execution: Execution,
    machine: Arc<Machine>,
    /// The machine's row, to see whether it was deleted.
    owner: i64,
    timer: Option<Millis>,
}

/// What was found out about a token that somebody used.
pub(crate) enum TokenFault {
    /// Not a token of ours.
    Invalid,
    /// Its execution is unknown.
    Unknown,
    /// Its task has ended.
    Over,
}

impl Service {
    /// Opens the database and goes on with every execution in it: functions that were being called are called again.
    /// Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// The database cannot be opened, or holds what this version cannot read.
    pub async fn open(config: Config, functions: Arc<dyn Functions>) -> Result<Self, Error> {
        let clock = Clock::start();
        let oldest = clock.now() - i64::try_from(config.retention.as_millis()).unwrap_or(i64::MAX);
        let store = Store::open(config.database.as_deref(), oldest)?;
        let timers_changed = Arc::new(Notify::new());
        let state = State {
            store,
            running: HashMap::new(),
            tokens: HashMap::new(),
            timers: BTreeSet::new(),
            machines: HashMap::new(),
        };
        let inner = Arc::new(Inner {
            config,
            clock,
            functions,
            state: Mutex::new(state),
            timers_changed: Arc::clone(&timers_changed),
            ended: Notify::new(),
        });
        inner.resume()?;
        tokio::spawn(keep_time(Arc::downgrade(&inner), timers_changed));
        Ok(Self { inner })
    }

    /// What AWS would bill.
    pub fn counters(&self) -> Counters {
        let counted = self.inner.lock().store.counters();
        match counted {
            Ok((transitions, executions)) => Counters { transitions, executions },
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "counters cannot be read");
                Counters::default()
            }
        }
    }

    /// ARNs of the executions that have not ended.
    pub async fn open_executions(&self) -> Vec<String> {
        let open = self.inner.lock().store.open_arns();
        open.unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "open executions cannot be read");
            Vec::new()
        })
    }

    /// Waits until an execution has ended. One that is not known counts as ended.
    pub async fn ended(&self, arn: &str) {
        loop {
            // Created before the look: an end in between is not missed
            let ended = self.inner.ended.notified();
            let row = self.inner.lock().store.execution(arn);
            if !matches!(row, Ok(Some(row)) if row.status == "RUNNING") {
                return;
            }
            ended.await;
        }
    }
}

/// Sleeps until the next timer, and does what is due.
async fn keep_time(inner: Weak<Inner>, changed: Arc<Notify>) {
    loop {
        let next = {
            let Some(inner) = inner.upgrade() else { return };
            let next = inner.on_time();
            next.map(|at| inner.clock.instant(at))
        };
        match next {
            Some(at) => tokio::select! {
                () = tokio::time::sleep_until(at) => {}
                () = changed.notified() => {}
            },
            None => changed.notified().await,
        }
    }
}

impl Inner {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A move that panicked left its execution out of the map and the store as it was
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn resume(self: &Arc<Self>) -> Result<(), Error> {
        let mut state = self.lock();
        for (execution, revision, owner) in state.store.running()? {
            let machine = state.machine(revision)?;
            if let Some(call) = execution.open_call() {
                self.call(execution.id, call.clone());
            }
            state.keep(Running { execution, machine, owner, timer: None });
        }
        Ok(())
    }

    /// Starts an execution whose row is not kept yet.
    pub(crate) fn start(
        self: &Arc<Self>,
        state: &mut State,
        mut row: ExecutionRow,
        identity: Identity,
        version_arn: Option<&str>,
    ) -> Result<(), Error> {
        row.id = state.store.next_execution()?;
        let machine = state.machine(row.revision)?;
        let execution = Execution::new(row.id, identity, &machine);
        let running = Running { execution, machine, owner: row.machine, timer: None };
        self.turn(state, running, Some(&row), |execution, turn| execution.begin(version_arn, turn))
    }

    /// One move of a running execution. Nothing happens if it has ended.
    pub(crate) fn with(
        self: &Arc<Self>,
        state: &mut State,
        id: i64,
        act: impl FnOnce(&mut Execution, &mut Turn<'_>),
    ) -> Result<bool, Error> {
        let Some(running) = state.remove(id) else { return Ok(false) };
        self.turn(state, running, None, act)?;
        Ok(true)
    }

    fn turn(
        self: &Arc<Self>,
        state: &mut State,
        mut running: Running,
        new: Option<&ExecutionRow>,
        act: impl FnOnce(&mut Execution, &mut Turn<'_>),
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let machine = Arc::clone(&running.machine);
        let mut turn = Turn::new(&machine, now, token::new);
        if new.is_none() {
            match state.store.is_deleted(running.owner) {
                Ok(is_deleted) => turn.is_deleted = is_deleted,
                Err(error) => {
                    state.keep(running);
                    return Err(error);
                }
            }
        }
        act(&mut running.execution, &mut turn);
        running.execution.advance(&mut turn);
        if let Err(error) = state.store.commit(&running.execution, &turn, new, now) {
            // What was not kept did not happen: back to the last move that was
            if let Some(execution) = state.store.snapshot(running.execution.id)? {
                state.keep(Running { execution, ..running });
            }
            return Err(error);
        }
        if turn.ending.is_some() {
            self.ended.notify_waiters();
            return Ok(());
        }
        let id = running.execution.id;
        let earliest = state.timers.first().copied();
        state.keep(running);
        if state.timers.first().copied() != earliest {
            self.timers_changed.notify_one();
        }
        if let Some(call) = turn.call {
            self.call(id, call);
        }
        Ok(())
    }

    /// Calls a function, and moves its execution on with the answer.
    fn call(self: &Arc<Self>, id: i64, call: Call) {
        let functions = Arc::clone(&self.functions);
        let inner = Arc::downgrade(self);
        tokio::spawn(async move {
            let (attempt, function) = (call.attempt, call.function);
            let name = function.clone();
            let answer = tokio::spawn(async move { functions.invoke(&function, call.payload).await }).await;
            let answer = answer.unwrap_or_else(|error| Invocation::ServiceError {
                error: "Lambda.Unknown".to_owned(),
                message: format!("The call of {name} ended without an answer: {error}"),
            });
            let Some(inner) = inner.upgrade() else { return };
            let mut state = inner.lock();
            let moved =
                inner.with(&mut state, id, |execution, turn| execution.answered(attempt, answer, turn));
            if let Err(error) = moved {
                tracing::error!(
                    execution.id = id,
                    error = &error as &dyn std::error::Error,
                    "an answer was not kept"
                );
            }
        });
    }

    /// Hands on what was said about a token.
    pub(crate) fn tell(
        self: &Arc<Self>,
        token: &str,
        outcome: Outcome,
    ) -> Result<Result<(), TokenFault>, Error> {
        let Some(id) = token::execution(token) else { return Ok(Err(TokenFault::Invalid)) };
        let mut state = self.lock();
        if state.tokens.get(token) != Some(&id) {
            let fault = if state.store.has_execution(id)? { TokenFault::Over } else { TokenFault::Unknown };
            return Ok(Err(fault));
        }
        self.with(&mut state, id, |execution, turn| execution.told(outcome, turn))?;
        Ok(Ok(()))
    }

    /// Does what is due, and gives the time of the next timer.
    fn on_time(self: &Arc<Self>) -> Option<Millis> {
        let mut state = self.lock();
        let now = self.clock.now();
        while let Some((at, id)) = state.timers.first().copied().filter(|(at, _)| *at <= now) {
            state.timers.remove(&(at, id));
            let Some(running) = state.running.get_mut(&id) else { continue };
            running.timer = None;
            // A heartbeat moves what is due without touching the timer
            if running.execution.next_due().is_some_and(|due| due > now) {
                state.arm(id);
                continue;
            }
            if let Err(error) = self.with(&mut state, id, Execution::on_time) {
                tracing::error!(
                    execution.id = id,
                    error = &error as &dyn std::error::Error,
                    "a timer's move was not kept"
                );
                // Again in a second: the disk may be full for a while
                if let Some(running) = state.running.get_mut(&id) {
                    let (old, again) = (running.timer, now + 1000);
                    running.timer = Some(again);
                    if let Some(old) = old {
                        state.timers.remove(&(old, id));
                    }
                    state.timers.insert((again, id));
                }
            }
        }
        state.timers.first().map(|(at, _)| *at)
    }
}

impl State {
    /// The machine of a revision, read again if nobody runs it.
    pub(crate) fn machine(&mut self, revision: i64) -> Result<Arc<Machine>, Error> {
        if let Some(machine) = self.machines.get(&revision).and_then(Weak::upgrade) {
            return Ok(machine);
        }
        let row = self.store.revision(revision)?.ok_or(Error::Definition(revision))?;
        let machine = Arc::new(check(&row.definition).map_err(|_| Error::Definition(revision))?);
        self.machines.retain(|_, machine| machine.strong_count() > 0);
        self.machines.insert(revision, Arc::downgrade(&machine));
        Ok(machine)
    }

    fn keep(&mut self, running: Running) {
        let id = running.execution.id;
        if let Some(token) = running.execution.token() {
            self.tokens.insert(token.to_owned(), id);
        }
        self.running.insert(id, running);
        self.arm(id);
    }

    fn remove(&mut self, id: i64) -> Option<Running> {
        let mut running = self.running.remove(&id)?;
        if let Some(at) = running.timer.take() {
            self.timers.remove(&(at, id));
        }
        if let Some(token) = running.execution.token() {
            self.tokens.remove(token);
        }
        Some(running)
    }

    fn arm(&mut self, id: i64) {
        let Some(running) = self.running.get_mut(&id) else { return };
        if let Some(due) = running.execution.next_due() {
            running.timer = Some(due);
            self.timers.insert((due, id));
        }
    }
}
