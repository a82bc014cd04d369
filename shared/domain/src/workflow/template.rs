//! `${{ path }}` in texts.
//!
//! A text that is one template and nothing else becomes the value itself, whatever its type. Inside a longer text, a text
//! goes in as it is and anything else as JSON. `$${{` stands for `${{`. A value that a template put in is never looked at
//! for templates again.

use serde_json::Value;

use super::{
    errors::{Errors, join},
    scope::{Path, Scope},
};
use crate::job::FieldError;

const OPEN: &str = "${{";
const CLOSE: &str = "}}";

#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Text(String),
    Path(Path),
}

/// A text with templates.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

/// Whether a text holds a template, or the sign that escapes one.
pub(super) fn is_template(text: &str) -> bool {
    text.contains(OPEN)
}

/// Whether a value holds a template anywhere.
pub(super) fn has_template(value: &Value) -> bool {
    match value {
        Value::String(text) => is_template(text),
        Value::Array(items) => items.iter().any(has_template),
        Value::Object(fields) => fields.values().any(has_template),
        _ => false,
    }
}

impl Template {
    /// Reads a text; the message says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(OPEN) {
            if let Some(before) = rest[..at].strip_suffix('$') {
                plain.push_str(before);
                plain.push_str(OPEN);
                rest = &rest[at + OPEN.len()..];
                continue;
            }
            plain.push_str(&rest[..at]);
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            let inside = &rest[at + OPEN.len()..];
            let end = inside.find(CLOSE).ok_or("has ${{ without }}; write $${{ for the sign itself")?;
            pieces.push(Piece::Path(Path::parse(inside[..end].trim())?));
            rest = &inside[end + CLOSE.len()..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }

    /// The paths in it.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Path(path) => Some(path),
            Piece::Text(_) => None,
        })
    }

    fn render(&self, scope: &Scope<'_>) -> Result<Value, String> {
        if let [Piece::Path(path)] = self.pieces.as_slice() {
            return path.value(scope);
        }
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Path(path) => text.push_str(&as_text(path.value(scope)?)),
            }
        }
        Ok(Value::String(text))
    }
}

/// A value inside a text.
pub(super) fn as_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// Puts the values of a scope into every text of `value`.
///
/// # Errors
/// Every template that could not be filled, with its path below `path`.
pub fn render(value: &Value, scope: &Scope<'_>, path: &str) -> Result<Value, Vec<FieldError>> {
    let mut errors = Errors::default();
    let rendered = walk(value, scope, path, &mut errors);
    errors.done(rendered)
}

fn walk(value: &Value, scope: &Scope<'_>, path: &str, errors: &mut Errors) -> Value {
    match value {
        Value::String(text) if is_template(text) => {
            Template::parse(text).and_then(|template| template.render(scope)).unwrap_or_else(|message| {
                errors.add(path, message);
                Value::Null
            })
        }
        Value::Array(items) => {
            let item = |(at, item)| walk(item, scope, &join(path, &format!("[{at}]")), errors);
            Value::Array(items.iter().enumerate().map(item).collect())
        }
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, value)| (key.clone(), walk(value, scope, &join(path, key), errors)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Calls `found` with each template of a value and its path below `path`, and `wrong` with each that is none.
pub(super) fn each(value: &Value, path: &str, found: &mut dyn FnMut(&str, Result<Template, String>)) {
    match value {
        Value::String(text) if is_template(text) => found(path, Template::parse(text)),
        Value::Array(items) if has_template(value) => {
            for (at, item) in items.iter().enumerate() {
                each(item, &join(path, &format!("[{at}]")), found);
            }
        }
        Value::Object(fields) if has_template(value) => {
            for (key, value) in fields {
                each(value, &join(path, key), found);
            }
        }
        _ => {}
    }
}
