//! Notifications over HTTP.

use lambda::Platform;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let platform = Platform::from_env()?;
    lambda::http::run(notifications::routes(platform)).await
}
