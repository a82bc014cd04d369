//! Reads the fields of a call, with AWS's own complaints about what is missing or out of bounds.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::ApiError;

pub(super) struct Request<'a> {
    fields: &'a Map<String, Value>,
}

impl<'a> Request<'a> {
    pub(super) fn new(body: &'a Value) -> Result<Self, ApiError> {
        let fields = body.as_object().ok_or_else(|| {
            ApiError::new("SerializationException", "Start of structure or map found where not expected.")
        })?;
        Ok(Self { fields })
    }

    /// The field's value; a `null` is as absent as nothing.
    pub(super) fn value(&self, field: &str) -> Option<&'a Value> {
        self.fields.get(field).filter(|v| !v.is_null())
    }

    pub(super) fn text(&self, field: &str) -> Result<Option<&'a str>, ApiError> {
        let wrong = || ApiError::new("SerializationException", format!("{field} must be a string"));
        self.value(field).map(|v| v.as_str().ok_or_else(wrong)).transpose()
    }

    pub(super) fn required(&self, field: &str) -> Result<&'a str, ApiError> {
        self.text(field)?.ok_or_else(|| ApiError::constraint("null", field, "not be null"))
    }

    pub(super) fn flag(&self, field: &str) -> Result<Option<bool>, ApiError> {
        let wrong = || ApiError::new("SerializationException", format!("{field} must be a boolean"));
        self.value(field).map(|v| v.as_bool().ok_or_else(wrong)).transpose()
    }

    /// A text of at most `most` characters.
    pub(super) fn at_most(&self, field: &str, most: usize) -> Result<Option<&'a str>, ApiError> {
        let text = self.text(field)?;
        match text {
            Some(text) if text.chars().count() > most => Err(too_long(text, field, most)),
            _ => Ok(text),
        }
    }

    /// One of some values, which AWS lists in an order of its own.
    pub(super) fn one_of(&self, field: &str, values: &[&str]) -> Result<Option<&'a str>, ApiError> {
        match self.text(field)? {
            Some(text) if !values.contains(&text) => {
                let constraint = format!("satisfy enum value set: [{}]", values.join(", "));
                Err(ApiError::constraint(&format!("'{text}'"), field, &constraint))
            }
            text => Ok(text),
        }
    }

    /// `maxResults` and `nextToken`, as offset and limit.
    pub(super) fn page(&self) -> Result<Page, ApiError> {
        const MOST: i64 = 1000;
        let wrong = || ApiError::new("SerializationException", "maxResults must be a number");
        let limit = self.value("maxResults").map(|v| v.as_i64().ok_or_else(wrong)).transpose()?.unwrap_or(0);
        if limit > MOST {
            let constraint = format!("have value less than or equal to {MOST}");
            return Err(ApiError::constraint(&format!("'{limit}'"), "maxResults", &constraint));
        }
        if limit < 0 {
            return Err(ApiError::constraint(
                &format!("'{limit}'"),
                "maxResults",
                "have value greater than or equal to 0",
            ));
        }
        let offset = match self.at_most("nextToken", 3096)? {
            None => 0,
            Some(token) => {
                let bytes = URL_SAFE_NO_PAD.decode(token).ok();
                let number = bytes
                    .and_then(|b| String::from_utf8(b).ok())
                    .and_then(|t| t.strip_prefix("from ")?.parse().ok());
                number
                    .filter(|n: &i64| *n > 0)
                    .ok_or_else(|| ApiError::new("InvalidToken", "Invalid Token: 'Invalid token'"))?
            }
        };
        Ok(Page { offset, limit: if limit == 0 { 100 } else { limit } })
    }
}

pub(super) fn too_long(text: &str, field: &str, most: usize) -> ApiError {
    ApiError::constraint(&format!("'{text}'"), field, &format!("have length less than or equal to {most}"))
}

pub(super) struct Page {
    offset: i64,
    limit: i64,
}

impl Page {
    /// What to ask the store for: one more than fits, to see whether there is more.
    pub(super) fn range(&self) -> (i64, i64) {
        (self.offset, self.limit + 1)
    }

    /// The items of the page and the answer's `nextToken`.
    pub(super) fn cut<T>(&self, mut items: Vec<T>) -> (Vec<T>, Option<String>) {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        if items.len() <= limit {
            return (items, None);
        }
        items.truncate(limit);
        (items, Some(URL_SAFE_NO_PAD.encode(format!("from {}", self.offset + self.limit))))
    }
}
