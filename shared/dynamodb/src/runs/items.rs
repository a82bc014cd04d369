//! The items of maps: their values, and how far a map has come.
//!
//! The values stand in pieces of consecutive items, and one row says where each piece begins: starting a few items of ten
//! thousand reads one piece or two.

use std::{ops::Range, time::Duration};

use app::ports::StoreError;
use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{ReturnValue, ReturnValuesOnConditionCheckFailure},
};
use domain::{
    RunId,
    workflow::{Limits, MapProgress},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Store,
    failure::{other, store_error},
    item::{Item, item, key, n, number, value},
    keys, parts,
};

pub(super) const STARTED: &str = "started";
pub(super) const SUCCEEDED: &str = "succeeded";
pub(super) const FAILED: &str = "failed";
pub(super) const CANCELLED: &str = "cancelled";

/// How often an update that met a transaction on its row is sent again.
const COLLISIONS: u32 = 8;

/// Where the values of a map's items stand.
#[derive(Serialize, Deserialize)]
struct Contents {
    pieces: Vec<Piece>,
}

/// Consecutive items in parts of their own.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Piece {
    /// The number of its first item.
    first: u32,
    /// Its first part and how many there are: more than one only for a single item that is too large for a row.
    part: u32,
    parts: u32,
}

pub(super) async fn keep(store: &Store, id: RunId, step: u32, items: &[Value]) -> Result<(), StoreError> {
    let mut contents = Contents { pieces: Vec::new() };
    let mut rows = Vec::new();
    let mut first = 0;
    while first < items.len() {
        let length = piece(&items[first..])?;
        let bytes = parts::pack(&items[first..first + length])?;
        let part = rows.len() as u32;
        contents.pieces.push(Piece { first: first as u32, part, parts: parts::count(&bytes) });
        rows.extend(parts::rows(&bytes, |number| keys::item_values_part(id, step, part + number)));
        first += length;
    }
    store.put_all(rows).await?;
    let row = item(keys::item_values(id, step), &contents)?;
    let put = store.client.put_item().table_name(&store.table).set_item(Some(row));
    put.send().await.map(drop).map_err(store_error)
}

/// How many of the items, at least one, fit in a row before compression.
fn piece(items: &[Value]) -> Result<usize, StoreError> {
    let mut bytes = 0;
    for (index, item) in items.iter().enumerate() {
        bytes += serde_json::to_vec(item).map_err(other)?.len() + 1;
        if bytes > Limits::PART_BYTES {
            return Ok(index.max(1));
        }
    }
    Ok(items.len())
}

pub(super) async fn read(
    store: &Store,
    id: RunId,
    step: u32,
    range: Range<u32>,
) -> Result<Vec<Value>, StoreError> {
    let row = store.get(keys::item_values(id, step)).await?;
    let row = row.ok_or_else(|| other(format!("step {step} of {id} has no items")))?;
    let Contents { pieces } = value(&row)?;
    // The last piece that begins at or before the first item asked for, and what follows.
    let from = pieces.partition_point(|piece| piece.first <= range.start).saturating_sub(1);
    let to = pieces.partition_point(|piece| piece.first < range.end).max(from);
    let mut items = Vec::with_capacity(range.len());
    for piece in &pieces[from..to] {
        let keys = (piece.part..piece.part + piece.parts).map(|part| keys::item_values_part(id, step, part));
        let values: Vec<Value> = parts::unpack(&store.parts(keys).await?)?;
        let wanted = (piece.first..).zip(values).filter(|(number, _)| range.contains(number));
        items.extend(wanted.map(|(_, value)| value));
    }
    Ok(items)
}

pub(super) async fn progress(store: &Store, id: RunId, step: u32) -> Result<MapProgress, StoreError> {
    let row = store.get(keys::map_progress(id, step)).await?.unwrap_or_default();
    let count = |name| number(&row, name).unwrap_or(0);
    Ok(MapProgress {
        started: count(STARTED),
        succeeded: count(SUCCEEDED),
        failed: count(FAILED),
        cancelled: count(CANCELLED),
    })
}

pub(super) async fn raise_started(
    store: &Store,
    id: RunId,
    step: u32,
    target: u32,
) -> Result<u32, StoreError> {
    let started = |row: Option<&Item>| row.and_then(|row| number(row, STARTED)).unwrap_or(0);
    let mut collisions = 0;
    loop {
        let sent = store
            .client
            .update_item()
            .table_name(&store.table)
            .set_key(Some(key(keys::map_progress(id, step))))
            .update_expression("SET #started = :target")
            .condition_expression("attribute_not_exists(#started) OR #started < :target")
            .expression_attribute_names("#started", STARTED)
            .expression_attribute_values(":target", n(target))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match sent {
            Ok(raised) => return Ok(started(raised.attributes.as_ref())),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(high)) => {
                return Ok(started(high.item()));
            }
            // An item of the map ends in this moment.
            Some(UpdateItemError::TransactionConflictException(_)) if collisions < COLLISIONS => {
                collisions += 1;
                let millis = rand::random_range(2..(8 << collisions.min(6)));
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
            _ => return Err(store_error(error)),
        }
    }
}
