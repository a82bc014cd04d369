//! Accounts, sessions, API keys and their administration.

use lambda::Platform;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let platform = Platform::from_env()?;
    lambda::http::run(auth::routes(platform)).await
}
