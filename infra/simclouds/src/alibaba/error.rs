//! How the cloud refuses: a status, a code and a sentence.

use crate::serve::json_answer;
use axum::body::Body;
use hyper::Response;
use serde_json::json;

/// A refusal in the cloud's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    /// Sent as `x-acs-retry-after`, in milliseconds.
    pub(crate) retry_after_ms: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), retry_after_ms: None }
    }

    pub(crate) fn missing(name: &str) -> Self {
        let message = format!(
            "The input parameter \"{name}\" that is mandatory for processing this request is not supplied."
        );
        Self::new(400, "MissingParameter", message)
    }

    pub(crate) fn invalid(name: &str) -> Self {
        Self::new(400, "InvalidParameter", format!("The specified parameter \"{name}\" is not valid."))
    }

    pub(crate) fn no_instance() -> Self {
        Self::new(404, "InvalidInstanceId.NotFound", "The specified InstanceId does not exist.")
    }

    pub(crate) fn no_stock() -> Self {
        Self::new(
            403,
            "OperationDenied.NoStock",
            "The requested resource is sold out in the specified zone; try other types of resources or other \
             regions and zones.",
        )
    }

    /// Without a time to wait the cloud answers 400 and no header, with one 429.
    pub(crate) fn throttled(retry_after_ms: u64) -> Self {
        let status = if retry_after_ms == 0 { 400 } else { 429 };
        let mut refusal =
            Self::new(status, "Throttling.User", "Request was denied due to user flow control.");
        refusal.retry_after_ms = (retry_after_ms > 0).then_some(retry_after_ms);
        refusal
    }

    /// What goes wrong with this status when nothing is wrong with the request.
    pub(crate) fn failure(status: u16) -> Self {
        let (code, message) = match status {
            401 | 403 => (
                "Forbidden.RAM",
                "User not authorized to operate on the specified resource, or this API doesn't support RAM.",
            ),
            404 => return Self { status, ..Self::no_instance() },
            409 => ("OperationConflict", "Request was denied due to conflict with a previous request."),
            429 => return Self::throttled(1000),
            503 => ("ServiceUnavailable", "The request has failed due to a temporary failure of the server."),
            _ => ("InternalError", "The request processing has failed due to some unknown error."),
        };
        Self::new(status, code, message)
    }

    pub(crate) fn answer(&self) -> Response<Body> {
        let body = json!({
            "RequestId": super::instance::request_id(),
            "HostId": "ecs.simulated.aliyuncs.com",
            "Code": self.code,
            "Message": self.message,
            "Recommend": format!("https://api.aliyun.com/troubleshoot?q={}", self.code),
        });
        let mut answer = json_answer(self.status, &body);
        if let Some(millis) = self.retry_after_ms {
            answer.headers_mut().insert("x-acs-retry-after", millis.into());
        }
        answer
    }
}
