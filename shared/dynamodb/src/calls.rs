//! Messages to other people's servers: [`CallStore`] on the table.

use app::ports::{Call, CallState, CallStore, Page, StoreError};
use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{CallId, EndpointId, RunId};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use crate::{
    Store,
    item::{Item, key, n, s, text, value, versioned},
    keys,
    pages::{decode, encode},
};

/// How long a message can be looked up after its last try.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Messages that are written at a time.
const WRITES: usize = 8;

#[async_trait]
impl CallStore for Store {
    async fn keep_calls(&self, calls: &[Call]) -> Result<(), StoreError> {
        let rows: Vec<Item> = calls.iter().map(row).collect::<Result<_, _>>()?;
        stream::iter(rows)
            .map(async |row: Item| match self.put_version(row, 0).await {
                // It was written before.
                Err(StoreError::Conflict) => Ok(()),
                other => other,
            })
            .buffer_unordered(WRITES)
            .try_collect()
            .await
    }

    async fn call(&self, id: CallId) -> Result<Option<Call>, StoreError> {
        self.get(keys::call(id)).await?.as_ref().map(value).transpose()
    }

    async fn update_call(&self, call: &Call) -> Result<(), StoreError> {
        self.put_version(row(call)?, call.version).await
    }

    async fn due_calls(&self, now: Timestamp, limit: usize) -> Result<Vec<Call>, StoreError> {
        let row = |id: &str| Some(keys::call(id.parse().ok()?));
        Ok(self.by_time(keys::DUE, Some(now), limit, None, row).await?.items)
    }

    async fn deliveries(
        &self,
        endpoint: EndpointId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Call>, StoreError> {
        self.calls_under(keys::calls_to(endpoint), limit, cursor).await
    }

    async fn calls_of_run(&self, run: RunId, limit: usize) -> Result<Vec<Call>, StoreError> {
        Ok(self.calls_under(keys::calls_of_run(run), limit, None).await?.items)
    }
}

impl Store {
    /// A page of a partition of gsi1 whose sort keys are messages' ids, newest first.
    async fn calls_under(
        &self,
        pk: String,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Call>, StoreError> {
        let start = cursor.map(|cursor| {
            let id: CallId = decode(cursor)?.parse().map_err(|_| StoreError::Cursor)?;
            let mut start = key(keys::call(id));
            start.insert("gsi1pk".into(), s(&pk));
            start.insert("gsi1sk".into(), s(id));
            Ok::<Item, StoreError>(start)
        });
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("gsi1")
            .key_condition_expression("gsi1pk = :pk")
            .expression_attribute_values(":pk", s(&pk))
            .scan_index_forward(false);
        let (items, last) =
            self.fill(query, start.transpose()?, limit, false, |row| value(row).map(Some)).await?;
        Ok(Page { items, next: last.and_then(|last| text(&last, "gsi1sk").map(encode)) })
    }
}

/// Where the tick finds it.
fn due_at(call: &Call, due: Timestamp) -> [(String, AttributeValue); 2] {
    [("gsi2pk".into(), s(keys::DUE)), ("gsi2sk".into(), s(format!("{}#{}", keys::moment(due), call.id)))]
}

/// The row of a message as it will be, one version on.
pub(crate) fn row(call: &Call) -> Result<Item, StoreError> {
    let next = Call { version: call.version + 1, ..call.clone() };
    let mut row = versioned(keys::call(call.id), &next, next.version)?;
    row.insert("gsi1pk".into(), s(keys::calls(&call.purpose)));
    row.insert("gsi1sk".into(), s(call.id));
    match call.state {
        CallState::Pending { due } => {
            row.insert(keys::CALL.into(), AttributeValue::Bool(true));
            row.extend(due_at(call, due));
        }
        CallState::Waiting { due } => row.extend(due_at(call, due)),
        CallState::Delivered | CallState::Failed => {
            let last = call.tries.last().map_or(call.created_at, |last| last.at);
            row.insert(keys::EXPIRES_AT.into(), n((last + KEPT).as_second()));
        }
    }
    Ok(row)
}
