//! The API over HTTP: AWS JSON 1.0, one route.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;

use super::ApiError;
use crate::Service;

/// A definition and an input at their limits, escaped as JSON strings, fit.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

impl Service {
    /// `POST /`, dispatched by `X-Amz-Target`.
    pub fn router(&self) -> Router {
        Router::new().route("/", post(call)).layer(DefaultBodyLimit::max(BODY_LIMIT)).with_state(self.clone())
    }
}

async fn call(State(service): State<Service>, headers: HeaderMap, body: Bytes) -> Response {
    let answer = match target(&headers).and_then(|operation| Ok((operation, parse(&body)?))) {
        Ok((operation, body)) => service.handle(operation, body).await,
        Err(error) => Err(error),
    };
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => {
            (StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), error.body())
        }
    };
    let id = uuid::Uuid::new_v4().to_string();
    let headers =
        [(header::CONTENT_TYPE.as_str(), "application/x-amz-json-1.0"), ("x-amzn-requestid", id.as_str())];
    (status, headers, body.to_string()).into_response()
}

fn target(headers: &HeaderMap) -> Result<&str, ApiError> {
    let target = headers.get("x-amz-target").and_then(|t| t.to_str().ok()).unwrap_or_default();
    let unknown =
        || ApiError::new("UnknownOperationException", format!("The target '{target}' is not known"));
    target.strip_prefix("AWSStepFunctions.").ok_or_else(unknown)
}

fn parse(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::new("SerializationException", error.to_string()))
}
