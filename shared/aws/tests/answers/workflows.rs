//! Step Functions.

use app::ports::{WorkflowError, Workflows};
use aws::StepFunctions;
use serde_json::{Value, json};

use crate::endpoint::{Endpoint, Said};

const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:gpu-test-job";
const RUN_MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:gpu-test-run";

async fn machine(answers: &[Said]) -> (Endpoint, StepFunctions) {
    let endpoint = Endpoint::saying(answers).await;
    let machine = StepFunctions::new(&endpoint.environment(), MACHINE, RUN_MACHINE);
    (endpoint, machine)
}

#[tokio::test]
async fn an_execution_starts_under_its_name_with_its_input() {
    let started = r#"{"executionArn":"arn:aws:states:us-east-1:123456789012:execution:gpu-test-job:job_7-0","startDate":1.9E9}"#;
    let (endpoint, machine) = machine(&[(200, None, started)]).await;
    machine.start_job("job_7-0", &json!({"job_id": "job_7"})).await.unwrap();
    let [asked] = endpoint.asked().try_into().unwrap();
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(asked.target, "AWSStepFunctions.StartExecution");
    assert_eq!((&body["stateMachineArn"], &body["name"]), (&json!(MACHINE), &json!("job_7-0")));
    assert_eq!(body["input"], r#"{"job_id":"job_7"}"#);
}

#[tokio::test]
async fn a_run_starts_on_its_own_machine() {
    let started = r#"{"executionArn":"arn:aws:states:us-east-1:123456789012:execution:gpu-test-run:run_7","startDate":1.9E9}"#;
    let (endpoint, machine) = machine(&[(200, None, started)]).await;
    machine.start_run("run_7", &json!({"run_id": "run_7"})).await.unwrap();
    let [asked] = endpoint.asked().try_into().unwrap();
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!((&body["stateMachineArn"], &body["name"]), (&json!(RUN_MACHINE), &json!("run_7")));
}

#[tokio::test]
async fn a_name_that_is_taken_is_told_apart() {
    let taken = r#"{"__type":"com.amazonaws.swf.service.v2.model#ExecutionAlreadyExists","message":"Execution Already Exists"}"#;
    let (_endpoint, machine) = machine(&[(400, None, taken)]).await;
    assert!(matches!(machine.start_job("job_7-0", &json!({})).await, Err(WorkflowError::NameTaken)));
}

#[tokio::test]
async fn a_word_that_nobody_waits_for_is_told_apart() {
    let gone = r#"{"__type":"com.amazonaws.swf.service.v2.model#TaskTimedOut","message":"Task Timed Out"}"#;
    let unknown =
        r#"{"__type":"com.amazonaws.swf.service.v2.model#TaskDoesNotExist","message":"Task does not exist"}"#;
    let invalid = r#"{"__type":"com.amazonaws.swf.service.v2.model#InvalidToken","message":"Invalid token"}"#;
    let (_endpoint, machine) = machine(&[
        (400, None, gone),
        (400, None, unknown),
        (400, None, invalid),
        (200, None, "{}"),
        (200, None, "{}"),
    ])
    .await;
    assert!(matches!(machine.succeed("token", &json!({})).await, Err(WorkflowError::TokenGone)));
    assert!(matches!(machine.heartbeat("token").await, Err(WorkflowError::TokenGone)));
    assert!(matches!(machine.heartbeat("token").await, Err(WorkflowError::TokenGone)));
    machine.heartbeat("token").await.unwrap();
    machine.succeed("token", &json!({"word": "exited"})).await.unwrap();
}

#[tokio::test]
async fn whether_an_execution_runs() {
    let running = r#"{"executionArn":"a","stateMachineArn":"b","startDate":1.9E9,"status":"RUNNING"}"#;
    let over = r#"{"executionArn":"a","stateMachineArn":"b","startDate":1.9E9,"status":"SUCCEEDED"}"#;
    let none = r#"{"__type":"com.amazonaws.swf.service.v2.model#ExecutionDoesNotExist","message":"Execution Does Not Exist"}"#;
    let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"no"}"#;
    let (endpoint, machine) =
        machine(&[(200, None, running), (200, None, over), (400, None, none), (400, None, denied)]).await;
    assert_eq!(machine.is_running("job_7-0").await.unwrap(), Some(true));
    assert_eq!(machine.is_running("job_7-0").await.unwrap(), Some(false));
    assert_eq!(machine.is_running("job_7-0").await.unwrap(), None);
    assert!(matches!(machine.is_running("job_7-0").await, Err(WorkflowError::Other(_))));
    assert!(
        endpoint.asked()[0].body.contains(":execution:gpu-test-job:job_7-0"),
        "{:?}",
        endpoint.asked()[0]
    );
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    let (endpoint, machine) = machine(&[(500, None, "{}"), (503, None, "{}"), (200, None, "{}")]).await;
    machine.heartbeat("token").await.unwrap();
    assert_eq!(endpoint.asked().len(), 3);
}
