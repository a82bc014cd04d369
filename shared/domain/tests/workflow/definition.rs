//! Reading: JSON and YAML give the same, and no text is too much for the reader.

use domain::workflow::{Dependency, FailurePolicy, Format, Limits, Method, Retry, TriggerRule, Workflow};
use serde_json::{Value, json};

#[test]
fn yaml_and_json_give_the_same() {
    let yaml = r"
name: w
description: |
  two
  lines
params: {x: {type: number, default: 1.5}, y: {default: null}, z: {default: 'no'}}
failure_policy: finish_what_can
timeout_seconds: 60
priority: urgent
nodes:
  a: {job: {image: i, command: [c, '1', 2, true], env: {N: 007}}, retry: {max_attempts: 5}}
  b:
    depends_on: [a, {node: a, if: nodes.a.output.ok}]
    trigger: none_failed
    webhook: {url: 'https://x', method: PUT, body: {big: 9007199254740993, small: 1e-3}}
";
    let json = json!({
        "name": "w", "description": "two\nlines\n",
        "params": {"x": {"type": "number", "default": 1.5}, "y": {"default": null}, "z": {"default": "no"}},
        "failure_policy": "finish_what_can", "timeout_seconds": 60, "priority": "urgent",
        "nodes": {
            "a": {"job": {"image": "i", "command": ["c", "1", 2, true], "env": {"N": "007"}}, "retry": {"max_attempts": 5}},
            "b": {
                "depends_on": ["a", {"node": "a", "if": "nodes.a.output.ok"}],
                "trigger": "none_failed",
                "webhook": {"url": "https://x", "method": "PUT", "body": {"big": 9_007_199_254_740_993_u64, "small": 0.001}}
            }
        }
    });
    let from_yaml = Workflow::read(yaml, Format::Yaml).unwrap();
    let from_json = Workflow::read(&json.to_string(), Format::Json).unwrap();
    assert_eq!(from_yaml, from_json);
    assert_eq!(from_yaml.failure_policy, FailurePolicy::FinishWhatCan);
    let b = &from_yaml.nodes["b"];
    assert_eq!(b.trigger, TriggerRule::NoneFailed);
    assert_eq!(b.webhook.as_ref().unwrap().method, Method::Put);
    assert_eq!(b.depends_on[1], Dependency { node: "a".into(), condition: Some("nodes.a.output.ok".into()) });
    assert_eq!(from_yaml.nodes["a"].retry, Some(Retry { max_attempts: 5, ..Retry::default() }));
    let again = serde_json::to_string(&from_yaml).unwrap();
    assert_eq!(Workflow::read(&again, Format::Json).unwrap(), from_yaml);
}

#[test]
fn json_is_yaml_too() {
    let text = json!({"name": "训练", "nodes": {"准备": {"job": super::job()}}}).to_string();
    let read = |format| Workflow::read(&text, format).unwrap();
    assert_eq!(read(Format::Json), read(Format::Yaml));
    assert_eq!(super::errors(&read(Format::Json)), Vec::<String>::new());
}

#[test]
fn a_name_that_stands_twice_is_an_error_in_both() {
    let json = r#"{"name": "w", "nodes": {"a": {"job": {}}, "a": {"job": {"env": {"X": 1, "X": 2}}}}}"#;
    let yaml = "name: w\nnodes:\n  a: {job: {}}\n  a: {job: {env: {X: 1, X: 2}}}\n";
    for (text, format) in [(json, Format::Json), (yaml, Format::Yaml)] {
        let errors = Workflow::read(text, format).unwrap_err();
        let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["nodes.a", "nodes.a.job.env.X"], "{format:?}");
        assert!(errors[0].message.contains("duplicate"));
    }
}

#[test]
fn aliases_are_counted_as_what_they_stand_for() {
    let fine = "name: w\nnodes:\n  a: {job: &job {image: a, command: [b]}}\n  b: {job: *job}\n";
    let workflow = Workflow::read(fine, Format::Yaml).unwrap();
    assert_eq!(workflow.nodes["a"].job, workflow.nodes["b"].job);

    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = format!("*a{}", level - 1);
        let line = format!("a{level}: &a{level} [{}]\n", [before.as_str(); 10].join(", "));
        bomb.push_str(&line);
    }
    let errors = Workflow::read(&bomb, Format::Yaml).unwrap_err();
    assert_eq!(errors.len(), 1, "{errors:#?}");

    // Few aliases to one large text: the bytes are counted, too.
    let large = format!("t: &t {}\nl: [{}]\n", "x".repeat(100_000), ["*t"; 100].join(", "));
    let errors = Workflow::read(&large, Format::Yaml).unwrap_err();
    assert!(errors[0].message.contains("aliases followed"), "{errors:#?}");
}

#[test]
fn what_json_does_not_have_is_refused() {
    for (text, words) in [
        ("name: .inf", "JSON does not have"),
        ("name: .nan", "JSON does not have"),
        ("? [a, b]\n: c", "is not YAML"),
        ("name: !tag x", "is not YAML"),
        ("[1, 2]", "is an object"),
        ("just text", "is an object"),
        ("", "is an object"),
        ("a: 1\n---\nb: 2", "is not YAML"),
        ("a: *nowhere", "is not YAML"),
        ("{", "is not YAML"),
    ] {
        let errors = Workflow::read(text, Format::Yaml).unwrap_err();
        assert!(errors[0].message.contains(words), "{text}: {errors:#?}");
    }
    for text in ["", "{", "{} {}", "nul", "[1]", "\"x\""] {
        assert_eq!(Workflow::read(text, Format::Json).unwrap_err().len(), 1, "{text}");
    }
}

#[test]
fn size_and_depth_are_bounded() {
    let long = format!("{{\"name\": \"{}\"}}", "x".repeat(Limits::DEFINITION_BYTES));
    let many = format!("[{}]", vec!["0"; Limits::VALUES + 1].join(","));
    let deep = format!("{}{}", "[".repeat(Limits::DEPTH + 1), "]".repeat(Limits::DEPTH + 1));
    for (text, words) in [(long, "bytes; at most"), (many, "more than"), (deep, "deeper than")] {
        for format in [Format::Json, Format::Yaml] {
            let errors = Workflow::read(&text, format).unwrap_err();
            assert!(errors[0].message.contains(words), "{format:?}: {errors:#?}");
        }
    }
}

#[test]
fn defaults_are_what_the_documentation_says() {
    let workflow = super::json(
        json!({"name": "w", "nodes": {"a": {"webhook": {"url": "https://x"}}, "m": {"map": {"over": [], "node": {}}}}}),
    );
    assert_eq!(workflow.failure_policy, FailurePolicy::FailFast);
    assert_eq!(workflow.timeout_seconds, 604_800);
    let webhook = workflow.nodes["a"].webhook.as_ref().unwrap();
    assert_eq!((webhook.method, webhook.timeout_seconds), (Method::Post, 10));
    assert!(webhook.expects(200) && webhook.expects(299) && !webhook.expects(300) && !webhook.expects(199));
    assert_eq!(workflow.nodes["m"].map.as_ref().unwrap().max_parallel, 10);
    assert_eq!(workflow.nodes["a"].trigger, TriggerRule::AllSucceeded);
}

#[test]
fn back_off_doubles_up_to_its_bound() {
    let retry = Retry { max_attempts: 6, backoff_seconds: 5, max_backoff_seconds: 30 };
    let delays: Vec<_> = (1..=7).map(|attempt| retry.delay_after(attempt)).collect();
    assert_eq!(delays, [Some(5), Some(10), Some(20), Some(30), Some(30), None, None]);
    let long = Retry { max_attempts: 100, backoff_seconds: 3_600, max_backoff_seconds: u32::MAX };
    assert_eq!(long.delay_after(99), Some(u32::MAX));
}

proptest::proptest! {
    /// Whatever the text, reading it ends and never panics.
    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}:,&*!a-c \\n\"'#|>-]{0,80}") {
        let _ = Workflow::read(&text, Format::Yaml);
        let _ = Workflow::read(&text, Format::Json);
    }

    /// Any JSON value is the same when it is read as YAML.
    #[test]
    fn any_json_is_the_same_as_yaml(
        texts in proptest::collection::vec("\\PC{0,12}", 0..6), number: i64, float in -1e9..1e9_f64, flag: bool,
    ) {
        let schema = json!({"enum": texts, "n": number, "f": float, "b": flag, "nil": Value::Null});
        let text = json!({"name": "w", "params": {"p": schema}, "nodes": {}}).to_string();
        let (json, yaml) = (Workflow::read(&text, Format::Json), Workflow::read(&text, Format::Yaml));
        proptest::prop_assert_eq!(json, yaml);
    }
}
