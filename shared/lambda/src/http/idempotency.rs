//! Requests that make something, once: the `Idempotency-Key` header, and the answer to the first request and its repeats.

use axum::{
    Json,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use serde_json::Value;

use super::Problem;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
const KEY_BYTES: usize = 255;

/// The `Idempotency-Key` of a request, if it has one.
#[derive(Debug, Clone)]
pub struct IdempotencyKey(pub Option<String>);

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        key(&parts.headers).map(|key| Self(key.map(str::to_owned)))
    }
}

fn key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = given.next() else { return Ok(None) };
    let printable = |key: &&str| {
        (1..=KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| (b' '..=b'~').contains(&byte))
    };
    match value.to_str().ok().filter(printable) {
        Some(key) if given.next().is_none() => Ok(Some(key)),
        _ => Err(Problem::bad_request(
            "invalid_idempotency_key",
            "Send one Idempotency-Key of 1 to 255 printable ASCII characters, or none.",
        )),
    }
}

/// What was made, with its path from `links.self` in `Location`.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    pub status: u16,
    pub body: Value,
    /// It is the answer of an earlier request with the same key.
    pub replayed: bool,
}

impl IntoResponse for Made {
    fn into_response(self) -> Response {
        let location = self.body["links"]["self"].as_str().and_then(|path| HeaderValue::from_str(path).ok());
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::CREATED);
        let mut response = (status, Json(self.body)).into_response();
        if let Some(location) = location {
            response.headers_mut().insert(header::LOCATION, location);
        }
        if self.replayed {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&[u8]]) -> Result<Option<String>, String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
        }
        key(&headers).map(|key| key.map(str::to_owned)).map_err(|problem| problem.code().to_owned())
    }

    #[test]
    fn a_key_is_short_printable_and_one() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[b"nightly 1"]), Ok(Some("nightly 1".into())));
        assert_eq!(read(&[&[b'a'; 255]]).unwrap().map(|key| key.len()), Some(255));
        for bad in [&[b"".as_slice()][..], &[&[b'a'; 256]], &[b"a\tb"], &["ü".as_bytes()], &[b"a", b"b"]] {
            assert_eq!(read(bad), Err("invalid_idempotency_key".into()), "{bad:?}");
        }
    }
}
