//! Durable executions: Step Functions.

use app::ports::{WorkflowError, Workflows};
use async_trait::async_trait;
use aws_sdk_sfn::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    types::ExecutionStatus,
};
use serde_json::Value;

use crate::Environment;

/// The job machine and the run machine.
#[derive(Clone, Debug)]
pub struct StepFunctions {
    client: Client,
    job_machine: String,
    run_machine: String,
}

impl StepFunctions {
    /// The machines with these ARNs.
    pub fn new(
        environment: &Environment,
        job_machine: impl Into<String>,
        run_machine: impl Into<String>,
    ) -> Self {
        Self { client: environment.sfn(), job_machine: job_machine.into(), run_machine: run_machine.into() }
    }

    async fn start(&self, machine: &str, name: &str, input: &Value) -> Result<(), WorkflowError> {
        let start = self.client.start_execution().state_machine_arn(machine).name(name);
        start.input(input.to_string()).send().await.map(drop).map_err(failure)
    }

    async fn describe(&self, machine: &str, name: &str) -> Result<Option<bool>, WorkflowError> {
        let arn = execution_arn(machine, name);
        match self.client.describe_execution().execution_arn(arn).send().await {
            Ok(execution) => Ok(Some(*execution.status() == ExecutionStatus::Running)),
            Err(error) if code(&error) == Some("ExecutionDoesNotExist") => Ok(None),
            Err(error) => Err(failure(error)),
        }
    }
}

#[async_trait]
impl Workflows for StepFunctions {
    async fn start_job(&self, name: &str, input: &Value) -> Result<(), WorkflowError> {
        self.start(&self.job_machine, name, input).await
    }

    async fn start_run(&self, name: &str, input: &Value) -> Result<(), WorkflowError> {
        self.start(&self.run_machine, name, input).await
    }

    async fn succeed(&self, token: &str, output: &Value) -> Result<(), WorkflowError> {
        let word = self.client.send_task_success().task_token(token).output(output.to_string());
        word.send().await.map(drop).map_err(failure)
    }

    async fn heartbeat(&self, token: &str) -> Result<(), WorkflowError> {
        self.client.send_task_heartbeat().task_token(token).send().await.map(drop).map_err(failure)
    }

    async fn is_running(&self, name: &str) -> Result<Option<bool>, WorkflowError> {
        self.describe(&self.job_machine, name).await
    }

    async fn is_run_running(&self, name: &str) -> Result<Option<bool>, WorkflowError> {
        self.describe(&self.run_machine, name).await
    }
}

/// The ARN of execution `name` of machine `machine`.
fn execution_arn(machine: &str, name: &str) -> String {
    format!("{}:{name}", machine.replacen(":stateMachine:", ":execution:", 1))
}

fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}

fn failure<E, R>(error: SdkError<E, R>) -> WorkflowError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    match code(&error) {
        // `InvalidToken`: the execution was never of this account and region. Nobody waits for it either.
        Some("TaskDoesNotExist" | "TaskTimedOut" | "InvalidToken") => WorkflowError::TokenGone,
        Some("ExecutionAlreadyExists") => WorkflowError::NameTaken,
        _ => WorkflowError::Other(Box::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executions_arn_follows_from_its_machines() {
        assert_eq!(
            execution_arn("arn:aws:states:us-east-1:123456789012:stateMachine:gpu-dev-job", "job_7-0"),
            "arn:aws:states:us-east-1:123456789012:execution:gpu-dev-job:job_7-0"
        );
    }
}
