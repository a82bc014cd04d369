//! The name under which an output is found again.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// A digest over what decides a job's output: image, command, environment, the names of its secrets, GPU, and the values
/// that the node read. Two jobs that differ in nothing but name, price, placement or time limits have the same key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CacheKey(String);

/// The fields that count.
const FIELDS: [&str; 5] = ["image", "command", "env", "secrets", "gpu"];

impl CacheKey {
    /// The key of a rendered job (see [`super::render_job`]) and of what its node read.
    pub fn of(job: &Map<String, Value>, inputs: &Value) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"workflow node 1");
        for field in FIELDS {
            hash(job.get(field).unwrap_or(&Value::Null), &mut hasher);
        }
        hash(inputs, &mut hasher);
        let digest = hasher.finalize();
        Self(digest.iter().fold(String::with_capacity(64), |mut text, byte| {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
            }
            text
        }))
    }

    /// 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Each value begins with its type and length, so that no two values give the same bytes; fields go by their names.
fn hash(value: &Value, hasher: &mut Sha256) {
    let mut start = |kind: u8, length: usize| {
        hasher.update([kind]);
        hasher.update((length as u64).to_be_bytes());
    };
    match value {
        Value::Null => start(b'n', 0),
        Value::Bool(value) => start(b'b', usize::from(*value)),
        Value::Number(number) => {
            let text = number.to_string();
            start(b'd', text.len());
            hasher.update(text.as_bytes());
        }
        Value::String(text) => {
            start(b's', text.len());
            hasher.update(text.as_bytes());
        }
        Value::Array(items) => {
            start(b'l', items.len());
            for item in items {
                hash(item, hasher);
            }
        }
        Value::Object(fields) => {
            start(b'o', fields.len());
            let mut names: Vec<_> = fields.keys().collect();
            names.sort_unstable();
            for name in names {
                hasher.update((name.len() as u64).to_be_bytes());
                hasher.update(name.as_bytes());
                hash(&fields[name], hasher);
            }
        }
    }
}
