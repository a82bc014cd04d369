//! Pushes changed rows to the WebSocket clients that watch them.

use std::sync::Arc;

use app::notify::Notifier;
use lambda::{Event, Platform};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let platform = Platform::from_env()?;
    lambda::events::run(async |event: Event<notifier::Batch>| {
        let pack = |texts: Vec<&str>| contract::messages::pack(texts);
        let notifier = Notifier::new(Arc::new(platform.store().clone()), platform.push(), pack);
        Ok::<_, notifier::Never>(notifier::handle(&notifier, event.payload).await)
    })
    .await
}
