//! The server as a process: its HTTP, and what `kill -9` leaves behind.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

struct Server {
    process: Child,
    url: String,
}

impl Server {
    async fn start(database: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_states-server"))
            .arg("0")
            .arg(database)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let url = lines.next_line().await.expect("it speaks").expect("its address");
        Self { process, url }
    }

    async fn call(&self, operation: &str, body: &Value) -> (u16, Value) {
        let client = reqwest::Client::new();
        let request = client.post(&self.url).header("x-amz-target", format!("AWSStepFunctions.{operation}"));
        let response = request.body(body.to_string()).send().await.expect("an answer");
        assert_eq!(response.headers()["content-type"], "application/x-amz-json-1.0");
        (response.status().as_u16(), response.json().await.expect("JSON"))
    }

    async fn ok(&self, operation: &str, body: Value) -> Value {
        let (status, answer) = self.call(operation, &body).await;
        assert_eq!(status, 200, "{operation}: {answer}");
        answer
    }

    async fn kill(mut self) {
        self.process.kill().await.expect("it is killed");
    }
}

#[tokio::test]
async fn executions_survive_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("states.db");
    let server = Server::start(&database).await;
    let role = "arn:aws:iam::000000000000:role/r";
    let definition = json!({
        "QueryLanguage": "JSONata",
        "StartAt": "Ask",
        "States": {
            "Ask": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
                "Arguments": {"FunctionName": "echo", "Payload": {"token": "{% $states.context.Task.Token %}"}},
                "Next": "Pause"
            },
            "Pause": {"Type": "Wait", "Seconds": 1, "Output": "{% $states.input %}", "Next": "End"},
            "End": {"Type": "Succeed"}
        }
    });
    let machine = json!({"name": "m", "definition": definition.to_string(), "roleArn": role});
    let machine = server.ok("CreateStateMachine", machine).await;
    let start = json!({"stateMachineArn": machine["stateMachineArn"], "name": "x", "input": "{}"});
    let started = server.ok("StartExecution", start).await;
    let history = json!({"executionArn": started["executionArn"]});
    let events = server.ok("GetExecutionHistory", history.clone()).await;
    let parameters =
        events["events"][2]["taskScheduledEventDetails"]["parameters"].as_str().expect("parameters");
    let parameters: Value = serde_json::from_str(parameters).expect("JSON");
    server.kill().await;

    let server = Server::start(&database).await;
    let success = json!({"taskToken": parameters["Payload"]["token"], "output": "{\"code\": 3}"});
    server.ok("SendTaskSuccess", success.clone()).await;
    let (status, again) = server.call("SendTaskSuccess", &success).await;
    assert_eq!((status, &again["__type"]), (400, &json!("com.amazonaws.swf.service.v2.model#TaskTimedOut")));
    server.kill().await;

    let server = Server::start(&database).await;
    let mut described = server.ok("DescribeExecution", history.clone()).await;
    while described["status"] == "RUNNING" {
        tokio::time::sleep(Duration::from_millis(20)).await;
        described = server.ok("DescribeExecution", history.clone()).await;
    }
    assert_eq!((&described["status"], &described["output"]), (&json!("SUCCEEDED"), &json!("{\"code\":3}")));
    let events = server.ok("GetExecutionHistory", history).await;
    let ids: Vec<_> = events["events"].as_array().expect("events").iter().map(|e| e["id"].as_u64()).collect();
    assert_eq!(ids, (1..=ids.len() as u64).map(Some).collect::<Vec<_>>());
    server.kill().await;
}

#[tokio::test]
async fn bad_requests_are_answered_in_the_form_of_the_api() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&folder.path().join("states.db")).await;
    let client = reqwest::Client::new();
    let cases = [
        (Some("AWSStepFunctions.StartExecution"), "{", "SerializationException"),
        (Some("AWSStepFunctions.Nothing"), "{}", "UnknownOperationException"),
        (Some("DynamoDB_20120810.GetItem"), "{}", "UnknownOperationException"),
        (None, "{}", "UnknownOperationException"),
        (Some("AWSStepFunctions.StartExecution"), "{}", "ValidationException"),
    ];
    for (target, body, code) in cases {
        let mut request = client.post(&server.url).body(body);
        if let Some(target) = target {
            request = request.header("x-amz-target", target);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 400);
        let answer: Value = response.json().await.expect("JSON");
        assert!(
            answer["__type"].as_str().is_some_and(|t| t.ends_with(&format!("#{code}"))),
            "{target:?}: {answer}"
        );
    }
    server.kill().await;
}
