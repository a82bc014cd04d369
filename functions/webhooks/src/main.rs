//! Sends webhooks and notifications that the table's stream hands over.

use std::{sync::Arc, time::Duration};

use app::{calls::Deliverer, ports::Pause, seal};
use async_trait::async_trait;
use lambda::{Event, Platform, events::Failure};
use tokio::sync::OnceCell;
use webhooks::{Answer, Batch, Client, Reach, SystemNames, Webhooks};

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("the function is not set up")]
    Parameter(#[from] aws::ParameterError),
    #[error("the function is not set up")]
    Key(#[from] seal::InvalidKey),
    #[error("the function is not set up")]
    Client(#[from] reqwest::Error),
}

impl Failure for Failed {
    fn error_type(&self) -> &'static str {
        "WebhooksFailed"
    }
}

struct Timer;

#[async_trait]
impl Pause for Timer {
    async fn pause(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

async fn webhooks(platform: &Platform) -> Result<Webhooks, Failed> {
    let key = seal::Key::from_base64(platform.parameter(seal::KEY_PARAMETER).await?.expose())?;
    let reach = if platform.config().loopback_webhooks { Reach::Loopback } else { Reach::Public };
    let store = Arc::new(platform.store().clone());
    let deliverer = Deliverer {
        calls: store.clone(),
        endpoints: store.clone(),
        runs: store,
        nodes: Arc::new(platform.runs()),
        client: Arc::new(Client::new(reach, Arc::new(SystemNames))?),
        clock: platform.clock(),
        pause: Arc::new(Timer),
        key,
    };
    Ok(Webhooks { deliverer, store: platform.store().clone() })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let platform = Platform::from_env()?;
    let made = OnceCell::new();
    let (platform, made) = (&platform, &made);
    lambda::events::run(|event: Event<Batch>| {
        Box::pin(async move {
            let webhooks: &Webhooks = made.get_or_try_init(|| webhooks(platform)).await?;
            Ok::<Answer, Failed>(webhooks.batch(event.payload, platform.clock().now()).await)
        })
    })
    .await
}
