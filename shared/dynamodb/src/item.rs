//! How a value becomes a row: the whole value as JSON in `doc`, and beside it the few attributes that keys, filters and
//! conditions need. One attribute for the document keeps a row small and quick to read.

use std::collections::HashMap;

use app::ports::StoreError;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Serialize, de::DeserializeOwned};

/// A row.
pub type Item = HashMap<String, AttributeValue>;

/// The attribute that holds the value.
pub const DOC: &str = "doc";

/// A string attribute.
pub fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A number attribute.
pub fn n(number: impl std::fmt::Display) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// A key as DynamoDB wants it.
pub fn key((pk, sk): (String, String)) -> Item {
    HashMap::from([(crate::keys::PK.to_owned(), s(pk)), (crate::keys::SK.to_owned(), s(sk))])
}

/// A row with `value` in it.
pub fn item<T: Serialize>(at: (String, String), value: &T) -> Result<Item, StoreError> {
    let mut item = key(at);
    let json = serde_json::to_string(value).map_err(|error| StoreError::Other(Box::new(error)))?;
    item.insert(DOC.into(), s(json));
    Ok(item)
}

/// A row with `value` in it, and its version beside it for conditions.
pub(crate) fn versioned<T: Serialize>(
    at: (String, String),
    value: &T,
    version: u64,
) -> Result<Item, StoreError> {
    let mut row = item(at, value)?;
    row.insert("version".into(), n(version));
    Ok(row)
}

/// The value of a row.
pub fn value<T: DeserializeOwned>(item: &Item) -> Result<T, StoreError> {
    let doc = item.get(DOC).and_then(|doc| doc.as_s().ok()).map_or("", String::as_str);
    serde_json::from_str(doc).map_err(|error| StoreError::Other(Box::new(error)))
}

/// A number attribute of a row, if it has one.
pub fn number<T: std::str::FromStr>(item: &Item, name: &str) -> Option<T> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// A string attribute of a row, if it has one.
pub fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}
