//! Removing an ended job. The job's own row goes last: a deletion that was cut short can be asked for again.

use app::ports::{JobStore, StoreError};
use aws_sdk_dynamodb::types::{Delete, TransactWriteItem, Update};
use domain::job::Job;

use crate::{
    Store,
    failure::other,
    item::{key, n},
    keys,
    transaction::send,
};

pub(super) async fn delete(store: &Store, job: &Job) -> Result<(), StoreError> {
    let attempts = store.attempts(job.id).await?;
    for attempt in attempts {
        let rows = store.below(&keys::runner(attempt.id).0, "", Some("pk, sk")).await?;
        store.remove_all(rows).await?;
    }
    let (pk, _) = keys::job(job.id);
    for prefix in ["EVENT#", "ATTEMPT#"] {
        let rows = store.below(&pk, prefix, Some("pk, sk")).await?;
        store.remove_all(rows).await?;
    }
    let job_row = Delete::builder()
        .table_name(&store.table)
        .set_key(Some(key(keys::job(job.id))))
        .condition_expression("version = :version")
        .expression_attribute_values(":version", n(job.version))
        .build()
        .map_err(other)?;
    let counts = Update::builder()
        .table_name(&store.table)
        .set_key(Some(key(keys::counts(job.owner))))
        .update_expression("ADD #status :minus")
        .expression_attribute_names("#status", job.status.as_str())
        .expression_attribute_values(":minus", n(-1))
        .build()
        .map_err(other)?;
    let writes = vec![
        TransactWriteItem::builder().delete(job_row).build(),
        TransactWriteItem::builder().update(counts).build(),
    ];
    match send(store, writes, None).await {
        Err(error) if store.job(job.id).await?.is_some() => Err(error),
        // Done, or somebody deleted it in between: either is what was asked for.
        Ok(()) | Err(_) => Ok(()),
    }
}
