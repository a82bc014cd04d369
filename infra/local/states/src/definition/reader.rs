//! Reads the fields of one JSON object of a definition and notes what is wrong with them.

use std::cell::RefCell;

use serde_json::{Map, Value};

use super::expressions::{self, Offers};
use super::{Diagnostic, Language, Template};

pub(super) const SCHEMA: &str = "SCHEMA_VALIDATION_FAILED";

/// Everything found wrong so far, in AWS's order.
#[derive(Default)]
pub(super) struct Findings(RefCell<Vec<Diagnostic>>);

impl Findings {
    pub(super) fn add(&self, code: &'static str, message: impl Into<String>, location: Option<&str>) {
        self.0.borrow_mut().push(Diagnostic {
            severity: "ERROR",
            code,
            message: message.into(),
            location: location.map(str::to_owned),
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    pub(super) fn into_inner(self) -> Vec<Diagnostic> {
        self.0.into_inner()
    }
}

/// An object, where it stands, and the language its values are in.
pub(super) struct Reader<'a> {
    pub(super) fields: &'a Map<String, Value>,
    pub(super) location: String,
    pub(super) language: Language,
    pub(super) findings: &'a Findings,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        value: &'a Value,
        location: String,
        language: Language,
        findings: &'a Findings,
    ) -> Option<Self> {
        if let Some(fields) = value.as_object() {
            return Some(Self { fields, location, language, findings });
        }
        findings.add(SCHEMA, "Expected value of type Object", Some(&location));
        None
    }

    pub(super) fn error(&self, message: impl Into<String>) {
        self.findings.add(SCHEMA, message, Some(&self.location));
    }

    fn error_at(&self, field: &str, message: impl Into<String>) {
        self.findings.add(SCHEMA, message, Some(&self.at(field)));
    }

    pub(super) fn at(&self, field: &str) -> String {
        if self.location == "/" { format!("/{field}") } else { format!("{}/{field}", self.location) }
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    pub(super) fn require(&self, names: &[&str]) {
        let missing: Vec<&str> = names.iter().copied().filter(|n| !self.has(n)).collect();
        if !missing.is_empty() {
            self.error(format!("These fields are required: [{}]", missing.join(", ")));
        }
    }

    pub(super) fn only_one_of(&self, names: &[&str]) {
        let present: Vec<&str> = names.iter().copied().filter(|n| self.has(n)).collect();
        if present.len() > 1 {
            self.error(format!("There should only be one of the following fields: [{}]", present.join(", ")));
        } else if present.is_empty() {
            self.error(format!("One of the following fields is required: [{}]", names.join(", ")));
        }
    }

    pub(super) fn string(&self, field: &str) -> Option<&'a str> {
        let text = self.fields.get(field)?.as_str();
        if text.is_none() {
            self.error_at(field, "Expected value of type String");
        }
        text
    }

    pub(super) fn boolean(&self, field: &str) -> Option<bool> {
        let value = self.fields.get(field)?.as_bool();
        if value.is_none() {
            self.error_at(field, "Expected value of type Boolean");
        }
        value
    }

    pub(super) fn integer(&self, field: &str, least: u64, most: u64) -> Option<u64> {
        let value = self.fields.get(field)?;
        let Some(number) = value.as_i64() else {
            self.error_at(field, "Expected value of type Integer");
            return None;
        };
        match u64::try_from(number) {
            Ok(number) if number > most => self.error_at(field, format!("Maximum value is {most}")),
            Ok(number) if number >= least => return Some(number),
            _ => self.error_at(field, format!("Minimum value is {least}")),
        }
        None
    }

    pub(super) fn number(&self, field: &str, least: f64) -> Option<f64> {
        let value = self.fields.get(field)?.as_f64();
        match value {
            None => self.error_at(field, "Expected value of type Double"),
            Some(number) if number < least => self.error_at(field, format!("Minimum value is {least:.1}")),
            Some(number) => return Some(number),
        }
        None
    }

    pub(super) fn list(&self, field: &str) -> &'a [Value] {
        match self.fields.get(field) {
            None => &[],
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.error_at(field, "Expected value of type Array");
                &[]
            }
        }
    }

    pub(super) fn strings(&self, field: &str) -> Vec<String> {
        let items = self.list(field);
        if items.is_empty() {
            self.error_at(field, "Array must not be empty");
        }
        let texts: Vec<String> = items.iter().filter_map(|i| i.as_str().map(str::to_owned)).collect();
        if texts.len() < items.len() {
            self.error_at(field, "Expected value of type String");
        }
        texts
    }

    /// A field whose strings may be expressions. In a JSONPath state it is constant, and a `key.$` is refused.
    pub(super) fn template(&self, field: &str, offers: Offers) -> Option<Template> {
        let value = self.fields.get(field)?;
        Some(match self.language {
            Language::Jsonata => {
                let template = Template::jsonata(value);
                expressions::check(&template, &self.at(field), offers, self.findings);
                template
            }
            Language::JsonPath => {
                self.refuse_paths(value, &self.at(field));
                Template::Literal(value.clone())
            }
        })
    }

    fn refuse_paths(&self, value: &Value, location: &str) {
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    if key.ends_with(".$") {
                        self.findings.add(SCHEMA, format!("Field '{key}' is not supported"), Some(location));
                    }
                    self.refuse_paths(value, &format!("{location}/{key}"));
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.refuse_paths(item, &format!("{location}[{index}]"));
                }
            }
            _ => {}
        }
    }

    /// A count of seconds: a whole number, or in a JSONata state an expression.
    pub(super) fn seconds(&self, field: &str, least: u64) -> Option<Template> {
        let value = self.fields.get(field)?;
        if self.language == Language::Jsonata
            && value.as_str().is_some_and(|t| super::template::expression(t).is_some())
        {
            return self.template(field, Offers::default());
        }
        self.integer(field, least, 99_999_999).map(|n| Template::Literal(n.into()))
    }

    /// Refuses fields that are not `allowed`; those of the other query language get AWS's own words.
    pub(super) fn allow(&self, allowed: &[&str]) {
        const JSONATA: &[&str] = &["Output", "Arguments", "Condition"];
        const JSONPATH: &[&str] = &[
            "InputPath",
            "OutputPath",
            "ResultPath",
            "Parameters",
            "ResultSelector",
            "Result",
            "ErrorPath",
            "CausePath",
            "SecondsPath",
            "TimestampPath",
            "TimeoutSecondsPath",
            "HeartbeatSecondsPath",
            "Variable",
        ];
        for field in self.fields.keys() {
            let (mine, other, foreign) = match self.language {
                Language::JsonPath => ("JSONPath", "JSONata", JSONATA),
                Language::Jsonata => ("JSONata", "JSONPath", JSONPATH),
            };
            if foreign.contains(&field.as_str()) {
                self.error(format!(
                    "The QueryLanguage is set to '{mine}', but field '{field}' is only supported for the '{other}' QueryLanguage"
                ));
            } else if !allowed.contains(&field.as_str()) {
                self.error(format!("Field '{field}' is not supported"));
            }
        }
    }
}
