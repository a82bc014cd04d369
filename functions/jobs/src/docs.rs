//! The API about itself: that it answers, its OpenAPI document, and that document as a page.

mod page;

use std::{io::Read, sync::OnceLock};

use axum::{
    Json,
    http::{HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use contract::system::{Health, Liveness};
use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};

const FRAME_OPTIONS: HeaderName = header::X_FRAME_OPTIONS;

/// `contract::openapi()` as it was last written down. The code that makes it is not in the function: it would be a tenth
/// of its size.
const SNAPSHOT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/openapi.json.gz"));

/// What does not change while the function lives.
struct Document {
    json: String,
    html: String,
    policy: String,
}

fn document() -> &'static Document {
    static DOCUMENT: OnceLock<Document> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        // The build packed it and a test holds it against the code: it is whole, and it is JSON.
        let mut text = String::new();
        let unpacked = GzDecoder::new(SNAPSHOT).read_to_string(&mut text);
        let json: Value = unpacked.ok().and_then(|_| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
        // Nothing may be loaded and nothing may run; the one style sheet is named by its digest.
        let style = STANDARD.encode(Sha256::digest(page::STYLE));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        Document { html: page::render(&json), json: text, policy }
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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    /// `UPDATE_OPENAPI=1` writes the snapshot anew; the dashboard's client is made from it.
    #[test]
    fn the_snapshot_is_what_the_code_says() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/openapi.json");
        let made = serde_json::to_value(contract::openapi()).unwrap();
        if std::env::var_os("UPDATE_OPENAPI").is_some() {
            std::fs::write(file, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
            return;
        }
        // As values: the order of fields is another one when crates are built together.
        let written: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        assert!(
            made == written,
            "the API changed: run UPDATE_OPENAPI=1 cargo nextest run -p jobs the_snapshot"
        );
    }
}
