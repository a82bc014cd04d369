//! Entering and leaving states. What can go wrong in one is a [`Problem`], which a task may retry or catch.

use serde_json::{Map, Value, json};

use super::{DATA_LIMIT, Execution, Phase, Turn, millis};
use crate::clock::parse_iso;
use crate::definition::{Kind, Language, Rule, State, Template, Wait};
use crate::history;
use crate::jsonata::{Failure, Scope};

/// Why a state failed.
#[derive(Clone, Debug, Default)]
pub(super) struct Problem {
    pub(super) error: Option<String>,
    pub(super) cause: Option<String>,
    /// Heartbeats stopped: the error is `States.Timeout`, and `States.HeartbeatTimeout` matches it too.
    pub(super) is_silence: bool,
}

impl Problem {
    pub(super) fn new(error: &str, cause: String) -> Self {
        Self { error: Some(error.to_owned()), cause: Some(cause), is_silence: false }
    }

    pub(super) fn too_large(what: &str) -> Self {
        let cause = format!(
            "The state/task '{what}' returned a result with a size exceeding the maximum number of bytes service limit."
        );
        Self::new("States.DataLimitExceeded", cause)
    }
}

/// Where a state goes and what it leaves behind.
struct Exit<'m> {
    assign: Option<&'m Template>,
    output: Option<&'m Template>,
    /// The output if there is no template.
    default: Value,
    next: Option<&'m str>,
}

impl Execution {
    /// The definition of the current state. Checked definitions lead nowhere else.
    pub(super) fn definition<'m>(&self, turn: &Turn<'m>) -> Option<&'m State> {
        turn.machine.states.get(&self.state)
    }

    pub(super) fn enter(&mut self, turn: &mut Turn<'_>) {
        let Some(state) = self.definition(turn) else {
            let cause = format!("The state '{}' is not part of the machine.", self.state);
            self.fail(Some("States.Runtime"), Some(&cause), turn);
            return;
        };
        turn.transitions += 1;
        self.entered = turn.now;
        let mut details = Map::from_iter([("name".to_owned(), json!(self.state))]);
        details.extend(history::data("input", self.input.to_string()));
        self.entered_event =
            self.push(turn, &format!("{}StateEntered", state.kind.name()), "stateEntered", details);
        self.retries = match &state.kind {
            Kind::Task(task) => Some(vec![0; task.retry.len()]),
            _ => None,
        };
        let outcome = match &state.kind {
            Kind::Pass { result } => {
                let output = result.clone().unwrap_or_else(|| self.input.clone());
                self.leave(state, output, &[], turn)
            }
            Kind::Succeed => self.leave(state, self.input.clone(), &[], turn),
            Kind::Fail { error, cause } => self.fail_state(error.as_ref(), cause.as_ref(), turn),
            Kind::Choice { rules, default } => self.choose(state, rules, default.as_deref(), turn),
            Kind::Wait(wait) => self.wait(wait, turn),
            Kind::Task(_) => {
                self.phase = Phase::Attempt;
                Ok(())
            }
        };
        if let Err(problem) = outcome {
            self.fail(problem.error.as_deref(), problem.cause.as_deref(), turn);
        }
    }

    /// Leaves by the state's own `Assign`, `Output` and `Next`. `result` is the output unless the state says otherwise.
    pub(super) fn leave(
        &mut self,
        state: &State,
        result: Value,
        more: &[(&str, &Value)],
        turn: &mut Turn<'_>,
    ) -> Result<(), Problem> {
        let scope = self.scope(more, turn);
        let exit = Exit {
            assign: state.assign.as_ref(),
            output: state.output.as_ref(),
            default: result,
            next: state.next.as_deref(),
        };
        self.exit(&scope, state, exit, turn)
    }

    /// Leaves by a catcher or a rule of a choice.
    pub(super) fn leave_by(
        &mut self,
        state: &State,
        by: (Option<&Template>, Option<&Template>, &str),
        default: Value,
        more: &[(&str, &Value)],
        turn: &mut Turn<'_>,
    ) -> Result<(), Problem> {
        let scope = self.scope(more, turn);
        let (assign, output, next) = by;
        self.exit(&scope, state, Exit { assign, output, default, next: Some(next) }, turn)
    }

    fn exit(
        &mut self,
        scope: &Scope,
        state: &State,
        exit: Exit<'_>,
        turn: &mut Turn<'_>,
    ) -> Result<(), Problem> {
        let assigned = exit
            .assign
            .map(|t| scope.fill(t, "Assign"))
            .transpose()
            .map_err(|f| self.unevaluated(&f, turn))?;
        let output = match exit.output {
            Some(template) => scope.fill(template, "Output").map_err(|f| self.unevaluated(&f, turn))?,
            None => exit.default,
        };
        let text = output.to_string();
        if text.len() > DATA_LIMIT {
            return Err(Problem::too_large(&self.state));
        }
        let mut details = Map::from_iter([("name".to_owned(), json!(self.state))]);
        details.extend(history::data("output", text));
        if let Some(Value::Object(assigned)) =
            assigned.filter(|a| a.as_object().is_some_and(|a| !a.is_empty()))
        {
            let texts: Map<String, Value> =
                assigned.iter().map(|(k, v)| (k.clone(), json!(v.to_string()))).collect();
            if texts.values().any(|t| t.as_str().is_some_and(|t| t.len() > DATA_LIMIT)) {
                return Err(Problem::too_large(&self.state));
            }
            details.insert("assignedVariables".to_owned(), Value::Object(texts));
            details.insert("assignedVariablesDetails".to_owned(), json!({"truncated": false}));
            self.variables.extend(assigned);
        }
        self.push(turn, &format!("{}StateExited", state.kind.name()), "stateExited", details);
        match exit.next {
            Some(next) => {
                next.clone_into(&mut self.state);
                self.input = output;
                self.phase = Phase::Enter;
            }
            None => self.succeed(&output, turn),
        }
        Ok(())
    }

    /// Notes an expression that gave nothing.
    pub(super) fn unevaluated(&mut self, failure: &Failure, turn: &mut Turn<'_>) -> Problem {
        const ERROR: &str = "States.QueryEvaluationError";
        let cause = self.blame(&failure.cause);
        let mut details = history::failure(Some(ERROR), Some(&cause));
        details.insert("location".to_owned(), json!(failure.field));
        details.insert("state".to_owned(), json!(self.state));
        self.push(turn, "EvaluationFailed", "evaluationFailed", details);
        Problem::new(ERROR, cause)
    }

    fn fail_state(
        &mut self,
        error: Option<&Template>,
        cause: Option<&Template>,
        turn: &mut Turn<'_>,
    ) -> Result<(), Problem> {
        let scope = self.scope(&[], turn);
        let text = |template: Option<&Template>, field| {
            template.map(|t| scope.fill_as(t, field, "string", |v| v.as_str().map(str::to_owned))).transpose()
        };
        let read = text(error, "Error").and_then(|error| Ok((error, text(cause, "Cause")?)));
        let (error, cause) = read.map_err(|f| self.unevaluated(&f, turn))?;
        self.fail(error.as_deref(), cause.as_deref(), turn);
        Ok(())
    }

    fn choose(
        &mut self,
        state: &State,
        rules: &[Rule],
        default: Option<&str>,
        turn: &mut Turn<'_>,
    ) -> Result<(), Problem> {
        let scope = self.scope(&[], turn);
        for (index, rule) in rules.iter().enumerate() {
            let field = format!("Choices[{index}]/Condition");
            let matches = scope
                .fill_as(&rule.condition, &field, "boolean", Value::as_bool)
                .map_err(|f| self.unevaluated(&f, turn))?;
            if matches {
                let by = (rule.assign.as_ref(), rule.output.as_ref(), rule.next.as_str());
                return self.leave_by(state, by, self.input.clone(), &[], turn);
            }
        }
        if let Some(default) = default {
            let by = (state.assign.as_ref(), state.output.as_ref(), default);
            return self.leave_by(state, by, self.input.clone(), &[], turn);
        }
        let cause =
            self.blame("Failed to transition out of the state. The state does not point to a next state.");
        Err(Problem::new("States.Runtime", cause))
    }

    fn wait(&mut self, wait: &Wait, turn: &mut Turn<'_>) -> Result<(), Problem> {
        let scope = self.scope(&[], turn);
        let until = match wait {
            Wait::Seconds(template) => scope
                .fill_as(template, "Seconds", "integer", |v| v.as_u64().filter(|n| *n <= 99_999_999))
                .map(|seconds| turn.now + millis(seconds)),
            Wait::Timestamp(template) => scope
                .fill_as(template, "Timestamp", "string", |v| v.as_str().map(str::to_owned))
                .and_then(|text| {
                    parse_iso(&text).ok_or_else(|| Failure {
                        field: "Timestamp".to_owned(),
                        cause: format!(
                            "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: {text}"
                        ),
                    })
                }),
        };
        let until = until.map_err(|f| self.unevaluated(&f, turn))?;
        self.phase = Phase::Wait { until };
        if until <= turn.now {
            self.waited(turn);
        }
        Ok(())
    }

    /// Leaves a Wait state whose time has come.
    pub(super) fn waited(&mut self, turn: &mut Turn<'_>) {
        let Some(state) = self.definition(turn).filter(|s| matches!(s.kind, Kind::Wait(_))) else { return };
        if let Err(problem) = self.leave(state, self.input.clone(), &[], turn) {
            self.fail(problem.error.as_deref(), problem.cause.as_deref(), turn);
        }
    }

    /// Whether the current state is in JSONata.
    pub(super) fn is_jsonata(state: &State) -> bool {
        state.language == Language::Jsonata
    }
}
