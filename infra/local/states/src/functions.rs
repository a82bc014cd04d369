//! What tasks call: the functions, wherever they run.

use async_trait::async_trait;
use serde_json::Value;

/// Calls functions for the tasks of machines.
#[async_trait]
pub trait Functions: Send + Sync {
    /// Calls a function, by name or ARN, and waits for its answer. It may be called twice for one attempt: once more if
    /// the process ended before the answer was noted.
    async fn invoke(&self, function: &str, payload: Value) -> Invocation;
}

/// A function's answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Invocation {
    /// What it returned.
    Ok(Value),
    /// It raised an error.
    FunctionError {
        /// Matched by `ErrorEquals`.
        error_type: String,
        /// Human text; it is part of `payload` too.
        message: String,
        /// As Lambda returns it: `{"errorMessage": …, "errorType": …}`. It becomes the cause.
        payload: Value,
    },
    /// It was not called, or nobody knows what became of the call.
    ServiceError {
        /// Such as `Lambda.TooManyRequestsException`, `Lambda.ResourceNotFoundException`, `Lambda.Unknown`.
        error: String,
        /// The cause.
        message: String,
    },
}

impl Invocation {
    /// An error as Lambda returns it for a handler that failed.
    pub fn failed(error_type: &str, message: &str) -> Self {
        Self::FunctionError {
            error_type: error_type.to_owned(),
            message: message.to_owned(),
            payload: serde_json::json!({"errorMessage": message, "errorType": error_type}),
        }
    }
}
