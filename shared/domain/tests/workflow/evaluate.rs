//! A node's texts in a run.

use std::collections::BTreeMap;

use domain::workflow::{Kind, Scope, Seen, Workflow};
use serde_json::{Map, Value, json};

fn workflow() -> Workflow {
    super::yaml(
        r#"
name: w
params: {rates: {default: [1, 2]}, go: {default: true}}
nodes:
  a: {condition: "true"}
  z: {condition: "true"}
  b:
    depends_on: [z, {node: a, if: nodes.a.output.ok}]
    when: params.go
    map: {over: "params.rates.filter(rate, rate > 1)", node: {job: {image: i, command: [c]}}}
    outputs: {best: output.max(), count: output.size(), first: "output[0].x"}
  c: {map: {over: "${{ params.rates }}", node: {job: {image: i, command: [c]}}}}
  d: {map: {over: ["${{ params.go }}", 7], node: {job: {image: i, command: [c]}}}}
"#,
    )
}

fn with<T>(params: Value, output: &Value, then: impl FnOnce(&Scope<'_>) -> T) -> T {
    let Value::Object(params): Value = params else { panic!("an object") };
    let nodes = BTreeMap::from([("a", Seen { status: "succeeded", output })]);
    then(&Scope { params: &params, nodes, run: &Value::Null, item: None, output: Some(output) })
}

#[test]
fn a_step_may_start_when_its_conditions_hold() {
    let workflow = workflow();
    let plan = workflow.validate().unwrap();
    let step = plan.step(plan.number("b").unwrap()).unwrap();
    for (go, expected) in [(json!(true), Ok(true)), (json!(false), Ok(false))] {
        assert_eq!(with(json!({"go": go}), &Value::Null, |scope| step.may_start(scope)), expected);
    }
    let error = with(json!({"go": 1}), &Value::Null, |scope| step.may_start(scope)).unwrap_err();
    assert_eq!(error.to_string(), "nodes.b.when: gives a number; it must give true or false");
    for (ok, expected) in [(true, [true, true]), (false, [true, false])] {
        let output = json!({"ok": ok});
        let edges: Vec<_> = with(json!({}), &output, |scope| {
            step.before.iter().map(|edge| edge.holds(scope).unwrap()).collect()
        });
        assert_eq!(edges, expected);
    }
    let missing = with(json!({}), &json!({}), |scope| step.before[1].holds(scope)).unwrap_err();
    assert_eq!(missing.field, "nodes.b.depends_on[1].if");
}

#[test]
fn a_map_goes_over_lists_of_every_kind() {
    let workflow = workflow();
    let plan = workflow.plan();
    let items = |id: &str, params: Value| {
        let plan = plan.as_ref().unwrap();
        let step = plan.step(plan.number(id).unwrap()).unwrap();
        let Kind::Map(map) = step.kind else { panic!("{id} is no map") };
        with(params, &Value::Null, |scope| map.items(scope, "nodes.x.map"))
            .map_err(|errors| errors[0].to_string())
    };
    assert_eq!(items("b", json!({"rates": [1, 2, 3]})), Ok(vec![json!(2), json!(3)]));
    assert_eq!(items("c", json!({"rates": []})), Ok(vec![]));
    assert_eq!(items("d", json!({"go": "x"})), Ok(vec![json!("x"), json!(7)]));
    assert_eq!(
        items("c", json!({"rates": 3})).unwrap_err(),
        "nodes.x.map.over: gives a number; it must give a list"
    );
    let long = json!({"rates": vec![1; 10_001]});
    assert_eq!(items("c", long).unwrap_err(), "nodes.x.map.over: gives 10001 items; at most 10000");
}

#[test]
fn an_output_is_what_was_given_or_what_is_made_of_it() {
    let workflow = workflow();
    let output = json!([1, 5, null]);
    let of = |id: &str| with(json!({}), &output, |scope| workflow.nodes[id].output(scope, "nodes.x"));
    assert_eq!(of("a"), Ok(output.clone()));
    let errors = of("b").unwrap_err();
    assert_eq!(
        errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(),
        ["nodes.x.outputs.first"]
    );
    let mut node = workflow.nodes["b"].clone();
    node.outputs.remove("first");
    let made = with(Value::Object(Map::new()), &output, |scope| node.output(scope, "nodes.x"));
    assert_eq!(made, Ok(json!({"best": 5, "count": 3})));
}
