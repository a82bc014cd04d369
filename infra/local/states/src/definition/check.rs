//! Reads a definition strictly: what this interpreter does not do, it refuses when the machine is created.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::reader::{Findings, Reader, SCHEMA};
use super::{Diagnostic, Kind, Language, Machine, State, json, states};

/// The machine, or everything that is wrong with the definition. Never both empty.
pub(crate) fn check(text: &str) -> Result<Machine, Vec<Diagnostic>> {
    let findings = Findings::default();
    let machine = read(text, &findings);
    match machine {
        Some(machine) if findings.is_empty() => Ok(machine),
        _ => Err(findings.into_inner()),
    }
}

fn read(text: &str, findings: &Findings) -> Option<Machine> {
    const NOT_AN_OBJECT: &str = "Definition must be a valid JSON object";
    if text.trim().is_empty() {
        findings.add(SCHEMA, NOT_AN_OBJECT, None);
        return None;
    }
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            let (message, location) = json::fault(text).map_or_else(
                || (error.to_string(), None),
                |fault| {
                    let location = fault.location(text);
                    (format!("{}\n at {location}", fault.message), Some(location))
                },
            );
            findings.add("INVALID_JSON_DESCRIPTION", message, location.as_deref());
            return None;
        }
    };
    if !value.is_object() {
        findings.add(SCHEMA, NOT_AN_OBJECT, None);
        return None;
    }
    let reader = Reader::new(&value, "/".to_owned(), Language::JsonPath, findings)?;
    machine(&reader)
}

fn machine(reader: &Reader<'_>) -> Option<Machine> {
    reader.require(&["States", "StartAt"]);
    for field in reader.fields.keys() {
        if !["Comment", "StartAt", "States", "QueryLanguage", "TimeoutSeconds", "Version"]
            .contains(&field.as_str())
        {
            reader.error(format!("Field '{field}' is not supported"));
        }
    }
    let language = states::language(reader)?.unwrap_or(Language::JsonPath);
    reader.string("Comment");
    if let Some(version) = reader.string("Version")
        && version != "1.0"
    {
        reader.error(format!("Version '{version}' is not supported"));
    }
    let timeout = reader.integer("TimeoutSeconds", 1, 99_999_999);
    let start_at = reader.string("StartAt");
    let states_value = reader.fields.get("States")?;
    let list = Reader::new(states_value, "/States".to_owned(), language, reader.findings)?;
    if list.fields.is_empty() {
        list.error("States must not be empty");
    }
    let mut read = BTreeMap::new();
    for (name, value) in list.fields {
        let location = format!("/States/{name}");
        if name.chars().count() > 80 {
            reader.findings.add(SCHEMA, "State name must not be longer than 80 characters", Some(&location));
        }
        if let Some(state) = states::read(value, &location, language, reader.findings) {
            read.insert(name.clone(), state);
        }
    }
    let start_at = start_at?;
    // A state that could not be read hides where it leads: the graph is judged when all could be
    if read.len() == list.fields.len() {
        graph(start_at, &read, reader.findings);
    }
    Some(Machine { start_at: start_at.to_owned(), states: read, timeout })
}

/// Where a state leads, with the place in the definition that says so.
fn targets<'a>(name: &str, state: &'a State) -> Vec<(&'a str, String)> {
    let at = |suffix: &str| format!("/States/{name}/{suffix}");
    let mut found: Vec<(&str, String)> = state.next.iter().map(|n| (n.as_str(), at("Next"))).collect();
    match &state.kind {
        Kind::Choice { rules, default } => {
            found.extend(
                rules.iter().enumerate().map(|(i, r)| (r.next.as_str(), at(&format!("Choices[{i}]/Next")))),
            );
            found.extend(default.iter().map(|d| (d.as_str(), at("Default"))));
        }
        Kind::Task(task) => {
            found.extend(
                task.catch
                    .iter()
                    .enumerate()
                    .map(|(i, c)| (c.next.as_str(), at(&format!("Catch[{i}]/Next")))),
            );
        }
        _ => {}
    }
    found
}

fn graph(start_at: &str, states: &BTreeMap<String, State>, findings: &Findings) {
    const MISSING: &str = "MISSING_TRANSITION_TARGET";
    if !states.contains_key(start_at) {
        findings.add(MISSING, format!("Missing 'Next' target: {start_at}"), Some("/StartAt"));
    }
    for (name, state) in states {
        for (target, location) in targets(name, state) {
            if !states.contains_key(target) {
                findings.add(MISSING, format!("Missing 'Next' target: {target}"), Some(&location));
            }
        }
    }
    let ends = |s: &State| !matches!(s.kind, Kind::Choice { .. }) && s.next.is_none();
    if !states.values().any(ends) {
        findings.add("MISSING_END_STATE", "Workflow has no terminal state", None);
        return;
    }
    let mut reached = BTreeSet::from([start_at]);
    let mut open = vec![start_at];
    while let Some(name) = open.pop() {
        for (target, _) in states.get(name).map(|s| targets(name, s)).unwrap_or_default() {
            if reached.insert(target) {
                open.push(target);
            }
        }
    }
    for name in states.keys().filter(|n| !reached.contains(n.as_str())) {
        let location = format!("/States/{name}");
        findings.add(MISSING, format!("State \"{name}\" is not reachable."), Some(&location));
    }
}
