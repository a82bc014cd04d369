//! WebSocket connections, subscriptions and tickets.

use lambda::Platform;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let platform = Platform::from_env()?;
    lambda::events::run(|event| realtime::handle(&platform, event)).await
}
