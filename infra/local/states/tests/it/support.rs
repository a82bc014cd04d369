//! A service with functions that a test writes down, and the calls every test makes.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use states::{ApiError, Config, Functions, Invocation, Service};
use tokio::sync::Semaphore;

type Handler = Box<dyn Fn(usize, Value) -> Pin<Box<dyn Future<Output = Invocation> + Send>> + Send + Sync>;

/// Functions made of one closure, which is told how many calls came before.
pub(crate) struct Scripted {
    handler: Handler,
    calls: Mutex<Vec<Value>>,
    called: Semaphore,
}

impl Scripted {
    pub(crate) fn new<F>(handler: impl Fn(usize, Value) -> F + Send + Sync + 'static) -> Arc<Self>
    where
        F: Future<Output = Invocation> + Send + 'static,
    {
        let handler: Handler = Box::new(move |count, payload| Box::pin(handler(count, payload)));
        Arc::new(Self { handler, calls: Mutex::default(), called: Semaphore::new(0) })
    }

    /// Answers every call with its payload.
    pub(crate) fn echo() -> Arc<Self> {
        Self::new(async |_, payload| Invocation::Ok(payload))
    }

    /// Never answers.
    pub(crate) fn hanging() -> Arc<Self> {
        Self::new(async |_, _| std::future::pending().await)
    }

    pub(crate) fn calls(&self) -> Vec<Value> {
        self.calls.lock().expect("no test panicked here").clone()
    }

    /// Waits for a call that nobody has waited for yet.
    pub(crate) async fn called(&self) {
        self.called.acquire().await.expect("never closed").forget();
    }
}

#[async_trait]
impl Functions for Scripted {
    async fn invoke(&self, _function: &str, payload: Value) -> Invocation {
        let count = {
            let mut calls = self.calls.lock().expect("no test panicked here");
            calls.push(payload.clone());
            calls.len() - 1
        };
        self.called.add_permits(1);
        (self.handler)(count, payload).await
    }
}

pub(crate) struct Stack {
    pub(crate) service: Service,
    pub(crate) functions: Arc<Scripted>,
}

pub(crate) const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:steps";

impl Stack {
    pub(crate) async fn new(functions: Arc<Scripted>) -> Self {
        Self::open(None, functions).await
    }

    pub(crate) async fn open(database: Option<&Path>, functions: Arc<Scripted>) -> Self {
        let config = Config { database: database.map(Path::to_owned), ..Config::default() };
        let service =
            Service::open(config, Arc::clone(&functions) as Arc<dyn Functions>).await.expect("it opens");
        Self { service, functions }
    }

    pub(crate) async fn call(&self, operation: &str, body: Value) -> Result<Value, ApiError> {
        self.service.handle(operation, body).await
    }

    /// Creates a machine named `m` and gives its ARN.
    pub(crate) async fn create(&self, definition: &Value) -> String {
        let body = json!({"name": "m", "definition": definition.to_string(), "roleArn": "arn:aws:iam::000000000000:role/r"});
        let answer = self.call("CreateStateMachine", body).await.expect("a valid machine");
        answer["stateMachineArn"].as_str().expect("an ARN").to_owned()
    }

    pub(crate) async fn start(&self, machine: &str, input: &Value) -> String {
        let body = json!({"stateMachineArn": machine, "input": input.to_string()});
        let answer = self.call("StartExecution", body).await.expect("it starts");
        answer["executionArn"].as_str().expect("an ARN").to_owned()
    }

    /// Creates, starts, waits for the end, and gives what `DescribeExecution` says.
    pub(crate) async fn run(&self, definition: &Value, input: &Value) -> Value {
        let machine = self.create(definition).await;
        let execution = self.start(&machine, input).await;
        self.end(&execution).await
    }

    pub(crate) async fn end(&self, execution: &str) -> Value {
        tokio::time::timeout(Duration::from_hours(10_000), self.service.ended(execution))
            .await
            .expect("it ends");
        self.describe(execution).await
    }

    pub(crate) async fn describe(&self, execution: &str) -> Value {
        self.call("DescribeExecution", json!({"executionArn": execution})).await.expect("it exists")
    }

    pub(crate) async fn events(&self, execution: &str) -> Vec<Value> {
        let body = json!({"executionArn": execution, "maxResults": 1000});
        let answer = self.call("GetExecutionHistory", body).await.expect("it exists");
        answer["events"].as_array().expect("events").clone()
    }

    pub(crate) async fn types(&self, execution: &str) -> Vec<String> {
        let events = self.events(execution).await;
        events.iter().map(|e| e["type"].as_str().expect("a type").to_owned()).collect()
    }
}

/// A machine of one task through `lambda:invoke`, with more fields.
pub(crate) fn invoke(more: Value) -> Value {
    task(
        "arn:aws:states:::lambda:invoke",
        json!({"FunctionName": FUNCTION, "Payload": "{% $states.input %}"}),
        more,
    )
}

/// A machine of one task that hands out a token, with more fields.
pub(crate) fn with_token(more: Value) -> Value {
    let payload = json!({"token": "{% $states.context.Task.Token %}"});
    let arguments = json!({"FunctionName": FUNCTION, "Payload": payload});
    task("arn:aws:states:::lambda:invoke.waitForTaskToken", arguments, more)
}

fn task(resource: &str, arguments: Value, more: Value) -> Value {
    let mut state = json!({"Type": "Task", "Resource": resource, "Arguments": arguments, "End": true});
    let mut states = json!({"Caught": {"Type": "Succeed"}});
    for (field, value) in more.as_object().expect("fields") {
        state[field] = value.clone();
    }
    let catches = state.get("Catch").is_some();
    states["Only"] = state;
    if !catches {
        states.as_object_mut().expect("states").remove("Caught");
    }
    json!({"QueryLanguage": "JSONata", "StartAt": "Only", "States": states})
}
