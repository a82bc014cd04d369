//! Calls about state machines.

use serde_json::{Map, Value, json};

use super::request::{Request, too_long};
use super::{ApiError, arn};
use crate::Service;
use crate::clock::seconds;
use crate::definition::check;
use crate::service::State;
use crate::store::{MachineRow, RevisionRow};

const DEFINITION_LIMIT: usize = 1024 * 1024;

fn does_not_exist(arn: &str) -> ApiError {
    ApiError::new("StateMachineDoesNotExist", format!("State Machine Does Not Exist: '{arn}'"))
}

/// The machine that an ARN names, and the version if it names one.
pub(super) fn find(state: &State, arn: &str) -> Result<(MachineRow, Option<i64>), ApiError> {
    let (machine, version) = arn::machine(arn)?;
    let row = state.store.machine(&machine)?.ok_or_else(|| does_not_exist(arn))?;
    Ok((row, version))
}

/// The revision that a machine's version stands for, or the current one.
pub(super) fn revision(
    state: &State,
    machine: &MachineRow,
    version: Option<i64>,
    arn: &str,
) -> Result<i64, ApiError> {
    match version {
        None => Ok(machine.revision.id),
        Some(number) => state.store.version(machine.id, number)?.ok_or_else(|| does_not_exist(arn)),
    }
}

fn definition<'a>(request: &Request<'a>) -> Result<Option<&'a str>, ApiError> {
    let text = request.text("definition")?;
    if let Some(text) = text {
        if text.len() > DEFINITION_LIMIT {
            return Err(too_long("…", "definition", DEFINITION_LIMIT));
        }
        check(text).map_err(|diagnostics| ApiError::invalid_definition(&diagnostics))?;
    }
    Ok(text)
}

fn logging_off() -> Value {
    json!({"level": "OFF", "includeExecutionData": false})
}

/// Where AWS would write a log. It is kept and told, and nothing is logged.
fn logging(request: &Request<'_>) -> Result<Option<Value>, ApiError> {
    let Some(given) = request.value("loggingConfiguration").and_then(Value::as_object) else {
        return Ok(None);
    };
    let mut logging = logging_off();
    for (field, value) in given {
        logging[field] = value.clone();
    }
    let destinations = given.get("destinations").and_then(Value::as_array).map_or(0, Vec::len);
    if destinations > 1 || (destinations == 0 && logging["level"] != "OFF") {
        let message = "Invalid Logging Configuration: Must specify exactly one Log Destination.";
        return Err(ApiError::new("InvalidLoggingConfiguration", message));
    }
    Ok(Some(logging))
}

fn settings(revision: &RevisionRow) -> Map<String, Value> {
    let mut map = Map::from_iter([
        ("definition".to_owned(), json!(revision.definition)),
        ("roleArn".to_owned(), json!(revision.role)),
        ("loggingConfiguration".to_owned(), revision.logging.clone()),
        ("tracingConfiguration".to_owned(), revision.tracing.clone()),
    ]);
    if let Some(id) = &revision.revision {
        map.insert("revisionId".to_owned(), json!(id));
    }
    map
}

impl Service {
    pub(super) fn create_state_machine(&self, request: &Request<'_>) -> Result<Value, ApiError> {
        let name = request.required("name")?;
        arn::check_name(name)?;
        if request.text("type")?.is_some_and(|t| t != "STANDARD") {
            let message = "State Machine type is not supported: only STANDARD is";
            return Err(ApiError::new("StateMachineTypeNotSupported", message));
        }
        let publish = request.flag("publish")?.unwrap_or(false);
        if request.text("versionDescription")?.is_some() && !publish {
            return Err(ApiError::new(
                "ValidationException",
                "Version description can only be set when publish is true",
            ));
        }
        request.required("definition")?;
        let now = self.inner.clock.now();
        let wanted = RevisionRow {
            id: 0,
            revision: None,
            definition: definition(request)?.unwrap_or_default().to_owned(),
            role: request.required("roleArn")?.to_owned(),
            logging: logging(request)?.unwrap_or_else(logging_off),
            tracing: request
                .value("tracingConfiguration")
                .cloned()
                .unwrap_or_else(|| json!({"enabled": false})),
            updated: now,
        };
        let machine_arn = arn::make(&self.inner.config, "stateMachine", name);
        let mut state = self.inner.lock();
        let (id, created) = match state.store.machine(&machine_arn)? {
            Some(row) if row.status != "ACTIVE" => {
                let message = format!("State Machine is being deleted: '{machine_arn}'");
                return Err(ApiError::new("StateMachineDeleting", message));
            }
            // Made again exactly as it is: AWS answers as it did the first time
            Some(row) if same(&row.revision, &wanted) => (row.id, row.created),
            Some(_) => {
                let message = format!("State Machine Already Exists: '{machine_arn}'");
                return Err(ApiError::new("StateMachineAlreadyExists", message));
            }
            None => (state.store.create_machine(&machine_arn, name, &wanted)?, now),
        };
        let mut answer = json!({"stateMachineArn": machine_arn, "creationDate": seconds(created)});
        if publish {
            let number = state.store.publish(id, now)?;
            answer["stateMachineVersionArn"] = json!(format!("{machine_arn}:{number}"));
        }
        Ok(answer)
    }

    pub(super) fn update_state_machine(&self, request: &Request<'_>) -> Result<Value, ApiError> {
        let machine_arn = request.required("stateMachineArn")?;
        let changes = ["definition", "roleArn", "loggingConfiguration", "tracingConfiguration"];
        if changes.iter().all(|field| request.value(field).is_none()) {
            let message = "Either the definition, the role ARN, the LoggingConfiguration, or the TracingConfiguration must be specified";
            return Err(ApiError::new("MissingRequiredParameter", message));
        }
        let new_definition = definition(request)?;
        let now = self.inner.clock.now();
        let mut state = self.inner.lock();
        let (machine, version) = find(&state, machine_arn)?;
        if version.is_some() || machine.status != "ACTIVE" {
            return Err(does_not_exist(machine_arn));
        }
        let mut wanted = machine.revision.clone();
        if let Some(text) = new_definition {
            text.clone_into(&mut wanted.definition);
        }
        if let Some(role) = request.text("roleArn")? {
            role.clone_into(&mut wanted.role);
        }
        if let Some(logging) = logging(request)? {
            wanted.logging = logging;
        }
        if let Some(tracing) = request.value("tracingConfiguration") {
            wanted.tracing.clone_from(tracing);
        }
        if !same(&machine.revision, &wanted) {
            wanted.revision = Some(uuid::Uuid::new_v4().to_string());
            wanted.updated = now;
            state.store.update_machine(machine.id, &wanted)?;
        }
        let mut answer = json!({"updateDate": seconds(wanted.updated)});
        if let Some(id) = &wanted.revision {
            answer["revisionId"] = json!(id);
        }
        if request.flag("publish")?.unwrap_or(false) {
            let number = state.store.publish(machine.id, now)?;
            answer["stateMachineVersionArn"] = json!(format!("{machine_arn}:{number}"));
        }
        Ok(answer)
    }

    pub(super) fn describe_state_machine(&self, request: &Request<'_>) -> Result<Value, ApiError> {
        let machine_arn = request.required("stateMachineArn")?;
        let state = self.inner.lock();
        let (machine, version) = find(&state, machine_arn)?;
        let id = revision(&state, &machine, version, machine_arn)?;
        let row = state.store.revision(id)?.ok_or_else(|| does_not_exist(machine_arn))?;
        let mut answer = settings(&row);
        answer.extend([
            ("stateMachineArn".to_owned(), json!(machine_arn)),
            ("name".to_owned(), json!(machine.name)),
            ("status".to_owned(), json!(machine.status)),
            ("type".to_owned(), json!("STANDARD")),
            ("creationDate".to_owned(), seconds(machine.created)),
        ]);
        Ok(Value::Object(answer))
    }

    pub(super) fn describe_state_machine_for_execution(
        &self,
        request: &Request<'_>,
    ) -> Result<Value, ApiError> {
        let state = self.inner.lock();
        let execution = super::executions::find(&state, request.required("executionArn")?)?;
        let row = state
            .store
            .revision(execution.revision)?
            .ok_or_else(|| does_not_exist(&execution.machine_arn))?;
        let name = execution.machine_arn.rsplit(':').next().unwrap_or_default();
        let mut answer = settings(&row);
        answer.extend([
            ("stateMachineArn".to_owned(), json!(execution.machine_arn)),
            ("name".to_owned(), json!(name)),
            ("updateDate".to_owned(), seconds(row.updated)),
        ]);
        Ok(Value::Object(answer))
    }

    /// A machine that does not exist is as good as deleted.
    pub(super) fn delete_state_machine(&self, request: &Request<'_>) -> Result<Value, ApiError> {
        let (machine_arn, _) = arn::machine(request.required("stateMachineArn")?)?;
        let state = self.inner.lock();
        if let Some(machine) = state.store.machine(&machine_arn)? {
            state.store.delete_machine(machine.id)?;
        }
        Ok(json!({}))
    }

    pub(super) fn delete_state_machine_version(&self, request: &Request<'_>) -> Result<Value, ApiError> {
        let (machine_arn, version) = arn::machine(request.required("stateMachineVersionArn")?)?;
        let state = self.inner.lock();
        if let (Some(machine), Some(number)) = (state.store.machine(&machine_arn)?, version) {
            state.store.delete_version(machine.id, number)?;
        }
        Ok(json!({}))
    }

    pub(super) fn list_state_machines(&self, request: &Request<'_>) -> Result<Value, ApiError> {
        let page = request.page()?;
        let (offset, limit) = page.range();
        let (machines, next) = page.cut(self.inner.lock().store.machines(offset, limit)?);
        let items: Vec<Value> = machines
            .iter()
            .map(|m| {
                json!({
                    "stateMachineArn": m.arn,
                    "name": m.name,
                    "type": "STANDARD",
                    "creationDate": seconds(m.created),
                })
            })
            .collect();
        let mut answer = json!({"stateMachines": items});
        if let Some(next) = next {
            answer["nextToken"] = json!(next);
        }
        Ok(answer)
    }

    pub(super) fn validate_state_machine_definition(request: &Request<'_>) -> Result<Value, ApiError> {
        let text = request.required("definition")?;
        request.one_of("type", &["STANDARD", "EXPRESS"])?;
        let most = request.value("maxResults").and_then(Value::as_u64).filter(|n| *n > 0).unwrap_or(100);
        let mut diagnostics = check(text).err().unwrap_or_default();
        let result = if diagnostics.is_empty() { "OK" } else { "FAIL" };
        let truncated = diagnostics.len() as u64 > most;
        diagnostics.truncate(usize::try_from(most).unwrap_or(usize::MAX));
        Ok(json!({"result": result, "diagnostics": diagnostics, "truncated": truncated}))
    }
}

fn same(one: &RevisionRow, other: &RevisionRow) -> bool {
    (&one.definition, &one.role, &one.logging, &one.tracing)
        == (&other.definition, &other.role, &other.logging, &other.tracing)
}
