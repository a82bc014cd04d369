//! The API about itself: that it answers, its OpenAPI document, and that document as a page.

mod page;

use std::sync::OnceLock;

use axum::{
    Json,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use contract::system::{Health, Liveness};
use serde_json::Value;
use sha2::{Digest, Sha256};

const FRAME_OPTIONS: HeaderName = header::X_FRAME_OPTIONS;

/// What does not change while the function lives.
struct Document {
    json: String,
    html: String,
    policy: String,
}

fn document() -> &'static Document {
    static DOCUMENT: OnceLock<Document> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        // The document is made of text, numbers and lists: there is nothing in it that JSON could not hold.
        let json = serde_json::to_value(contract::openapi()).unwrap_or(Value::Null);
        // Nothing may be loaded and nothing may run; the one style sheet is named by its digest.
        let style = STANDARD.encode(Sha256::digest(page::STYLE));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        Document { html: page::render(&json), json: json.to_string(), policy }
    })
}

pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: Liveness::Ok })
}

pub(crate) async fn openapi() -> Response {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind), cached()], document().json.as_str()).into_response()
}

pub(crate) async fn page() -> Response {
    let document = document();
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    let mut response = ([(header::CONTENT_TYPE, kind), cached()], document.html.as_str()).into_response();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&document.policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn cached() -> (HeaderName, HeaderValue) {
    (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"))
}
