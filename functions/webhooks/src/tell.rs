//! From the last event of a job or run to the messages for those who want to hear of it.

use app::{
    notifications::{JOB_ENDED, News, RUN_ENDED, announce},
    ports::{JobStore, RunStore, StoreError},
};
use contract::notifications::{JobEnded, RunEnded};
use domain::{UserId, job, workflow};
use dynamodb::Store;

/// The row that an event speaks of is gone.
#[derive(Debug, thiserror::Error)]
#[error("the job or run of an event is not there")]
struct Gone;

pub(crate) async fn of_job(store: &Store, owner: UserId, event: &job::Event) -> Result<usize, StoreError> {
    let news = News {
        event: JOB_ENDED,
        key: format!("{}/{}", event.job_id, event.seq),
        status: event.status.as_str(),
        at: event.at,
    };
    announce(store, store, owner, &news, async || {
        let job = store.job(event.job_id).await?.ok_or_else(|| StoreError::Other(Box::new(Gone)))?;
        Ok(JobEnded::from(job))
    })
    .await
}

pub(crate) async fn of_run(
    store: &Store,
    owner: UserId,
    event: &workflow::RunEvent,
) -> Result<usize, StoreError> {
    let news = News {
        event: RUN_ENDED,
        key: format!("{}/{}", event.run_id, event.seq),
        status: event.status.as_str(),
        at: event.at,
    };
    announce(store, store, owner, &news, async || {
        let (run, head) = futures::try_join!(store.run(event.run_id), store.head(event.run_id))?;
        let (Some(run), Some(head)) = (run, head) else { return Err(StoreError::Other(Box::new(Gone))) };
        Ok(RunEnded::new(run, head, event))
    })
    .await
}
