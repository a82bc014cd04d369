//! The eight small functions that the recorded Step Functions cases call.

use std::fmt::Write;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::{Functions, Invocation};

/// Their names.
pub const NAMES: [&str; 8] =
    ["echo", "constant", "bytes", "decorate", "fail", "fail_custom", "large", "sleep60"];

/// Answers [`NAMES`], and hands every other function on.
#[derive(Debug)]
pub struct TestFunctions<F>(pub F);

/// Knows no function.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFunctions;

#[async_trait]
impl Functions for NoFunctions {
    async fn invoke(&self, function: &str, _payload: Value) -> Invocation {
        Invocation::ServiceError {
            error: "Lambda.ResourceNotFoundException".to_owned(),
            message: format!("Function not found: {function} (Service: Lambda, Status Code: 404)"),
        }
    }
}

#[async_trait]
impl<F: Functions> Functions for TestFunctions<F> {
    async fn invoke(&self, function: &str, payload: Value) -> Invocation {
        match name(function) {
            "echo" => Invocation::Ok(payload),
            "constant" => Invocation::Ok(json!({"Return": "HelloWorld"})),
            "bytes" => Invocation::Ok(json!("HelloWorld!")),
            "decorate" => Invocation::Ok(json!(format!("input-event-{}", python(&payload)))),
            "fail" => Invocation::failed("Exception", "Some exception was raised."),
            "fail_custom" => Invocation::failed("CustomException", ""),
            "large" => Invocation::Ok(json!("a".repeat(257 * 1024))),
            "sleep60" => {
                tokio::time::sleep(Duration::from_mins(1)).await;
                Invocation::Ok(payload)
            }
            _ => self.0.invoke(function, payload).await,
        }
    }
}

/// The name in a function's ARN, or the name itself, without a qualifier.
pub fn name(function: &str) -> &str {
    let name = function.split_once(":function:").map_or(function, |(_, name)| name);
    name.split_once(':').map_or(name, |(name, _)| name)
}

/// A value as Python's `str()` writes it.
fn python(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => python_repr(other),
    }
}

fn python_repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(n) => n.to_string(),
        Value::String(text) if text.contains('\'') && !text.contains('"') => format!("\"{text}\""),
        Value::String(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        Value::Array(items) => format!("[{}]", items.iter().map(python_repr).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let mut text = String::from("{");
            for (index, (key, value)) in fields.iter().enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                // Writing to a String cannot fail
                let _ = write!(text, "{comma}'{key}': {}", python_repr(value));
            }
            text + "}"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn decorate_writes_as_python_does() {
        let functions = TestFunctions(NoFunctions);
        let payload = json!({"a": [1, 2.5, null, true], "b": "it's"});
        let arn = "arn:aws:lambda:us-east-1:000000000000:function:decorate";
        let expected = json!("input-event-{'a': [1, 2.5, None, True], 'b': \"it's\"}");
        assert_eq!(functions.invoke(arn, payload).await, Invocation::Ok(expected));
    }

    #[tokio::test]
    async fn an_unknown_function_is_handed_on() {
        let answer = TestFunctions(NoFunctions).invoke("other", Value::Null).await;
        assert!(
            matches!(answer, Invocation::ServiceError { error, .. } if error == "Lambda.ResourceNotFoundException")
        );
    }
}
