//! The way in for everything that is no HTTP request: steps of a state machine, streams, schedules, WebSocket routes.

use std::{error::Error as StdError, future::Future};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::{Serialize, de::DeserializeOwned};

use crate::log;

/// An error with the name that a state machine matches in `Retry` and `Catch`.
///
/// Its `Display` is seen outside, in the history of the execution; what caused it goes into the log alone.
pub trait Failure: StdError + 'static {
    /// The name: `ErrorEquals` has it.
    fn error_type(&self) -> &'static str;

    /// Whether it belongs to the ordinary course of things: the state machine goes on by it, and nobody needs to look.
    fn is_ordinary(&self) -> bool {
        false
    }
}

/// Runs `handler` for each event until the environment is shut down.
pub async fn run<I, O, E, F, Fut>(handler: F) -> Result<(), lambda_runtime::Error>
where
    I: DeserializeOwned,
    O: Serialize,
    E: Failure,
    F: Fn(LambdaEvent<I>) -> Fut,
    Fut: Future<Output = Result<O, E>>,
{
    log::start();
    let service = service_fn(|event| {
        let answer = handler(event);
        async move { answer.await.map_err(diagnosed) }
    });
    lambda_runtime::run(service).await
}

fn diagnosed<E: Failure>(error: E) -> Diagnostic {
    let (error_type, error_message) = (error.error_type().to_owned(), error.to_string());
    tracing::error!(error.kind = error_type, error = crate::log::chain(&error), "the invocation failed");
    Diagnostic { error_type, error_message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("no capacity")]
    struct NoCapacity(#[source] std::io::Error);

    impl Failure for NoCapacity {
        fn error_type(&self) -> &'static str {
            "Capacity"
        }
    }

    #[test]
    fn a_cause_is_not_seen_outside() {
        let error = diagnosed(NoCapacity(std::io::Error::other("the provider's key is abc")));
        assert_eq!((error.error_type.as_str(), error.error_message.as_str()), ("Capacity", "no capacity"));
    }
}
