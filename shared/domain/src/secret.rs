//! Named secrets of a user: written, replaced, deleted, given to the runners of their owner's jobs, and never shown.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    id::UserId,
    job::{FieldError, variable},
};

/// Bytes of a value.
pub const VALUE_BYTES: usize = 32 * 1024;
/// Secrets of one user.
pub const SECRETS: usize = 100;
/// Bytes of all the values that one job gets: what a runner's answer and a process's environment hold with ease.
pub const JOB_BYTES: usize = 128 * 1024;

/// What anybody may know of a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    pub owner: UserId,
    /// Also the variable's name, unless a job gives it another one.
    pub name: String,
    /// Bytes of its value.
    pub bytes: usize,
    pub created_at: Timestamp,
    /// When it got its present value.
    pub updated_at: Timestamp,
    /// When a runner was last given it.
    pub last_used_at: Option<Timestamp>,
}

/// Everything that is wrong with a secret that is to be kept.
pub fn check(name: &str, value: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    variable(&mut |field, message| errors.push(FieldError::new(field, message)), "name", name);
    if value.is_empty() {
        errors.push(FieldError::new("value", "is empty; delete the secret instead"));
    } else if value.len() > VALUE_BYTES {
        errors.push(FieldError::new("value", format!("has {} bytes; at most {VALUE_BYTES}", value.len())));
    } else if value.contains('\0') {
        errors.push(FieldError::new("value", "contains a NUL character, which no variable can hold"));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(name: &str, value: &str) -> Vec<String> {
        check(name, value).into_iter().map(|error| error.field).collect()
    }

    #[test]
    fn a_secret_has_a_variables_name_and_a_bounded_value() {
        assert_eq!(fields("HF_TOKEN", "fake-value"), Vec::<String>::new());
        assert_eq!(fields("_x1", &"v".repeat(VALUE_BYTES)), Vec::<String>::new());
        for name in ["", "1A", "A-B", "A B", "GPU_TOKEN", "Ä"] {
            assert_eq!(fields(name, "fake-value"), ["name"], "{name}");
        }
        for value in ["", "a\0b", &"v".repeat(VALUE_BYTES + 1)] {
            assert_eq!(fields("A", value), ["value"]);
        }
    }

    #[test]
    fn what_is_wrong_does_not_repeat_the_value() {
        let errors = check("A", &"fake-secret".repeat(VALUE_BYTES));
        assert!(!errors[0].message.contains("fake-secret"));
    }
}
