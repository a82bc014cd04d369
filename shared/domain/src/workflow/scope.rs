//! What a run offers to templates and expressions, and paths into it.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value};

/// A node as others see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen<'a> {
    /// Such as `succeeded`.
    pub status: &'a str,
    pub output: &'a Value,
}

/// The values that a node's texts may use. Only the nodes that it reads ([`super::Uses::nodes`]) need to be there.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    /// The run's parameters, defaults filled in.
    pub params: &'a Map<String, Value>,
    /// By node id.
    pub nodes: BTreeMap<&'a str, Seen<'a>>,
    /// Facts of the run: `id`, `name`, `scheduled_for`, …
    pub run: &'a Value,
    /// In a map's node.
    pub item: Option<(u32, &'a Value)>,
    /// In a node's `outputs`.
    pub output: Option<&'a Value>,
}

/// A step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Key(String),
    Index(usize),
}

/// `nodes.train.output.files[0]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) root: String,
    pub(super) segments: Vec<Segment>,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)?;
        for segment in &self.segments {
            match segment {
                Segment::Key(key) if is_plain(key) => write!(f, ".{key}")?,
                Segment::Key(key) => write!(f, "[{key:?}]")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

impl Path {
    /// Reads a path; the message says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let name = |text: &str| {
            let end =
                text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '-')).unwrap_or(text.len());
            (end > 0).then_some(end)
        };
        let expected = || {
            format!(
                "`{text}` is not a path such as params.rate, nodes.train.output.files[0] or item[\"key\"]"
            )
        };
        let end = name(text).ok_or_else(expected)?;
        let root = text[..end].to_owned();
        let mut rest = &text[end..];
        let mut segments = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('.') {
                let end = name(after).ok_or_else(expected)?;
                segments.push(Segment::Key(after[..end].to_owned()));
                rest = &after[end..];
            } else if let Some(after) = rest.strip_prefix("[\"") {
                let end = after.find("\"]").ok_or_else(expected)?;
                segments.push(Segment::Key(after[..end].to_owned()));
                rest = &after[end + 2..];
            } else {
                let after = rest.strip_prefix('[').ok_or_else(expected)?;
                let end = after.find(']').ok_or_else(expected)?;
                let index = after[..end].parse().map_err(|_| expected())?;
                segments.push(Segment::Index(index));
                rest = &after[end + 1..];
            }
        }
        Ok(Self { root, segments })
    }

    /// The node that a path below `nodes` names, and how many segments its id takes: the id of a group's member has a dot.
    pub(super) fn node<'n>(&self, known: impl Fn(&str) -> Option<&'n str>) -> Option<(&'n str, usize)> {
        let mut id = String::new();
        for (at, segment) in self.segments.iter().enumerate() {
            let Segment::Key(key) = segment else { return None };
            if at > 0 {
                id.push('.');
            }
            id.push_str(key);
            if let Some(id) = known(&id) {
                return Some((id, at + 1));
            }
        }
        None
    }

    /// The value that it leads to.
    pub(super) fn value(&self, scope: &Scope<'_>) -> Result<Value, String> {
        let (start, segments) = match self.root.as_str() {
            "params" => match self.segments.split_first() {
                None => return Ok(Value::Object(scope.params.clone())),
                Some((first, rest)) => {
                    let found = match first {
                        Segment::Key(key) => scope.params.get(key),
                        Segment::Index(_) => None,
                    };
                    (found.ok_or_else(|| format!("`{self}`: there is no such parameter"))?, rest)
                }
            },
            "nodes" => {
                let (id, taken) = self
                    .node(|id| scope.nodes.get_key_value(id).map(|(id, _)| *id))
                    .ok_or_else(|| format!("`{self}`: that node has not run"))?;
                let seen = scope.nodes[id];
                match self.segments.get(taken) {
                    Some(Segment::Key(key)) if key == "status" => {
                        return Ok(Value::String(seen.status.to_owned()));
                    }
                    _ => (seen.output, self.segments.get(taken + 1..).unwrap_or_default()),
                }
            }
            "run" => (scope.run, &self.segments[..]),
            "output" => (scope.output.ok_or_else(|| absent(self, "outputs"))?, &self.segments[..]),
            "item" => (scope.item.ok_or_else(|| absent(self, "a map"))?.1, &self.segments[..]),
            "index" => return Ok(scope.item.ok_or_else(|| absent(self, "a map"))?.0.into()),
            _ => return Err(format!("`{self}` begins with none of {ROOTS}")),
        };
        let mut value = start;
        for segment in segments {
            value = match segment {
                Segment::Key(key) => value.get(key),
                Segment::Index(index) => value.get(index),
            }
            .ok_or_else(|| missing(self, segment, value))?;
        }
        Ok(value.clone())
    }
}

/// What a path may begin with.
pub(super) const ROOTS: &str = "params, nodes, run, item, index, output";

fn absent(path: &Path, place: &str) -> String {
    format!("`{path}` is there in {place} alone")
}

fn missing(path: &Path, segment: &Segment, value: &Value) -> String {
    let looked_for = match segment {
        Segment::Key(key) => format!("{key:?}"),
        Segment::Index(index) => format!("[{index}]"),
    };
    let instead = match value {
        Value::Object(map) if map.is_empty() => "an empty object".into(),
        Value::Object(map) => {
            let mut names: Vec<_> = map.keys().take(8).map(String::as_str).collect();
            if map.len() > names.len() {
                names.push("…");
            }
            format!("an object with {}", names.join(", "))
        }
        Value::Array(list) => format!("a list of {}", list.len()),
        other => a(other).into(),
    };
    format!("`{path}`: there is no {looked_for} in {instead}")
}

/// A value's type in words.
pub(super) const fn a(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
