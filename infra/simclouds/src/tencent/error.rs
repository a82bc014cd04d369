//! How the cloud's own API refuses: HTTP 200, and a code and a sentence in the body.

use crate::serve::json_answer;
use axum::body::Body;
use hyper::Response;
use serde_json::{Value, json};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: String,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into() }
    }

    pub(crate) fn missing(name: &str) -> Self {
        Self::new("MissingParameter", format!("The request is missing a required parameter `{name}`."))
    }

    pub(crate) fn value(name: &str, why: &str) -> Self {
        Self::new("InvalidParameterValue", format!("The value of `{name}` is not valid: {why}."))
    }

    pub(crate) fn throttled() -> Self {
        Self::new(
            "RequestLimitExceeded",
            "Your current request times in a second exceed the frequency limit for a second. Please reduce the \
             frequency of calls.",
        )
    }

    pub(crate) fn sold_out() -> Self {
        Self::new(
            "ResourceInsufficient.SpecifiedInstanceType",
            "The specified type of instance is understocked.",
        )
    }

    /// What goes wrong with this status when nothing is wrong with the request.
    pub(crate) fn failure(status: u16) -> Self {
        match status {
            401 => Self::new("AuthFailure.TokenFailure", "The token is not valid."),
            402 => Self::new("FailedOperation.AccountInsufficientBalance", "The balance is not sufficient."),
            403 => Self::new(
                "UnauthorizedOperation.CamNoAuth",
                "You are not authorized to perform operation, please check your CAM policy.",
            ),
            404 => Self::new("ResourceNotFound.ClusterNotFound", "cluster not found"),
            409 => Self::new("ResourceInUse", "The resource is in use."),
            429 => Self::throttled(),
            503 => Self::new("ServiceUnavailable", "The service is not available for now."),
            _ => Self::new("InternalError", "An internal error has occurred. Retry your request."),
        }
    }

    pub(crate) fn answer(&self) -> Response<Body> {
        let error = json!({"Code": self.code, "Message": self.message});
        respond(json!({"Error": error}))
    }
}

/// The envelope that every answer of the cloud's own API comes in.
pub(crate) fn respond(mut body: Value) -> Response<Body> {
    body["RequestId"] = super::uuid().into();
    json_answer(200, &json!({"Response": body}))
}
