//! The AWS API: what is asked by `X-Amz-Target`, in AWS's JSON, with AWS's errors.

mod arn;
mod executions;
mod http;
mod machines;
mod request;
mod tasks;

use serde_json::{Value, json};

use crate::store::Error;
use crate::{Diagnostic, Service};

/// An error as the API gives it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    /// Such as `ExecutionDoesNotExist`.
    pub code: String,
    /// In AWS's words.
    pub message: String,
    /// The HTTP status: 400, or 500 for a failure of ours.
    pub status: u16,
}

impl ApiError {
    /// A fault of the caller's.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), status: 400 }
    }

    /// The body of the HTTP answer.
    pub fn body(&self) -> Value {
        let space = if self.code == "ValidationException" {
            "com.amazon.coral.validate"
        } else {
            "com.amazonaws.swf.service.v2.model"
        };
        json!({"__type": format!("{space}#{}", self.code), "message": self.message})
    }

    fn invalid_definition(diagnostics: &[Diagnostic]) -> Self {
        let texts: Vec<String> = diagnostics.iter().map(ToString::to_string).collect();
        Self::new("InvalidDefinition", format!("Invalid State Machine Definition: '{}'", texts.join(", ")))
    }

    fn constraint(value: &str, field: &str, constraint: &str) -> Self {
        let message = format!(
            "1 validation error detected: Value {value} at '{field}' failed to satisfy constraint: Member must {constraint}"
        );
        Self::new("ValidationException", message)
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "a Step Functions call failed");
        Self {
            code: "InternalServerError".to_owned(),
            message: "Internal server error".to_owned(),
            status: 500,
        }
    }
}

impl Service {
    /// Answers one call of the API: `operation` is what follows `AWSStepFunctions.` in `X-Amz-Target`.
    ///
    /// # Errors
    /// What AWS answers with; `UnknownOperationException` for what this service does not do.
    pub async fn handle(&self, operation: &str, body: Value) -> Result<Value, ApiError> {
        let request = request::Request::new(&body)?;
        match operation {
            "CreateStateMachine" => self.create_state_machine(&request),
            "UpdateStateMachine" => self.update_state_machine(&request),
            "DescribeStateMachine" => self.describe_state_machine(&request),
            "DescribeStateMachineForExecution" => self.describe_state_machine_for_execution(&request),
            "DeleteStateMachine" => self.delete_state_machine(&request),
            "DeleteStateMachineVersion" => self.delete_state_machine_version(&request),
            "ListStateMachines" => self.list_state_machines(&request),
            "ValidateStateMachineDefinition" => Self::validate_state_machine_definition(&request),
            "StartExecution" => self.start_execution(&request),
            "DescribeExecution" => self.describe_execution(&request),
            "StopExecution" => self.stop_execution(&request),
            "ListExecutions" => self.list_executions(&request),
            "GetExecutionHistory" => self.get_execution_history(&request),
            "SendTaskSuccess" => self.send_task_success(&request),
            "SendTaskFailure" => self.send_task_failure(&request),
            "SendTaskHeartbeat" => self.send_task_heartbeat(&request),
            "CreateActivity" => self.create_activity(&request),
            "DeleteActivity" => self.delete_activity(&request),
            other => Err(ApiError::new(
                "UnknownOperationException",
                format!("The operation {other} is not supported here"),
            )),
        }
    }
}
