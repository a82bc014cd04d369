//! One event of an execution's history, as it is kept and as the API gives it.

use serde_json::{Map, Value, json};

use crate::clock::{Millis, seconds};

#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Counted from 1.
    pub(crate) id: u64,
    pub(crate) previous: u64,
    pub(crate) at: Millis,
    /// Such as `TaskStateEntered`.
    pub(crate) kind: String,
    /// The field that holds the details and what is in it.
    pub(crate) details: Option<(String, Value)>,
}

impl Event {
    /// As `GetExecutionHistory` gives it.
    pub(crate) fn to_json(&self, include_data: bool) -> Value {
        let mut event = Map::new();
        event.insert("timestamp".to_owned(), seconds(self.at));
        event.insert("type".to_owned(), json!(self.kind));
        event.insert("id".to_owned(), json!(self.id));
        event.insert("previousEventId".to_owned(), json!(self.previous));
        if let Some((field, details)) = &self.details {
            let mut details = details.clone();
            if !include_data && let Some(details) = details.as_object_mut() {
                details.retain(|field, _| !is_data(field));
            }
            event.insert(field.clone(), details);
        }
        Value::Object(event)
    }
}

fn is_data(field: &str) -> bool {
    matches!(field, "input" | "output" | "parameters" | "error" | "cause" | "assignedVariables")
        || field.ends_with("Details")
}

/// Details with one text that may be long: `{"input": …, "inputDetails": {"truncated": false}}`.
pub(crate) fn data(field: &str, text: String) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert(field.to_owned(), Value::String(text));
    map.insert(format!("{field}Details"), json!({"truncated": false}));
    map
}

/// Details of a failure: what is absent is left out.
pub(crate) fn failure(error: Option<&str>, cause: Option<&str>) -> Map<String, Value> {
    let fields = [("error", error), ("cause", cause)];
    fields.iter().filter_map(|(k, v)| Some(((*k).to_owned(), Value::String((*v)?.to_owned())))).collect()
}
