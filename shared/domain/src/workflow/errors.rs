//! Errors with their paths, all of them, up to a bound.

use super::Limits;
use crate::job::FieldError;

/// A list of what is wrong.
#[derive(Debug, Default)]
pub(super) struct Errors {
    listed: Vec<FieldError>,
    more: usize,
}

impl Errors {
    /// Something is wrong at `path`.
    pub(super) fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        if self.listed.len() < Limits::ERRORS {
            self.listed.push(FieldError::new(path, message));
        } else {
            self.more += 1;
        }
    }

    /// What is wrong with a part of the whole, below `path`.
    pub(super) fn extend(&mut self, path: &str, errors: impl IntoIterator<Item = FieldError>) {
        for FieldError { field, message } in errors {
            self.add(join(path, &field), message);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// `Ok` if nothing is wrong.
    pub(super) fn done<T>(mut self, value: T) -> Result<T, Vec<FieldError>> {
        if self.listed.is_empty() {
            return Ok(value);
        }
        if self.more > 0 {
            self.listed.push(FieldError::new("", format!("and {} more errors", self.more)));
        }
        Err(self.listed)
    }
}

/// A path below another: `nodes.train` and `depends_on[0]`, `outputs` and `[1]`.
pub(super) fn join(path: &str, below: &str) -> String {
    if path.is_empty() || below.is_empty() || below.starts_with('[') {
        format!("{path}{below}")
    } else {
        format!("{path}.{below}")
    }
}
