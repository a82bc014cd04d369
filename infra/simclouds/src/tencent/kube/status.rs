//! How the apiserver says no: a `Status` object.

use crate::serve::json_answer;
use axum::body::Body;
use hyper::Response;
use serde_json::{Value, json};

/// A refusal in the apiserver's words.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Value,
}

impl Refusal {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn not_found(resource: &str, name: &str) -> Self {
        let mut refusal = Self::new(404, "NotFound", format!("{resource} \"{name}\" not found"));
        refusal.details = details(resource, name);
        refusal
    }

    pub(crate) fn exists(resource: &str, name: &str) -> Self {
        let mut refusal = Self::new(409, "AlreadyExists", format!("{resource} \"{name}\" already exists"));
        refusal.details = details(resource, name);
        refusal
    }

    pub(crate) fn conflict(resource: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {resource} \"{name}\": {why}");
        let mut refusal = Self::new(409, "Conflict", message);
        refusal.details = details(resource, name);
        refusal
    }

    pub(crate) fn forbidden(resource: &str, name: &str, why: &str) -> Self {
        let mut refusal = Self::new(403, "Forbidden", format!("{resource} \"{name}\" is forbidden: {why}"));
        refusal.details = details(resource, name);
        refusal
    }

    /// `causes`: field, reason, sentence.
    pub(crate) fn invalid(resource: &str, kind: &str, name: &str, causes: &[Cause]) -> Self {
        let group = resource.split_once('.').map_or("", |(_, group)| group);
        let full = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let each: Vec<String> =
            causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        let said = if each.len() == 1 { each[0].clone() } else { format!("[{}]", each.join(", ")) };
        let mut refusal = Self::new(422, "Invalid", format!("{full} \"{name}\" is invalid: {said}"));
        let causes: Vec<Value> = causes
            .iter()
            .map(|cause| json!({"reason": cause.reason, "message": cause.message, "field": cause.field}))
            .collect();
        refusal.details = json!({"name": name, "group": group, "kind": kind, "causes": causes});
        refusal
    }

    pub(crate) fn throttled(seconds: u64) -> Self {
        let mut refusal = Self::new(429, "TooManyRequests", "Too many requests, please try again later.");
        refusal.details = json!({"retryAfterSeconds": seconds});
        refusal
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// What goes wrong with this status when nothing is wrong with the request.
    pub(crate) fn failure(code: u16) -> Self {
        match code {
            401 => Self::unauthorized(),
            403 => Self::new(403, "Forbidden", "forbidden: the user cannot do this in this namespace"),
            404 => Self::new(404, "NotFound", "the server could not find the requested resource"),
            409 => Self::new(409, "Conflict", "the object has been modified; please try again"),
            429 => Self::throttled(1),
            503 => {
                Self::new(503, "ServiceUnavailable", "the server is currently unable to handle the request")
            }
            504 => {
                Self::new(504, "Timeout", "the server was unable to return a response in the time allotted")
            }
            _ => Self::new(code, "InternalError", "Internal error occurred: etcdserver: request timed out"),
        }
    }

    pub(crate) fn object(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }

    pub(crate) fn answer(&self) -> Response<Body> {
        let mut response = json_answer(self.code, &self.object());
        if let Some(seconds) = self.details["retryAfterSeconds"].as_u64() {
            response.headers_mut().insert("retry-after", seconds.into());
        }
        response
    }
}

/// What is wrong with one field.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) field: String,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

impl Cause {
    pub(crate) fn required(field: impl Into<String>, why: &str) -> Self {
        let message =
            if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
        Self { field: field.into(), reason: "FieldValueRequired", message }
    }

    pub(crate) fn invalid(field: impl Into<String>, value: &Value, why: &str) -> Self {
        Self {
            field: field.into(),
            reason: "FieldValueInvalid",
            message: format!("Invalid value: {value}: {why}"),
        }
    }
}

fn details(resource: &str, name: &str) -> Value {
    let (kind, group) = resource.split_once('.').unwrap_or((resource, ""));
    let mut details = json!({"name": name, "kind": kind});
    if !group.is_empty() {
        details["group"] = group.into();
    }
    details
}

pub(crate) fn success(resource: &str, name: &str, uid: &Value) -> Value {
    let mut said = details(resource, name);
    said["uid"] = uid.clone();
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": said})
}
