//! `/_local/…` on the AWS port: what a test or a person asks of the stack itself.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use crate::edge::Fault;
use crate::platform::Platform;

/// Answers a request below `/_local/`.
pub async fn handle(platform: &Arc<Platform>, parts: &Parts, path: &str, body: &[u8]) -> Response {
    match (&parts.method, path) {
        (&Method::POST, "faults") => match serde_json::from_slice::<Fault>(body) {
            Ok(fault) => answer(StatusCode::CREATED, &json!({ "id": platform.edges.arm(fault) })),
            Err(error) => answer(StatusCode::BAD_REQUEST, &json!({ "message": error.to_string() })),
        },
        (&Method::GET, "faults") => answer(StatusCode::OK, &json!({ "faults": platform.edges.armed() })),
        (&Method::DELETE, "faults") => {
            platform.edges.clear();
            answer(StatusCode::OK, &json!({}))
        }
        (&Method::GET, "calls") => {
            let since = parts
                .uri
                .query()
                .and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("since=")))
                .and_then(|since| since.parse().ok())
                .unwrap_or_default();
            let (calls, last) = platform.edges.calls(since);
            answer(StatusCode::OK, &json!({ "calls": calls, "last": last }))
        }
        (&Method::GET, "bill") => {
            let usage = platform.usage();
            let lines = json!({ "usage": usage, "lines": usage.lines(), "dollars": usage.dollars() });
            answer(StatusCode::OK, &lines)
        }
        (&Method::POST, "bill/reset") => {
            platform.reset_usage();
            answer(StatusCode::OK, &json!({}))
        }
        (&Method::GET, "idle") => {
            platform.activity.rest().await;
            answer(StatusCode::OK, &json!({}))
        }
        (&Method::GET, "status") => answer(StatusCode::OK, &platform.status().await),
        (&Method::POST, path) if path.starts_with("invoke-schedule/") => {
            let name = path.trim_start_matches("invoke-schedule/");
            match platform.fire(name).await {
                Some(Ok(result)) => answer(StatusCode::OK, &json!({ "result": result })),
                Some(Err(error)) => answer(StatusCode::BAD_GATEWAY, &json!({ "message": error.to_string() })),
                None => answer(StatusCode::NOT_FOUND, &json!({ "message": format!("no schedule {name}") })),
            }
        }
        _ => answer(StatusCode::NOT_FOUND, &json!({ "message": "Not Found" })),
    }
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
