//! Evaluates the expressions of a state as AWS does: no context item, `$states` and the variables in scope, AWS's own
//! functions added, and a failure told in AWS's words.

mod functions;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorOptions};
use jsonata_core::parser;
use jsonata_core::value::JValue;
use serde_json::{Map, Number, Value};

use crate::clock::Millis;
use crate::definition::Template;

/// An expression that gave no value: which field it stands in and what AWS says after
/// "An error occurred while executing the state … ".
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) field: String,
    pub(crate) cause: String,
}

/// What expressions of one state see.
pub(crate) struct Scope {
    states: JValue,
    variables: Vec<(String, JValue)>,
    now: Millis,
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Scope {
    /// `states` becomes `$states`, each variable `$name`; `$now()` and `$millis()` tell `now`.
    pub(crate) fn new(states: Value, variables: &Map<String, Value>, now: Millis) -> Self {
        let variables = variables.iter().map(|(k, v)| (k.clone(), JValue::from(v.clone()))).collect();
        Self { states: JValue::from(states), variables, now }
    }

    /// Fills a template. `field` names it in a failure, such as `Output`.
    pub(crate) fn fill(&self, template: &Template, field: &str) -> Result<Value, Failure> {
        match template {
            Template::Literal(value) => Ok(value.clone()),
            Template::Expression(source) => self.evaluate(source, field),
            Template::Array(items) => {
                items.iter().enumerate().map(|(i, item)| self.fill(item, &format!("{field}[{i}]"))).collect()
            }
            Template::Object(fields) => {
                fields.iter().map(|(k, v)| Ok((k.clone(), self.fill(v, &format!("{field}/{k}"))?))).collect()
            }
        }
    }

    /// Fills a template whose value must be of one type; `wanted` is its name in the failure.
    pub(crate) fn fill_as<T>(
        &self,
        template: &Template,
        field: &str,
        wanted: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, Failure> {
        let value = self.fill(template, field)?;
        read(&value).ok_or_else(|| {
            let kind = type_name(&value);
            let wrong = format!(
                "returned an unexpected result type. Expected '{wanted}', but was '{kind}' for value: {value}"
            );
            match template {
                Template::Expression(source) => failed(source, field, &wrong),
                _ => Failure { field: field.to_owned(), cause: format!("The field '{field}' {wrong}") },
            }
        })
    }

    fn evaluate(&self, source: &str, field: &str) -> Result<Value, Failure> {
        let threw = |message: &str| {
            // AWS's engine does not name the function
            let message = message
                .split_once(": $")
                .map_or(message, |(head, _)| if head.starts_with("T1006") { head } else { message });
            failed(source, field, &format!("threw an error during evaluation. {message}"))
        };
        let tree = parser::parse(source).map_err(|e| threw(&e.to_string()))?;
        let value = self.run(&tree).map_err(|e| threw(&e))?;
        if value.is_undefined() {
            return Err(failed(source, field, "returned nothing (undefined)."));
        }
        plain(&value).ok_or_else(|| failed(source, field, "returned an unsupported result type."))
    }

    fn run(&self, tree: &AstNode) -> Result<JValue, String> {
        let mut context = Context::new();
        context.bind("states".to_owned(), self.states.clone());
        for (name, value) in &self.variables {
            context.bind(name.clone(), value.clone());
        }
        let options = EvaluatorOptions { timeout_ms: Some(5_000), ..EvaluatorOptions::default() };
        let mut evaluator = Evaluator::with_options(context, options);
        functions::register(&mut evaluator, self.now).map_err(|e| e.message().to_owned())?;
        evaluator.evaluate(tree, &JValue::Undefined).map_err(|e| e.message().to_owned())
    }
}

fn failed(source: &str, field: &str, what: &str) -> Failure {
    let cause = format!("The JSONata expression '{source}' specified for the field '{field}' {what}");
    Failure { field: field.to_owned(), cause }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The JSON of a result, or `None` if a function or pattern is in it.
fn plain(value: &JValue) -> Option<Value> {
    Some(match value {
        JValue::Null | JValue::Undefined => Value::Null,
        JValue::Bool(b) => Value::Bool(*b),
        JValue::Number(n) => number(*n),
        JValue::String(s) => Value::String(s.to_string()),
        JValue::Array(items) => Value::Array(items.iter().map(plain).collect::<Option<_>>()?),
        JValue::Object(fields) => {
            let kept = fields.iter().filter(|(_, v)| !v.is_undefined());
            Value::Object(kept.map(|(k, v)| Some((k.clone(), plain(v)?))).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// A whole number is written without a fraction.
fn number(n: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if n.fract() == 0.0 && n.abs() <= EXACT {
        return Value::from(n as i64);
    }
    Number::from_f64(n).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn evaluate(source: &str) -> Result<Value, String> {
        let variables = json!({"n": 3}).as_object().cloned().unwrap_or_default();
        let states = json!({"input": {"a": [1, 2, 3], "word": "x", "none": []}});
        let scope = Scope::new(states, &variables, 1_700_000_000_123);
        scope.fill(&Template::jsonata(&json!(format!("{{% {source} %}}"))), "Output").map_err(|f| f.cause)
    }

    #[test]
    fn aws_functions() {
        let cases = [
            ("$partition([1,2,3], 2)", json!([[1, 2], [3]])),
            ("$partition([0], 1)", json!([[0]])),
            ("$range(0, 9, 3)", json!([0, 3, 6, 9])),
            ("$range(1, 9, 9)", json!(1)),
            ("$range(3, 1, -1)", json!([3, 2, 1])),
            ("$hash('a', 'MD5')", json!("0cc175b9c0f1b6a831c399e269772661")),
            ("$hash('a', 'SHA-1')", json!("86f7e437faa5a7fce15d1ddcb9eaeaea377667b8")),
            (
                "$hash('a', 'SHA-256')",
                json!("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
            ),
            ("$length($hash('a', 'SHA-512'))", json!(128)),
            ("$length($uuid())", json!(36)),
            ("$parse('{\"a\": [1, null]}')", json!({"a": [1, null]})),
            ("$parse('-0')", json!(0)),
            ("$random(7) = $random(7)", json!(true)),
            ("$millis()", json!(1_700_000_000_123_i64)),
            ("$now()", json!("2023-11-14T22:13:20.123Z")),
            ("$now('[Y0001]')", json!("2023")),
        ];
        for (source, expected) in cases {
            assert_eq!(evaluate(source), Ok(expected), "{source}");
        }
    }

    #[test]
    fn random_with_a_seed_is_repeatable() {
        // java.util.Random(42).nextDouble()
        assert_eq!(evaluate("$random(42)"), Ok(json!(0.727_563_680_032_868_1)));
    }

    #[test]
    fn the_language() {
        let cases = [
            ("$states.input.a[0] + $n", json!(4)),
            ("$exists($missing) ? 1 : 2", json!(2)),
            ("$merge([{'a': 1}, {'b': 2}])", json!({"a": 1, "b": 2})),
            ("$contains(\"hello$world\", /^hello\\$/)", json!(true)),
            ("$contains('hello$world', /^hello\\ /)", json!(false)),
            ("1 / 4", json!(0.25)),
            ("$states.input.none", json!([])),
            ("{'kept': 1, 'dropped': $missing}", json!({"kept": 1})),
        ];
        for (source, expected) in cases {
            assert_eq!(evaluate(source), Ok(expected), "{source}");
        }
    }

    #[test]
    fn failures_in_the_words_of_aws() {
        let cases = [
            (
                "$nothing",
                "The JSONata expression '$nothing' specified for the field 'Output' returned nothing (undefined).",
            ),
            (
                "$randomSeeded(1)",
                "The JSONata expression '$randomSeeded(1)' specified for the field 'Output' threw an error during evaluation. T1006: Attempted to invoke a non-function",
            ),
            (
                "$f := function($x){$x}",
                "The JSONata expression '$f := function($x){$x}' specified for the field 'Output' returned an unsupported result type.",
            ),
        ];
        for (source, cause) in cases {
            assert_eq!(evaluate(source), Err(cause.to_owned()));
        }
        assert!(evaluate("$eval('1')").is_err(), "AWS has no $eval");
    }

    #[test]
    fn a_wrong_type_is_told_with_its_value() {
        let scope = Scope::new(json!({}), &Map::new(), 0);
        let wrong = scope.fill_as(&Template::Expression("'string'".to_owned()), "Items", "array", |v| {
            v.as_array().cloned()
        });
        assert_eq!(
            wrong.map_err(|f| f.cause),
            Err("The JSONata expression ''string'' specified for the field 'Items' returned an unexpected result type. Expected 'array', but was 'string' for value: \"string\"".to_owned())
        );
    }
}
