//! Expressions: what they give, what they refuse, and that they end.

use std::collections::BTreeMap;

use domain::workflow::{
    Scope, Seen,
    cel::{Error, Expression},
};
use serde_json::{Map, Value, json};

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        other => panic!("{other} is no object"),
    }
}

fn evaluate_with(source: &str, params: Value, output: Value) -> Result<Value, Error> {
    let (params, run, item) = (object(params), json!({"id": "run_1"}), json!({"k": "v"}));
    let sweep = json!([{"rate": 0.1, "loss": 3}, null, {"rate": 0.2, "loss": 1.5}, {"rate": 0.3}]);
    let nodes = BTreeMap::from([
        ("train", Seen { status: "succeeded", output: &output }),
        ("group.sweep", Seen { status: "failed", output: &sweep }),
    ]);
    let scope = Scope { params: &params, nodes, run: &run, item: Some((7, &item)), output: Some(&output) };
    Expression::compile(source)?.evaluate(&scope)
}

fn evaluate(source: &str) -> Result<Value, Error> {
    let params = json!({"rate": 0.5, "epochs": 3, "name": "训练", "list": [3, 1, 2], "big": 9_007_199_254_740_993_u64});
    evaluate_with(source, params, json!({"accuracy": 0.93, "files": ["a", "b"], "ok": true, "none": null}))
}

#[test]
fn expressions_give_values() {
    for (source, expected) in [
        ("1 + 2 * 3", json!(7)),
        ("params.epochs + 1", json!(4)),
        ("params.rate * 2.0", json!(1.0)),
        ("params.epochs > 2 && params.rate < 1", json!(true)),
        ("params.big + 1", json!(9_007_199_254_740_994_i64)),
        ("params.name == '训练'", json!(true)),
        ("params.name + '-' + string(params.epochs)", json!("训练-3")),
        ("params.list.map(x, x * 2)", json!([6, 2, 4])),
        ("params.list.filter(x, x > 1).size()", json!(2)),
        ("params.list.exists(x, x == 2) && params.list.all(x, x > 0)", json!(true)),
        ("2 in params.list", json!(true)),
        ("nodes.train.output.accuracy >= 0.9", json!(true)),
        ("nodes.train.status == 'succeeded'", json!(true)),
        ("nodes['train'].output['files'][1]", json!("b")),
        ("nodes.group.sweep.status", json!("failed")),
        ("has(nodes.train.output.accuracy) && !has(nodes.train.output.missing)", json!(true)),
        ("nodes.train.output.none == null", json!(true)),
        ("item.k + string(index)", json!("v7")),
        ("output.ok ? 'yes' : 'no'", json!("yes")),
        ("run.id", json!("run_1")),
        ("{'a': [1, 2.5, null, true, 'x']}", json!({"a": [1, 2.5, null, true, "x"]})),
        (
            "params",
            json!({"rate": 0.5, "epochs": 3, "name": "训练", "list": [3, 1, 2], "big": 9_007_199_254_740_993_u64}),
        ),
        ("params.list.min()", json!(1)),
        ("params.list.max()", json!(3)),
        ("params.list.sum()", json!(6)),
        ("[1, 2.5].sum()", json!(3.5)),
        ("[].min()", json!(null)),
        ("nodes.group.sweep.output.min_by('loss').rate", json!(0.2)),
        ("nodes.group.sweep.output.max_by('loss').rate", json!(0.1)),
        ("nodes.group.sweep.output.filter(r, r != null && has(r.loss)).map(r, r.loss).min()", json!(1.5)),
        ("type(params.epochs) == int", json!(true)),
    ] {
        assert_eq!(evaluate(source), Ok(expected), "{source}");
    }
}

#[test]
fn what_is_no_expression_is_said_before_a_run() {
    for (source, words) in [
        ("", "is empty"),
        ("  ", "is empty"),
        ("1 +", "is not an expression"),
        ("a b", "is not an expression"),
        ("'open", "is not an expression"),
        ("rate > 1", "uses `rate`"),
        ("[1].map(x, y)", "uses `y`"),
        ("[1].map(x, x) == x", "uses `x`"),
        ("eval('1')", "calls `eval`"),
        ("'a'.matches('a')", "calls `matches`"),
        ("timestamp('2026-01-01T00:00:00Z')", "calls `timestamp`"),
        ("params.?x", "is not an expression"),
        ("Thing{a: 1}", "makes a `Thing`"),
        ("${{ params.rate }}", "write params.x"),
    ] {
        match Expression::compile(source) {
            Err(Error::Compile(message)) => assert!(message.contains(words), "{source}: {message}"),
            other => panic!("{source}: {other:?}"),
        }
    }
}

#[test]
fn what_has_no_answer_says_why() {
    for (source, message) in [
        ("params.rate + 'x'", "cannot add double and string"),
        ("params.epochs + 0.5", "cannot add int and double; write double(x) for the int"),
        ("params.none", "there is no `none`"),
        ("nodes.train.output.files[5]", "there is no [5]: the list is shorter"),
        ("1 / 0", "divides by zero"),
        ("9223372036854775807 + 1", "add gives a number that is too large for an int"),
        ("1.0 / 0.0", "gives a number that JSON does not have: infinite or undefined"),
        ("[1, 'x'].max()", "max is for numbers; there is a string"),
        ("[1].min_by('x')", "min_by is for lists of objects"),
        ("params.name < 3", "`<` is not for string and int"),
        ("params.rate.all(x, true)", "there is double where iterable is due"),
    ] {
        assert_eq!(evaluate(source), Err(Error::Evaluate(message.into())), "{source}");
    }
}

#[test]
fn a_condition_is_true_or_false_and_a_map_goes_over_a_list() {
    let params = Map::new();
    let run = Value::Null;
    let scope = Scope { params: &params, nodes: BTreeMap::new(), run: &run, item: None, output: None };
    let compiled = |source| Expression::compile(source).unwrap();
    assert_eq!(compiled("1 < 2").holds(&scope), Ok(true));
    assert_eq!(
        compiled("1").holds(&scope).unwrap_err().to_string(),
        "gives a number; it must give true or false"
    );
    assert_eq!(
        compiled("'true'").holds(&scope).unwrap_err().to_string(),
        "gives a text; it must give true or false"
    );
    assert_eq!(compiled("[1]").list(&scope), Ok(vec![json!(1)]));
    assert_eq!(compiled("{}").list(&scope).unwrap_err().to_string(), "gives an object; it must give a list");
}

#[test]
fn text_nesting_and_depth_are_bounded() {
    for (source, is_fine) in [
        ("'((((((((((' == \"[[[[[[[[[[[\" // ((((((((((", true),
        ("r'\\' == '' || ((((((((((true))))))))))", false),
        ("'\\'' == '' || ((((((((((true))))))))))", false),
        ("'''a'b''' == '' || ((((((((((true))))))))))", false),
        ("'a' // '\n == '' || ((((((((((true))))))))))", false),
        ("'((((((((((((((((((((", false),
        ("[[[[[[[[1]]]]]]]].size() > 0", true),
        ("size(size(size(size(size(size(size(size([])))))))) == 0", false),
        ("((((((((1))))))))", true),
    ] {
        assert_eq!(Expression::compile(source).is_ok(), is_fine, "{source}");
    }
    let long = format!("'{}' == ''", "x".repeat(3_000));
    let nested = format!("{}1{}", "(".repeat(200), ")".repeat(200));
    let lists = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let chain = vec!["1"; 500].join("+");
    let selects = format!("params{}", ".a".repeat(500));
    let choices = format!("{}1", "true?1:".repeat(100));
    for source in [long, nested, lists, chain, selects, choices] {
        assert!(matches!(Expression::compile(&source), Err(Error::Compile(_))), "{source:.40}");
    }
    // What people write is far inside.
    let conditions = vec!["params.rate > 0.1"; 40].join(" && ");
    assert!(Expression::compile(&conditions).is_ok());
}

#[test]
fn loops_in_loops_are_refused_on_long_lists_alone() {
    let list = |length: usize| json!({"list": (0..length).collect::<Vec<_>>()});
    let square = "params.list.map(x, params.list.filter(y, y > x).size()).sum() >= 0";
    assert_eq!(evaluate_with(square, list(100), Value::Null), Ok(json!(true)));
    let refused = evaluate_with(square, list(10_000), Value::Null).unwrap_err().to_string();
    assert!(refused.contains("steps"), "{refused}");
    // One loop over as many items as a map may have is fine.
    assert_eq!(
        evaluate_with("params.list.filter(x, x % 2 == 0).size()", list(10_000), Value::Null),
        Ok(json!(5_000))
    );
    let results: Vec<_> =
        (0..10_000).map(|at| json!({"loss": at, "note": "some words that stand beside it"})).collect();
    let best = evaluate_with("nodes.train.output.min_by('loss').loss", json!({}), json!(results));
    assert_eq!(best, Ok(json!(0)));
    let fields = evaluate_with(
        "nodes.train.output.filter(r, r.loss > 9997).map(r, r.loss)",
        json!({}),
        json!(results),
    );
    assert_eq!(fields, Ok(json!([9_998, 9_999])));
}

#[test]
fn values_that_grow_are_refused_before_they_do() {
    let list = json!({"list": (0..3_000).collect::<Vec<_>>(), "text": "x".repeat(60_000)});
    for source in [
        "params.list.map(x, params.list + params.list).size() > 0",
        "params.list.map(x, params.text + params.text).size() > 0",
        "params.list.map(x, params.list.map(y, params.list)).size() > 0",
        "params.list.map(x, params.list == params.list).size() > 0",
        "[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, [1,2,3,4,5,6,7,8,9].all(d, [1,2,3,4,5,6,7,8,9].all(e, [1,2,3,4,5,6,7,8,9].all(f, [1,2,3,4,5,6,7,8,9].all(g, true)))))))",
    ] {
        match evaluate_with(source, list.clone(), Value::Null) {
            Err(Error::Evaluate(message)) => assert!(message.contains("steps"), "{source}: {message}"),
            other => panic!("{source}: {other:.100?}"),
        }
    }
}

proptest::proptest! {
    /// Whatever the text, it compiles or it does not, and what compiles is evaluated or is not: nothing panics.
    #[test]
    fn any_text_is_an_expression_or_none(source in "(params|nodes|\\.list|\\.map\\(x,|x|1|2\\.5|'a'|\\+|-|\\*|/|%|&&|\\|\\||!|\\(|\\)|\\[|\\]|==|<|\\?|:|in| |,|\\{|\\}|size\\(|has\\(|\\.sum\\(\\)){0,14}") {
        let _ = evaluate(&source);
    }
}
