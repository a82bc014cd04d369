//! Task tokens: what they bring, how often, and what becomes of silence.

use std::time::Duration;

use serde_json::{Value, json};
use states::Invocation;

use crate::support::{Scripted, Stack, with_token};

const CATCH: &str = "States.ALL";

async fn token(stack: &Stack) -> String {
    stack.functions.called().await;
    let calls = stack.functions.calls();
    calls.last().and_then(|call| call["token"].as_str()).expect("a token").to_owned()
}

async fn say(stack: &Stack, operation: &str, body: Value) -> Result<Value, String> {
    stack.call(operation, body).await.map_err(|error| error.to_string())
}

#[tokio::test(start_paused = true)]
async fn success_brings_the_result_and_is_heard_once() {
    let stack = Stack::new(Scripted::echo()).await;
    let machine = stack.create(&with_token(json!({}))).await;
    let execution = stack.start(&machine, &json!({})).await;
    let token = token(&stack).await;
    // Lets the function's own answer be noted first
    tokio::time::sleep(Duration::from_secs(1)).await;
    let success = json!({"taskToken": token, "output": "{\"code\": 0}"});
    assert_eq!(say(&stack, "SendTaskSuccess", success.clone()).await, Ok(json!({})));
    let end = stack.end(&execution).await;
    assert_eq!((&end["status"], &end["output"]), (&json!("SUCCEEDED"), &json!("{\"code\":0}")));
    let expected = [
        "ExecutionStarted",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSubmitted",
        "TaskSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ];
    assert_eq!(stack.types(&execution).await, expected);
    let over = "TaskTimedOut: Task Timed Out: 'Provided task does not exist anymore'";
    assert_eq!(say(&stack, "SendTaskSuccess", success).await, Err(over.to_owned()));
    for operation in ["SendTaskHeartbeat", "SendTaskFailure"] {
        assert_eq!(say(&stack, operation, json!({"taskToken": token})).await, Err(over.to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_may_be_used_before_the_function_has_answered() {
    let stack = Stack::new(Scripted::hanging()).await;
    let machine = stack.create(&with_token(json!({}))).await;
    let execution = stack.start(&machine, &json!({})).await;
    let success = json!({"taskToken": token(&stack).await, "output": "1"});
    assert_eq!(say(&stack, "SendTaskSuccess", success).await, Ok(json!({})));
    assert_eq!(stack.end(&execution).await["output"], "1");
}

#[tokio::test(start_paused = true)]
async fn wrong_tokens_and_outputs() {
    let stack = Stack::new(Scripted::echo()).await;
    let machine = stack.create(&with_token(json!({}))).await;
    stack.start(&machine, &json!({})).await;
    let token = token(&stack).await;
    let invalid = Err("InvalidToken: Invalid Token: 'Invalid token'".to_owned());
    assert_eq!(say(&stack, "SendTaskHeartbeat", json!({"taskToken": "made up"})).await, invalid);
    assert_eq!(say(&stack, "SendTaskHeartbeat", json!({"taskToken": token[2..]})).await, invalid);
    let other = Stack::new(Scripted::echo()).await;
    let unknown = Err("TaskDoesNotExist: Task Does Not Exist: 'Task does not exist'".to_owned());
    assert_eq!(say(&other, "SendTaskHeartbeat", json!({"taskToken": token})).await, unknown);
    let missing = say(&stack, "SendTaskSuccess", json!({"taskToken": token})).await.expect_err("no output");
    assert!(missing.starts_with("ValidationException"), "{missing}");
    let text = say(&stack, "SendTaskSuccess", json!({"taskToken": token, "output": "no json"}))
        .await
        .expect_err("no JSON");
    assert!(text.starts_with("InvalidOutput: Invalid Output: 'Unrecognized token 'no'"), "{text}");
    assert_eq!(say(&stack, "SendTaskHeartbeat", json!({"taskToken": token})).await, Ok(json!({})));
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_caught_with_what_it_said() {
    let cases = [
        (json!({"error": "Gone", "cause": "spot"}), json!({"Error": "Gone", "Cause": "spot"})),
        (json!({}), json!({"Error": null, "Cause": null})),
    ];
    for (said, caught) in cases {
        let stack = Stack::new(Scripted::echo()).await;
        let machine =
            stack.create(&with_token(json!({"Catch": [{"ErrorEquals": [CATCH], "Next": "Caught"}]}))).await;
        let execution = stack.start(&machine, &json!({})).await;
        let mut body = said;
        body["taskToken"] = json!(token(&stack).await);
        assert_eq!(say(&stack, "SendTaskFailure", body).await, Ok(json!({})));
        let end = stack.end(&execution).await;
        let output: Value = serde_json::from_str(end["output"].as_str().expect("an output")).expect("JSON");
        assert_eq!(output, caught);
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_keep_a_task_alive_and_silence_ends_it() {
    for name in ["States.HeartbeatTimeout", "States.Timeout"] {
        let stack = Stack::new(Scripted::echo()).await;
        let fields = json!({
            "TimeoutSeconds": 100_000,
            "HeartbeatSeconds": "{% 60 %}",
            "Catch": [{"ErrorEquals": [name], "Next": "Caught"}]
        });
        let machine = stack.create(&with_token(fields)).await;
        let execution = stack.start(&machine, &json!({})).await;
        let token = token(&stack).await;
        let started = tokio::time::Instant::now();
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_secs(50)).await;
            assert_eq!(say(&stack, "SendTaskHeartbeat", json!({"taskToken": token})).await, Ok(json!({})));
        }
        let end = stack.end(&execution).await;
        // The last heartbeat, and 60 seconds
        assert_eq!(started.elapsed().as_secs(), 100 * 50 + 60);
        assert_eq!(end["output"], json!({"Error": "States.Timeout", "Cause": ""}).to_string());
        let types = stack.types(&execution).await;
        assert_eq!(types[4..7], ["TaskSubmitted", "TaskTimedOut", "TaskStateExited"]);
    }
}

#[tokio::test(start_paused = true)]
async fn each_attempt_has_a_token_of_its_own() {
    let stack = Stack::new(Scripted::new(async |_, _| Invocation::Ok(Value::Null))).await;
    let machine =
        stack.create(&with_token(json!({"Retry": [{"ErrorEquals": ["Again"], "IntervalSeconds": 1}]}))).await;
    let execution = stack.start(&machine, &json!({})).await;
    let first = token(&stack).await;
    assert!(say(&stack, "SendTaskFailure", json!({"taskToken": first, "error": "Again"})).await.is_ok());
    let second = token(&stack).await;
    assert_ne!(first, second);
    let late =
        say(&stack, "SendTaskSuccess", json!({"taskToken": first, "output": "1"})).await.expect_err("over");
    assert!(late.starts_with("TaskTimedOut"), "{late}");
    assert!(say(&stack, "SendTaskSuccess", json!({"taskToken": second, "output": "2"})).await.is_ok());
    assert_eq!(stack.end(&execution).await["output"], "2");
}
