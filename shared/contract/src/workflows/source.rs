//! Definitions as they are sent: as JSON, or as the text of a YAML file.

use domain::{job::FieldError, workflow::Format};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Sharing;

/// A new workflow: exactly one of `definition` and `yaml`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWorkflow {
    /// The definition as JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub definition: Option<Box<RawValue>>,
    /// The definition as YAML; it is kept as written, with its comments.
    #[serde(default)]
    pub yaml: Option<String>,
    /// Makes it a template too.
    #[serde(default)]
    pub template: Option<Sharing>,
    /// What this version is, in words.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub note: Option<String>,
}

/// A new version of a workflow: exactly one of `definition` and `yaml`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewVersion {
    /// The definition as JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub definition: Option<Box<RawValue>>,
    /// The definition as YAML; it is kept as written, with its comments.
    #[serde(default)]
    pub yaml: Option<String>,
    /// The version that was edited: if there is a later one by now, nothing is changed.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub base_version: Option<u32>,
    /// What changed, in words.
    #[serde(default)]
    #[schema(max_length = 500)]
    pub note: Option<String>,
}

/// A definition to look at: exactly one of `definition` and `yaml`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ValidateWorkflow {
    /// The definition as JSON.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub definition: Option<Box<RawValue>>,
    /// The definition as YAML.
    #[serde(default)]
    pub yaml: Option<String>,
}

/// A change of a workflow that is no new version. An absent field stays as it is.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditWorkflow {
    /// Who may start from it as a template; `null`: nobody, it is none.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Sharing>)]
    pub template: Option<Option<Sharing>>,
}

#[expect(clippy::option_option, reason = "JSON has three cases here: absent, null and a value")]
/// Tells a field that is `null` from one that is absent.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Sharing>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The text of a definition and how it is written: JSON byte for byte as it was sent, so that a name that stands in it
/// twice is seen.
///
/// # Errors
/// If there is not exactly one of the two.
pub fn text_of<'a>(
    definition: Option<&'a RawValue>,
    yaml: Option<&'a str>,
) -> Result<(&'a str, Format), FieldError> {
    match (definition, yaml) {
        (Some(json), None) => Ok((json.get(), Format::Json)),
        (None, Some(yaml)) => Ok((yaml, Format::Yaml)),
        (None, None) => Err(FieldError::new("definition", "is missing: give it as JSON, or give yaml")),
        (Some(_), Some(_)) => Err(FieldError::new("yaml", "excludes definition: give one of the two")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_definition() {
        let read = |text: &str| serde_json::from_str::<NewWorkflow>(text).expect("a body of the right shape");
        let json = read(r#"{"definition": {"name":"a","name":"b"}}"#);
        let (text, format) = text_of(json.definition.as_deref(), json.yaml.as_deref()).expect("one");
        assert_eq!((text, format), (r#"{"name":"a","name":"b"}"#, Format::Json));
        for (body, field) in [("{}", "definition"), (r#"{"definition": {}, "yaml": ""}"#, "yaml")] {
            let body = read(body);
            let error = text_of(body.definition.as_deref(), body.yaml.as_deref()).expect_err("not one");
            assert_eq!(error.field, field);
        }
    }

    #[test]
    fn null_ends_a_template_and_absence_leaves_it() {
        let read = |text: &str| serde_json::from_str::<EditWorkflow>(text).expect("a body").template;
        assert_eq!(read("{}"), None);
        assert_eq!(read(r#"{"template": null}"#), Some(None));
        assert_eq!(read(r#"{"template": "public"}"#), Some(Some(Sharing::Public)));
    }
}
