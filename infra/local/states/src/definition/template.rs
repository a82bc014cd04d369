//! A JSON value in which some strings are JSONata expressions.

use serde_json::Value;

/// A value of a definition: constant, or with `{% … %}` expressions at any depth.
#[derive(Debug, PartialEq)]
pub(crate) enum Template {
    Literal(Value),
    Expression(String),
    Array(Vec<Template>),
    Object(Vec<(String, Template)>),
}

impl Template {
    /// Reads a value of a JSONata state. A string is an expression only if it begins with `{%` and ends with `%}`.
    pub(crate) fn jsonata(value: &Value) -> Self {
        match value {
            Value::String(text) => expression(text)
                .map_or_else(|| Self::Literal(value.clone()), |source| Self::Expression(source.to_owned())),
            Value::Array(items) => {
                let items: Vec<Self> = items.iter().map(Self::jsonata).collect();
                if items.iter().all(|i| matches!(i, Self::Literal(_))) {
                    Self::Literal(value.clone())
                } else {
                    Self::Array(items)
                }
            }
            Value::Object(fields) => {
                let fields: Vec<(String, Self)> =
                    fields.iter().map(|(k, v)| (k.clone(), Self::jsonata(v))).collect();
                if fields.iter().all(|(_, v)| matches!(v, Self::Literal(_))) {
                    Self::Literal(value.clone())
                } else {
                    Self::Object(fields)
                }
            }
            _ => Self::Literal(value.clone()),
        }
    }
}

/// The source between the marks, without the blanks around it: that is how AWS quotes it.
pub(crate) fn expression(text: &str) -> Option<&str> {
    text.strip_prefix("{%")?.strip_suffix("%}").map(str::trim)
}
