//! Values too large for one row: as JSON, compressed, in parts of rows of their own.

use app::ports::StoreError;
use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use domain::workflow::Limits;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Store,
    failure::other,
    item::{Item, key, text},
    keys,
    report::{gunzip, gzip},
};

/// The attribute that holds a part.
pub(crate) const BODY: &str = "body";

/// A value as it is kept. The same value gives the same bytes.
pub(crate) fn pack<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, StoreError> {
    gzip(&serde_json::to_vec(value).map_err(other)?).map_err(other)
}

/// The value of [`pack`]'s bytes.
pub(crate) fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(&gunzip(bytes).map_err(other)?).map_err(other)
}

/// A name for the parts of one writing of something that others may write at the same time.
pub(crate) fn writing() -> String {
    format!("{:016x}", rand::random::<u64>())
}

/// In how many parts `bytes` stand.
pub(crate) fn count(bytes: &[u8]) -> u32 {
    bytes.len().div_ceil(Limits::PART_BYTES) as u32
}

/// Bytes as an attribute.
pub(crate) fn part(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// The bytes in a row.
pub(crate) fn body(row: &Item) -> Option<&[u8]> {
    Some(row.get(BODY)?.as_b().ok()?.as_ref())
}

/// The rows of `bytes`, each under the key of its number.
pub(crate) fn rows<'a>(
    bytes: &'a [u8],
    at: impl Fn(u32) -> (String, String) + 'a,
) -> impl Iterator<Item = Item> + 'a {
    (0..).zip(bytes.chunks(Limits::PART_BYTES)).map(move |(number, part)| {
        let mut row = key(at(number));
        row.insert(BODY.into(), self::part(part));
        row
    })
}

impl Store {
    /// The bytes whose parts stand under `keys`, in their order; an error if one is missing. All of the keys have one
    /// partition.
    pub(crate) async fn parts(
        &self,
        keys: impl Iterator<Item = (String, String)>,
    ) -> Result<Vec<u8>, StoreError> {
        let keys: Vec<(String, String)> = keys.collect();
        let rows = self.rows(keys.iter().cloned()).await?;
        let mut bytes = Vec::new();
        for (pk, sk) in &keys {
            let part = rows
                .iter()
                .find(|row| text(row, keys::SK) == Some(sk))
                .and_then(body)
                .ok_or_else(|| other(format!("the part {pk} {sk} is missing")))?;
            bytes.extend_from_slice(part);
        }
        Ok(bytes)
    }
}
