//! Every error in one shape. What caused it goes into the log, never outside.

use std::{borrow::Cow, error::Error, sync::Arc, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use contract::problem::{Field, MEDIA_TYPE, Problem as Wire};
use domain::job::FieldError;
use http::{HeaderName, HeaderValue, StatusCode, header};

/// An error as an answer. The request's id is added when the answer leaves.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: Cow<'static, str>,
    errors: Vec<Field>,
    headers: Vec<(HeaderName, HeaderValue)>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl Problem {
    /// An error with a stable code, and what is wrong and what to do in words.
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        let (code, detail) = (code.into(), detail.into());
        Self { status, code, detail, errors: Vec::new(), headers: Vec::new(), cause: None }
    }

    /// 400: the request cannot be read.
    pub fn bad_request(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// 401: nobody is signed in; `detail` says what to do.
    pub fn unauthorized(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 403: whoever is signed in may not do this.
    pub fn forbidden(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// 404: `what` does not exist, or not for this caller.
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("There is no such {what}."))
    }

    /// 409: it does not go together with how things stand.
    pub fn conflict(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// 422: some fields are not acceptable.
    pub fn invalid(errors: impl IntoIterator<Item = impl Into<Field>>) -> Self {
        let errors = errors.into_iter().map(Into::into);
        let detail =
            "Some fields of the request are not acceptable; errors names each and says what would be.";
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_fields", detail);
        Self { errors: errors.collect(), ..problem }
    }

    /// 429: too many; `wait` says how long to wait, in whole seconds rounded up.
    pub fn too_many(code: &'static str, detail: impl Into<Cow<'static, str>>, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self::new(StatusCode::TOO_MANY_REQUESTS, code, detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// 500: a fault of ours. The cause is logged.
    pub fn internal(cause: impl Error + Send + Sync + 'static) -> Self {
        let detail = "Something went wrong on our side. Repeat the request; if it happens again, tell the operator the request_id.";
        let problem = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail);
        Self { cause: Some(Arc::new(cause)), ..problem }
    }

    /// 503: busy; repeat soon. The cause is logged.
    pub fn unavailable(cause: impl Error + Send + Sync + 'static) -> Self {
        let detail = "The service is busy. Repeat the request in a few seconds.";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("2"));
        Self { cause: Some(Arc::new(cause)), ..problem }
    }

    /// What the router or a part of it refused without words of ours.
    pub(super) fn from_status(status: StatusCode) -> Self {
        let (code, detail) = match status {
            StatusCode::NOT_FOUND => {
                ("no_such_route", "There is nothing at this path; /v1/openapi.json lists what there is.")
            }
            StatusCode::METHOD_NOT_ALLOWED => (
                "method_not_allowed",
                "This path does not take that method; the Allow header lists those that it takes.",
            ),
            StatusCode::PAYLOAD_TOO_LARGE => ("body_too_large", "The body is too large. Send less."),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                ("unsupported_media_type", "The body's Content-Type is not taken here.")
            }
            status if status.is_server_error() => {
                ("internal", "Something went wrong on our side. Tell the operator the request_id.")
            }
            _ => ("bad_request", "The request cannot be read; /v1/openapi.json says what is expected."),
        };
        Self::new(status, code, detail)
    }

    /// The same with one more header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same with what is wrong with one field.
    #[must_use]
    pub fn with_field(mut self, field: impl Into<String>, message: impl Into<String>) -> Self {
        self.errors.push(FieldError::new(field, message).into());
        self
    }

    /// The stable code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn cause(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_ref().map(|cause| &**cause as &(dyn Error + 'static))
    }

    /// The answer as it goes out.
    pub(super) fn written(self, request_id: &str) -> Response {
        let wire = Wire {
            kind: "about:blank".into(),
            title: self.status.canonical_reason().unwrap_or("Error").into(),
            status: self.status.as_u16(),
            detail: self.detail.into_owned(),
            code: self.code.into_owned(),
            request_id: request_id.into(),
            errors: self.errors,
        };
        // Strings and numbers alone: there is nothing in it that JSON could not hold.
        let body = serde_json::to_vec(&wire).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = self.status;
        response.extensions_mut().insert(self);
        response
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        Self::invalid([error])
    }
}

impl From<Vec<FieldError>> for Problem {
    fn from(errors: Vec<FieldError>) -> Self {
        Self::invalid(errors)
    }
}
