//! What can be rented, over HTTP.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let platform = lambda::Platform::from_env()?;
    lambda::http::run(catalog::routes(platform)).await
}
