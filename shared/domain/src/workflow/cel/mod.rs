//! Conditions: CEL over the parameters, earlier outputs and facts of a run.
//!
//! An expression ends: CEL has no recursion and loops over lists alone. It also ends *soon*: its text, its depth, and, with
//! the values of the run at hand, the number of steps that it could take ([`cost`]) are bounded before it is evaluated.
//! There are no regular expressions and no clock.

mod cost;
mod functions;
mod references;

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use ::cel::{Context, Env, ExecutionError, Value as Cel, common::ast::IdedExpr, objects::ValueType};
use serde_json::{Map, Value};

use super::{
    Limits,
    scope::{Path, Scope, a},
};

/// Compiled once; expressions share it.
static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib().with_optional_support(false);
    functions::add(&mut env);
    Arc::new(env)
});

/// The deepest nesting of brackets. The parser takes some 100 KB of stack for each level in a debug build, so this is
/// looked at before it is called.
const BRACKETS: usize = 8;
/// The deepest nesting of anything else that the parser recurses for.
const NESTING: u16 = 24;
/// The deepest tree: evaluation recurses.
const DEPTH: usize = 64;
/// The most steps of one evaluation, each of which handles one small value; some tenths of a second.
const STEPS: u64 = 1_000_000;

/// What is wrong with an expression, for its author.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is no expression, whatever the values.
    #[error("{0}")]
    Compile(String),
    /// It has no answer for these values.
    #[error("{0}")]
    Evaluate(String),
    /// It gives a value of another type than is due.
    #[error("gives {got}; it must give {want}")]
    Type { got: &'static str, want: &'static str },
}

/// How many compiled expressions a thread keeps.
const KEPT: usize = 1_024;

thread_local! {
    static COMPILED: RefCell<HashMap<String, Result<Arc<Expression>, Error>>> = RefCell::default();
}

/// A compiled expression.
#[derive(Debug, Clone)]
pub struct Expression {
    tree: IdedExpr,
    paths: Vec<Path>,
}

impl Expression {
    /// As [`Self::compile`], once for each text: runs and large definitions repeat themselves, and the parser is slow.
    pub fn compiled(source: &str) -> Result<Arc<Self>, Error> {
        COMPILED.with_borrow_mut(|known| {
            if let Some(compiled) = known.get(source) {
                return compiled.clone();
            }
            if known.len() == KEPT {
                known.clear();
            }
            let compiled = Self::compile(source).map(Arc::new);
            known.insert(source.to_owned(), compiled.clone());
            compiled
        })
    }

    /// Compiles an expression.
    ///
    /// # Errors
    /// [`Error::Compile`] for anything that is wrong with it whatever the values are: syntax, size, an unknown variable or
    /// function.
    pub fn compile(source: &str) -> Result<Self, Error> {
        if source.trim().is_empty() {
            return Err(Error::Compile("is empty; expected an expression such as params.epochs > 3".into()));
        }
        if source.len() > Limits::EXPRESSION_BYTES {
            let most = Limits::EXPRESSION_BYTES;
            return Err(Error::Compile(format!("has {} bytes; at most {most}", source.len())));
        }
        if super::template::is_template(source) {
            return Err(Error::Compile("is an expression: write params.x, not ${{ params.x }}".into()));
        }
        if brackets(source)? > BRACKETS {
            return Err(Error::Compile(format!(
                "has more than {BRACKETS} brackets inside each other; split it up"
            )));
        }
        let tree = ENV.parser().max_recursion_depth(NESTING).parse(source).map_err(|errors| {
            let mut texts: Vec<_> = errors
                .errors
                .iter()
                .map(|error| format!("line {}, column {}: {}", error.pos.0, error.pos.1 + 1, error.msg))
                .collect();
            texts.dedup();
            texts.truncate(3);
            Error::Compile(format!("is not an expression: {}", texts.join("; ")))
        })?;
        if references::deeper_than(&tree, DEPTH) {
            return Err(Error::Compile(format!("is nested deeper than {DEPTH}; split it up")));
        }
        let paths = references::paths(&tree).map_err(Error::Compile)?;
        Ok(Self { tree, paths })
    }

    /// What it reads.
    pub(super) fn paths(&self) -> &[Path] {
        &self.paths
    }

    /// Its value.
    ///
    /// # Errors
    /// [`Error::Evaluate`] if it has none for this scope, or could take too long.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, Error> {
        let root = root(scope);
        let steps = cost::steps(&self.tree, &root);
        if steps > STEPS {
            return Err(Error::Evaluate(format!(
                "could take {steps} steps on these values; at most {STEPS}. Loops inside loops over long lists cost the product of their lengths"
            )));
        }
        let mut context = Context::with_env(Arc::clone(&ENV));
        for (name, value) in &root {
            context.add_variable_from_value(name.as_str(), to_cel(value));
        }
        let value = Cel::resolve(&self.tree, &context).map_err(|error| Error::Evaluate(shown(&error)))?;
        to_json(&value).map_err(Error::Evaluate)
    }

    /// Its value as a condition.
    pub fn holds(&self, scope: &Scope<'_>) -> Result<bool, Error> {
        match self.evaluate(scope)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(Error::Type { got: a(&other), want: "true or false" }),
        }
    }

    /// Its value as a list.
    pub fn list(&self, scope: &Scope<'_>) -> Result<Vec<Value>, Error> {
        match self.evaluate(scope)? {
            Value::Array(items) => Ok(items),
            other => Err(Error::Type { got: a(&other), want: "a list" }),
        }
    }
}

/// How deep brackets are nested outside of texts and comments.
fn brackets(source: &str) -> Result<usize, Error> {
    let open = |quote: &str| {
        Error::Compile(format!("is not an expression: a text begins with {quote} and does not end"))
    };
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut rest = source;
    // The letters right before a quote: r makes it a raw text, in which a backslash is a letter.
    let mut word = String::new();
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.find('\n').map_or("", |end| &rest[end..]);
        } else if c == '\'' || c == '"' {
            let is_raw = word.len() <= 2 && word.contains(['r', 'R']);
            let long = [c; 3].iter().collect::<String>();
            let quote = if rest.starts_with(&long) { long } else { c.to_string() };
            rest = &rest[quote.len()..];
            while !rest.starts_with(&quote) {
                let mut letters = rest.chars();
                let is_escape = letters.next().ok_or_else(|| open(&quote))? == '\\' && !is_raw;
                if quote.len() == 1 && rest.starts_with(['\n', '\r']) {
                    return Err(open(&quote));
                }
                if is_escape {
                    letters.next();
                }
                rest = letters.as_str();
            }
            rest = &rest[quote.len()..];
        } else {
            match c {
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            deepest = deepest.max(depth);
            rest = &rest[c.len_utf8()..];
            if c.is_alphanumeric() || c == '_' {
                word.push(c);
                continue;
            }
        }
        word.clear();
    }
    Ok(deepest)
}

/// An error of the evaluation in words, without the values in it, which may be long.
fn shown(error: &ExecutionError) -> String {
    match error {
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            let mixes = matches!(
                (left.type_of(), right.type_of()),
                (ValueType::Int, ValueType::Float) | (ValueType::Float, ValueType::Int)
            );
            let (left, right) = (kind(left), kind(right));
            let hint = if mixes { "; write double(x) for the int" } else { "" };
            format!("cannot {operator} {left} and {right}{hint}")
        }
        ExecutionError::ValuesNotComparable(left, right) => {
            format!("cannot compare {} and {}", kind(left), kind(right))
        }
        ExecutionError::NoSuchOverload(overload) => {
            let name = overload.function().trim_matches(['_', '@']);
            format!("`{name}` is not for {}", overload.argument_types().join(" and "))
        }
        ExecutionError::NoSuchKey(key) => format!("there is no `{key}`"),
        ExecutionError::IndexOutOfBounds(index) => match index {
            Cel::Int(index) => format!("there is no [{index}]: the list is shorter"),
            _ => "the list is shorter than the index".into(),
        },
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "divides by zero".into(),
        ExecutionError::Overflow(operator, ..) => {
            format!("{operator} gives a number that is too large for an int")
        }
        ExecutionError::UnexpectedType { got, want } => format!("there is {got} where {want} is due"),
        ExecutionError::FunctionError { function, message } => format!("{function} {message}"),
        other => {
            let text = other.to_string();
            let mut short: String = text.chars().take(200).collect();
            if short.len() < text.len() {
                short.push('…');
            }
            short
        }
    }
}

/// The name of a value's type in CEL.
fn kind(value: &Cel) -> String {
    match value.type_of() {
        ValueType::Float => "double".into(),
        other => other.to_string(),
    }
}

/// The variables. The member of a group stands below its group, as its id is written.
fn root(scope: &Scope<'_>) -> Map<String, Value> {
    let mut nodes = Map::new();
    for (id, seen) in &scope.nodes {
        let mut place = &mut nodes;
        let mut names = id.split('.').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                let mut node = Map::new();
                node.insert("status".into(), seen.status.into());
                node.insert("output".into(), seen.output.clone());
                place.insert(name.to_owned(), Value::Object(node));
                break;
            }
            let group = place.entry(name).or_insert_with(|| Value::Object(Map::new()));
            let Value::Object(group) = group else { break };
            place = group;
        }
    }
    let mut root = Map::new();
    root.insert("params".into(), Value::Object(scope.params.clone()));
    root.insert("nodes".into(), Value::Object(nodes));
    root.insert("run".into(), scope.run.clone());
    if let Some((index, item)) = scope.item {
        root.insert("item".into(), item.clone());
        root.insert("index".into(), index.into());
    }
    if let Some(output) = scope.output {
        root.insert("output".into(), output.clone());
    }
    root
}

fn to_cel(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(*value),
        // Every whole number is an int, so that two of them can be added.
        Value::Number(number) => {
            number.as_i64().map_or_else(|| Cel::Float(number.as_f64().unwrap_or(f64::NAN)), Cel::Int)
        }
        Value::String(text) => Cel::String(Arc::new(text.clone())),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.as_str(), to_cel(value))).collect::<HashMap<_, _>>().into()
        }
    }
}

fn to_json(value: &Cel) -> Result<Value, String> {
    Ok(match value {
        Cel::Null => Value::Null,
        Cel::Bool(value) => Value::Bool(*value),
        Cel::Int(value) => (*value).into(),
        Cel::UInt(value) => (*value).into(),
        Cel::Float(value) => serde_json::Number::from_f64(*value)
            .map(Value::Number)
            .ok_or("gives a number that JSON does not have: infinite or undefined")?,
        Cel::String(text) => Value::String(text.to_string()),
        Cel::List(items) => Value::Array(items.iter().map(to_json).collect::<Result<_, _>>()?),
        Cel::Map(fields) => Value::Object(
            fields
                .map
                .iter()
                .map(|(key, value)| Ok((key.to_string(), to_json(value)?)))
                .collect::<Result<_, String>>()?,
        ),
        _ => return Err("gives a value that JSON does not have".into()),
    })
}
