//! A batch of the table's stream as Lambda hands it over. Only what is read here is named.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

/// Changed rows, in the order of their changes.
#[derive(Deserialize)]
pub struct Batch {
    #[serde(rename = "Records")]
    pub(crate) records: Vec<Record>,
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("records", &self.records.len()).finish()
    }
}

#[derive(Deserialize)]
pub(crate) struct Record {
    #[serde(rename = "dynamodb")]
    pub(crate) change: Change,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Change {
    pub(crate) sequence_number: String,
    /// The row as it is now; a removal has none.
    #[serde(default)]
    pub(crate) new_image: HashMap<String, Attribute>,
}

/// An attribute of a kind that our pushed rows are made of.
#[derive(Deserialize)]
pub(crate) enum Attribute {
    S(String),
    /// Base64.
    B(String),
    #[serde(untagged)]
    Other(serde::de::IgnoredAny),
}

impl Change {
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.new_image.get(name)? {
            Attribute::S(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn binary(&self, name: &str) -> Result<Option<Vec<u8>>, base64::DecodeError> {
        match self.new_image.get(name) {
            Some(Attribute::B(text)) => STANDARD.decode(text).map(Some),
            _ => Ok(None),
        }
    }
}
