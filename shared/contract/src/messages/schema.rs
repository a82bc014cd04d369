//! The messages as a JSON Schema.

use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

use super::{outgoing::Message, request::Wire};

/// A JSON Schema (2020-12): `#/$defs/Request` is what clients send and `#/$defs/Frame`, the root, what they receive.
pub fn schema() -> Value {
    let mut named = Vec::new();
    Message::schemas(&mut named);
    Wire::schemas(&mut named);
    named.push(("Message".into(), Message::schema()));
    named.sort_by(|a, b| a.0.cmp(&b.0));

    let mut defs: Map<String, Value> =
        named.into_iter().map(|(name, schema)| (name, json!(schema))).collect();
    defs.insert("Request".into(), closed(json!(Wire::schema())));
    defs.insert(
        "Batch".into(),
        json!({
            "description": "Several messages in one, in their order.",
            "type": "object",
            "required": ["type", "messages"],
            "additionalProperties": false,
            "properties": {
                "type": {"const": "batch"},
                "messages": {"type": "array", "minItems": 2, "items": {"$ref": "#/components/schemas/Message"}},
            },
        }),
    );
    defs.insert(
        "Frame".into(),
        json!({
            "description": "What one WebSocket message holds.",
            "oneOf": [{"$ref": "#/components/schemas/Message"}, {"$ref": "#/components/schemas/Batch"}],
        }),
    );
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "WebSocket messages",
        "description": "The root is what the server sends; #/$defs/Request is what a client sends.",
        "$ref": "#/components/schemas/Frame",
        "$defs": defs,
    });
    point_to_defs(&mut schema);
    schema
}

/// A misspelt field of a request is an error. New fields of what we send are none, so that clients survive them.
fn closed(mut request: Value) -> Value {
    for action in request["oneOf"].as_array_mut().into_iter().flatten() {
        action["additionalProperties"] = false.into();
    }
    request
}

/// OpenAPI keeps its schemas elsewhere.
fn point_to_defs(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(target) if name == "$ref" => {
                        *target = target.replace("#/components/schemas/", "#/$defs/");
                    }
                    other => point_to_defs(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(point_to_defs),
        _ => {}
    }
}
