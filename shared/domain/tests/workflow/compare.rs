//! Two runs side by side.

use std::collections::BTreeMap;

use domain::{
    Currency, Money,
    workflow::{
        NodeStatus,
        compare::{MOST, NodeFacts, nodes, params, values},
    },
};
use jiff::SignedDuration;
use serde_json::{Value, json};

fn facts(seconds: i64) -> NodeFacts {
    NodeFacts {
        status: NodeStatus::Succeeded,
        attempts: 1,
        took: Some(SignedDuration::from_secs(seconds)),
        cost: Some(Money::new(1_000, Currency::Usd)),
        output: json!({"loss": 1, "files": ["a", "b"]}),
    }
}

#[test]
fn only_differences_are_told() {
    let left = BTreeMap::from([
        ("same".to_owned(), facts(100)),
        ("loss".to_owned(), facts(100)),
        ("gone".to_owned(), facts(1)),
    ]);
    let mut other = facts(101);
    other.output = json!({"loss": 2, "files": ["a", "b", "c"]});
    other.status = NodeStatus::Failed;
    other.cost = None;
    let right = BTreeMap::from([
        ("same".to_owned(), facts(105)),
        ("loss".to_owned(), other),
        ("new".to_owned(), facts(1)),
    ]);
    let found = nodes(&left, &right);
    let names: Vec<_> = found.iter().map(|difference| difference.node.as_str()).collect();
    assert_eq!(names, ["gone", "loss", "new"]);
    assert_eq!(
        serde_json::to_value(&found[1]).unwrap(),
        json!({
            "node": "loss",
            "status": {"left": "succeeded", "right": "failed"},
            "took_ms": {"left": 100_000, "right": 101_000},
            "cost": {"left": {"micros": 1000, "currency": "USD"}, "right": null},
            "output": {"loss": {"left": 1, "right": 2}, "files[2]": {"left": null, "right": "c"}}
        })
    );
    assert_eq!(found[2].status.as_ref().unwrap().left, None);
}

#[test]
fn times_alone_count_when_they_are_far_apart() {
    let of = |seconds| BTreeMap::from([("n".to_owned(), facts(seconds))]);
    assert_eq!(nodes(&of(100), &of(110)), []);
    assert_eq!(nodes(&of(100), &of(120)).len(), 1);
    let mut unknown = of(100);
    unknown.get_mut("n").unwrap().took = None;
    assert_eq!(nodes(&of(100), &unknown)[0].took_ms.as_ref().unwrap().right, None);
}

#[test]
fn parameters_differ_by_path() {
    let (Value::Object(left), Value::Object(right)) =
        (json!({"a": 1, "b": {"c": [1, 2]}}), json!({"b": {"c": [1, 3]}, "d": null}))
    else {
        panic!("objects")
    };
    let found = params(&left, &right);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["a", "b.c[1]", "d"]);
    assert_eq!(found["d"].right, Some(Value::Null));
    assert_eq!(params(&left, &left), BTreeMap::new());
}

#[test]
fn differences_are_bounded() {
    let list = |add: usize| json!((0..10_000).map(|at| at + add).collect::<Vec<_>>());
    assert_eq!(values(&list(0), &list(1)).len(), MOST);
}
