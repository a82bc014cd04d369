//! AWS Step Functions on one machine, strictly and no more than our machines need: an interpreter of the Amazon States
//! Language and the AWS API in front of it, with AWS's own errors, causes and history events.
//!
//! Supported are Task (`lambda:invoke`, `.waitForTaskToken` and a function's own ARN), Choice, Wait, Pass, Succeed and
//! Fail, in JSONata or without any path field. Everything else is refused when a machine is created: a definition that
//! runs here runs on AWS.

mod api;
pub mod cases;
mod clock;
mod definition;
mod execution;
mod functions;
mod history;
mod jsonata;
mod run;
mod service;
mod store;
pub mod test_functions;
mod token;

pub use api::ApiError;
pub use definition::Diagnostic;
pub use functions::{Functions, Invocation};
pub use run::{Run, RunError, run};
pub use service::{Config, Counters, Service};
pub use store::Error;
