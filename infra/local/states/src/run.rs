//! Runs a definition once, in memory, and tells the path it took.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::definition::check;
use crate::{ApiError, Config, Diagnostic, Error, Functions, Service};

/// What one execution did.
#[derive(Clone, Debug)]
pub struct Run {
    /// Names of the states entered, in order.
    pub trace: Vec<String>,
    /// As AWS bills them: each state entered and each retry.
    pub transitions: u64,
    /// `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub status: String,
    /// Of an execution that succeeded.
    pub output: Option<Value>,
    /// Of one that did not.
    pub error: Option<String>,
    /// Of one that did not.
    pub cause: Option<String>,
    /// Its whole history, as `GetExecutionHistory` gives it.
    pub events: Vec<Value>,
}

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// AWS would not create the machine, or this interpreter does not run it.
    #[error("the definition is not valid: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    Definition(Vec<Diagnostic>),
    /// The execution was not started.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The database in memory failed.
    #[error(transparent)]
    Store(#[from] Error),
}

/// Runs `definition` to its end. Waits take as long as they say, which is no time at all if tokio's clock is paused.
///
/// # Errors
/// See [`RunError`]. A run that fails is not an error: its status says so.
pub async fn run(definition: &str, input: Value, functions: Arc<dyn Functions>) -> Result<Run, RunError> {
    let service = Service::open(Config::default(), functions).await?;
    run_on(&service, definition, input).await
}

pub(crate) async fn run_on(service: &Service, definition: &str, input: Value) -> Result<Run, RunError> {
    check(definition).map_err(RunError::Definition)?;
    let role = format!("arn:aws:iam::{}:role/run", service.inner.config.account);
    let machine = json!({"name": "run", "definition": definition, "roleArn": role});
    let machine = service.handle("CreateStateMachine", machine).await?;
    let start = json!({"stateMachineArn": machine["stateMachineArn"], "input": input.to_string()});
    let started = service.handle("StartExecution", start).await?;
    let arn = started["executionArn"].as_str().unwrap_or_default();
    service.ended(arn).await;
    let events = {
        let state = service.inner.lock();
        let id = state.store.execution(arn)?.map_or(0, |row| row.id);
        state.store.events(id, false, (0, i64::MAX))?
    };
    let described = service.handle("DescribeExecution", json!({"executionArn": arn})).await?;
    let text = |field: &str| described[field].as_str().map(str::to_owned);
    let entered = events.iter().filter(|e| e.kind.ends_with("StateEntered"));
    let name = |details: &Value| details["name"].as_str().unwrap_or_default().to_owned();
    Ok(Run {
        trace: entered.filter_map(|e| e.details.as_ref().map(|(_, details)| name(details))).collect(),
        transitions: service.counters().transitions,
        status: text("status").unwrap_or_default(),
        output: text("output").and_then(|output| serde_json::from_str(&output).ok()),
        error: text("error"),
        cause: text("cause"),
        events: events.iter().map(|e| e.to_json(true)).collect(),
    })
}
