//! Parameters: their schemas, and the values of a run.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Value};

use super::{
    Limits, Workflow,
    errors::{Errors, join},
};
use crate::job::FieldError;

/// Patterns match in linear time and compile to a bounded size; nothing is fetched, since the library is built without it.
fn validator(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex().size_limit(1 << 20).dfa_size_limit(1 << 20))
        .build(schema)
        .map_err(|error| error.to_string())
}

fn violations(validator: &Validator, value: &Value, path: &str, errors: &mut Errors) {
    for error in validator.iter_errors(value).take(20) {
        let below = error.instance_path().to_string();
        let path = below.split('/').skip(1).fold(path.to_owned(), |path, segment| {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            if segment.bytes().all(|b| b.is_ascii_digit()) {
                format!("{path}[{segment}]")
            } else {
                join(&path, &segment)
            }
        });
        errors.add(path, error.masked_with("the value").to_string());
    }
}

/// Checks the schemas of the definition, and each default against its own.
pub(super) fn check(workflow: &Workflow, errors: &mut Errors) {
    if workflow.params.len() > Limits::PARAMS {
        errors.add("params", format!("has {} parameters; at most {}", workflow.params.len(), Limits::PARAMS));
        return;
    }
    for (name, schema) in &workflow.params {
        let path = join("params", name);
        let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.chars().count() > Limits::NAME_CHARS || !name.chars().all(plain) {
            errors.add(&*path, "is not a name: letters, digits, _ and -");
        }
        if !schema.is_object() {
            errors.add(&*path, "must be a JSON Schema such as {type: number, default: 0.1}");
            continue;
        }
        let bytes = serde_json::to_vec(schema).map_or(usize::MAX, |json| json.len());
        if bytes > Limits::SCHEMA_BYTES {
            errors.add(&*path, format!("has {bytes} bytes as JSON; at most {}", Limits::SCHEMA_BYTES));
            continue;
        }
        match validator(schema) {
            Err(message) => errors.add(&*path, format!("is not a JSON Schema: {message}")),
            Ok(validator) => {
                if let Some(default) = schema.get("default") {
                    violations(&validator, default, &join(&path, "default"), errors);
                }
            }
        }
    }
}

impl Workflow {
    /// The parameters of a run: what was given, and the defaults of the rest.
    ///
    /// # Errors
    /// Every parameter that is unknown, missing or against its schema, with its path below `params`.
    pub fn bind(&self, given: Map<String, Value>) -> Result<Map<String, Value>, Vec<FieldError>> {
        let mut errors = Errors::default();
        let bytes = serde_json::to_vec(&given).map_or(usize::MAX, |json| json.len());
        if bytes > Limits::PARAMS_BYTES {
            errors.add("params", format!("has {bytes} bytes as JSON; at most {}", Limits::PARAMS_BYTES));
            return errors.done(given);
        }
        for name in given.keys().filter(|name| !self.params.contains_key(*name)) {
            let known: Vec<_> = self.params.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            errors.add(
                join("params", name),
                format!("is not a parameter of this workflow; there are: {known}"),
            );
        }
        let mut bound = Map::new();
        for (name, schema) in &self.params {
            let path = join("params", name);
            let Some(value) = given.get(name).or_else(|| schema.get("default")) else {
                errors.add(path, "is required: it has no default");
                continue;
            };
            match validator(schema) {
                Ok(validator) => violations(&validator, value, &path, &mut errors),
                Err(message) => errors.add(path, format!("has a schema that is none: {message}")),
            }
            bound.insert(name.clone(), value.clone());
        }
        errors.done(bound)
    }
}
