//! Named secrets of a user: what goes in is a value, what comes out never is.

mod docs;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

pub use docs::Docs;

/// The value of a secret.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutSecret {
    /// Up to 32 KiB of text without NUL; it may have several lines.
    #[serde(deserialize_with = "text")]
    #[schema(example = "fake-token-0000", min_length = 1, max_length = 32768)]
    pub value: String,
}

impl fmt::Debug for PutSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PutSecret").finish_non_exhaustive()
    }
}

/// A text; what is none is refused without being repeated in the refusal.
fn text<'de, D: Deserializer<'de>>(field: D) -> Result<String, D::Error> {
    match serde_json::Value::deserialize(field)? {
        serde_json::Value::String(text) => Ok(text),
        _ => Err(serde::de::Error::custom("must be a text")),
    }
}

/// A secret, without its value: that is never shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Secret {
    #[schema(example = "HF_TOKEN")]
    pub name: String,
    /// Bytes of its value.
    #[schema(example = 37)]
    pub bytes: usize,
    pub created_at: Timestamp,
    /// When it got its present value.
    pub updated_at: Timestamp,
    /// When a job's command last got it; null if none ever did.
    #[schema(required = true)]
    pub last_used_at: Option<Timestamp>,
}

impl From<domain::secret::Secret> for Secret {
    fn from(secret: domain::secret::Secret) -> Self {
        Self {
            name: secret.name,
            bytes: secret.bytes,
            created_at: secret.created_at,
            updated_at: secret.updated_at,
            last_used_at: secret.last_used_at,
        }
    }
}

/// All secrets of a user, by name.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Secrets {
    pub items: Vec<Secret>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_neither_printed_nor_repeated() {
        let put: PutSecret = serde_json::from_value(json!({"value": "fake-secret"})).unwrap();
        assert_eq!(put.value, "fake-secret");
        assert!(!format!("{put:?}").contains("fake-secret"));
        for wrong in [json!({"value": ["fake-secret"]}), json!({"value": 4_711_815}), json!({})] {
            let error = serde_json::from_value::<PutSecret>(wrong).unwrap_err().to_string();
            assert!(!error.contains("fake-secret") && !error.contains("4711815"), "{error}");
        }
    }
}
