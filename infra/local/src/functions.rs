//! Invocation with its edge: what API fronts, streams, schedules and state machines call.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use thiserror::Error;

use crate::edge::{Edge, Edges, Refusal};
use crate::lambda::{Host, Outcome};

/// Invokes functions through the edge that faults can strike.
#[derive(Debug, Clone)]
pub struct Functions {
    pub host: Host,
    pub edges: Arc<Edges>,
}

/// Why an invocation has no result.
#[derive(Debug, Error)]
pub enum Error {
    /// The function ran and failed.
    #[error("{kind}: {message}")]
    Function { kind: String, message: String, payload: Value },
    /// The service did not run it, or lost its answer.
    #[error("{kind}: {message}")]
    Service { kind: String, message: String },
}

impl Functions {
    /// Invokes a function by name or ARN with raw bytes.
    pub async fn invoke(&self, function: &str, payload: Bytes) -> Outcome {
        let short = self.host.function(function).map_or(function, |function| function.short.as_str());
        let act = || self.host.invoke(function, payload.clone());
        self.edges.through((Edge::Lambda, "Invoke", short), act, refuse).await
    }

    /// Invokes a function by name or ARN with JSON.
    pub async fn call(&self, function: &str, payload: Value) -> Result<Value, Error> {
        match self.invoke(function, payload.to_string().into()).await {
            Outcome::Ok(body) if body.is_empty() => Ok(Value::Null),
            Outcome::Ok(body) => serde_json::from_slice(&body).map_err(|error| Error::Function {
                kind: "Runtime.InvalidResponse".into(),
                message: error.to_string(),
                payload: Value::Null,
            }),
            Outcome::Failed(body) => {
                let payload: Value = serde_json::from_slice(&body).unwrap_or_default();
                let text =
                    |key: &str| payload.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
                Err(Error::Function { kind: text("errorType"), message: text("errorMessage"), payload })
            }
            Outcome::Refused { error, message } => Err(Error::Service { kind: error.into(), message }),
        }
    }
}

fn refuse(refusal: Refusal) -> Outcome {
    match refusal {
        Refusal::Failed => Outcome::Refused {
            error: "ServiceException",
            message: "Service encountered an internal error.".into(),
        },
        Refusal::Throttled => {
            Outcome::Refused { error: "TooManyRequestsException", message: "Rate Exceeded.".into() }
        }
    }
}
