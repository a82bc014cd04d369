//! How executions move: retries, catchers, limits, timeouts, stops.

use serde_json::{Value, json};
use states::Invocation;

use crate::support::{FUNCTION, Scripted, Stack, invoke};

/// Milliseconds between consecutive events of one kind.
fn gaps(events: &[Value], kind: &str) -> Vec<i64> {
    let at = |e: &Value| (e["timestamp"].as_f64().expect("a time") * 1000.0).round() as i64;
    let times: Vec<i64> = events.iter().filter(|e| e["type"] == kind).map(at).collect();
    times.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn retries_back_off_up_to_their_most_and_are_transitions() {
    let stack = Stack::new(Scripted::new(async |_, _| Invocation::failed("Busy", "later"))).await;
    let retrier = json!({"ErrorEquals": ["Busy"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxAttempts": 4, "MaxDelaySeconds": 30});
    let machine = stack.create(&invoke(json!({"Retry": [retrier]}))).await;
    let execution = stack.start(&machine, &json!({})).await;
    let end = stack.end(&execution).await;
    assert_eq!((&end["status"], &end["error"]), (&json!("FAILED"), &json!("Busy")));
    assert_eq!(end["cause"], json!({"errorMessage": "later", "errorType": "Busy"}).to_string());
    assert_eq!(gaps(&stack.events(&execution).await, "TaskScheduled"), [2_000, 6_000, 18_000, 30_000]);
    assert_eq!(stack.functions.calls().len(), 5);
    assert_eq!(stack.service.counters().transitions, 5);
    assert_eq!(stack.service.counters().executions, 1);
}

#[tokio::test(start_paused = true)]
async fn jitter_shortens_a_delay() {
    let stack = Stack::new(Scripted::new(async |_, _| Invocation::failed("Busy", ""))).await;
    let retrier = json!({"ErrorEquals": ["Busy"], "IntervalSeconds": 100, "BackoffRate": 1, "MaxAttempts": 20, "JitterStrategy": "FULL"});
    let machine = stack.create(&invoke(json!({"Retry": [retrier]}))).await;
    let execution = stack.start(&machine, &json!({})).await;
    stack.end(&execution).await;
    let gaps = gaps(&stack.events(&execution).await, "TaskScheduled");
    assert_eq!(gaps.len(), 20);
    assert!(gaps.iter().all(|gap| (0..=100_000).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().any(|gap| *gap != gaps[0]), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn each_retrier_counts_for_itself_and_a_new_visit_starts_over() {
    let functions = Scripted::new(async |count, payload| match count {
        0 | 2 | 3 => Invocation::failed("A", ""),
        1 => Invocation::failed("B", ""),
        _ => Invocation::Ok(payload),
    });
    let stack = Stack::new(functions).await;
    let mut definition = invoke(json!({
        "Retry": [{"ErrorEquals": ["A"], "MaxAttempts": 1}, {"ErrorEquals": ["B"], "MaxAttempts": 1}],
        "Catch": [{"ErrorEquals": ["A"], "Next": "Only"}]
    }));
    definition["States"].as_object_mut().expect("states").remove("Caught");
    let machine = stack.create(&definition).await;
    let execution = stack.start(&machine, &json!({})).await;
    assert_eq!(stack.end(&execution).await["status"], "SUCCEEDED");
    // A, B, and an A that is caught; in the second visit A is retried again
    assert_eq!(stack.functions.calls().len(), 5);
    let entered = stack.types(&execution).await.iter().filter(|t| *t == "TaskStateEntered").count();
    assert_eq!(entered, 2);
    assert_eq!(stack.service.counters().transitions, 2 + 3);
}

#[tokio::test(start_paused = true)]
async fn the_retry_count_is_in_the_context() {
    let functions =
        Scripted::new(
            async |count, payload| {
                if count < 2 { Invocation::failed("A", "") } else { Invocation::Ok(payload) }
            },
        );
    let stack = Stack::new(functions).await;
    let definition = invoke(json!({
        "Arguments": {"FunctionName": FUNCTION, "Payload": "{% $states.context.State.RetryCount %}"},
        "Retry": [{"ErrorEquals": ["States.ALL"]}],
        "Output": "{% $states.result.Payload %}"
    }));
    let end = stack.run(&definition, &json!({})).await;
    assert_eq!(stack.functions.calls(), [json!(0), json!(1), json!(2)]);
    assert_eq!(end["output"], "2");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_caught_with_an_empty_cause_and_a_late_answer_is_dropped() {
    let functions = Scripted::new(async |_, payload| {
        tokio::time::sleep(std::time::Duration::from_secs(100)).await;
        Invocation::Ok(payload)
    });
    let stack = Stack::new(functions).await;
    let definition = json!({
        "QueryLanguage": "JSONata",
        "StartAt": "Only",
        "States": {
            "Only": {
                "Type": "Task", "Resource": FUNCTION, "TimeoutSeconds": 5, "Next": "End",
                "Catch": [{"ErrorEquals": ["States.Timeout"], "Next": "Caught", "Output": "{% $states.errorOutput %}"}]
            },
            "Caught": {"Type": "Wait", "Seconds": 1000, "Next": "End"},
            "End": {"Type": "Succeed"}
        }
    });
    let machine = stack.create(&definition).await;
    let execution = stack.start(&machine, &json!({})).await;
    let end = stack.end(&execution).await;
    assert_eq!(end["output"], json!({"Error": "States.Timeout", "Cause": ""}).to_string());
    let expected = [
        "ExecutionStarted",
        "TaskStateEntered",
        "LambdaFunctionScheduled",
        "LambdaFunctionStarted",
        "LambdaFunctionTimedOut",
        "TaskStateExited",
        "WaitStateEntered",
        "WaitStateExited",
        "SucceedStateEntered",
        "SucceedStateExited",
        "ExecutionSucceeded",
    ];
    assert_eq!(stack.types(&execution).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_times_out_has_no_error() {
    let stack = Stack::new(Scripted::hanging()).await;
    let mut definition = invoke(json!({}));
    definition["TimeoutSeconds"] = json!(30);
    let machine = stack.create(&definition).await;
    let execution = stack.start(&machine, &json!({})).await;
    let end = stack.end(&execution).await;
    assert_eq!((&end["status"], end.get("error")), (&json!("TIMED_OUT"), None));
    assert_eq!(stack.types(&execution).await.last().map(String::as_str), Some("ExecutionTimedOut"));
    assert!(stack.service.open_executions().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_result_beyond_256_kib_can_be_caught() {
    let stack = Stack::new(Scripted::new(async |_, _| Invocation::Ok(json!("a".repeat(257 * 1024))))).await;
    let catch = json!({"Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]});
    let end = stack.run(&invoke(catch), &json!({})).await;
    let cause = "The state/task 'lambda' returned a result with a size exceeding the maximum number of bytes service limit.";
    assert_eq!(end["output"], json!({"Error": "States.DataLimitExceeded", "Cause": cause}).to_string());
}

#[tokio::test(start_paused = true)]
async fn the_last_of_25000_events_ends_an_execution() {
    let stack = Stack::new(Scripted::echo()).await;
    let definition = json!({
        "QueryLanguage": "JSONata",
        "StartAt": "A",
        "States": {
            "A": {"Type": "Choice", "Choices": [{"Condition": true, "Next": "B"}], "Default": "End"},
            "B": {"Type": "Pass", "Next": "A"},
            "End": {"Type": "Succeed"}
        }
    });
    let machine = stack.create(&definition).await;
    let execution = stack.start(&machine, &json!({})).await;
    let end = stack.end(&execution).await;
    assert_eq!((&end["status"], &end["error"]), (&json!("FAILED"), &json!("States.Runtime")));
    assert_eq!(end["cause"], "The execution reached the maximum number of history events (25000).");
    let body = json!({"executionArn": execution, "reverseOrder": true, "maxResults": 2});
    let last = stack.call("GetExecutionHistory", body).await.expect("a history");
    let last: Vec<_> =
        last["events"].as_array().expect("events").iter().map(|e| (&e["id"], &e["type"])).collect();
    assert_eq!(
        last,
        [(&json!(25_000), &json!("ExecutionFailed")), (&json!(24_999), &json!("ChoiceStateExited"))]
    );
}

#[tokio::test(start_paused = true)]
async fn a_choice_without_a_match_has_nowhere_to_go() {
    let stack = Stack::new(Scripted::echo()).await;
    let choice = |condition: &str| {
        json!({
            "QueryLanguage": "JSONata",
            "StartAt": "A",
            "States": {
                "A": {"Type": "Choice", "Choices": [{"Condition": format!("{{% {condition} %}}"), "Next": "B"}]},
                "B": {"Type": "Succeed"}
            }
        })
    };
    let end = stack.run(&choice("$states.input.x = 1"), &json!({"x": 2})).await;
    assert_eq!(end["error"], "States.Runtime");
    assert_eq!(
        end["cause"],
        "An error occurred while executing the state 'A' (entered at the event id #2). Failed to transition out of the state. The state does not point to a next state."
    );
    let stack = Stack::new(Scripted::echo()).await;
    let end = stack.run(&choice("$states.input.x"), &json!({"x": "yes"})).await;
    assert_eq!(end["error"], "States.QueryEvaluationError");
    assert_eq!(
        end["cause"],
        "An error occurred while executing the state 'A' (entered at the event id #2). The JSONata expression '$states.input.x' specified for the field 'Choices[0]/Condition' returned an unexpected result type. Expected 'boolean', but was 'string' for value: \"yes\""
    );
}

#[tokio::test(start_paused = true)]
async fn assign_and_output_see_the_variables_from_before() {
    let stack = Stack::new(Scripted::echo()).await;
    let definition = json!({
        "QueryLanguage": "JSONata",
        "StartAt": "A",
        "States": {
            "A": {"Type": "Pass", "Assign": {"n": 1, "list": [1, 2]}, "Next": "B"},
            "B": {
                "Type": "Pass", "Assign": {"n": "{% $n + 1 %}", "m": "{% $n * 10 %}"}, "Output": "{% $n %}", "Next": "C"
            },
            "C": {"Type": "Pass", "Output": {"seen": "{% $states.input %}", "n": "{% $n %}", "m": "{% $m %}", "list": "{% $list %}"}, "End": true}
        }
    });
    let machine = stack.create(&definition).await;
    let execution = stack.start(&machine, &json!({})).await;
    let end = stack.end(&execution).await;
    let output: Value = serde_json::from_str(end["output"].as_str().expect("an output")).expect("JSON");
    assert_eq!(output, json!({"seen": 1, "n": 2, "m": 10, "list": [1, 2]}));
    let events = stack.events(&execution).await;
    assert_eq!(events[4]["stateExitedEventDetails"]["assignedVariables"], json!({"n": "2", "m": "10"}));
}

#[tokio::test(start_paused = true)]
async fn a_stop_is_final_and_may_be_repeated() {
    let stack = Stack::new(Scripted::hanging()).await;
    let machine = stack.create(&invoke(json!({}))).await;
    let execution = stack.start(&machine, &json!({})).await;
    let stop = json!({"executionArn": execution, "error": "Asked", "cause": "by the user"});
    let first = stack.call("StopExecution", stop.clone()).await.expect("it stops");
    assert_eq!(stack.call("StopExecution", stop).await.expect("it has stopped"), first);
    let end = stack.describe(&execution).await;
    assert_eq!(
        (&end["status"], &end["error"], &end["cause"]),
        (&json!("ABORTED"), &json!("Asked"), &json!("by the user"))
    );
    assert_eq!(end["redriveStatus"], "REDRIVABLE");
    let expected =
        ["ExecutionStarted", "TaskStateEntered", "TaskScheduled", "TaskStarted", "ExecutionAborted"];
    assert_eq!(stack.types(&execution).await, expected);
}

#[tokio::test(start_paused = true)]
async fn executions_of_a_deleted_machine_end_at_their_next_transition() {
    let stack = Stack::new(Scripted::echo()).await;
    let definition = json!({
        "StartAt": "A",
        "States": {"A": {"Type": "Wait", "Seconds": 60, "Next": "B"}, "B": {"Type": "Succeed"}}
    });
    let machine = stack.create(&definition).await;
    let execution = stack.start(&machine, &json!({})).await;
    stack.call("DeleteStateMachine", json!({"stateMachineArn": machine})).await.expect("it is deleted");
    let described =
        stack.call("DescribeStateMachine", json!({"stateMachineArn": machine})).await.expect("still there");
    assert_eq!(described["status"], "DELETING");
    let again = stack.call("StartExecution", json!({"stateMachineArn": machine})).await;
    assert_eq!(again.map_err(|e| e.code), Err("StateMachineDeleting".to_owned()));
    let end = stack.end(&execution).await;
    assert_eq!(end["status"], "ABORTED");
    let gone = stack.call("DescribeStateMachine", json!({"stateMachineArn": machine})).await;
    assert_eq!(gone.map_err(|e| e.code), Err("StateMachineDoesNotExist".to_owned()));
    stack.create(&definition).await;
}

#[tokio::test(start_paused = true)]
async fn a_running_execution_keeps_the_definition_it_started_with() {
    let stack = Stack::new(Scripted::echo()).await;
    let definition = |output: &str| {
        json!({
            "QueryLanguage": "JSONata",
            "StartAt": "A",
            "States": {"A": {"Type": "Wait", "Seconds": 60, "Output": output, "End": true}}
        })
    };
    let machine = stack.create(&definition("old")).await;
    let old = stack.start(&machine, &json!({})).await;
    let update = json!({"stateMachineArn": machine, "definition": definition("new").to_string()});
    stack.call("UpdateStateMachine", update).await.expect("it is updated");
    let new = stack.start(&machine, &json!({})).await;
    assert_eq!(stack.end(&old).await["output"], "\"old\"");
    assert_eq!(stack.end(&new).await["output"], "\"new\"");
}

#[tokio::test(start_paused = true)]
async fn a_retrier_with_no_attempts_leads_to_the_catcher() {
    let stack = Stack::new(Scripted::new(async |_, _| Invocation::failed("AttemptAgain", "15"))).await;
    let definition = invoke(json!({
        "Retry": [{"ErrorEquals": ["AttemptAgain"], "MaxAttempts": 0}, {"ErrorEquals": ["States.ALL"]}],
        "Catch": [{
            "ErrorEquals": ["AttemptAgain"], "Next": "Caught",
            "Output": "{% $number($parse($states.errorOutput.Cause).errorMessage) %}"
        }]
    }));
    let end = stack.run(&definition, &json!({})).await;
    assert_eq!((&end["output"], stack.functions.calls().len()), (&json!("15"), 1));
}
