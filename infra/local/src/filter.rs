//! Event filter patterns, as an event source mapping uses them to leave records out.

use anyhow::{Result, bail};
use serde_json::Value;

/// Refuses a pattern with a rule that [`matches`] does not know.
pub fn check(pattern: &Value) -> Result<()> {
    let Value::Object(fields) = pattern else { bail!("a pattern is a mapping") };
    for (field, rule) in fields {
        match rule {
            Value::Object(_) => check(rule)?,
            Value::Array(choices) => {
                for choice in choices {
                    if let Value::Object(test) = choice {
                        let mut names = test.keys().map(String::as_str);
                        if !matches!(
                            (names.next(), names.next()),
                            (Some("exists" | "prefix" | "anything-but"), None)
                        ) {
                            bail!("{field}: {choice} is not understood");
                        }
                    }
                }
            }
            other => bail!("{field}: {other} is neither a mapping nor a list"),
        }
    }
    Ok(())
}

/// Whether the event has everything that the pattern asks for.
pub fn matches(pattern: &Value, event: &Value) -> bool {
    let Value::Object(fields) = pattern else { return false };
    fields.iter().all(|(field, rule)| {
        let value = event.get(field);
        match rule {
            Value::Array(choices) => choices.iter().any(|choice| chosen(choice, value)),
            nested => value.is_some_and(|value| matches(nested, value)),
        }
    })
}

fn chosen(choice: &Value, value: Option<&Value>) -> bool {
    let Value::Object(test) = choice else { return value.is_some_and(|value| value == choice) };
    if let Some(exists) = test.get("exists") {
        return value.is_some() == (exists == true);
    }
    let Some(value) = value else { return false };
    if let Some(prefix) = test.get("prefix").and_then(Value::as_str) {
        return value.as_str().is_some_and(|value| value.starts_with(prefix));
    }
    match test.get("anything-but") {
        Some(Value::Array(refused)) => !refused.contains(value),
        Some(refused) => refused != value,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_rows_that_ask_to_be_pushed_pass() {
        let pattern =
            json!({"eventName": ["INSERT", "MODIFY"], "dynamodb": {"NewImage": {"push": {"BOOL": [true]}}}});
        check(&pattern).unwrap();
        let event =
            |name: &str, push: Value| json!({"eventName": name, "dynamodb": {"NewImage": {"push": push}}});
        assert!(matches(&pattern, &event("INSERT", json!({"BOOL": true}))));
        assert!(matches(&pattern, &event("MODIFY", json!({"BOOL": true}))));
        assert!(!matches(&pattern, &event("REMOVE", json!({"BOOL": true}))));
        assert!(!matches(&pattern, &event("INSERT", json!({"BOOL": false}))));
        assert!(!matches(&pattern, &event("INSERT", json!({"S": "true"}))));
        assert!(!matches(&pattern, &json!({"eventName": "INSERT", "dynamodb": {"NewImage": {}}})));
    }

    #[test]
    fn an_unknown_rule_is_refused() {
        assert!(check(&json!({"a": [{"numeric": [">", 1]}]})).is_err());
        assert!(check(&json!({"a": "b"})).is_err());
    }
}
