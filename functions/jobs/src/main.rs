//! Jobs over HTTP, and the API's description of itself.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let platform = lambda::Platform::from_env()?;
    lambda::http::run(jobs::routes(platform)).await
}
