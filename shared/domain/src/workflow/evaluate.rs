//! What a run asks of a node's texts: may it start, what does it go over, what is its output.

use serde_json::{Map, Value};

use super::{
    Window,
    cel::{Error, Expression},
    definition::{FanOut, Node},
    errors::{Errors, join},
    plan::{Edge, Step, Text},
    scope::{Scope, a},
    template::{is_template, render},
};
use crate::job::FieldError;

fn holds(text: &Text<'_>, scope: &Scope<'_>) -> Result<bool, FieldError> {
    Expression::compiled(text.source)
        .and_then(|expression| expression.holds(scope))
        .map_err(|error| FieldError::new(&*text.path, error.to_string()))
}

impl Step<'_> {
    /// Whether every `when` holds; a step without one may always start.
    ///
    /// # Errors
    /// The first condition that has no answer: the step fails with it.
    pub fn may_start(&self, scope: &Scope<'_>) -> Result<bool, FieldError> {
        for when in &self.when {
            if !holds(when, scope)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Edge<'_> {
    /// Whether the edge's condition holds; an edge without one always does. Only asked once the step before succeeded.
    ///
    /// # Errors
    /// If it has no answer: the step behind fails with it.
    pub fn holds(&self, scope: &Scope<'_>) -> Result<bool, FieldError> {
        self.condition.as_ref().map_or(Ok(true), |condition| holds(condition, scope))
    }
}

impl FanOut {
    /// The items, at most [`Window::MOST_ITEMS`]; `path` is the map's place in the definition.
    ///
    /// # Errors
    /// If there is no list, or too long a one.
    pub fn items(&self, scope: &Scope<'_>, path: &str) -> Result<Vec<Value>, Vec<FieldError>> {
        let path = join(path, "over");
        let wrong = |message: String| vec![FieldError::new(&*path, message)];
        let items = match &self.over {
            Value::String(source) if !is_template(source) => Expression::compiled(source)
                .and_then(|expression| expression.list(scope))
                .map_err(|error| wrong(error.to_string()))?,
            over => match render(over, scope, &path)? {
                Value::Array(items) => items,
                other => return Err(wrong(Error::Type { got: a(&other), want: "a list" }.to_string())),
            },
        };
        if items.len() > Window::MOST_ITEMS as usize {
            return Err(wrong(format!("gives {} items; at most {}", items.len(), Window::MOST_ITEMS)));
        }
        Ok(items)
    }
}

impl Node {
    /// The node's output from what it gave, the scope's `output`: that itself, or the object that `outputs` make of it. `path`
    /// is the node's place in the definition.
    ///
    /// # Errors
    /// Every one of the `outputs` that has no value.
    pub fn output(&self, scope: &Scope<'_>, path: &str) -> Result<Value, Vec<FieldError>> {
        if self.outputs.is_empty() {
            return Ok(scope.output.cloned().unwrap_or(Value::Null));
        }
        let mut errors = Errors::default();
        let mut made = Map::new();
        for (name, source) in &self.outputs {
            match Expression::compiled(source).and_then(|expression| expression.evaluate(scope)) {
                Ok(value) => {
                    made.insert(name.clone(), value);
                }
                Err(error) => errors.add(format!("{path}.outputs.{name}"), error.to_string()),
            }
        }
        errors.done(Value::Object(made))
    }
}
