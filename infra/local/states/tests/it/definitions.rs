//! What is refused when a machine is created, in AWS's words where they are known.

use serde_json::{Value, json};

use crate::support::{Scripted, Stack};

async fn diagnostics(definition: &str) -> Vec<String> {
    let stack = Stack::new(Scripted::echo()).await;
    let answer = stack
        .call("ValidateStateMachineDefinition", json!({"definition": definition}))
        .await
        .expect("an answer");
    let found: Vec<String> = answer["diagnostics"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|d| {
            let text = |field: &str| d[field].as_str().unwrap_or_default().to_owned();
            format!("{}: {} at {}", text("code"), text("message"), text("location"))
        })
        .collect();
    assert_eq!(answer["result"] == "OK", found.is_empty());
    // Creating refuses exactly what validating does
    let body = json!({"name": "m", "definition": definition, "roleArn": "arn:aws:iam::000000000000:role/r"});
    assert_eq!(stack.call("CreateStateMachine", body).await.is_ok(), found.is_empty(), "{definition}");
    found
}

fn machine(states: Value) -> String {
    json!({"StartAt": "A", "States": states}).to_string()
}

fn jsonata(state: Value) -> String {
    json!({"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": state}}).to_string()
}

#[tokio::test]
async fn graphs() {
    let cases = [
        (
            machine(json!({"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}})),
            vec!["MISSING_END_STATE: Workflow has no terminal state at "],
        ),
        (
            machine(json!({"A": {"Type": "Pass", "Next": "NOPE"}})),
            vec![
                "MISSING_TRANSITION_TARGET: Missing 'Next' target: NOPE at /States/A/Next",
                "MISSING_END_STATE: Workflow has no terminal state at ",
            ],
        ),
        (
            machine(json!({"A": {"Type": "Pass", "End": true}, "B": {"Type": "Pass", "End": true}})),
            vec!["MISSING_TRANSITION_TARGET: State \"B\" is not reachable. at /States/B"],
        ),
        (
            json!({"StartAt": "X", "States": {"A": {"Type": "Succeed"}}}).to_string(),
            vec![
                "MISSING_TRANSITION_TARGET: Missing 'Next' target: X at /StartAt",
                "MISSING_TRANSITION_TARGET: State \"A\" is not reachable. at /States/A",
            ],
        ),
    ];
    for (definition, expected) in cases {
        assert_eq!(diagnostics(&definition).await, expected, "{definition}");
    }
}

#[tokio::test]
async fn fields_that_are_not_supported() {
    const S: &str = "SCHEMA_VALIDATION_FAILED: ";
    let pass = |field: &str, value: Value| {
        let mut state = json!({"Type": "Pass", "End": true});
        state[field] = value;
        state
    };
    let cases = [
        (
            machine(json!({"A": pass("TimeoutSeconds", json!(1))})),
            "Field 'TimeoutSeconds' is not supported at /States/A",
        ),
        (machine(json!({"A": pass("Catch", json!([]))})), "Field 'Catch' is not supported at /States/A"),
        (
            machine(json!({"A": pass("InputPath", json!("$.a"))})),
            "Field 'InputPath' is not supported at /States/A",
        ),
        (
            machine(json!({"A": pass("Parameters", json!({}))})),
            "Field 'Parameters' is not supported at /States/A",
        ),
        (machine(json!({"A": pass("Unknown", json!(1))})), "Field 'Unknown' is not supported at /States/A"),
        (
            machine(json!({"A": pass("Assign", json!({"a.$": "$.b"}))})),
            "Field 'a.$' is not supported at /States/A/Assign",
        ),
        (
            machine(json!({"A": pass("Output", json!(1))})),
            "The QueryLanguage is set to 'JSONPath', but field 'Output' is only supported for the 'JSONata' QueryLanguage at /States/A",
        ),
        (
            jsonata(pass("Result", json!(1))),
            "The QueryLanguage is set to 'JSONata', but field 'Result' is only supported for the 'JSONPath' QueryLanguage at /States/A",
        ),
        (
            jsonata(pass("QueryLanguage", json!("JSONPath"))),
            "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine at /States/A",
        ),
        (
            machine(json!({"A": {"Type": "Map", "End": true}})),
            "State type 'Map' is not supported at /States/A/Type",
        ),
        (
            machine(json!({"A": {"Type": "Parallel", "End": true}})),
            "State type 'Parallel' is not supported at /States/A/Type",
        ),
        (
            machine(json!({"A": {"Type": "Pass"}})),
            "One of the following fields is required: [Next, End] at /States/A",
        ),
        (
            jsonata(json!({"Type": "Wait", "Seconds": 1, "Timestamp": "2026-01-01T00:00:00Z", "End": true})),
            "There should only be one of the following fields: [Seconds, Timestamp] at /States/A",
        ),
        (
            jsonata(json!({"Type": "Wait", "Seconds": -1, "End": true})),
            "Minimum value is 0 at /States/A/Seconds",
        ),
        (
            jsonata(json!({"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": true})),
            "The resource provided is not recognized: only functions can be called at /States/A/Resource",
        ),
        (
            jsonata(
                json!({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Arguments": {"Payload": 1}, "End": true}),
            ),
            "The field 'FunctionName' is required but was missing at /States/A/Arguments",
        ),
        (
            json!({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}, "Extra": 1}).to_string(),
            "Field 'Extra' is not supported at /",
        ),
    ];
    for (definition, expected) in cases {
        assert_eq!(diagnostics(&definition).await, [format!("{S}{expected}")], "{definition}");
    }
}

#[tokio::test]
async fn retriers_and_catchers() {
    let task = |field: &str, value: Value| {
        let mut state = json!({
            "Type": "Task",
            "Resource": "arn:aws:lambda:us-east-1:000000000000:function:f",
            "End": true
        });
        state[field] = value;
        jsonata(state)
    };
    let cases = [
        (
            task("Retry", json!([{"ErrorEquals": ["States.ALL", "A"]}])),
            "States.ALL must appear alone at /States/A/Retry[0]",
        ),
        (
            task("Retry", json!([{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["A"]}])),
            "States.ALL must appear in the last element at /States/A/Retry[0]",
        ),
        (
            task("Retry", json!([{"ErrorEquals": []}])),
            "Array must not be empty at /States/A/Retry[0]/ErrorEquals",
        ),
        (
            task("Retry", json!([{"ErrorEquals": ["A"], "BackoffRate": 0.5}])),
            "Minimum value is 1.0 at /States/A/Retry[0]/BackoffRate",
        ),
        (
            task("Retry", json!([{"ErrorEquals": ["A"], "JitterStrategy": "SOME"}])),
            "Value is not valid. Valid values are: [FULL, NONE] at /States/A/Retry[0]",
        ),
        (
            task("Catch", json!([{"ErrorEquals": ["A"], "Next": "A", "ResultPath": "$.e"}])),
            "The QueryLanguage is set to 'JSONata', but field 'ResultPath' is only supported for the 'JSONPath' QueryLanguage at /States/A/Catch[0]",
        ),
    ];
    for (definition, expected) in cases {
        assert_eq!(
            diagnostics(&definition).await,
            [format!("SCHEMA_VALIDATION_FAILED: {expected}")],
            "{definition}"
        );
    }
}

#[tokio::test]
async fn expressions() {
    let output = |source: &str| {
        jsonata(json!({"Type": "Pass", "Output": {"v": format!("{{% {source} %}}")}, "End": true}))
    };
    let refused = [
        ("phone", "UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'phone' at the top level is not supported."),
        (
            "$count(a.b)",
            "UNSUPPORTED_JSONATA_EXPRESSION: Reference to 'a' at the top level is not supported.",
        ),
        (
            "$states.errorOutput",
            "UNSUPPORTED_JSONATA_EXPRESSION: Field '$states.errorOutput' does not exist.",
        ),
        ("$states.result.x", "UNSUPPORTED_JSONATA_EXPRESSION: Field '$states.result' does not exist."),
        ("1 +", "INVALID_JSONATA_EXPRESSION: Unexpected end of expression"),
    ];
    for (source, expected) in refused {
        assert_eq!(
            diagnostics(&output(source)).await,
            [format!("{expected} at /States/A/Output/v")],
            "{source}"
        );
    }
    let accepted = [
        "$states.input.phone",
        "$states.input.list[a = 1].{'x': b}",
        "$unknown",
        "($a := 1; $a + 1)",
        "$map($states.input.list, function($x) { $x.name })",
        "$states.context.Execution.Id",
    ];
    for source in accepted {
        assert_eq!(diagnostics(&output(source)).await, Vec::<String>::new(), "{source}");
    }
}
