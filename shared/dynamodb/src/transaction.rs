//! Several rows as one transaction: every write of it happens, or none.

use std::time::Duration;

use app::ports::{Idempotency, StoreError};
use aws_sdk_dynamodb::{
    error::SdkError,
    operation::transact_write_items::TransactWriteItemsError,
    types::{
        AttributeValue, Put, TransactWriteItem,
        builders::{PutBuilder, UpdateBuilder},
    },
};
use domain::UserId;
use serde::Serialize;

use crate::{
    Store,
    failure::{other, store_error},
    item::{Item, item, n, s},
    keys,
};

/// How often a transaction that met another one on the same row is sent again before its caller has to read again.
const COLLISIONS: u32 = 8;

/// Sends a transaction whose write at `counts_at` is refused by a limit, and by nothing else; of one without,
/// every refusal is a conflict.
pub(crate) async fn send(
    store: &Store,
    writes: Vec<TransactWriteItem>,
    counts_at: Option<usize>,
) -> Result<(), StoreError> {
    for collision in 1.. {
        let sent = store.client.transact_write_items().set_transact_items(Some(writes.clone())).send().await;
        let Err(error) = sent else { return Ok(()) };
        match classify(&error, counts_at) {
            Cancelled::Collision if collision < COLLISIONS => {
                let millis = rand::random_range(2..(8 << collision.min(6)));
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
            Cancelled::Collision => return Err(StoreError::Busy(Box::new(error))),
            Cancelled::Limit => return Err(StoreError::LimitReached),
            Cancelled::Condition => return Err(StoreError::Conflict),
            Cancelled::No => return Err(store_error(error)),
        }
    }
    unreachable!("the loop ends by returning")
}

enum Cancelled {
    /// Another transaction was under way on a row of ours.
    Collision,
    /// The owner's counter did not allow it.
    Limit,
    /// A row is not as it was read.
    Condition,
    /// It was no cancellation.
    No,
}

fn classify<R>(error: &SdkError<TransactWriteItemsError, R>, counts_at: Option<usize>) -> Cancelled {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error()
    else {
        return Cancelled::No;
    };
    let failed = |at: usize, code: &str| {
        cancelled.cancellation_reasons().get(at).and_then(|reason| reason.code()) == Some(code)
    };
    let conditions: Vec<usize> = (0..cancelled.cancellation_reasons().len())
        .filter(|at| failed(*at, "ConditionalCheckFailed"))
        .collect();
    let codes = cancelled.cancellation_reasons().iter().filter_map(|reason| reason.code());
    match conditions.as_slice() {
        // Such as a row that is too large: no repeat mends it.
        [] if codes.clone().any(|code| code == "ValidationError") => Cancelled::No,
        [] => Cancelled::Collision,
        [only] if Some(*only) == counts_at => Cancelled::Limit,
        _ => Cancelled::Condition,
    }
}

/// The row by which a repeat of a request is found.
pub(crate) fn remember(
    store: &Store,
    owner: UserId,
    request: &Idempotency,
) -> Result<TransactWriteItem, StoreError> {
    let mut row = item(keys::request(owner, &request.key), &request.body)?;
    row.insert("digest".into(), s(&request.digest));
    row.insert("status".into(), n(request.status));
    row.insert(keys::EXPIRES_AT.into(), n(request.expires_at.as_second()));
    Ok(put_if_new(store, row))
}

/// A put as a part of a transaction.
pub(crate) fn put(put: PutBuilder) -> TransactWriteItem {
    // The builder only fails without a table or an item, and every caller sets both.
    TransactWriteItem::builder().set_put(put.build().ok()).build()
}

/// An update as a part of a transaction.
pub(crate) fn update(update: UpdateBuilder) -> Result<TransactWriteItem, StoreError> {
    let update = update.build().map_err(other)?;
    Ok(TransactWriteItem::builder().update(update).build())
}

/// An entry of a history, which the stream hands to the notifier, and the `last` one to whoever tells of ends. It is written
/// once: a number that is taken means that its subject was read before somebody else's change.
pub(crate) fn put_event<T: Serialize>(
    store: &Store,
    at: (String, String),
    event: &T,
    owner: UserId,
    last: bool,
) -> Result<TransactWriteItem, StoreError> {
    let mut row = item(at, event)?;
    row.insert(keys::PUSH.into(), AttributeValue::Bool(true));
    if last {
        row.insert(keys::ENDED.into(), AttributeValue::Bool(true));
    }
    row.insert("owner".into(), s(owner));
    Ok(put_if_new(store, row))
}

/// A row that must not be there yet.
pub(crate) fn put_if_new(store: &Store, row: Item) -> TransactWriteItem {
    put(Put::builder()
        .table_name(&store.table)
        .set_item(Some(row))
        .condition_expression("attribute_not_exists(pk)"))
}

/// A row as it will be, whatever it was.
pub(crate) fn put_row(store: &Store, row: Item) -> TransactWriteItem {
    put(Put::builder().table_name(&store.table).set_item(Some(row)))
}

/// A row with its next version in it, on the condition that it has `version` now, or does not exist for version 0.
pub(crate) fn put_version(store: &Store, row: Item, version: u64) -> TransactWriteItem {
    let write = Put::builder().table_name(&store.table).set_item(Some(row));
    put(if version == 0 {
        write.condition_expression("attribute_not_exists(pk)")
    } else {
        write.condition_expression("version = :version").expression_attribute_values(":version", n(version))
    })
}
