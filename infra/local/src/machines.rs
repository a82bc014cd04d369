//! Step Functions.

use axum::response::Response;
use http::StatusCode;
use serde_json::json;

use crate::endpoint::json_1_0;

/// The state machines of the template.
#[derive(Debug)]
pub struct Machines;

impl Machines {
    /// Answers an operation of the service.
    pub async fn call(&self, operation: &str, _body: &[u8]) -> Response {
        json_1_0(StatusCode::BAD_REQUEST, &json!({ "__type": "UnknownOperationException", "message": operation }))
    }

    /// State transitions since the start.
    pub fn transitions(&self) -> u64 {
        0
    }

    /// Executions that have not ended.
    pub async fn open(&self) -> Vec<String> {
        Vec::new()
    }
}
