//! Removing an ended job. The job's own row goes last: a deletion that was cut short can be asked for again.

use app::ports::{JobStore, StoreError};
use aws_sdk_dynamodb::types::{Delete, DeleteRequest, TransactWriteItem, Update, WriteRequest};
use domain::job::Job;

use super::commit;
use crate::{
    Store,
    failure::store_error,
    item::{Item, key, n},
    keys,
};

/// What BatchWriteItem takes at most.
const BATCH: usize = 25;

pub(super) async fn delete(store: &Store, job: &Job) -> Result<(), StoreError> {
    let attempts = store.attempts(job.id).await?;
    for attempt in attempts {
        let rows = store.below(&keys::runner(attempt.id).0, "", Some("pk, sk")).await?;
        remove(store, rows).await?;
    }
    let (pk, _) = keys::job(job.id);
    for prefix in ["EVENT#", "ATTEMPT#"] {
        let rows = store.below(&pk, prefix, Some("pk, sk")).await?;
        remove(store, rows).await?;
    }
    let job_row = Delete::builder()
        .table_name(&store.table)
        .set_key(Some(key(keys::job(job.id))))
        .condition_expression("version = :version")
        .expression_attribute_values(":version", n(job.version))
        .build()
        .map_err(|error| StoreError::Other(Box::new(error)))?;
    let counts = Update::builder()
        .table_name(&store.table)
        .set_key(Some(key(keys::counts(job.owner))))
        .update_expression("ADD #status :minus")
        .expression_attribute_names("#status", job.status.as_str())
        .expression_attribute_values(":minus", n(-1))
        .build()
        .map_err(|error| StoreError::Other(Box::new(error)))?;
    let writes = vec![
        TransactWriteItem::builder().delete(job_row).build(),
        TransactWriteItem::builder().update(counts).build(),
    ];
    match commit::send(store, writes, usize::MAX).await {
        Err(error) if store.job(job.id).await?.is_some() => Err(error),
        // Done, or somebody deleted it in between: either is what was asked for.
        Ok(()) | Err(_) => Ok(()),
    }
}

async fn remove(store: &Store, rows: Vec<Item>) -> Result<(), StoreError> {
    let mut left: Vec<WriteRequest> = Vec::with_capacity(rows.len());
    for row in rows {
        let request = DeleteRequest::builder()
            .set_key(Some(row))
            .build()
            .map_err(|error| StoreError::Other(Box::new(error)))?;
        left.push(WriteRequest::builder().delete_request(request).build());
    }
    while !left.is_empty() {
        let batch: Vec<WriteRequest> = left.drain(..left.len().min(BATCH)).collect();
        let answer = store
            .client
            .batch_write_item()
            .request_items(&store.table, batch)
            .send()
            .await
            .map_err(store_error)?;
        left.extend(answer.unprocessed_items.unwrap_or_default().into_values().flatten());
    }
    Ok(())
}
