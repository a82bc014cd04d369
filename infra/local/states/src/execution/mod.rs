//! One execution: where it is and how it moves. Nothing in here waits, writes or calls; a move leaves its events and at
//! most one [`Call`] in its [`Turn`], and the service makes them true in that order.

mod states;
mod task;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::clock::{Millis, iso};
use crate::definition::Machine;
use crate::history::{self, Event};
use crate::jsonata::Scope;

pub(crate) use task::Outcome;

/// An event with this number always ends the execution.
pub(crate) const HISTORY_LIMIT: u64 = 25_000;
/// Bytes of JSON a state may take or give.
pub(crate) const DATA_LIMIT: usize = 256 * 1024;

/// What never changes over an execution.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) arn: String,
    pub(crate) name: String,
    pub(crate) machine_arn: String,
    pub(crate) machine_name: String,
    pub(crate) role_arn: String,
    pub(crate) region: String,
    pub(crate) started: Millis,
    pub(crate) input: Value,
}

/// A running execution, as it is kept between moves.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Execution {
    pub(crate) id: i64,
    pub(crate) identity: Identity,
    /// When the machine's own `TimeoutSeconds` are over.
    deadline: Option<Millis>,
    variables: Map<String, Value>,
    state: String,
    input: Value,
    entered: Millis,
    entered_event: u64,
    last_event: u64,
    /// Retries done, by retrier of a task.
    retries: Option<Vec<u32>>,
    /// Attempts made in this execution: an answer to an older one is not listened to.
    attempts: u64,
    phase: Phase,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Phase {
    /// About to enter `state`.
    Enter,
    /// About to try the task (again).
    Attempt,
    /// In a Wait state.
    Wait {
        until: Millis,
    },
    /// Between two attempts of a task.
    Retry {
        until: Millis,
    },
    Task(Attempt),
    Ended,
}

/// One attempt of a task that has not ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Attempt {
    number: u64,
    /// `None` once the function has answered.
    call: Option<Call>,
    token: Option<String>,
    timeout_at: Option<Millis>,
    /// Milliseconds a token may be silent, and when that is over.
    heartbeat: Option<(Millis, Millis)>,
}

/// A function to be called.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) attempt: u64,
    /// A name or an ARN.
    pub(crate) function: String,
    pub(crate) payload: Value,
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ending {
    /// `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub(crate) status: &'static str,
    pub(crate) output: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) cause: Option<String>,
}

/// What one move did.
#[derive(Debug)]
pub(crate) struct Turn<'m> {
    machine: &'m Machine,
    now: Millis,
    /// Set when the machine was deleted: AWS ends its executions at their next transition.
    pub(crate) is_deleted: bool,
    pub(crate) events: Vec<Event>,
    /// State transitions as AWS bills them: each state entered and each retry.
    pub(crate) transitions: u64,
    pub(crate) call: Option<Call>,
    pub(crate) ending: Option<Ending>,
    /// Set when there was no room for an event: the one that ends the execution comes next.
    is_full: bool,
    /// Tokens for this turn's attempts are made outside: a move has no randomness of its own but jitter.
    new_token: fn(i64) -> String,
}

impl<'m> Turn<'m> {
    pub(crate) fn new(machine: &'m Machine, now: Millis, new_token: fn(i64) -> String) -> Self {
        Self {
            machine,
            now,
            is_deleted: false,
            events: Vec::new(),
            transitions: 0,
            call: None,
            ending: None,
            is_full: false,
            new_token,
        }
    }
}

impl Execution {
    pub(crate) fn new(id: i64, identity: Identity, machine: &Machine) -> Self {
        Self {
            id,
            deadline: machine.timeout.map(|s| identity.started + millis(s)),
            variables: Map::new(),
            state: machine.start_at.clone(),
            input: identity.input.clone(),
            entered: identity.started,
            entered_event: 0,
            last_event: 0,
            retries: None,
            attempts: 0,
            phase: Phase::Enter,
            identity,
        }
    }

    /// Records the start; [`Execution::advance`] then enters the first state.
    pub(crate) fn begin(&mut self, version_arn: Option<&str>, turn: &mut Turn<'_>) {
        let mut details = history::data("input", self.identity.input.to_string());
        details.insert("roleArn".to_owned(), json!(self.identity.role_arn));
        if let Some(version) = version_arn {
            details.insert("stateMachineVersionArn".to_owned(), json!(version));
        }
        self.push(turn, "ExecutionStarted", "executionStarted", details);
    }

    /// Moves on until the execution waits for something or has ended.
    pub(crate) fn advance(&mut self, turn: &mut Turn<'_>) {
        while turn.ending.is_none() {
            if turn.is_full {
                let cause =
                    format!("The execution reached the maximum number of history events ({HISTORY_LIMIT}).");
                self.fail(Some("States.Runtime"), Some(&cause), turn);
                return;
            }
            match self.phase {
                Phase::Enter if turn.is_deleted => self.abort(None, None, turn),
                Phase::Enter => self.enter(turn),
                Phase::Attempt => self.attempt(turn),
                _ => return,
            }
        }
    }

    /// The next moment at which something happens by itself.
    pub(crate) fn next_due(&self) -> Option<Millis> {
        let phase = match &self.phase {
            Phase::Wait { until } | Phase::Retry { until } => Some(*until),
            Phase::Task(attempt) => {
                [attempt.timeout_at, attempt.heartbeat.map(|(_, at)| at)].into_iter().flatten().min()
            }
            Phase::Enter | Phase::Attempt | Phase::Ended => None,
        };
        [phase, self.deadline].into_iter().flatten().min()
    }

    /// Does what is due by now, if anything.
    pub(crate) fn on_time(&mut self, turn: &mut Turn<'_>) {
        if self.deadline.is_some_and(|at| at <= turn.now) {
            self.end(turn, "ExecutionTimedOut", "executionTimedOut", Ending::of("TIMED_OUT", None, None));
            return;
        }
        match &self.phase {
            Phase::Wait { until } if *until <= turn.now => self.waited(turn),
            Phase::Retry { until } if *until <= turn.now => {
                turn.transitions += 1;
                self.phase = Phase::Attempt;
            }
            Phase::Task(attempt) => {
                let silent = attempt.heartbeat.is_some_and(|(_, at)| at <= turn.now);
                if silent || attempt.timeout_at.is_some_and(|at| at <= turn.now) {
                    self.task_timed_out(silent, turn);
                }
            }
            _ => {}
        }
    }

    /// The call of a task that was in flight: to be made again after a restart.
    pub(crate) fn open_call(&self) -> Option<&Call> {
        match &self.phase {
            Phase::Task(attempt) => attempt.call.as_ref(),
            _ => None,
        }
    }

    pub(crate) fn token(&self) -> Option<&str> {
        match &self.phase {
            Phase::Task(attempt) => attempt.token.as_deref(),
            _ => None,
        }
    }

    pub(crate) fn abort(&mut self, error: Option<&str>, cause: Option<&str>, turn: &mut Turn<'_>) {
        self.end(turn, "ExecutionAborted", "executionAborted", Ending::of("ABORTED", error, cause));
    }

    fn fail(&mut self, error: Option<&str>, cause: Option<&str>, turn: &mut Turn<'_>) {
        self.end(turn, "ExecutionFailed", "executionFailed", Ending::of("FAILED", error, cause));
    }

    fn succeed(&mut self, output: &Value, turn: &mut Turn<'_>) {
        if turn.is_full {
            return;
        }
        let output = output.to_string();
        self.push(turn, "ExecutionSucceeded", "executionSucceeded", history::data("output", output.clone()));
        self.close(turn, Ending { output: Some(output), ..Ending::of("SUCCEEDED", None, None) });
    }

    fn end(&mut self, turn: &mut Turn<'_>, kind: &str, field: &str, ending: Ending) {
        let details = history::failure(ending.error.as_deref(), ending.cause.as_deref());
        self.push(turn, kind, field, details);
        self.close(turn, ending);
    }

    fn close(&mut self, turn: &mut Turn<'_>, ending: Ending) {
        self.phase = Phase::Ended;
        turn.call = None;
        turn.ending = Some(ending);
    }

    fn push(&mut self, turn: &mut Turn<'_>, kind: &str, field: &str, details: Map<String, Value>) -> u64 {
        let details = Some((format!("{field}EventDetails"), Value::Object(details)));
        self.push_event(turn, kind, details)
    }

    fn push_event(&mut self, turn: &mut Turn<'_>, kind: &str, details: Option<(String, Value)>) -> u64 {
        if self.last_event + 1 >= HISTORY_LIMIT && !kind.starts_with("Execution") {
            turn.is_full = true;
            return self.last_event;
        }
        // AWS counts the first state's entry as following nothing
        let previous = if self.last_event == 1 { 0 } else { self.last_event };
        self.last_event += 1;
        turn.events.push(Event {
            id: self.last_event,
            previous,
            at: turn.now,
            kind: kind.to_owned(),
            details,
        });
        self.last_event
    }

    /// `$states.context`.
    fn context(&self) -> Value {
        let identity = &self.identity;
        let mut state = json!({"Name": self.state, "EnteredTime": iso(self.entered)});
        if let Some(retries) = &self.retries {
            state["RetryCount"] = json!(retries.iter().sum::<u32>());
        }
        json!({
            "Execution": {
                "Id": identity.arn,
                "Input": identity.input,
                "StartTime": iso(identity.started),
                "Name": identity.name,
                "RoleArn": identity.role_arn,
                "RedriveCount": 0,
            },
            "StateMachine": {"Id": identity.machine_arn, "Name": identity.machine_name},
            "State": state,
        })
    }

    /// What the state's expressions see; `more` are the parts of `$states` that only some fields have.
    fn scope(&self, more: &[(&str, &Value)], turn: &Turn<'_>) -> Scope {
        let mut states = json!({"input": self.input, "context": self.context()});
        for (name, value) in more {
            states[*name] = (*value).clone();
        }
        Scope::new(states, &self.variables, turn.now)
    }

    /// "An error occurred while executing the state 'A' (entered at the event id #2). …"
    fn blame(&self, what: &str) -> String {
        format!(
            "An error occurred while executing the state '{}' (entered at the event id #{}). {what}",
            self.state, self.entered_event
        )
    }
}

impl Ending {
    fn of(status: &'static str, error: Option<&str>, cause: Option<&str>) -> Self {
        Self { status, output: None, error: error.map(str::to_owned), cause: cause.map(str::to_owned) }
    }
}

/// Seconds as milliseconds; more than fit count as never.
fn millis(seconds: u64) -> Millis {
    Millis::try_from(seconds.saturating_mul(1000)).unwrap_or(Millis::MAX / 4)
}
