//! Executions outlive the service that runs them.

use std::time::Duration;

use serde_json::{Value, json};
use states::Invocation;

use crate::support::{FUNCTION, Scripted, Stack, with_token};

#[tokio::test(start_paused = true)]
async fn a_token_stays_valid_and_a_call_in_flight_is_made_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("states.db");
    let before = Stack::open(Some(&path), Scripted::hanging()).await;
    let machine = before.create(&with_token(json!({"Assign": {"result": "{% $states.result %}"}}))).await;
    let execution = before.start(&machine, &json!({"a": 1})).await;
    before.functions.called().await;
    let calls = before.functions.calls();
    drop(before);

    let after = Stack::open(Some(&path), Scripted::echo()).await;
    after.functions.called().await;
    assert_eq!(after.functions.calls(), calls, "the same call with the same token");
    assert_eq!(after.service.open_executions().await, std::slice::from_ref(&execution));
    let success = json!({"taskToken": calls[0]["token"], "output": "7"});
    assert_eq!(after.call("SendTaskSuccess", success).await, Ok(json!({})));
    let end = after.end(&execution).await;
    assert_eq!((&end["status"], &end["output"]), (&json!("SUCCEEDED"), &json!("7")));
    let ids: Vec<_> = after.events(&execution).await.iter().map(|e| e["id"].as_u64()).collect();
    assert_eq!(ids, (1..=ids.len() as u64).map(Some).collect::<Vec<_>>(), "no event is lost or doubled");
    assert_eq!(after.service.counters().transitions, 1);
}

#[tokio::test(start_paused = true)]
async fn waits_retries_and_timeouts_go_on_to_their_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("states.db");
    let fail = Scripted::new(async |_, _| Invocation::failed("Busy", ""));
    let before = Stack::open(Some(&path), fail).await;
    let definition = json!({
        "QueryLanguage": "JSONata",
        "StartAt": "A",
        "TimeoutSeconds": 10_000,
        "States": {
            "A": {"Type": "Wait", "Seconds": 600, "Next": "B"},
            "B": {
                "Type": "Task", "Resource": FUNCTION, "End": true,
                "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 300, "MaxAttempts": 1}]
            }
        }
    });
    let machine = before.create(&definition).await;
    let execution = before.start(&machine, &json!("in")).await;
    drop(before);

    let fail = Scripted::new(async |_, _| Invocation::failed("Busy", ""));
    let between = Stack::open(Some(&path), fail).await;
    between.functions.called().await;
    // The failure is noted and the retry waits
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(between);

    let after = Stack::open(Some(&path), Scripted::echo()).await;
    let end = after.end(&execution).await;
    assert_eq!((&end["status"], &end["output"]), (&json!("SUCCEEDED"), &json!("\"in\"")));
    assert_eq!(after.functions.calls().len(), 1);

    let hanging = Stack::open(None, Scripted::hanging()).await;
    drop(hanging);
    let execution = after.start(&machine, &json!({})).await;
    drop(after);
    let last = Stack::open(Some(&path), Scripted::hanging()).await;
    assert_eq!(last.end(&execution).await["status"], "TIMED_OUT");
    assert_eq!(last.service.counters().executions, 2);
}

#[tokio::test(start_paused = true)]
async fn ended_executions_and_machines_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("states.db");
    let before = Stack::open(Some(&path), Scripted::echo()).await;
    let definition = json!({"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": 1, "End": true}}});
    let machine = before.create(&definition).await;
    let execution = before.start(&machine, &json!({})).await;
    let (described, events) = (before.end(&execution).await, before.events(&execution).await);
    drop(before);

    let after = Stack::open(Some(&path), Scripted::echo()).await;
    assert_eq!(after.describe(&execution).await, described);
    assert_eq!(after.events(&execution).await, events);
    let read =
        after.call("DescribeStateMachine", json!({"stateMachineArn": machine})).await.expect("it is kept");
    let read: Value = serde_json::from_str(read["definition"].as_str().expect("a text")).expect("JSON");
    assert_eq!(read, definition);
}
