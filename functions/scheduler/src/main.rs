//! The scheduler: every minute, the schedules of workflows that are due.

use std::sync::Arc;

use app::{
    ports::StoreError,
    scheduler::{Scheduler, Ticked},
};
use lambda::{Event, Platform, events::Failure};
use serde_json::Value;

#[derive(Debug, thiserror::Error)]
#[error("the schedules that are due could not be read")]
struct Failed(#[from] StoreError);

impl Failure for Failed {
    fn error_type(&self) -> &'static str {
        "TickFailed"
    }
}

async fn tick(scheduler: &Scheduler) -> Result<Ticked, Failed> {
    let ticked = scheduler.tick().await?;
    lambda::metrics::count("ScheduledRuns", ticked.started);
    lambda::metrics::count("ScheduleFailures", ticked.failures);
    Ok(ticked)
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
        let scheduler = &scheduler;
        Box::pin(async move { tick(scheduler).await })
    })
    .await
}
