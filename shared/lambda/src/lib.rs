//! What every function's `main.rs` shares: its configuration, its clients, the way in for HTTP and for other events, and
//! the way out for errors.
//!
//! ```no_run
//! # use axum::{Router, routing::get};
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), lambda::Error> {
//!     let platform = lambda::Platform::from_env()?;
//!     let routes = Router::new().route("/v1/hello", get(|| async { "hello" }));
//!     lambda::http::run(routes.with_state(platform)).await
//! }
//! ```

pub mod config;
pub mod events;
pub mod http;
pub mod machine;
pub mod metrics;
pub mod tokens;

mod log;
mod platform;
mod system;

pub use aws::Secret;
pub use config::Config;
pub use http::{
    AdminCaller, Body, Caller, IdempotencyKey, Made, Params, Path, Problem, SessionCaller, SourceAddress,
};
pub use lambda_runtime::{Error, LambdaEvent as Event};
pub use machine::Carrier;
pub use platform::Platform;
pub use system::{RandomIds, SystemClock};
