//! The rules of workflows, called as the application calls them.

mod cache_key;
mod cel;
mod compare;
mod definition;
mod evaluate;
mod examples;
mod outcome;
mod params;
mod plan;
mod resume;
mod schedule;
mod template;
mod validate;

use domain::workflow::{Format, Workflow};
use serde_json::Value;

/// A definition from YAML that is of the right form.
#[track_caller]
fn yaml(text: &str) -> Workflow {
    Workflow::read(text, Format::Yaml).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// A definition from JSON that is of the right form.
#[track_caller]
fn json(value: Value) -> Workflow {
    Workflow::from_value(value).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// A job in as few words as it takes.
fn job() -> Value {
    serde_json::json!({"image": "a", "command": ["b"]})
}

/// `path: message` of every error.
#[track_caller]
fn errors(workflow: &Workflow) -> Vec<String> {
    match workflow.validate() {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

/// Exactly one error, at this path, whose message holds these words.
#[track_caller]
fn assert_one(errors: &[String], path: &str, words: &str) {
    assert_eq!(errors.len(), 1, "expected one error at {path}: {errors:#?}");
    assert!(errors[0].starts_with(&format!("{path}: ")), "expected {path}: {errors:#?}");
    assert!(errors[0].contains(words), "expected {words:?}: {errors:#?}");
}
