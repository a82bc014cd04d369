//! Step Functions: the machines of the template in the interpreter, whose tasks invoke functions through the edge that
//! faults can strike.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use async_trait::async_trait;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use states::test_functions::TestFunctions;
use states::{ApiError, Config, Invocation, Service};

use crate::endpoint::json_1_0;
use crate::functions::{Error, Functions};
use crate::template::{Account, Machine};

/// The service with the template's machines.
#[derive(Debug)]
pub struct Machines(Service);

/// Functions as a task calls them.
struct Tasks(Functions);

#[async_trait]
impl states::Functions for Tasks {
    async fn invoke(&self, function: &str, payload: Value) -> Invocation {
        match self.0.call(function, payload).await {
            Ok(answer) => Invocation::Ok(answer),
            Err(Error::Function { kind, message, payload }) => {
                Invocation::FunctionError { error_type: kind, message, payload }
            }
            Err(Error::Service { kind, message }) => {
                let status = if kind == "ServiceException" { 500 } else { 400 };
                let message = format!("{message} (Service: Lambda, Status Code: {status})");
                Invocation::ServiceError { error: format!("Lambda.{kind}"), message }
            }
        }
    }
}

impl Machines {
    /// Opens the service, in memory without a file, and goes on with the executions in it. The machines are brought to
    /// the template's state first, so that whoever starts an execution finds them.
    pub async fn open(
        file: Option<PathBuf>,
        account: &Account,
        machines: impl Iterator<Item = &Machine>,
        functions: Functions,
        test_functions: bool,
    ) -> Result<Self> {
        let config = Config {
            account: account.id.clone(),
            region: account.region.clone(),
            database: file,
            ..Config::default()
        };
        let tasks = Tasks(functions);
        let tasks: Arc<dyn states::Functions> =
            if test_functions { Arc::new(TestFunctions(tasks)) } else { Arc::new(tasks) };
        let service = Service::open(config, tasks).await.context("open the executions")?;
        for machine in machines {
            ensure(&service, account, machine).await.with_context(|| format!("machine {}", machine.name))?;
        }
        Ok(Self(service))
    }

    /// Answers an operation of the service.
    pub async fn call(&self, operation: &str, body: &[u8]) -> Response {
        let answer = match serde_json::from_slice(body) {
            Ok(body) => self.0.handle(operation, body).await,
            Err(error) => Err(ApiError::new("SerializationException", error.to_string())),
        };
        match answer {
            Ok(answer) => json_1_0(StatusCode::OK, &answer),
            Err(error) => {
                let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                json_1_0(status, &error.body())
            }
        }
    }

    /// State transitions since the database was made.
    pub fn transitions(&self) -> u64 {
        self.0.counters().transitions
    }

    /// Waits until an execution has ended.
    pub async fn ended(&self, arn: &str) {
        self.0.ended(arn).await;
    }

    /// ARNs of the executions that have not ended.
    pub async fn open_executions(&self) -> Vec<String> {
        self.0.open_executions().await
    }
}

/// Makes the machine, or gives it the template's definition. Executions that run keep the one they began with.
async fn ensure(service: &Service, account: &Account, machine: &Machine) -> Result<()> {
    let role = format!("arn:aws:iam::{}:role/{}", account.id, machine.name);
    let create = json!({ "name": machine.name, "definition": machine.definition, "roleArn": role });
    match service.handle("CreateStateMachine", create).await {
        Ok(_) => Ok(()),
        Err(error) if error.code == "StateMachineAlreadyExists" => {
            let arn =
                format!("arn:aws:states:{}:{}:stateMachine:{}", account.region, account.id, machine.name);
            let update = json!({ "stateMachineArn": arn, "definition": machine.definition });
            service.handle("UpdateStateMachine", update).await.map(drop).map_err(|error| anyhow!(error))
        }
        Err(error) => Err(anyhow!(error)),
    }
}
