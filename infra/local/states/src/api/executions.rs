//! Calls about executions.

use serde_json::{Value, json};

use super::request::Request;
use super::{ApiError, arn, machines};
use crate::Service;
use crate::clock::seconds;
use crate::definition::json as json_text;
use crate::execution::{DATA_LIMIT, Identity};
use crate::service::State;
use crate::store::ExecutionRow;

/// The order in which AWS lists them.
const STATUSES: [&str; 6] = ["SUCCEEDED", "TIMED_OUT", "PENDING_REDRIVE", "ABORTED", "FAILED", "RUNNING"];

pub(super) fn find(state: &State, arn: &str) -> Result<ExecutionRow, ApiError> {
    arn::check_execution(arn)?;
    let missing = || ApiError::new("ExecutionDoesNotExist", format!("Execution Does Not Exist: '{arn}'"));
    state.store.execution(arn)?.ok_or_else(missing)
}

/// Reads a JSON text of the caller's; a fault is told as AWS tells it.
pub(super) fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|_| {
        let fault = if text.trim().is_empty() { None } else { json_text::fault(text) };
        fault.map_or_else(|| "Invalid execution input.".to_owned(), |fault| fault.message)
    })
}

fn with_next(mut answer: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    answer
}

impl Service {
    pub(super) fn start_execution(&self, request: &Request<'_>) -> Result<Value, ApiError> {
        let machine_arn = request.required("stateMachineArn")?;
        let name = match request.text("name")? {
            Some(name) => {
                arn::check_name(name)?;
                name.to_owned()
            }
            None => uuid::Uuid::new_v4().to_string(),
        };
        let invalid = |why: &str| {
            ApiError::new("InvalidExecutionInput", format!("Invalid State Machine Execution Input: '{why}'"))
        };
        let text = request.text("input")?.unwrap_or("{}");
        if text.len() > DATA_LIMIT {
            return Err(invalid("Input is too long"));
        }
        let input = parse(text).map_err(|why| invalid(&why))?;
        let mut state = self.inner.lock();
        let (machine, version) = machines::find(&state, machine_arn)?;
        if machine.status != "ACTIVE" {
            let message = format!("State Machine is being deleted: '{machine_arn}'");
            return Err(ApiError::new("StateMachineDeleting", message));
        }
        let execution_arn = arn::make(&self.inner.config, "execution", &format!("{}:{name}", machine.name));
        if let Some(row) = state.store.execution_named(machine.id, &execution_arn)? {
            if row.status == "RUNNING" && row.input == text {
                return Ok(json!({"executionArn": execution_arn, "startDate": seconds(row.started)}));
            }
            let message = format!("Execution Already Exists: '{execution_arn}'");
            return Err(ApiError::new("ExecutionAlreadyExists", message));
        }
        let revision_id = machines::revision(&state, &machine, version, machine_arn)?;
        let revision = state.store.revision(revision_id)?;
        let started = self.inner.clock.now();
        let identity = Identity {
            arn: execution_arn.clone(),
            name: name.clone(),
            machine_arn: machine.arn.clone(),
            machine_name: machine.name.clone(),
            role_arn: revision.map(|r| r.role).unwrap_or_default(),
            region: self.inner.config.region.clone(),
            started,
            input,
        };
        let row = ExecutionRow {
            id: 0,
            arn: execution_arn.clone(),
            name,
            machine: machine.id,
            machine_arn: machine.arn,
            revision: revision_id,
            version,
            status: "RUNNING".to_owned(),
            started,
            stopped: None,
            input: text.to_owned(),
            output: None,
            error: None,
            cause: None,
        };
        self.inner.start(&mut state, row, identity, version.map(|_| machine_arn))?;
        Ok(json!({"executionArn": execution_arn, "startDate": seconds(started)}))
    }

    pub(super) fn describe_execution(&self, request: &Request<'_>) -> Result<Value, ApiError> {
        let row = find(&self.inner.lock(), request.required("executionArn")?)?;
        let mut answer = json!({
            "executionArn": row.arn,
            "stateMachineArn": row.machine_arn,
            "name": row.name,
            "status": row.status,
            "startDate": seconds(row.started),
            "input": row.input,
            "inputDetails": {"included": true},
            "redriveCount": 0,
        });
        if matches!(row.status.as_str(), "RUNNING" | "SUCCEEDED") {
            answer["redriveStatus"] = json!("NOT_REDRIVABLE");
            answer["redriveStatusReason"] =
                json!(format!("Execution is {} and cannot be redriven", row.status));
        } else {
            answer["redriveStatus"] = json!("REDRIVABLE");
        }
        if let Some(version) = row.version {
            answer["stateMachineVersionArn"] = json!(format!("{}:{version}", row.machine_arn));
        }
        if let Some(stopped) = row.stopped {
            answer["stopDate"] = seconds(stopped);
        }
        if let Some(output) = &row.output {
            answer["output"] = json!(output);
            answer["outputDetails"] = json!({"included": true});
        }
        for (field, text) in [("error", &row.error), ("cause", &row.cause)] {
            if let Some(text) = text {
                answer[field] = json!(text);
            }
        }
        Ok(answer)
    }

    /// An execution that has ended is not stopped again: AWS answers with the date of its end.
    pub(super) fn stop_execution(&self, request: &Request<'_>) -> Result<Value, ApiError> {
        let execution_arn = request.required("executionArn")?;
        let error = request.at_most("error", 256)?;
        let cause = request.at_most("cause", 32_768)?;
        let mut state = self.inner.lock();
        let row = find(&state, execution_arn)?;
        self.inner.with(&mut state, row.id, |execution, turn| execution.abort(error, cause, turn))?;
        let stopped = find(&state, execution_arn)?.stopped.unwrap_or(row.started);
        Ok(json!({"stopDate": seconds(stopped)}))
    }

    pub(super) fn list_executions(&self, request: &Request<'_>) -> Result<Value, ApiError> {
        let page = request.page()?;
        let status = request.one_of("statusFilter", &STATUSES)?;
        let state = self.inner.lock();
        let (machine, version) = machines::find(&state, request.required("stateMachineArn")?)?;
        let (rows, next) = page.cut(state.store.executions(machine.id, version, status, page.range())?);
        let item = |row: &ExecutionRow| {
            let mut item = json!({
                "executionArn": row.arn,
                "stateMachineArn": row.machine_arn,
                "name": row.name,
                "status": row.status,
                "startDate": seconds(row.started),
                "redriveCount": 0,
            });
            if let Some(stopped) = row.stopped {
                item["stopDate"] = seconds(stopped);
            }
            if let Some(version) = row.version {
                item["stateMachineVersionArn"] = json!(format!("{}:{version}", row.machine_arn));
            }
            item
        };
        Ok(with_next(json!({"executions": rows.iter().map(item).collect::<Vec<_>>()}), next))
    }

    pub(super) fn get_execution_history(&self, request: &Request<'_>) -> Result<Value, ApiError> {
        let page = request.page()?;
        let reverse = request.flag("reverseOrder")?.unwrap_or(false);
        let include_data = request.flag("includeExecutionData")?.unwrap_or(true);
        let state = self.inner.lock();
        let row = find(&state, request.required("executionArn")?)?;
        let (events, next) = page.cut(state.store.events(row.id, reverse, page.range())?);
        let events: Vec<Value> = events.iter().map(|event| event.to_json(include_data)).collect();
        Ok(with_next(json!({"events": events}), next))
    }
}
