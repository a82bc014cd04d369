//! What every error looks like: RFC 9457, with a stable code and the request's id.

use domain::job::FieldError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The media type of an error.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// An error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// A URI that names the kind of error: `about:blank`, since `code` does.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    pub kind: String,
    /// The HTTP status in words.
    #[schema(example = "Unprocessable Entity")]
    pub title: String,
    /// The HTTP status.
    #[schema(example = 422)]
    pub status: u16,
    /// What is wrong and what to do, for a person to read.
    #[schema(example = "Some fields of the request are not acceptable; `errors` names each.")]
    pub detail: String,
    /// What is wrong, for a program to match; it does not change between versions.
    #[schema(example = "invalid_fields")]
    pub code: String,
    /// What to tell the operator: the log has it.
    #[schema(example = "5d7b1f2e-5a1c-4f0e-9c0b-4f1f6a3f3d52")]
    pub request_id: String,
    /// What is wrong with each field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Field>,
}

/// What is wrong with one field, or one place of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Field {
    /// Its path in the body, or its name in the query.
    #[schema(example = "gpu.count")]
    pub field: String,
    /// Why it is refused and what would be accepted.
    #[schema(example = "must be between 1 and 16")]
    pub message: String,
    /// The line in the YAML, from 1, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

impl From<FieldError> for Field {
    fn from(error: FieldError) -> Self {
        Self { field: error.field, message: error.message, line: None }
    }
}
