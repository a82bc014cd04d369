//! The sweeper: every five minutes, what no execution looks after any more. And whenever the table's stream says that
//! somebody asked for newer catalogues, it asks the clouds: nobody waits for that.

use app::machine::{StepError, Swept};
use lambda::{Carrier, Event, events::Failure, machine::SetUpError};
use serde::Serialize;
use serde_json::Value;

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Sweep(#[from] StepError),
    #[error("the function is not set up")]
    SetUp(#[from] SetUpError),
}

impl Failure for Failed {
    fn error_type(&self) -> &'static str {
        "SweepFailed"
    }
}

/// What a run did.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Done {
    Swept(Swept),
    /// Catalogues that were asked for again.
    Refreshed {
        refreshed: usize,
    },
}

async fn run(carrier: &Carrier, event: &Value) -> Result<Done, Failed> {
    if event.get("Records").is_some() {
        refresh(carrier).await
    } else {
        sweep(carrier).await.map(Done::Swept)
    }
}

/// A refresh that fails is asked for again by whoever wants it; it is no failure of the sweeper, which has an alarm.
async fn refresh(carrier: &Carrier) -> Result<Done, Failed> {
    let refreshed = match carrier.machine().await?.market.refresh_due().await {
        Ok(refreshed) => refreshed,
        Err(error) => {
            tracing::warn!(%error, "the catalogues could not be refreshed");
            0
        }
    };
    Ok(Done::Refreshed { refreshed })
}

async fn sweep(carrier: &Carrier) -> Result<Swept, Failed> {
    let swept = carrier.machine().await?.sweep().await?;
    lambda::metrics::count("SweeperFinds", swept.finds());
    lambda::metrics::count("SweeperFailures", swept.failures);
    Ok(swept)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let carrier = Carrier::new(lambda::Platform::from_env()?);
    lambda::events::run(|event: Event<Value>| {
        let carrier = &carrier;
        Box::pin(async move { run(carrier, &event.payload).await })
    })
    .await
}
