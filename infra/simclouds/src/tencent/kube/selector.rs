//! Which objects a call is about: label and field selectors.

use super::status::Refusal;
use serde_json::Value;

/// What a field selector may name.
const KNOWN: [&str; 10] = [
    "metadata.name",
    "metadata.namespace",
    "status.phase",
    "spec.nodeName",
    "status.successful",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.kind",
    "reason",
    "type",
];

#[derive(Clone, Debug)]
enum Term {
    Is(String, String),
    IsNot(String, String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Has(String),
    Lacks(String),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    labels: Vec<Term>,
    fields: Vec<Term>,
}

impl Selector {
    pub(crate) fn new(labels: &str, fields: &str) -> Result<Self, Refusal> {
        let read = |text: &str, what: &str| {
            split(text).into_iter().map(|part| term(part.trim())).collect::<Option<Vec<_>>>().ok_or_else(
                || Refusal::bad(format!("unable to parse requirement: invalid {what} selector {text:?}")),
            )
        };
        let fields = read(fields, "field")?;
        for field in &fields {
            match field {
                Term::Is(name, _) | Term::IsNot(name, _) if KNOWN.contains(&name.as_str()) => {}
                Term::Is(name, _) | Term::IsNot(name, _) => {
                    return Err(Refusal::bad(format!("field label not supported: {name}")));
                }
                _ => return Err(Refusal::bad("invalid field selector")),
            }
        }
        Ok(Self { labels: read(labels, "label")?, fields })
    }

    pub(crate) fn fits(&self, object: &Value) -> bool {
        let label = |name: &str| object["metadata"]["labels"][name].as_str();
        let field = |name: &str| {
            let value = name.split('.').fold(object, |value, part| &value[part]);
            Some(value.as_str().unwrap_or_default())
        };
        self.labels.iter().all(|term| holds(term, label)) && self.fields.iter().all(|term| holds(term, field))
    }
}

fn holds<'a>(term: &Term, value: impl Fn(&str) -> Option<&'a str>) -> bool {
    match term {
        Term::Is(name, wanted) => value(name) == Some(wanted),
        Term::IsNot(name, wanted) => value(name) != Some(wanted),
        Term::In(name, any) => value(name).is_some_and(|value| any.iter().any(|one| one == value)),
        Term::NotIn(name, any) => value(name).is_none_or(|value| any.iter().all(|one| one != value)),
        Term::Has(name) => value(name).is_some(),
        Term::Lacks(name) => value(name).is_none(),
    }
}

/// At the commas that are not in parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    if !text.trim().is_empty() {
        parts.push(&text[from..]);
    }
    parts
}

fn term(text: &str) -> Option<Term> {
    let clean = |text: &str| {
        let text = text.trim();
        (!text.is_empty() && !text.contains([' ', '=', '!', '(', ')'])).then(|| text.to_owned())
    };
    let value = |text: &str| if text.trim().is_empty() { Some(String::new()) } else { clean(text) };
    let set = |text: &str| {
        let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
        inner.split(',').map(value).collect::<Option<Vec<_>>>()
    };
    if let Some((name, wanted)) = text.split_once("!=") {
        return Some(Term::IsNot(clean(name)?, value(wanted)?));
    }
    if let Some((name, wanted)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Some(Term::Is(clean(name)?, value(wanted)?));
    }
    if let Some((name, any)) = text.split_once(" notin ") {
        return Some(Term::NotIn(clean(name)?, set(any)?));
    }
    if let Some((name, any)) = text.split_once(" in ") {
        return Some(Term::In(clean(name)?, set(any)?));
    }
    match text.strip_prefix('!') {
        Some(name) => clean(name).map(Term::Lacks),
        None => clean(text).map(Term::Has),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selects_as_the_cluster_does() {
        let object = json!({"metadata": {"name": "a", "labels": {"gp.io/job": "1", "x": ""}}});
        let fits = |labels: &str, fields: &str| Selector::new(labels, fields).unwrap().fits(&object);
        for yes in
            ["", "gp.io/job=1", "gp.io/job==1,x", "gp.io/job in (1, 2)", "!y", "y!=1", "y notin (1)", "x="]
        {
            assert!(fits(yes, ""), "{yes}");
        }
        for no in ["gp.io/job=2", "y", "gp.io/job in (2)", "!x", "gp.io/job!=1", "gp.io/job notin (1,2)"] {
            assert!(!fits(no, ""), "{no}");
        }
        assert!(fits("", "metadata.name=a") && !fits("", "metadata.name!=a"));
        assert!(Selector::new("a b", "").is_err() && Selector::new("", "spec.color=red").is_err());
    }
}
