//! Costs and budgets over HTTP.

use lambda::Platform;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let platform = Platform::from_env()?;
    lambda::http::run(costs::routes(platform)).await
}
