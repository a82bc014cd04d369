//! Task states: an attempt, its answer, and what a failure leads to.

use serde_json::{Map, Value, json};

use super::states::Problem;
use super::{Attempt, Call, DATA_LIMIT, Execution, Phase, Turn, millis};
use crate::clock::Millis;
use crate::definition::{Kind, Resource, Retrier, State, Task, Template};
use crate::functions::Invocation;
use crate::history;

/// What somebody said about a token.
#[derive(Debug)]
pub(crate) enum Outcome {
    Success(Value),
    Failure { error: Option<String>, cause: Option<String> },
    Heartbeat,
}

/// What an attempt needs to know before it begins.
struct Plan {
    arguments: Value,
    function: String,
    payload: Value,
    token: Option<String>,
    timeout: Option<u64>,
    heartbeat: Option<u64>,
}

impl Execution {
    fn task<'m>(&self, turn: &Turn<'m>) -> Option<(&'m State, &'m Task)> {
        let state = self.definition(turn)?;
        match &state.kind {
            Kind::Task(task) => Some((state, task)),
            _ => None,
        }
    }

    /// Schedules and starts the function; the call itself is the service's.
    pub(super) fn attempt(&mut self, turn: &mut Turn<'_>) {
        let Some((state, task)) = self.task(turn) else { return };
        let plan = match self.plan(state, task, turn) {
            Ok(plan) => plan,
            Err(problem) => return self.failed(problem, turn),
        };
        let text = plan.arguments.to_string();
        if text.len() > DATA_LIMIT {
            return self.failed(Problem::too_large(&self.state), turn);
        }
        let (kind, details) = match &task.resource {
            Resource::Function(arn) => {
                let mut details = history::data("input", text);
                details.insert("resource".to_owned(), json!(arn));
                ("LambdaFunction", details)
            }
            Resource::Invoke { .. } => {
                let mut details = resource(&task.resource);
                details.insert("region".to_owned(), json!(self.identity.region));
                details.insert("parameters".to_owned(), json!(text));
                ("Task", details)
            }
        };
        let limits = [("timeoutInSeconds", plan.timeout), ("heartbeatInSeconds", plan.heartbeat)];
        let limits = limits.iter().filter_map(|(k, v)| Some(((*k).to_owned(), json!((*v)?))));
        let details = details.into_iter().chain(limits).collect();
        self.push(turn, &format!("{kind}Scheduled"), field(kind, "Scheduled").as_str(), details);
        match kind {
            "Task" => self.push(turn, "TaskStarted", "taskStarted", resource(&task.resource)),
            _ => self.push_event(turn, "LambdaFunctionStarted", None),
        };
        self.attempts += 1;
        let call = Call { attempt: self.attempts, function: plan.function, payload: plan.payload };
        self.phase = Phase::Task(Attempt {
            number: self.attempts,
            call: Some(call.clone()),
            timeout_at: plan.timeout.map(|s| turn.now + millis(s)),
            // Only a token can be kept alive: AWS does not hold a synchronous call to its heartbeat
            heartbeat: plan
                .heartbeat
                .filter(|_| plan.token.is_some())
                .map(|s| (millis(s), turn.now + millis(s))),
            token: plan.token,
        });
        turn.call = Some(call);
    }

    fn plan(&mut self, state: &State, task: &Task, turn: &mut Turn<'_>) -> Result<Plan, Problem> {
        let token = (task.resource == Resource::Invoke { token: true }).then(|| (turn.new_token)(self.id));
        let scope = match &token {
            Some(token) => {
                let mut context = self.context();
                context["Task"] = json!({"Token": token});
                self.scope(&[("context", &context)], turn)
            }
            None => self.scope(&[], turn),
        };
        let seconds = |template: Option<&Template>, field| {
            let read = |v: &Value| v.as_u64().filter(|n| (1..=99_999_999).contains(n));
            template.map(|t| scope.fill_as(t, field, "positive integer", read)).transpose()
        };
        let read = (|| {
            let arguments = match &task.arguments {
                Some(template) if Self::is_jsonata(state) => scope.fill(template, "Arguments")?,
                _ => self.input.clone(),
            };
            let timeout = seconds(task.timeout.as_ref(), "TimeoutSeconds")?;
            Ok((arguments, timeout, seconds(task.heartbeat.as_ref(), "HeartbeatSeconds")?))
        })();
        let (arguments, timeout, heartbeat) = read.map_err(|f| self.unevaluated(&f, turn))?;
        let (function, payload) = match &task.resource {
            Resource::Function(arn) => (arn.clone(), arguments.clone()),
            Resource::Invoke { .. } => {
                let Some(function) = arguments.get("FunctionName").and_then(Value::as_str) else {
                    let cause = self.blame("The field 'FunctionName' is required but was missing");
                    return Err(Problem::new("States.Runtime", cause));
                };
                (function.to_owned(), arguments.get("Payload").cloned().unwrap_or_else(|| json!({})))
            }
        };
        Ok(Plan { arguments, function, payload, token, timeout, heartbeat })
    }

    /// The function's answer to attempt `number`. An answer to an attempt that is over is dropped.
    pub(crate) fn answered(&mut self, number: u64, answer: Invocation, turn: &mut Turn<'_>) {
        let Phase::Task(attempt) = &mut self.phase else { return };
        if attempt.number != number || attempt.call.take().is_none() {
            return;
        }
        let waits = attempt.token.is_some();
        let Some((_, task)) = self.task(turn) else { return };
        match answer {
            Invocation::Ok(payload) => {
                let (result, name) = match &task.resource {
                    Resource::Function(arn) => (payload, arn.as_str()),
                    Resource::Invoke { .. } => (invocation(payload, turn.now), "lambda"),
                };
                if result.to_string().len() > DATA_LIMIT {
                    return self.task_failed(Problem::too_large(name), turn);
                }
                if waits {
                    let details = resource(&task.resource)
                        .into_iter()
                        .chain(history::data("output", result.to_string()));
                    self.push(turn, "TaskSubmitted", "taskSubmitted", details.collect());
                } else {
                    self.task_succeeded(result, turn);
                }
            }
            Invocation::FunctionError { error_type, payload, .. } => {
                self.task_failed(Problem::new(&error_type, payload.to_string()), turn);
            }
            Invocation::ServiceError { error, message } => {
                self.task_failed(Problem::new(&error, message), turn);
            }
        }
    }

    /// What was said about this execution's token. The caller has matched the token.
    pub(crate) fn told(&mut self, outcome: Outcome, turn: &mut Turn<'_>) {
        match outcome {
            Outcome::Success(output) => self.task_succeeded(output, turn),
            Outcome::Failure { error, cause } => {
                self.task_failed(Problem { error, cause, is_silence: false }, turn);
            }
            Outcome::Heartbeat => {
                if let Phase::Task(Attempt { heartbeat: Some((every, at)), .. }) = &mut self.phase {
                    *at = turn.now + *every;
                }
            }
        }
    }

    fn task_succeeded(&mut self, result: Value, turn: &mut Turn<'_>) {
        let Some((state, task)) = self.task(turn) else { return };
        let output = history::data("output", result.to_string());
        self.push_outcome(task, "Succeeded", output, turn);
        let left = self.leave(state, result.clone(), &[("result", &result)], turn);
        if let Err(problem) = left {
            self.failed(problem, turn);
        }
    }

    fn task_failed(&mut self, problem: Problem, turn: &mut Turn<'_>) {
        let Some((_, task)) = self.task(turn) else { return };
        let details = history::failure(problem.error.as_deref(), problem.cause.as_deref());
        self.push_outcome(task, "Failed", details, turn);
        self.failed(problem, turn);
    }

    pub(super) fn task_timed_out(&mut self, is_silence: bool, turn: &mut Turn<'_>) {
        const ERROR: &str = "States.Timeout";
        let Some((_, task)) = self.task(turn) else { return };
        self.push_outcome(task, "TimedOut", history::failure(Some(ERROR), None), turn);
        self.failed(Problem { error: Some(ERROR.to_owned()), cause: None, is_silence }, turn);
    }

    fn push_outcome(&mut self, task: &Task, what: &str, details: Map<String, Value>, turn: &mut Turn<'_>) {
        let (kind, details) = match &task.resource {
            Resource::Function(_) => ("LambdaFunction", details),
            Resource::Invoke { .. } => {
                ("Task", resource(&task.resource).into_iter().chain(details).collect())
            }
        };
        self.push(turn, &format!("{kind}{what}"), &field(kind, what), details);
    }

    /// Retries, catches or gives up.
    fn failed(&mut self, problem: Problem, turn: &mut Turn<'_>) {
        let Some((state, task)) = self.task(turn) else { return };
        let retrier = task.retry.iter().position(|r| matches(&r.errors, &problem));
        if let Some((index, retrier)) = retrier.map(|i| (i, &task.retry[i]))
            && let Some(done) = self
                .retries
                .as_mut()
                .and_then(|r| r.get_mut(index))
                .filter(|done| **done < retrier.max_attempts)
        {
            let delay = delay(retrier, *done);
            *done += 1;
            self.phase = Phase::Retry { until: turn.now + delay };
            return;
        }
        let Some(catcher) = task.catch.iter().find(|c| matches(&c.errors, &problem)) else {
            self.fail(problem.error.as_deref(), problem.cause.as_deref(), turn);
            return;
        };
        // AWS gives a timeout an empty cause, and nulls for what SendTaskFailure left out
        let cause = match (&problem.cause, problem.error.as_deref()) {
            (None, Some("States.Timeout")) => json!(""),
            (cause, _) => json!(cause),
        };
        let caught = json!({"Error": problem.error, "Cause": cause});
        let by = (catcher.assign.as_ref(), catcher.output.as_ref(), catcher.next.as_str());
        if let Err(problem) = self.leave_by(state, by, caught.clone(), &[("errorOutput", &caught)], turn) {
            self.fail(problem.error.as_deref(), problem.cause.as_deref(), turn);
        }
    }
}

/// `resource` and `resourceType`, which all events of a task through a service have.
fn resource(resource: &Resource) -> Map<String, Value> {
    let name = match resource {
        Resource::Invoke { token: true } => "invoke.waitForTaskToken",
        _ => "invoke",
    };
    Map::from_iter([("resourceType".to_owned(), json!("lambda")), ("resource".to_owned(), json!(name))])
}

fn field(kind: &str, what: &str) -> String {
    let (first, rest) = kind.split_at(1);
    format!("{}{rest}{what}", first.to_lowercase())
}

/// What `lambda:invoke` gives: the payload in the response of Lambda's API.
fn invocation(payload: Value, now: Millis) -> Value {
    let id = uuid::Uuid::new_v4().to_string();
    let length = payload.to_string().len().to_string();
    let date = jiff::Timestamp::from_millisecond(now)
        .and_then(|at| jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at))
        .unwrap_or_default();
    let headers = [
        ("Connection", "keep-alive"),
        ("Content-Length", length.as_str()),
        ("Content-Type", "application/json"),
        ("Date", date.as_str()),
        ("X-Amz-Executed-Version", "$LATEST"),
        ("x-amzn-Remapped-Content-Length", "0"),
        ("x-amzn-RequestId", id.as_str()),
        ("X-Amzn-Trace-Id", "root=1-00000000-000000000000000000000000;sampled=0"),
    ];
    let all: Map<String, Value> = headers.iter().map(|(k, v)| ((*k).to_owned(), json!([v]))).collect();
    let one: Map<String, Value> = headers.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
    json!({
        "ExecutedVersion": "$LATEST",
        "Payload": payload,
        "SdkHttpMetadata": {"AllHttpHeaders": all, "HttpHeaders": one, "HttpStatusCode": 200},
        "SdkResponseMetadata": {"RequestId": id},
        "StatusCode": 200,
    })
}

/// Whether an `ErrorEquals` matches.
fn matches(names: &[String], problem: &Problem) -> bool {
    let error = problem.error.as_deref();
    names.iter().any(|name| match name.as_str() {
        "States.ALL" => error != Some("States.Runtime"),
        "States.TaskFailed" => !matches!(error, Some("States.Timeout" | "States.Runtime")),
        "States.HeartbeatTimeout" if problem.is_silence => true,
        name => Some(name) == error,
    })
}

/// Milliseconds until the retry after `done` retries.
fn delay(retrier: &Retrier, done: u32) -> Millis {
    let seconds = retrier.interval as f64 * retrier.backoff.powi(i32::try_from(done).unwrap_or(i32::MAX));
    let seconds = retrier.max_delay.map_or(seconds, |most| seconds.min(most as f64));
    let seconds = if retrier.full_jitter { seconds * rand::random::<f64>() } else { seconds };
    // A cast from a float saturates: a back-off that overflows waits for ever
    ((seconds * 1000.0) as Millis).min(Millis::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retrier(full_jitter: bool, max_delay: Option<u64>) -> Retrier {
        Retrier { errors: Vec::new(), interval: 3, max_attempts: 9, backoff: 2.0, max_delay, full_jitter }
    }

    #[test]
    fn delays_grow_to_their_most() {
        let delays: Vec<Millis> = (0..4).map(|done| delay(&retrier(false, Some(20)), done)).collect();
        assert_eq!(delays, [3_000, 6_000, 12_000, 20_000]);
        assert_eq!(delay(&retrier(false, None), 4), 48_000);
    }

    #[test]
    fn full_jitter_stays_under_the_delay_and_varies() {
        let delays: Vec<Millis> = (0..64).map(|_| delay(&retrier(true, None), 1)).collect();
        assert!(delays.iter().all(|d| (0..=6_000).contains(d)), "{delays:?}");
        assert!(delays.iter().any(|d| *d != delays[0]), "{delays:?}");
    }

    #[test]
    fn error_names() {
        let problem = |error: Option<&str>, is_silence| Problem {
            error: error.map(str::to_owned),
            cause: None,
            is_silence,
        };
        let cases = [
            ("States.ALL", problem(Some("Boom"), false), true),
            ("States.ALL", problem(None, false), true),
            ("States.ALL", problem(Some("States.Runtime"), false), false),
            ("States.ALL", problem(Some("States.DataLimitExceeded"), false), true),
            ("States.TaskFailed", problem(Some("Boom"), false), true),
            ("States.TaskFailed", problem(Some("States.Timeout"), false), false),
            ("States.Timeout", problem(Some("States.Timeout"), true), true),
            ("States.HeartbeatTimeout", problem(Some("States.Timeout"), true), true),
            ("States.HeartbeatTimeout", problem(Some("States.Timeout"), false), false),
            ("Boom", problem(Some("Boom"), false), true),
            ("Boom", problem(Some("Bang"), false), false),
        ];
        for (name, problem, expected) in cases {
            assert_eq!(matches(&[name.to_owned()], &problem), expected, "{name} {problem:?}");
        }
    }
}
