//! Many rows in one call. DynamoDB may leave some of them for later; these are asked for again.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use app::ports::StoreError;
use aws_sdk_dynamodb::types::{DeleteRequest, KeysAndAttributes, PutRequest, WriteRequest};

use crate::{
    Store,
    failure::{other, store_error},
    item::{Item, key},
};

/// What BatchWriteItem takes at most.
const WRITES: usize = 25;
/// What BatchGetItem takes at most.
const READS: usize = 100;
/// How often in a row a call may get nothing done.
const FRUITLESS: u32 = 8;

impl Store {
    /// Those of the rows that there are, as they stand now, each once, in any order.
    pub(crate) async fn rows(
        &self,
        keys: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Vec<Item>, StoreError> {
        let keys: BTreeSet<(String, String)> = keys.into_iter().collect();
        let mut left: Vec<Item> = keys.into_iter().map(key).collect();
        let mut rows = Vec::with_capacity(left.len());
        let mut fruitless = 0;
        while !left.is_empty() {
            let batch = left.split_off(left.len().saturating_sub(READS));
            let asked = batch.len();
            let request = KeysAndAttributes::builder()
                .set_keys(Some(batch))
                .consistent_read(true)
                .build()
                .map_err(other)?;
            let answer = self
                .client
                .batch_get_item()
                .request_items(&self.table, request)
                .send()
                .await
                .map_err(store_error)?;
            rows.extend(answer.responses.unwrap_or_default().into_values().flatten());
            let later: Vec<Item> = answer
                .unprocessed_keys
                .unwrap_or_default()
                .into_values()
                .flat_map(|unprocessed| unprocessed.keys)
                .collect();
            fruitless = pause(fruitless, later.len() == asked).await?;
            left.extend(later);
        }
        Ok(rows)
    }

    /// Writes rows, whatever there was. No key may occur twice.
    pub(crate) async fn put_all(&self, rows: Vec<Item>) -> Result<(), StoreError> {
        let write = |row| {
            let put = PutRequest::builder().set_item(Some(row)).build();
            put.map(|put| WriteRequest::builder().put_request(put).build())
        };
        self.write_all(rows.into_iter().map(write)).await
    }

    /// Removes the rows with these keys, whether they are there or not.
    pub(crate) async fn remove_all(&self, keys: Vec<Item>) -> Result<(), StoreError> {
        let write = |row| {
            let delete = DeleteRequest::builder().set_key(Some(row)).build();
            delete.map(|delete| WriteRequest::builder().delete_request(delete).build())
        };
        self.write_all(keys.into_iter().map(write)).await
    }

    async fn write_all(
        &self,
        writes: impl Iterator<Item = Result<WriteRequest, aws_sdk_dynamodb::error::BuildError>>,
    ) -> Result<(), StoreError> {
        let mut left: Vec<WriteRequest> = writes.collect::<Result<_, _>>().map_err(other)?;
        let mut fruitless = 0;
        while !left.is_empty() {
            let batch = left.split_off(left.len().saturating_sub(WRITES));
            let asked = batch.len();
            let answer = self
                .client
                .batch_write_item()
                .set_request_items(Some(HashMap::from([(self.table.clone(), batch)])))
                .send()
                .await
                .map_err(store_error)?;
            let later: Vec<WriteRequest> =
                answer.unprocessed_items.unwrap_or_default().into_values().flatten().collect();
            fruitless = pause(fruitless, later.len() == asked).await?;
            left.extend(later);
        }
        Ok(())
    }
}

/// After a call that got nothing done, the next one waits, longer each time.
async fn pause(fruitless: u32, nothing_done: bool) -> Result<u32, StoreError> {
    if !nothing_done {
        return Ok(0);
    }
    if fruitless == FRUITLESS {
        return Err(StoreError::Busy("a batch was left for later too often".into()));
    }
    tokio::time::sleep(Duration::from_millis(rand::random_range(2..(8 << fruitless)))).await;
    Ok(fruitless + 1)
}
