//! Reads the states of a definition, one function a type.

use serde_json::Value;

use super::expressions::Offers;
use super::reader::{Findings, Reader};
use super::{Catcher, Kind, Language, Resource, Retrier, Rule, State, Task, Template, Wait, template};
use crate::clock::parse_iso;

const RESULT: Offers = Offers { result: true, error_output: false };
const CAUGHT: Offers = Offers { result: false, error_output: true };

/// The `QueryLanguage` of a machine or state, if it names one. `None` if what it says is no language.
#[expect(
    clippy::option_option,
    reason = "absent and wrong are different, and only the reader can note the second"
)]
pub(super) fn language(reader: &Reader<'_>) -> Option<Option<Language>> {
    if !reader.has("QueryLanguage") {
        return Some(None);
    }
    match reader.string("QueryLanguage")? {
        "JSONPath" => Some(Some(Language::JsonPath)),
        "JSONata" => Some(Some(Language::Jsonata)),
        _ => {
            let location = reader.at("QueryLanguage");
            let message = "Value is not valid. Valid values are: [JSONPath, JSONata]";
            reader.findings.add(super::reader::SCHEMA, message, Some(&location));
            None
        }
    }
}

pub(super) fn read(value: &Value, location: &str, machine: Language, findings: &Findings) -> Option<State> {
    let mut reader = Reader::new(value, location.to_owned(), machine, findings)?;
    reader.require(&["Type"]);
    let own = language(&reader)?;
    if machine == Language::Jsonata && own == Some(Language::JsonPath) {
        reader.error("'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine");
        return None;
    }
    reader.language = own.unwrap_or(machine);
    reader.string("Comment");
    let kind = match reader.string("Type")? {
        "Pass" => pass(&reader),
        "Task" => Kind::Task(task(&reader)?),
        "Choice" => choice(&reader),
        "Wait" => Kind::Wait(wait(&reader)?),
        "Succeed" => succeed(&reader),
        "Fail" => fail(&reader),
        other => {
            let location = reader.at("Type");
            findings.add(
                super::reader::SCHEMA,
                format!("State type '{other}' is not supported"),
                Some(&location),
            );
            return None;
        }
    };
    let offers = if matches!(kind, Kind::Task(_)) { RESULT } else { Offers::default() };
    let (assign, output) = (assign(&reader, offers), output(&reader, offers));
    let next = if matches!(kind, Kind::Choice { .. } | Kind::Succeed | Kind::Fail { .. }) {
        None
    } else {
        next(&reader)
    };
    Some(State { language: reader.language, kind, assign, output, next })
}

const COMMON: &[&str] = &["Type", "Comment", "QueryLanguage"];

fn allow(reader: &Reader<'_>, own: &[&str]) {
    reader.allow(&[COMMON, own].concat());
}

fn assign(reader: &Reader<'_>, offers: Offers) -> Option<Template> {
    let value = reader.fields.get("Assign")?;
    let Some(fields) = value.as_object() else {
        reader.error("Expected value of type Object");
        return None;
    };
    for name in fields.keys() {
        let good = name.chars().count() <= 80
            && name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_alphanumeric() || c == '_');
        let path = name.ends_with(".$") && reader.language == Language::JsonPath;
        if name == "states" || !(good || path) {
            reader.error(format!("Variable name '{name}' is not valid"));
        }
    }
    reader.template("Assign", offers)
}

fn output(reader: &Reader<'_>, offers: Offers) -> Option<Template> {
    if reader.language == Language::JsonPath { None } else { reader.template("Output", offers) }
}

fn next(reader: &Reader<'_>) -> Option<String> {
    if reader.boolean("End") == Some(false) {
        reader.error("Field 'End' must be true");
    }
    reader.only_one_of(&["Next", "End"]);
    reader.string("Next").map(str::to_owned)
}

fn pass(reader: &Reader<'_>) -> Kind {
    let result = if reader.language == Language::JsonPath {
        allow(reader, &["Next", "End", "Assign", "Result"]);
        reader.fields.get("Result").cloned()
    } else {
        allow(reader, &["Next", "End", "Assign", "Output"]);
        None
    };
    Kind::Pass { result }
}

fn succeed(reader: &Reader<'_>) -> Kind {
    allow(reader, &["Output"]);
    Kind::Succeed
}

fn fail(reader: &Reader<'_>) -> Kind {
    allow(reader, &["Error", "Cause"]);
    let text = |field| {
        reader.string(field)?;
        reader.template(field, Offers::default())
    };
    Kind::Fail { error: text("Error"), cause: text("Cause") }
}

fn wait(reader: &Reader<'_>) -> Option<Wait> {
    allow(reader, &["Next", "End", "Assign", "Output", "Seconds", "Timestamp"]);
    reader.only_one_of(&["Seconds", "Timestamp"]);
    if reader.has("Seconds") {
        return reader.seconds("Seconds", 0).map(Wait::Seconds);
    }
    let text = reader.string("Timestamp")?;
    if reader.language == Language::Jsonata && template::expression(text).is_some() {
        return reader.template("Timestamp", Offers::default()).map(Wait::Timestamp);
    }
    if parse_iso(text).is_none() {
        let location = reader.at("Timestamp");
        reader.findings.add(
            super::reader::SCHEMA,
            "String does not match RFC3339 timestamp",
            Some(&location),
        );
    }
    Some(Wait::Timestamp(Template::Literal(text.into())))
}

fn choice(reader: &Reader<'_>) -> Kind {
    allow(reader, &["Choices", "Default", "Assign", "Output"]);
    reader.require(&["Choices"]);
    if reader.has("Choices") && reader.list("Choices").is_empty() {
        reader.error("Choices must not be empty");
    }
    let rule = |(index, value): (usize, &Value)| {
        let rule = Reader::new(
            value,
            format!("{}[{index}]", reader.at("Choices")),
            reader.language,
            reader.findings,
        )?;
        rule.allow(&["Comment", "Condition", "Next", "Assign", "Output"]);
        rule.require(&["Condition", "Next"]);
        if let Some(condition) = rule.fields.get("Condition") {
            let expression = condition.as_str().is_some_and(|t| template::expression(t).is_some());
            if !expression && !condition.is_boolean() {
                rule.error("Condition must be a boolean or a JSONata expression");
            }
        }
        Some(Rule {
            condition: rule.template("Condition", Offers::default())?,
            assign: assign(&rule, Offers::default()),
            output: output(&rule, Offers::default()),
            next: rule.string("Next")?.to_owned(),
        })
    };
    let rules = reader.list("Choices").iter().enumerate().filter_map(rule).collect();
    Kind::Choice { rules, default: reader.string("Default").map(str::to_owned) }
}

fn task(reader: &Reader<'_>) -> Option<Task> {
    const FIELDS: &[&str] = &[
        "Next",
        "End",
        "Assign",
        "Output",
        "Resource",
        "Arguments",
        "TimeoutSeconds",
        "HeartbeatSeconds",
        "Retry",
        "Catch",
    ];
    credentials(reader);
    let fields: Vec<&str> = FIELDS.iter().copied().chain(["Credentials"]).collect();
    allow(reader, &fields);
    reader.require(&["Resource"]);
    let (timeout, heartbeat) = (reader.seconds("TimeoutSeconds", 1), reader.seconds("HeartbeatSeconds", 1));
    if let (Some(Template::Literal(timeout)), Some(Template::Literal(heartbeat))) = (&timeout, &heartbeat)
        && heartbeat.as_u64() >= timeout.as_u64()
    {
        reader.error("HeartbeatSeconds must be smaller than TimeoutSeconds");
    }
    let retry = reader.list("Retry").iter().enumerate().filter_map(|(i, v)| retrier(reader, i, v)).collect();
    let catch = reader.list("Catch").iter().enumerate().filter_map(|(i, v)| catcher(reader, i, v)).collect();
    let arguments = if reader.language == Language::Jsonata {
        reader.template("Arguments", Offers::default())
    } else {
        None
    };
    let resource = resource(reader, arguments.as_ref())?;
    Some(Task { resource, arguments, timeout, heartbeat, retry, catch })
}

/// Calls run with the machine's own role; AWS's complaint about a missing role comes before ours.
fn credentials(reader: &Reader<'_>) {
    let Some(value) = reader.fields.get("Credentials") else { return };
    let location = reader.at("Credentials");
    let message = if value.as_object().is_some_and(|c| c.contains_key("RoleArn")) {
        "Field 'Credentials' is not supported"
    } else {
        "The field 'RoleArn' is required but was missing"
    };
    reader.findings.add(super::reader::SCHEMA, message, Some(&location));
}

fn resource(reader: &Reader<'_>, arguments: Option<&Template>) -> Option<Resource> {
    let text = reader.string("Resource")?;
    let resource = match text {
        "arn:aws:states:::lambda:invoke" => Resource::Invoke { token: false },
        "arn:aws:states:::lambda:invoke.waitForTaskToken" => Resource::Invoke { token: true },
        function if is_function(function) => return Some(Resource::Function(function.to_owned())),
        _ => {
            let location = reader.at("Resource");
            let message = "The resource provided is not recognized: only functions can be called";
            reader.findings.add(super::reader::SCHEMA, message, Some(&location));
            return None;
        }
    };
    let location = reader.at("Arguments");
    let note = |message: String| reader.findings.add(super::reader::SCHEMA, message, Some(&location));
    let keys: Vec<&str> = match arguments {
        None => {
            reader.error("The field 'FunctionName' is required but was missing");
            return Some(resource);
        }
        Some(Template::Expression(_)) => return Some(resource),
        Some(Template::Object(fields)) => fields.iter().map(|(k, _)| k.as_str()).collect(),
        Some(Template::Literal(Value::Object(fields))) => fields.keys().map(String::as_str).collect(),
        Some(_) => {
            note("Expected value of type Object".to_owned());
            return Some(resource);
        }
    };
    if !keys.contains(&"FunctionName") {
        note("The field 'FunctionName' is required but was missing".to_owned());
    }
    for key in keys.iter().filter(|k| !["FunctionName", "Payload"].contains(k)) {
        note(format!("The field '{key}' is not supported by Step Functions"));
    }
    Some(resource)
}

/// `arn:aws:lambda:REGION:ACCOUNT:function:NAME`, with or without a qualifier.
fn is_function(arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    matches!(parts.len(), 7 | 8)
        && parts[0] == "arn"
        && parts[2] == "lambda"
        && parts[5] == "function"
        && !parts[6].is_empty()
}

/// The names a retrier or catcher matches. `States.ALL` stands alone, in the last one.
fn errors(reader: &Reader<'_>, is_last: bool) -> Vec<String> {
    let errors = reader.strings("ErrorEquals");
    if errors.iter().any(|e| e == "States.ALL") {
        if errors.len() > 1 {
            reader.error("States.ALL must appear alone");
        }
        if !is_last {
            reader.error("States.ALL must appear in the last element");
        }
    }
    errors
}

fn retrier(parent: &Reader<'_>, index: usize, value: &Value) -> Option<Retrier> {
    let location = format!("{}[{index}]", parent.at("Retry"));
    let reader = Reader::new(value, location, parent.language, parent.findings)?;
    reader.allow(&[
        "Comment",
        "ErrorEquals",
        "IntervalSeconds",
        "MaxAttempts",
        "BackoffRate",
        "MaxDelaySeconds",
        "JitterStrategy",
    ]);
    reader.require(&["ErrorEquals"]);
    let interval = reader.integer("IntervalSeconds", 1, 99_999_999).unwrap_or(1);
    let max_delay = reader.integer("MaxDelaySeconds", 1, 31_622_400);
    if max_delay.is_some_and(|most| most < interval) {
        reader.error("MaxDelaySeconds must be greater than IntervalSeconds");
    }
    let full_jitter = match reader.string("JitterStrategy") {
        None | Some("NONE") => false,
        Some("FULL") => true,
        Some(_) => {
            reader.error("Value is not valid. Valid values are: [FULL, NONE]");
            false
        }
    };
    Some(Retrier {
        errors: errors(&reader, index + 1 == parent.list("Retry").len()),
        interval,
        max_attempts: reader.integer("MaxAttempts", 0, 99_999_999).map_or(3, |n| n as u32),
        backoff: reader.number("BackoffRate", 1.0).unwrap_or(2.0),
        max_delay,
        full_jitter,
    })
}

fn catcher(parent: &Reader<'_>, index: usize, value: &Value) -> Option<Catcher> {
    let location = format!("{}[{index}]", parent.at("Catch"));
    let reader = Reader::new(value, location, parent.language, parent.findings)?;
    reader.allow(&["Comment", "ErrorEquals", "Next", "Assign", "Output"]);
    reader.require(&["ErrorEquals", "Next"]);
    Some(Catcher {
        errors: errors(&reader, index + 1 == parent.list("Catch").len()),
        assign: assign(&reader, CAUGHT),
        output: output(&reader, CAUGHT),
        next: reader.string("Next")?.to_owned(),
    })
}
