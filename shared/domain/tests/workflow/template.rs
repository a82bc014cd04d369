//! Templates: what goes in, and what is said when nothing does.

use std::collections::BTreeMap;

use domain::workflow::{Scope, Seen, render, render_job};
use serde_json::{Map, Value, json};

fn with<T>(then: impl FnOnce(&Scope<'_>) -> T) -> T {
    let Value::Object(params) = json!({"n": 3, "rate": 0.5, "on": true, "none": null, "text": "t ${{ params.n }}", "list": [1, {"a": "b"}], "a b": 1})
    else {
        panic!("an object")
    };
    let (run, item, output) =
        (json!({"id": "run_1"}), json!({"rate": 0.1, "k-1": [7]}), json!({"files": ["x", "y"], "空": 1}));
    let nodes = BTreeMap::from([
        ("prepare", Seen { status: "succeeded", output: &output }),
        ("group.inner-1", Seen { status: "failed", output: &Value::Null }),
    ]);
    then(&Scope { params: &params, nodes, run: &run, item: Some((4, &item)), output: None })
}

fn fill(text: &str) -> Result<Value, String> {
    with(|scope| render(&json!(text), scope, "at")).map_err(|errors| errors[0].to_string())
}

#[test]
fn a_template_alone_keeps_its_type_and_in_a_text_it_is_text() {
    for (text, expected) in [
        ("plain", json!("plain")),
        ("${{ params.n }}", json!(3)),
        ("${{params.n}}", json!(3)),
        ("${{ params.list }}", json!([1, {"a": "b"}])),
        ("${{ params }}", with(|scope| Value::Object(scope.params.clone()))),
        ("${{ params.none }}", Value::Null),
        ("${{ params.list[1].a }}", json!("b")),
        ("${{ params.list[1][\"a\"] }}", json!("b")),
        ("${{ params[\"a b\"] }}", json!(1)),
        ("${{ nodes.prepare.output.files[0] }}", json!("x")),
        ("${{ nodes.prepare.output.空 }}", json!(1)),
        ("${{ nodes.prepare.status }}", json!("succeeded")),
        ("${{ nodes.group.inner-1.status }}", json!("failed")),
        ("${{ nodes.group.inner-1.output }}", Value::Null),
        ("${{ item }}", json!({"rate": 0.1, "k-1": [7]})),
        ("${{ item.k-1[0] }}", json!(7)),
        ("${{ index }}", json!(4)),
        ("${{ run.id }}", json!("run_1")),
        ("n=${{ params.n }}", json!("n=3")),
        (" ${{ params.n }}", json!(" 3")),
        ("${{ params.n }}${{ params.on }}", json!("3true")),
        ("${{ params.list }} and ${{ params.none }}", json!("[1,{\"a\":\"b\"}] and null")),
        ("$${{ params.n }}", json!("${{ params.n }}")),
        ("a $${{ b ${{ params.n }} }}", json!("a ${{ b 3 }}")),
        ("$ { { $x }} {{ y }}", json!("$ { { $x }} {{ y }}")),
    ] {
        assert_eq!(fill(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_a_template_put_in_is_not_a_template() {
    assert_eq!(fill("${{ params.text }}"), Ok(json!("t ${{ params.n }}")));
    assert_eq!(fill("<${{ params.text }}>"), Ok(json!("<t ${{ params.n }}>")));
}

#[test]
fn what_is_not_there_is_named() {
    for (text, words) in [
        ("${{ params.zero }}", "no such parameter"),
        ("${{ nodes.later.output }}", "has not run"),
        ("${{ nodes.prepare.output.file }}", "there is no \"file\" in an object with files, 空"),
        ("${{ nodes.prepare.output.files[2] }}", "there is no [2] in a list of 2"),
        ("${{ nodes.group.inner-1.output.x }}", "there is no \"x\" in null"),
        ("${{ params.n.x }}", "in a number"),
        ("${{ output }}", "outputs alone"),
        ("${{ secrets.x }}", "begins with none of"),
        ("${{ }}", "is not a path"),
        ("${{ params. }}", "is not a path"),
        ("${{ params.a }", "without }}"),
        ("${{ params.list[x] }}", "is not a path"),
        ("${{ params.list[-1] }}", "is not a path"),
        ("${{ params.n + 1 }}", "is not a path"),
    ] {
        let error = fill(text).unwrap_err();
        assert!(error.starts_with("at: ") && error.contains(words), "{text}: {error}");
    }
}

#[test]
fn every_text_of_a_value_is_filled_and_every_error_has_its_path() {
    let value = json!({"a": ["${{ params.n }}", {"b": "x${{ index }}"}], "c": 1, "${{ params.n }}": "key"});
    let filled = with(|scope| render(&value, scope, "")).unwrap();
    assert_eq!(filled, json!({"a": [3, {"b": "x4"}], "c": 1, "${{ params.n }}": "key"}));
    let value = json!({"a": ["${{ params.x }}", {"b": "${{ nodes.x.output }}"}]});
    let errors = with(|scope| render(&value, scope, "nodes.n.job")).unwrap_err();
    let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["nodes.n.job.a[0]", "nodes.n.job.a[1].b"]);
}

#[test]
fn a_job_gets_texts_where_it_has_texts() {
    let Value::Object(fields) = json!({
        "name": "${{ params.n }}",
        "image": "i:${{ params.n }}",
        "command": ["train", "${{ params.rate }}", 3, "${{ params.list }}"],
        "env": {"N": "${{ params.n }}", "ON": "${{ params.on }}", "ALL": "${{ item }}", "T": "t"},
        "tags": {"rate": "${{ params.rate }}"},
        "gpu": {"count": "${{ params.n }}"},
        "timeout_seconds": "${{ params.n }}",
        "description": "${{ params.none }}",
        "metadata": {"any": "${{ params.list }}"}
    }) else {
        panic!("an object")
    };
    let mut rendered = with(|scope| render_job(&fields, scope, "nodes.n.job")).unwrap();
    // As a value: the order of fields is another one when crates are built together.
    let all = rendered["env"]["ALL"].take();
    let all: Value = serde_json::from_str(all.as_str().unwrap()).unwrap();
    assert_eq!(all, json!({"k-1": [7], "rate": 0.1}));
    assert_eq!(
        Value::Object(rendered),
        json!({
            "name": "3",
            "image": "i:3",
            "command": ["train", "0.5", "3", "[1,{\"a\":\"b\"}]"],
            "env": {"N": "3", "ON": "true", "ALL": null, "T": "t"},
            "tags": {"rate": "0.5"},
            "gpu": {"count": 3},
            "timeout_seconds": 3,
            "description": null,
            "metadata": {"any": [1, {"a": "b"}]}
        })
    );
    let wrong: Map<String, Value> =
        [("env".to_owned(), json!({"A": "${{ params.x }}"})), ("image".to_owned(), json!("${{ params.y }}"))]
            .into_iter()
            .collect();
    let errors = with(|scope| render_job(&wrong, scope, "nodes.n.job")).unwrap_err();
    let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["nodes.n.job.env.A", "nodes.n.job.image"]);
}

proptest::proptest! {
    /// A text without the sign is the same afterwards, and any text is filled or refused.
    #[test]
    fn any_text_is_filled_or_refused(text in "[$ {}a-c.\\[\\]0\"]{0,30}", plain in "[^$]{0,30}") {
        let _ = fill(&text);
        proptest::prop_assert_eq!(fill(&plain), Ok(json!(plain)));
    }
}
