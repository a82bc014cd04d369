//! The calls themselves: idempotence, paging, names, and the HTTP around them.

use serde_json::{Value, json};

use crate::support::{Scripted, Stack, invoke};

async fn code(stack: &Stack, operation: &str, body: Value) -> String {
    stack.call(operation, body).await.expect_err("refused").to_string()
}

#[tokio::test(start_paused = true)]
async fn a_start_may_be_repeated_while_it_runs_with_the_same_input() {
    let stack = Stack::new(Scripted::hanging()).await;
    let machine = stack.create(&invoke(json!({}))).await;
    let start = |input: &str| json!({"stateMachineArn": machine, "name": "one", "input": input});
    let first = stack.call("StartExecution", start("{}")).await.expect("it starts");
    assert_eq!(stack.call("StartExecution", start("{}")).await.as_ref(), Ok(&first));
    let execution = first["executionArn"].as_str().expect("an ARN");
    let exists = format!("ExecutionAlreadyExists: Execution Already Exists: '{execution}'");
    assert_eq!(code(&stack, "StartExecution", start("{\"a\":1}")).await, exists);
    stack.call("StopExecution", json!({"executionArn": execution})).await.expect("it stops");
    assert_eq!(code(&stack, "StartExecution", start("{}")).await, exists);
    assert_eq!(stack.service.counters().executions, 1);
}

#[tokio::test(start_paused = true)]
async fn lists_are_paged_the_latest_first() {
    let stack = Stack::new(Scripted::echo()).await;
    let machine = stack
        .create(&json!({"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 60, "End": true}}}))
        .await;
    let mut started = Vec::new();
    for _ in 0..5 {
        started.push(stack.start(&machine, &json!({})).await);
    }
    started.reverse();
    let mut listed: Vec<String> = Vec::new();
    let mut next = Value::Null;
    loop {
        let body = json!({"stateMachineArn": machine, "maxResults": 2, "nextToken": next, "statusFilter": "RUNNING"});
        let page = stack.call("ListExecutions", body).await.expect("a page");
        listed.extend(
            page["executions"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|e| e["executionArn"].as_str().expect("an ARN").to_owned()),
        );
        next = page["nextToken"].clone();
        if next.is_null() {
            break;
        }
    }
    assert_eq!(listed, started);
    assert_eq!(
        code(&stack, "ListExecutions", json!({"stateMachineArn": machine, "nextToken": "?"})).await,
        "InvalidToken: Invalid Token: 'Invalid token'"
    );
}

#[tokio::test(start_paused = true)]
async fn a_history_can_be_read_without_data_and_backwards() {
    let stack = Stack::new(Scripted::echo()).await;
    let machine = stack.create(&invoke(json!({}))).await;
    let execution = stack.start(&machine, &json!({"secret": 1})).await;
    stack.end(&execution).await;
    let bare = json!({"executionArn": execution, "includeExecutionData": false, "reverseOrder": true});
    let bare = stack.call("GetExecutionHistory", bare).await.expect("a history");
    assert!(!bare.to_string().contains("secret"), "{bare}");
    let ids: Vec<_> = bare["events"].as_array().expect("events").iter().map(|e| e["id"].as_u64()).collect();
    assert_eq!(ids, (1..=7).rev().map(Some).collect::<Vec<_>>());
    let scheduled = &stack.events(&execution).await[2]["taskScheduledEventDetails"];
    assert_eq!(
        (&scheduled["resourceType"], &scheduled["resource"], &scheduled["region"]),
        (&json!("lambda"), &json!("invoke"), &json!("us-east-1"))
    );
}

#[tokio::test]
async fn refusals() {
    let stack = Stack::new(Scripted::echo()).await;
    let definition = json!({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}).to_string();
    let create = |name: &str| json!({"name": name, "definition": definition, "roleArn": "arn:aws:iam::000000000000:role/r"});
    assert_eq!(code(&stack, "CreateStateMachine", create("a b")).await, "InvalidName: Invalid Name: 'a b'");
    let mut express = create("e");
    express["type"] = json!("EXPRESS");
    assert!(code(&stack, "CreateStateMachine", express).await.starts_with("StateMachineTypeNotSupported"));
    let machine =
        stack.call("CreateStateMachine", create("m")).await.expect("a machine")["stateMachineArn"].clone();
    let large = json!({"stateMachineArn": machine, "input": json!("a".repeat(256 * 1024)).to_string()});
    assert!(code(&stack, "StartExecution", large).await.starts_with("InvalidExecutionInput"));
    assert_eq!(
        code(&stack, "StartExecution", json!({})).await,
        "ValidationException: 1 validation error detected: Value null at 'stateMachineArn' failed to satisfy constraint: Member must not be null"
    );
    assert!(code(&stack, "StartSyncExecution", json!({})).await.starts_with("UnknownOperationException"));
    assert!(code(&stack, "StartExecution", json!([])).await.starts_with("SerializationException"));
    assert!(
        code(&stack, "DescribeExecution", json!({"executionArn": machine}))
            .await
            .contains("Resource type not valid in this context: stateMachine")
    );
}

#[tokio::test]
async fn a_revision_is_published_once_and_a_log_has_one_destination() {
    let stack = Stack::new(Scripted::echo()).await;
    let definition = json!({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}).to_string();
    let create = json!({"name": "m", "definition": definition, "roleArn": "arn:aws:iam::000000000000:role/r", "publish": true});
    let created = stack.call("CreateStateMachine", create.clone()).await.expect("a machine");
    let machine = created["stateMachineArn"].as_str().expect("an ARN").to_owned();
    let update = |body: Value| {
        let mut body = body;
        body["stateMachineArn"] = json!(machine);
        body["publish"] = json!(true);
        body
    };
    let same =
        stack.call("UpdateStateMachine", update(json!({"definition": definition}))).await.expect("unchanged");
    assert_eq!(
        (&same["stateMachineVersionArn"], same.get("revisionId")),
        (&json!(format!("{machine}:1")), None)
    );
    let role = update(json!({"roleArn": "arn:aws:iam::000000000000:role/other"}));
    let changed = stack.call("UpdateStateMachine", role).await.expect("changed");
    assert_eq!(changed["stateMachineVersionArn"], json!(format!("{machine}:2")));
    assert!(changed["revisionId"].is_string());
    assert_eq!(
        code(&stack, "UpdateStateMachine", update(json!({"loggingConfiguration": {"level": "ALL"}}))).await,
        "InvalidLoggingConfiguration: Invalid Logging Configuration: Must specify exactly one Log Destination."
    );
    let started = stack
        .call("StartExecution", json!({"stateMachineArn": format!("{machine}:1")}))
        .await
        .expect("it starts");
    let described = stack.describe(started["executionArn"].as_str().expect("an ARN")).await;
    assert_eq!(described["stateMachineVersionArn"], json!(format!("{machine}:1")));
}
