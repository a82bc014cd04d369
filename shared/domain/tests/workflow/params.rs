//! The values of a run.

use domain::workflow::{Limits, Workflow};
use serde_json::{Map, Value, json};

fn workflow() -> Workflow {
    super::json(json!({
        "name": "w",
        "params": {
            "rate": {"type": "number", "exclusiveMinimum": 0, "default": 0.1},
            "name": {"type": "string", "pattern": "^[a-z]+$"},
            "shape": {
                "type": "object",
                "properties": {"layers": {"type": "array", "items": {"type": "integer"}}},
                "required": ["layers"],
                "additionalProperties": false,
                "default": {"layers": [1]}
            },
            "free": {"default": null}
        },
        "nodes": {"a": {"job": super::job()}}
    }))
}

fn bind(given: Value) -> Result<Value, Vec<String>> {
    let Value::Object(given) = given else { panic!("{given} is no object") };
    workflow()
        .bind(given)
        .map(Value::Object)
        .map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

#[test]
fn defaults_fill_what_is_not_given() {
    assert_eq!(
        bind(json!({"name": "a"})),
        Ok(json!({"name": "a", "rate": 0.1, "shape": {"layers": [1]}, "free": null}))
    );
    assert_eq!(
        bind(json!({"name": "b", "rate": 2, "shape": {"layers": []}, "free": [1]})),
        Ok(json!({"name": "b", "rate": 2, "shape": {"layers": []}, "free": [1]}))
    );
}

#[test]
fn everything_against_the_schema_is_told_with_its_path() {
    let errors = bind(json!({"rate": 0, "shape": {"layers": [1, "x"], "more": 1}, "nmae": "a"})).unwrap_err();
    let places: Vec<_> = errors.iter().map(|error| error.split(": ").next().unwrap()).collect();
    assert_eq!(
        places,
        ["params.nmae", "params.name", "params.rate", "params.shape.layers[1]", "params.shape"]
    );
    assert!(errors[0].contains("there are: free, name, rate, shape"), "{errors:#?}");
    assert!(errors[1].contains("required"), "{errors:#?}");
    let errors = bind(json!({"name": "A secret value"})).unwrap_err();
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("params.name: ") && !errors[0].contains("secret"), "{errors:#?}");
}

#[test]
fn the_size_is_bounded() {
    let errors = bind(json!({"name": "a".repeat(Limits::PARAMS_BYTES)})).unwrap_err();
    assert!(errors[0].contains("at most 65536"), "{errors:#?}");
}

#[test]
fn patterns_are_linear_and_nothing_is_fetched() {
    let with = |schema: Value| {
        super::json(json!({"name": "w", "params": {"x": schema}, "nodes": {"a": {"job": super::job()}}}))
    };
    let workflow = with(json!({"type": "string", "pattern": "^(a+)+$"}));
    let given: Map<String, Value> =
        [("x".to_owned(), json!(format!("{}b", "a".repeat(50_000))))].into_iter().collect();
    assert_eq!(workflow.bind(given).unwrap_err().len(), 1);
    for schema in [
        json!({"pattern": "(a)\\1"}),
        json!({"pattern": "(?=a)"}),
        json!({"pattern": "(((a{1000}){1000}){1000})"}),
        json!({"$ref": "http://127.0.0.1:9/schema.json"}),
        json!({"$ref": "file:///etc/passwd"}),
    ] {
        let errors = super::errors(&with(schema.clone()));
        super::assert_one(&errors, "params.x", "not a JSON Schema");
    }
}
