//! Results that later runs may take instead of running a job. DynamoDB forgets them some time after they expire; until then
//! the time in the row tells.

use app::ports::{CachedResult, StoreError};
use domain::{
    UserId,
    workflow::{CachedFrom, Limits},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Store,
    failure::store_error,
    item::{Item, item, n, number, value},
    keys, parts,
};

/// What stands in a result's `doc`.
#[derive(Serialize, Deserialize)]
struct About {
    from: CachedFrom,
    /// The parts of an output that is too large for the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    apart: Option<Apart>,
}

#[derive(Serialize, Deserialize)]
struct Apart {
    writing: String,
    parts: u32,
}

impl Apart {
    fn keys(&self, owner: UserId, key: &str) -> impl Iterator<Item = (String, String)> {
        (0..self.parts).map(move |part| at(owner, key, &self.writing, part))
    }
}

fn at(owner: UserId, key: &str, writing: &str, part: u32) -> (String, String) {
    keys::cache(owner, &format!("{key}#{writing}#{part:03}"))
}

pub(super) async fn cached(
    store: &Store,
    owner: UserId,
    key: &str,
    now: Timestamp,
) -> Result<Option<CachedResult>, StoreError> {
    let row = store.get(keys::cache(owner, key)).await?;
    let Some(row) = row.filter(|row| expires(row).is_some_and(|at| at > now)) else { return Ok(None) };
    let about: About = value(&row)?;
    let output: Value = match &about.apart {
        None => parts::unpack(parts::body(&row).unwrap_or_default())?,
        Some(apart) => parts::unpack(&store.parts(apart.keys(owner, key)).await?)?,
    };
    Ok(Some(CachedResult { from: about.from, output }))
}

fn expires(row: &Item) -> Option<Timestamp> {
    Timestamp::from_second(number(row, keys::EXPIRES_AT)?).ok()
}

pub(super) async fn cache(
    store: &Store,
    owner: UserId,
    key: &str,
    result: &CachedResult,
    expires_at: Timestamp,
) -> Result<(), StoreError> {
    let bytes = parts::pack(&result.output)?;
    let mut about = About { from: result.from.clone(), apart: None };
    let expires = n(expires_at.as_second());
    if bytes.len() > Limits::PART_BYTES {
        let writing = parts::writing();
        let rows = parts::rows(&bytes, |part| at(owner, key, &writing, part)).map(|mut row| {
            row.insert(keys::EXPIRES_AT.into(), expires.clone());
            row
        });
        store.put_all(rows.collect()).await?;
        about.apart = Some(Apart { parts: parts::count(&bytes), writing });
    }
    let mut row = item(keys::cache(owner, key), &about)?;
    if about.apart.is_none() {
        row.insert(parts::BODY.into(), parts::part(&bytes));
    }
    row.insert(keys::EXPIRES_AT.into(), expires);
    let put = store.client.put_item().table_name(&store.table).set_item(Some(row));
    put.send().await.map(drop).map_err(store_error)
}
