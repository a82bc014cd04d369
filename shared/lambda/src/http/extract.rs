//! Bodies, queries and paths: strict, bounded, and with the field's name in what is wrong.

use axum::{
    RequestPartsExt,
    extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request},
};
use domain::job::FieldError;
use http::{HeaderMap, StatusCode, header, request::Parts};
use serde::de::DeserializeOwned;

use super::Problem;

/// The most bytes of a JSON body.
pub const BODY_LIMIT: usize = 256 * 1024;

/// A JSON body of at most `LIMIT` bytes. Give `T` `#[serde(deny_unknown_fields)]`: a misspelt field is an error, not a
/// default.
#[derive(Debug, Clone)]
pub struct Body<T, const LIMIT: usize = BODY_LIMIT>(pub T);

impl<T: DeserializeOwned, S: Sync, const LIMIT: usize> FromRequest<S> for Body<T, LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let json = is_json(request.headers());
        let bytes = read(request, LIMIT).await?;
        if !json {
            return Err(not_json());
        }
        parsed(&bytes).map(Self)
    }
}

/// A body that may be left out.
impl<T: DeserializeOwned, S: Sync, const LIMIT: usize> OptionalFromRequest<S> for Body<T, LIMIT> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Option<Self>, Problem> {
        let json = is_json(request.headers());
        let bytes = read(request, LIMIT).await?;
        match bytes.is_empty() {
            true => Ok(None),
            false if json => parsed(&bytes).map(|value| Some(Self(value))),
            false => Err(not_json()),
        }
    }
}

async fn read(request: Request, limit: usize) -> Result<axum::body::Bytes, Problem> {
    axum::body::to_bytes(request.into_body(), limit).await.map_err(|_| {
        let detail = format!("The body is larger than {limit} bytes. Send less.");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
    })
}

fn not_json() -> Problem {
    let detail = "Send the body as JSON with `Content-Type: application/json`.";
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if bytes.is_empty() {
        return Err(Problem::bad_request("body_missing", "Send a JSON object as the body."));
    }
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let malformed = |error: &serde_json::Error| {
        Problem::bad_request(
            "malformed_json",
            format!("The body is not JSON: {}.", shown(&error.to_string())),
        )
    };
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        if inner.is_data() {
            FieldError::new(field(path), shown(&without_position(&inner))).into()
        } else {
            malformed(&inner)
        }
    })?;
    json.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// The body as a whole has no name of its own.
fn field(path: String) -> String {
    if path == "." || path.is_empty() { "body".into() } else { path }
}

/// A value out of the request may stand in the message: it is cut, so that an answer does not grow with the request.
fn shown(message: &str) -> String {
    const MAX: usize = 300;
    let printable = message.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let mut text: String = printable.take(MAX + 1).collect();
    if text.chars().count() > MAX {
        text.pop();
        text.push('…');
    }
    text
}

fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&position).map(str::to_owned).unwrap_or(text)
}

/// The query. Give `T` `#[serde(deny_unknown_fields)]`.
#[derive(Debug, Clone)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        // `name=` means that the parameter is not given.
        let given = form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty());
        let given = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
        let query = serde_urlencoded::Deserializer::new(form_urlencoded::parse(given.as_bytes()));
        serde_path_to_error::deserialize(query).map(Self).map_err(|error| {
            let path = error.path().to_string();
            let path = if path == "." { "query".into() } else { path };
            FieldError::new(path, shown(&error.into_inner().to_string())).into()
        })
    }
}

/// Segments of the path. One that cannot be an id of what stands there names something that does not exist.
#[derive(Debug, Clone)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send + 'static, S: Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let path = parts.extract::<axum::extract::Path<T>>().await;
        path.map(|axum::extract::Path(value)| Self(value)).map_err(|_| Problem::not_found("resource"))
    }
}
