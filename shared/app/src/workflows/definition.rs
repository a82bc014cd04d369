//! A definition from its text: read, checked, and as it is kept.

use domain::{
    job::FieldError,
    workflow::{Format, Limits, Workflow},
};

use crate::ports::DefinitionText;

/// A definition that nothing is wrong with.
#[derive(Debug, Clone)]
pub struct Checked {
    pub workflow: Workflow,
    pub text: DefinitionText,
    /// How many nodes it has, groups not counted.
    pub nodes: u32,
}

/// Reads and checks a definition.
///
/// # Errors
/// Everything that is wrong, each with its place in the definition; what concerns the whole of it is named `definition`.
pub fn check(text: &str, format: Format) -> Result<Checked, Vec<FieldError>> {
    let yaml = (format == Format::Yaml).then(|| text.to_owned());
    Workflow::read(text, format).and_then(|workflow| checked(workflow, yaml)).map_err(named)
}

/// Checks a definition that was put together.
pub(super) fn checked(workflow: Workflow, yaml: Option<String>) -> Result<Checked, Vec<FieldError>> {
    let nodes = u32::try_from(workflow.validate()?.steps().len()).unwrap_or(u32::MAX);
    let whole = |message: String| vec![FieldError::new("", message)];
    let json = serde_json::to_string(&workflow).map_err(|error| whole(error.to_string()))?;
    // With its defaults written out it may be longer than its text was, and it is read again for each run.
    if json.len() > Limits::DEFINITION_BYTES {
        let most = Limits::DEFINITION_BYTES;
        return Err(whole(format!("has {} bytes as JSON; at most {most}", json.len())));
    }
    Ok(Checked { workflow, text: DefinitionText { json, yaml }, nodes })
}

fn named(errors: Vec<FieldError>) -> Vec<FieldError> {
    let name = |error: FieldError| match error.field.as_str() {
        "" => FieldError::new("definition", error.message),
        _ => error,
    };
    errors.into_iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_kept_as_json_and_as_it_was_written() {
        let yaml = "name: a # why\nnodes: {b: {job: {image: i, command: [c]}}, g: {parallel: [{name: c, condition: 'true'}]}}";
        let checked = check(yaml, Format::Yaml).expect("nothing is wrong");
        assert_eq!((checked.nodes, checked.text.yaml.as_deref()), (2, Some(yaml)));
        let again = check(&checked.text.json, Format::Json).expect("nothing is wrong");
        assert_eq!((&again.workflow, again.text.yaml), (&checked.workflow, None));
        assert_eq!(again.text.json, checked.text.json);
    }

    #[test]
    fn what_is_wrong_has_a_name() {
        let fields = |text: &str| {
            let errors = check(text, Format::Yaml).expect_err("something is wrong");
            errors.into_iter().map(|error| error.field).collect::<Vec<_>>()
        };
        assert_eq!(fields(": : :"), ["definition"]);
        assert_eq!(fields("name: a\nnodes: {}"), ["nodes"]);
        let twice = "name: ''\nnodes: {a: {job: {image: i, command: [c]}, depends_on: [b]}}";
        assert_eq!(fields(twice), ["name", "nodes.a.depends_on[0]"]);
    }
}
