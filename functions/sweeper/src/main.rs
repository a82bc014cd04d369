//! The sweeper: every five minutes, what no execution looks after any more.

use app::machine::{StepError, Swept};
use lambda::{Carrier, Event, events::Failure, machine::SetUpError};
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

async fn run(carrier: &Carrier) -> Result<Swept, Failed> {
    let swept = carrier.machine().await?.sweep().await?;
    lambda::metrics::count("SweeperFinds", swept.finds());
    lambda::metrics::count("SweeperFailures", swept.failures);
    Ok(swept)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let carrier = Carrier::new(lambda::Platform::from_env()?);
    lambda::events::run(|_: Event<Value>| Box::pin(run(&carrier))).await
}
