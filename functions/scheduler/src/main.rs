//! The scheduler: every minute, the schedules of workflows that are due, and the messages whose next try is.

use std::sync::Arc;

use app::{
    calls::Deliverer,
    ports::StoreError,
    scheduler::{Scheduler, Ticked},
};
use lambda::{Event, Platform, events::Failure};
use serde::Serialize;
use serde_json::Value;

/// Messages that one tick hands to the stream.
const MESSAGES: usize = 1_000;

#[derive(Debug, thiserror::Error)]
#[error("what is due could not be read")]
struct Failed(#[from] StoreError);

impl Failure for Failed {
    fn error_type(&self) -> &'static str {
        "TickFailed"
    }
}

/// What a tick did.
#[derive(Debug, Serialize)]
struct Done {
    #[serde(flatten)]
    ticked: Ticked,
    /// Messages that are tried now.
    messages: usize,
}

async fn tick(scheduler: &Scheduler, platform: &Platform) -> Result<Done, Failed> {
    let woken = Deliverer::wake(platform.store(), platform.clock().now(), MESSAGES).await;
    let ticked = scheduler.tick().await?;
    lambda::metrics::count("ScheduledRuns", ticked.started);
    lambda::metrics::count("ScheduleFailures", ticked.failures);
    Ok(Done { ticked, messages: woken? })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let platform = Platform::from_env()?;
    let store = Arc::new(platform.store().clone());
    let scheduler = Scheduler {
        schedules: store.clone(),
        workflows: store.clone(),
        runs: store.clone(),
        accounts: store,
        starter: Arc::new(platform.runs()),
        clock: platform.clock(),
    };
    lambda::events::run(|_: Event<Value>| {
        let (scheduler, platform) = (&scheduler, &platform);
        Box::pin(async move { tick(scheduler, platform).await })
    })
    .await
}
