//! The `job` of a node: what can be checked before its templates are filled, and the filling.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::{Deserialize as _, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    errors::{Errors, join},
    scope::{Scope, a},
    template::{as_text, has_template, render},
};
use crate::{
    job::{FieldError, Limits, Priority, Spec},
    money::{Currency, Money},
};

/// The fields of a job, as a submission has them.
const FIELDS: [&str; 24] = [
    "name",
    "description",
    "image",
    "command",
    "env",
    "secrets",
    "gpu",
    "cpus",
    "memory_gib",
    "disk_gib",
    "spot",
    "max_price_per_hour",
    "max_cost",
    "strategy",
    "preferred_providers",
    "forbidden_providers",
    "preferred_regions",
    "forbidden_regions",
    "timeout_seconds",
    "queue_timeout_seconds",
    "retry",
    "priority",
    "tags",
    "metadata",
];

/// A job with nothing wrong: it stands in for whatever is not known before the run.
static STAND_IN: LazyLock<Option<Spec>> = LazyLock::new(|| {
    serde_json::from_value(json!({
        "name": "job", "image": "image", "command": ["true"], "env": {}, "secret_env": {}, "gpu": {"count": 1},
        "disk_gib": 20, "spot": "never", "strategy": "cost", "preferred_providers": [], "forbidden_providers": [],
        "preferred_regions": [], "forbidden_regions": [], "timeout_seconds": 86_400, "queue_timeout_seconds": 86_400,
        "retry": crate::job::Retry::default(), "priority": "normal", "tags": {}, "metadata": {}
    }))
    .ok()
});

/// The names whose values are texts, or objects or lists of texts.
const TEXTS: [&str; 5] = ["name", "description", "image", "command", "env"];

fn is_text(field: &str) -> bool {
    TEXTS.contains(&field) || field == "tags" || field == "secrets"
}

/// Checks the fields whose values are known.
pub(super) fn check(fields: &Map<String, Value>, path: &str, errors: &mut Errors) {
    for name in fields.keys().filter(|name| !FIELDS.contains(&name.as_str())) {
        let why = if name == "secret_env" {
            "would keep a secret in the definition, which is shown; store it as a named secret and name it in `secrets`"
                .to_owned()
        } else {
            format!("is not a field of a job; there are {}", FIELDS.join(", "))
        };
        errors.add(join(path, name), why);
    }
    for name in ["image", "command"].into_iter().filter(|name| !fields.contains_key(*name)) {
        errors.add(join(path, name), "is required");
    }
    if let Some(spec) = read(fields, path, errors) {
        errors.extend(path, spec.check());
    }
}

/// The specification that a job from [`render_job`] asks for, as a submission with the same fields would. `unnamed` is its
/// name if it has none, and `priority` its priority.
///
/// # Errors
/// Everything that is wrong, each with its path below `path`.
pub fn read_job(
    fields: &Map<String, Value>,
    unnamed: &str,
    priority: Priority,
    path: &str,
) -> Result<Spec, Vec<FieldError>> {
    let mut errors = Errors::default();
    let Some(mut spec) = read(fields, path, &mut errors) else { return Err(Vec::new()) };
    let is_given = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
    if !is_given("name") {
        spec.name = unnamed.chars().take(Limits::NAME_CHARS).collect();
    }
    if !is_given("priority") {
        spec.priority = priority;
    }
    spec.description = spec.description.filter(|text| !text.is_empty());
    errors.extend(path, spec.check());
    errors.done(spec)
}

/// The specification with the stand-in's values where the fields say nothing, or nothing yet.
fn read(fields: &Map<String, Value>, path: &str, errors: &mut Errors) -> Option<Spec> {
    let mut spec = STAND_IN.clone()?;
    let mut reader = Reader { fields, path, errors };
    reader.take("name", &mut spec.name);
    reader.optional("description", &mut spec.description);
    reader.take("image", &mut spec.image);
    reader.texts("command", &mut spec.command);
    reader.map_of_texts("env", &mut spec.env);
    reader.map_of_texts("tags", &mut spec.tags);
    reader.gpu(&mut spec);
    reader.optional("cpus", &mut spec.cpus);
    reader.optional("memory_gib", &mut spec.memory_gib);
    reader.take("disk_gib", &mut spec.disk_gib);
    reader.take("spot", &mut spec.spot);
    reader.take("strategy", &mut spec.strategy);
    reader.take("preferred_providers", &mut spec.preferred_providers);
    reader.take("forbidden_providers", &mut spec.forbidden_providers);
    reader.take("preferred_regions", &mut spec.preferred_regions);
    reader.take("forbidden_regions", &mut spec.forbidden_regions);
    reader.take("timeout_seconds", &mut spec.timeout_seconds);
    reader.take("queue_timeout_seconds", &mut spec.queue_timeout_seconds);
    reader.retry(&mut spec);
    reader.take("priority", &mut spec.priority);
    reader.take("metadata", &mut spec.metadata);
    spec.max_price_per_hour = reader.price("max_price_per_hour");
    spec.max_cost = reader.price("max_cost");
    spec.secrets = reader.secrets();
    Some(spec)
}

struct Reader<'a> {
    fields: &'a Map<String, Value>,
    path: &'a str,
    errors: &'a mut Errors,
}

impl<'a> Reader<'a> {
    /// The field's value if it is given and has no template.
    fn known(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !has_template(value))
    }

    fn read<T: DeserializeOwned>(&mut self, name: &str, value: &Value) -> Option<T> {
        T::deserialize(value).map_err(|error| self.errors.add(join(self.path, name), error.to_string())).ok()
    }

    fn take<T: DeserializeOwned>(&mut self, name: &str, into: &mut T) {
        let read = self.known(name).and_then(|value| self.read(name, value));
        if let Some(value) = read {
            *into = value;
        }
    }

    fn optional<T: DeserializeOwned>(&mut self, name: &str, into: &mut Option<T>) {
        *into = self.known(name).filter(|value| !value.is_null()).and_then(|value| self.read(name, value));
    }

    /// A text; a number or a boolean is written as one.
    fn text(&mut self, name: &str, value: &Value) -> String {
        match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            other => {
                self.errors.add(join(self.path, name), format!("is {}; expected a text", a(other)));
                String::new()
            }
        }
    }

    fn texts(&mut self, name: &str, into: &mut Vec<String>) {
        match self.fields.get(name) {
            Some(Value::Array(words)) => {
                *into = words
                    .iter()
                    .enumerate()
                    .map(|(at, word)| {
                        if has_template(word) {
                            "x".into()
                        } else {
                            self.text(&format!("{name}[{at}]"), word)
                        }
                    })
                    .collect();
            }
            Some(value) if !has_template(value) => {
                self.errors.add(join(self.path, name), format!("is {}; expected a list of words", a(value)));
            }
            _ => {}
        }
    }

    fn map_of_texts(&mut self, name: &str, into: &mut BTreeMap<String, String>) {
        match self.fields.get(name) {
            Some(Value::Object(entries)) => {
                for (key, value) in entries {
                    let text =
                        if has_template(value) { String::new() } else { self.text(&join(name, key), value) };
                    into.insert(key.clone(), text);
                }
            }
            Some(value) if !has_template(value) => {
                self.errors
                    .add(join(self.path, name), format!("is {}; expected an object of texts", a(value)));
            }
            _ => {}
        }
    }

    fn gpu(&mut self, spec: &mut Spec) {
        let Some(value) = self.fields.get("gpu") else { return };
        let Value::Object(given) = value else {
            if !has_template(value) {
                self.errors.add(
                    join(self.path, "gpu"),
                    format!("is {}; expected {{model, count, memory_gib}}", a(value)),
                );
            }
            return;
        };
        let path = join(self.path, "gpu");
        for name in given.keys().filter(|name| !["model", "count", "memory_gib"].contains(&name.as_str())) {
            self.errors.add(join(&path, name), "is not a field of gpu; there are model, count, memory_gib");
        }
        let mut reader = Reader { fields: given, path: &path, errors: &mut *self.errors };
        reader.optional("model", &mut spec.gpu.model);
        reader.take("count", &mut spec.gpu.count);
        reader.optional("memory_gib", &mut spec.gpu.memory_gib);
    }

    fn retry(&mut self, spec: &mut Spec) {
        let Some(value) = self.fields.get("retry") else { return };
        let Value::Object(given) = value else {
            if !has_template(value) {
                self.errors.add(join(self.path, "retry"), format!("is {}; expected an object", a(value)));
            }
            return;
        };
        let path = join(self.path, "retry");
        let names = ["max_attempts", "on", "exit_codes", "backoff_seconds"];
        for name in given.keys().filter(|name| !names.contains(&name.as_str())) {
            self.errors
                .add(join(&path, name), format!("is not a field of retry; there are {}", names.join(", ")));
        }
        let mut reader = Reader { fields: given, path: &path, errors: &mut *self.errors };
        reader.take("max_attempts", &mut spec.retry.max_attempts);
        reader.take("on", &mut spec.retry.on);
        reader.take("exit_codes", &mut spec.retry.exit_codes);
        reader.take("backoff_seconds", &mut spec.retry.backoff_seconds);
    }

    fn price(&mut self, name: &str) -> Option<Money> {
        let value = self.known(name).filter(|value| !value.is_null())?;
        let currency = value.get("currency").map(Currency::deserialize);
        let amount = value.get("amount").and_then(Value::as_str);
        let price = match (amount, currency) {
            (Some(amount), Some(Ok(currency))) => {
                Money::parse(amount, currency).filter(|money| money.micros > 0)
            }
            _ => None,
        };
        if price.is_none() {
            let message = "is not an amount: expected {amount: \"0.50\", currency: USD}, more than 0";
            self.errors.add(join(self.path, name), message);
        }
        price
    }

    /// Environment variables and the names of the secrets that they have; a list names both at once.
    fn secrets(&mut self) -> BTreeMap<String, String> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let names: Option<BTreeMap<_, _>> = match self.known("secrets") {
            None => return BTreeMap::new(),
            Some(Value::Object(names)) => {
                names.iter().map(|(variable, name)| Some((variable.clone(), text(name)?))).collect()
            }
            Some(Value::Array(names)) => names.iter().map(|name| Some((text(name)?, text(name)?))).collect(),
            Some(_) => None,
        };
        names.unwrap_or_else(|| {
            let message = "expected names of secrets: an object such as {HF_TOKEN: hf}, or a list";
            self.errors.add(join(self.path, "secrets"), message);
            BTreeMap::new()
        })
    }
}

/// A job's fields with the values of a scope, as a submission takes them. Where a job has a text, a number goes in as one
/// and an object as JSON.
///
/// # Errors
/// Every template that could not be filled, with its path below `path`.
pub fn render_job(
    fields: &Map<String, Value>,
    scope: &Scope<'_>,
    path: &str,
) -> Result<Map<String, Value>, Vec<FieldError>> {
    let mut errors = Errors::default();
    let mut rendered = Map::new();
    for (name, value) in fields {
        match render(value, scope, &join(path, name)) {
            Ok(value) => {
                let value = if is_text(name) { texts(value) } else { value };
                rendered.insert(name.clone(), value);
            }
            Err(wrong) => errors.extend("", wrong),
        }
    }
    errors.done(rendered)
}

/// Texts for values, one level into a list or an object. `null` stays: it is a field that is not there.
fn texts(value: Value) -> Value {
    let text = |value| Value::String(as_text(value));
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(text).collect()),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(key, value)| (key, text(value))).collect())
        }
        Value::Null => Value::Null,
        other => text(other),
    }
}
