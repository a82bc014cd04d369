//! From a text to a [`Workflow`]: bounded, the same for JSON and YAML, and with every error at its path.
//!
//! Both formats are first read into the same JSON value, in which each value is counted: an alias that stands for another
//! value counts as what it stands for. A key that stands twice in one object is an error in both; the parsers would keep
//! the last.

use std::{cell::RefCell, fmt};

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{
    Limits,
    definition::{Node, Workflow},
    errors::{Errors, join},
};
use crate::job::FieldError;

/// How a definition is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Json,
    Yaml,
}

impl Workflow {
    /// Reads a definition; what it means is checked by [`Workflow::validate`].
    ///
    /// # Errors
    /// Everything that is not of the definition's form: one error for the whole text if it is no JSON or YAML at all, else
    /// one for each node and one for the rest.
    pub fn read(text: &str, format: Format) -> Result<Self, Vec<FieldError>> {
        Self::from_value(value(text, format)?)
    }

    /// A definition from its JSON value.
    pub fn from_value(value: Value) -> Result<Self, Vec<FieldError>> {
        let Value::Object(mut fields) = value else {
            return Err(vec![FieldError::new("", "a workflow is an object with name and nodes")]);
        };
        let mut errors = Errors::default();
        let mut nodes = std::collections::BTreeMap::new();
        match fields.get_mut("nodes") {
            Some(Value::Object(given)) => {
                for (name, node) in std::mem::take(given) {
                    let path = join("nodes", &name);
                    if let Some(node) = typed::<Node>(&node, &path, &mut errors) {
                        nodes.insert(name, node);
                    }
                }
            }
            Some(_) => {
                fields.insert("nodes".into(), Value::Object(Map::new()));
                errors.add("nodes", "must be an object: the name of each node and what it does");
            }
            None => {}
        }
        let header = typed::<Self>(&Value::Object(fields), "", &mut errors);
        let workflow = errors.done(header)?;
        // A header that was not read left an error behind.
        workflow.map(|header| Self { nodes, ..header }).ok_or_else(Vec::new)
    }
}

/// Deserialises; an error's path is only looked for when there is one.
fn typed<T: de::DeserializeOwned>(value: &Value, path: &str, errors: &mut Errors) -> Option<T> {
    if let Ok(typed) = T::deserialize(value) {
        return Some(typed);
    }
    match serde_path_to_error::deserialize::<_, T>(value) {
        Ok(typed) => Some(typed),
        Err(error) => {
            let below = error.path().to_string();
            errors.add(join(path, if below == "." { "" } else { &below }), error.inner().to_string());
            None
        }
    }
}

/// The JSON value of a text.
pub(super) fn value(text: &str, format: Format) -> Result<Value, Vec<FieldError>> {
    let whole = |message: String| vec![FieldError::new("", message)];
    if text.len() > Limits::DEFINITION_BYTES {
        return Err(whole(format!("has {} bytes; at most {}", text.len(), Limits::DEFINITION_BYTES)));
    }
    let reader = Reader::default();
    let seed = Seed { reader: &reader, depth: 0 };
    let read = match format {
        Format::Json => {
            let mut json = serde_json::Deserializer::from_str(text);
            seed.deserialize(&mut json)
                .and_then(|value| json.end().map(|()| value))
                .map_err(|error| format!("is not JSON: {error}"))
        }
        Format::Yaml => seed
            .deserialize(serde_norway::Deserializer::from_str(text))
            .map_err(|error| format!("is not YAML: {error}")),
    };
    let value = read.map_err(whole)?;
    reader.state.into_inner().errors.done(value)
}

#[derive(Default)]
struct Reader {
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    values: usize,
    bytes: usize,
    path: Vec<String>,
    errors: Errors,
}

impl Reader {
    fn count<E: de::Error>(&self, bytes: usize) -> Result<(), E> {
        let mut state = self.state.borrow_mut();
        state.values += 1;
        state.bytes += bytes;
        if state.values > Limits::VALUES || state.bytes > Limits::DEFINITION_BYTES {
            return Err(E::custom(format!(
                "holds more than {} values or {} bytes with its aliases followed",
                Limits::VALUES,
                Limits::DEFINITION_BYTES
            )));
        }
        Ok(())
    }

    fn enter(&self, segment: String) {
        self.state.borrow_mut().path.push(segment);
    }

    fn leave(&self) {
        self.state.borrow_mut().path.pop();
    }

    fn twice(&self, key: &str) {
        let mut state = self.state.borrow_mut();
        let path = state.path.iter().fold(String::new(), |path, segment| join(&path, segment));
        let path = join(&path, key);
        state.errors.add(path, "is a duplicate: the same name stands twice");
    }
}

#[derive(Clone, Copy)]
struct Seed<'a> {
    reader: &'a Reader,
    depth: usize,
}

impl Seed<'_> {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth == Limits::DEPTH {
            return Err(E::custom(format!("is nested deeper than {}", Limits::DEPTH)));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON has")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        self.reader.count(0)?;
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        self.reader.count(0)?;
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        self.reader.count(0)?;
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        self.reader.count(0)?;
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        self.reader.count(0)?;
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("has a number that JSON does not have: .inf or .nan"))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        self.reader.count(value.len())?;
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Value, E> {
        self.reader.count(value.len())?;
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.reader.count(0)?;
        let below = self.deeper()?;
        let mut list = Vec::new();
        loop {
            self.reader.enter(format!("[{}]", list.len()));
            match items.next_element_seed(below)? {
                Some(item) => list.push(item),
                None => break,
            }
            self.reader.leave();
        }
        self.reader.leave();
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        self.reader.count(0)?;
        let below = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.reader.count(key.len())?;
            if map.contains_key(&key) {
                self.reader.twice(&key);
            }
            self.reader.enter(key.clone());
            let value = entries.next_value_seed(below)?;
            self.reader.leave();
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}
