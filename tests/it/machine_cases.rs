//! Every named path through the job machine, and the names that it matches.

use std::path::{Path, PathBuf};

use app::machine::StepError;
use serde_json::Value;
use states::cases::Case;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../statemachines/cases")
}

fn machine() -> Value {
    let text = std::fs::read_to_string(folder().join("../job.asl.json")).expect("the machine");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test(start_paused = true)]
async fn every_path_is_taken_as_named() {
    let cases = Case::load(&folder()).expect("cases");
    assert!(cases.len() >= 15, "only {} cases", cases.len());
    let mut faults = Vec::new();
    for case in &cases {
        let definition = case.definition(&folder()).expect("a definition");
        if let Err(why) = case.check(&definition).await {
            faults.push(format!("{}:\n  {}", case.name, why.join("\n  ")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Every state stands in some case: a path that nobody walks is a path that nobody knows.
#[test]
fn every_state_is_on_a_path() {
    let cases = Case::load(&folder()).expect("cases");
    for state in machine()["States"].as_object().expect("states").keys() {
        assert!(cases.iter().any(|case| case.trace.contains(state)), "{state} is on no path");
    }
}

#[test]
fn every_state_says_why_it_is_there() {
    for (name, state) in machine()["States"].as_object().expect("states") {
        assert!(state["Comment"].as_str().is_some_and(|why| why.len() > 20), "{name} has no comment");
    }
}

/// A misspelt name in `ErrorEquals` would be an error that nobody handles.
#[test]
fn every_error_that_is_matched_is_one_that_is_raised() {
    let platform = ["States.", "Lambda.", "Runtime.", "Sandbox."];
    let mut matched = Vec::new();
    collect(&machine(), &mut matched);
    assert!(!matched.is_empty());
    for name in &matched {
        let ours = StepError::NAMES.contains(&name.as_str());
        assert!(
            ours || platform.iter().any(|prefix| name.starts_with(prefix)),
            "{name} is raised by nothing"
        );
    }
    for name in StepError::NAMES {
        assert!(matched.iter().any(|m| m == name), "{name} is matched by no state");
    }
}

fn collect(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "ErrorEquals" {
                    names.extend(
                        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned),
                    );
                } else {
                    collect(value, names);
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, names)),
        _ => {}
    }
}
