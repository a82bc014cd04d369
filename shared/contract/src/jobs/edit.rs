//! What may be changed of a job after its submission.

use std::collections::BTreeMap;

use domain::job::{Edit, FieldError, Limits, paragraph, tags, text};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use super::Priority;

/// A change of a job's description. An absent field stays as it is.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "fine-tune, second try", "tags": {"team": "research", "keep": "yes"}}))]
pub struct EditJob {
    #[serde(default)]
    #[schema(max_length = 128)]
    pub name: Option<String>,
    /// `null` removes it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 2000)]
    pub description: Option<Option<String>>,
    /// All tags, in place of those before.
    #[serde(default)]
    pub tags: Option<BTreeMap<String, String>>,
    /// Only matters while the job waits for its owner's quota.
    #[serde(default)]
    pub priority: Option<Priority>,
}

#[expect(clippy::option_option, reason = "JSON has three cases here: absent, null and a text")]
/// Tells a field that is `null` from one that is absent.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl EditJob {
    /// The change, or everything that is wrong with it.
    pub fn read(self) -> Result<Edit, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut no = |field: &str, message: String| errors.push(FieldError::new(field, message));
        if let Some(name) = &self.name {
            text(&mut no, "name", name, 1, Limits::NAME_CHARS);
        }
        if let Some(Some(description)) = &self.description {
            paragraph(&mut no, "description", description, Limits::DESCRIPTION_CHARS);
        }
        if let Some(all) = &self.tags {
            tags(&mut no, all);
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Edit {
            name: self.name,
            description: self.description.map(Option::unwrap_or_default),
            tags: self.tags,
            priority: self.priority.map(Into::into),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(body: Value) -> Result<Edit, Vec<FieldError>> {
        serde_json::from_value::<EditJob>(body).expect("a body of the right shape").read()
    }

    #[test]
    fn absent_leaves_alone_and_null_removes() {
        assert_eq!(read(json!({})), Ok(Edit::default()));
        assert_eq!(read(json!({"description": null})).unwrap().description, Some(String::new()));
    }

    #[test]
    fn wrong_fields_are_named() {
        let errors = read(json!({"name": " ", "tags": {"": "x"}})).unwrap_err();
        assert_eq!(errors.iter().map(|e| e.field.as_str()).collect::<Vec<_>>(), ["name", "tags."]);
    }
}
