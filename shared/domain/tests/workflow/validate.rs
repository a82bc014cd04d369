//! Every rule of a definition, and where its error stands.

use domain::workflow::{Format, Limits, Workflow};
use serde_json::{Value, json};

use super::{assert_one, errors, job, yaml};

/// A workflow of these nodes, each a job unless it says something else.
fn of(nodes: Value) -> Workflow {
    let mut nodes = nodes;
    for node in nodes.as_object_mut().expect("nodes").values_mut() {
        let node = node.as_object_mut().expect("a node");
        let is_something = ["job", "condition", "webhook", "map", "parallel", "sequential"];
        if !is_something.iter().any(|kind| node.contains_key(*kind)) {
            node.insert("job".into(), job());
        }
    }
    super::json(json!({
        "name": "w",
        "params": {"rate": {"type": "number", "default": 1}, "list": {"type": "array", "default": []}},
        "nodes": nodes
    }))
}

#[test]
fn each_rule_names_the_place() {
    let a = json!({});
    let cases = [
        ("unknown node", json!({"a": {"depends_on": ["b"]}}), "nodes.a.depends_on[0]", "no node `b`"),
        (
            "similar name",
            json!({"train": a, "b": {"depends_on": ["trian"]}}),
            "nodes.b.depends_on[0]",
            "did you mean `train`",
        ),
        ("self", json!({"a": {"depends_on": ["a"]}}), "nodes.a.depends_on[0]", "itself"),
        (
            "twice",
            json!({"a": a, "b": {"depends_on": ["a", {"node": "a"}]}}),
            "nodes.b.depends_on[1]",
            "duplicate",
        ),
        (
            "cycle",
            json!({"a": {"depends_on": ["b"]}, "b": {"depends_on": ["a"]}}),
            "nodes.a.depends_on",
            "a → b → a",
        ),
        ("bad name", json!({"a b": a}), "nodes.a b", "is not a name"),
        ("two kinds", json!({"a": {"job": job(), "condition": "true"}}), "nodes.a", "job and condition"),
        ("bad CEL", json!({"a": {"condition": "1 +"}}), "nodes.a.condition", "is not an expression"),
        ("CEL variable", json!({"a": {"when": "rate > 1"}}), "nodes.a.when", "uses `rate`"),
        ("CEL function", json!({"a": {"when": "exec('x')"}}), "nodes.a.when", "calls `exec`"),
        ("CEL no regex", json!({"a": {"when": "'x'.matches('y')"}}), "nodes.a.when", "calls `matches`"),
        (
            "CEL in template sign",
            json!({"a": {"when": "${{ params.rate }} > 1"}}),
            "nodes.a.when",
            "write params.x",
        ),
        (
            "edge CEL",
            json!({"a": a, "b": {"depends_on": [{"node": "a", "if": "1 +"}]}}),
            "nodes.b.depends_on[0].if",
            "not an expression",
        ),
        ("unknown param", json!({"a": {"when": "params.rat > 1"}}), "nodes.a.when", "no parameter `rat`"),
        (
            "param in template",
            json!({"a": {"job": {"image": "i", "command": ["x", "${{ params.rat }}"]}}}),
            "nodes.a.job.command[1]",
            "no parameter `rat`",
        ),
        (
            "node in template",
            json!({"a": {"job": {"image": "${{ nodes.z.output }}", "command": ["x"]}}}),
            "nodes.a.job.image",
            "no such node",
        ),
        (
            "not before",
            json!({"a": {"job": {"image": "${{ nodes.b.output.image }}", "command": ["x"]}}, "b": a}),
            "nodes.a.job.image",
            "does not come before",
        ),
        (
            "not before in CEL",
            json!({"a": {"when": "nodes.b.output.ok"}, "b": a}),
            "nodes.a.when",
            "does not come before",
        ),
        ("itself", json!({"a": {"when": "nodes.a.output.ok"}}), "nodes.a.when", "reads the node itself"),
        (
            "edge reads beside",
            json!({"a": a, "b": a, "c": {"depends_on": ["a", {"node": "b", "if": "nodes.a.output.ok"}]}}),
            "nodes.c.depends_on[1].if",
            "does not come before",
        ),
        (
            "neither output nor status",
            json!({"a": a, "b": {"depends_on": ["a"], "when": "nodes.a.result.ok"}}),
            "nodes.b.when",
            "`output` and `status`",
        ),
        (
            "all nodes at once",
            json!({"a": a, "b": {"depends_on": ["a"], "when": "nodes.size() > 1"}}),
            "nodes.b.when",
            "name the one",
        ),
        (
            "open template",
            json!({"a": {"job": {"image": "x${{ params.rate", "command": ["x"]}}}),
            "nodes.a.job.image",
            "without }}",
        ),
        (
            "no path",
            json!({"a": {"job": {"image": "${{ 1 + 1 }}", "command": ["x"]}}}),
            "nodes.a.job.image",
            "is not a path",
        ),
        (
            "unknown root",
            json!({"a": {"job": {"image": "${{ env.HOME }}", "command": ["x"]}}}),
            "nodes.a.job.image",
            "begins with none of",
        ),
        (
            "item outside",
            json!({"a": {"job": {"image": "${{ item }}", "command": ["x"]}}}),
            "nodes.a.job.image",
            "map alone",
        ),
        ("output outside", json!({"a": {"when": "output.x"}}), "nodes.a.when", "outputs alone"),
        (
            "job field",
            json!({"a": {"job": {"image": "i", "command": ["x"], "gpus": 1}}}),
            "nodes.a.job.gpus",
            "not a field of a job",
        ),
        (
            "plain secret",
            json!({"a": {"job": {"image": "i", "command": ["x"], "secret_env": {"T": "x"}}}}),
            "nodes.a.job.secret_env",
            "named secret",
        ),
        ("no image", json!({"a": {"job": {"command": ["x"]}}}), "nodes.a.job.image", "required"),
        (
            "job type",
            json!({"a": {"job": {"image": "i", "command": ["x"], "timeout_seconds": "soon"}}}),
            "nodes.a.job.timeout_seconds",
            "invalid type",
        ),
        (
            "job rule",
            json!({"a": {"job": {"image": "i", "command": ["x"], "gpu": {"count": 99}}}}),
            "nodes.a.job.gpu.count",
            "expected 1 to 16",
        ),
        (
            "job rule in env",
            json!({"a": {"job": {"image": "i", "command": ["x"], "env": {"GPU_X": "${{ params.rate }}"}}}}),
            "nodes.a.job.env.GPU_X",
            "reserved",
        ),
        (
            "command is text",
            json!({"a": {"job": {"image": "i", "command": "python x"}}}),
            "nodes.a.job.command",
            "expected a list of words",
        ),
        (
            "price",
            json!({"a": {"job": {"image": "i", "command": ["x"], "max_price_per_hour": 2}}}),
            "nodes.a.job.max_price_per_hour",
            "amount",
        ),
        (
            "gpu field",
            json!({"a": {"job": {"image": "i", "command": ["x"], "gpu": {"type": "A100"}}}}),
            "nodes.a.job.gpu.type",
            "model, count, memory_gib",
        ),
        ("webhook scheme", json!({"a": {"webhook": {"url": "ftp://x"}}}), "nodes.a.webhook.url", "https://"),
        (
            "webhook password",
            json!({"a": {"webhook": {"url": "https://u:p@x/"}}}),
            "nodes.a.webhook.url",
            "password",
        ),
        (
            "webhook header",
            json!({"a": {"webhook": {"url": "https://x", "headers": {"Host": "y"}}}}),
            "nodes.a.webhook.headers.Host",
            "set by the platform",
        ),
        (
            "webhook header value",
            json!({"a": {"webhook": {"url": "https://x", "headers": {"x": "a\r\nb: c"}}}}),
            "nodes.a.webhook.headers.x",
            "control characters",
        ),
        (
            "webhook GET",
            json!({"a": {"webhook": {"url": "https://x", "method": "GET", "body": 1}}}),
            "nodes.a.webhook.body",
            "GET has none",
        ),
        (
            "webhook status",
            json!({"a": {"webhook": {"url": "https://x", "expect": [99]}}}),
            "nodes.a.webhook.expect",
            "100 to 599",
        ),
        (
            "webhook timeout",
            json!({"a": {"webhook": {"url": "https://x", "timeout_seconds": 61}}}),
            "nodes.a.webhook.timeout_seconds",
            "1 to 60",
        ),
        (
            "map over",
            json!({"a": {"map": {"over": 3, "node": {"job": job()}}}}),
            "nodes.a.map.over",
            "must be a list",
        ),
        (
            "map over text",
            json!({"a": {"map": {"over": "x ${{ params.list }}", "node": {"job": job()}}}}),
            "nodes.a.map.over",
            "no list",
        ),
        (
            "map node",
            json!({"a": {"map": {"over": [1], "node": {"condition": "true"}}}}),
            "nodes.a.map.node",
            "one job or one webhook",
        ),
        (
            "map node key",
            json!({"a": {"map": {"over": [1], "node": {"job": job(), "when": "true"}}}}),
            "nodes.a.map.node.when",
            "means nothing",
        ),
        (
            "map width",
            json!({"a": {"map": {"over": [1], "max_parallel": 0, "node": {"job": job()}}}}),
            "nodes.a.map.max_parallel",
            "1 to 1000",
        ),
        (
            "map inner job",
            json!({"a": {"map": {"over": [1], "node": {"job": {"image": "${{ items }}", "command": ["x"]}}}}}),
            "nodes.a.map.node.job.image",
            "begins with none",
        ),
        ("empty group", json!({"a": {"parallel": []}}), "nodes.a.parallel", "empty group"),
        (
            "group retry",
            json!({"a": {"parallel": [{"name": "x", "job": job()}], "cache": {}}}),
            "nodes.a.cache",
            "a group",
        ),
        (
            "member without name",
            json!({"a": {"parallel": [{"job": job()}]}}),
            "nodes.a.parallel[0]",
            "no name",
        ),
        (
            "member twice",
            json!({"a": {"sequential": [{"name": "x", "job": job()}, {"name": "x", "job": job()}]}}),
            "nodes.a.sequential[1]",
            "duplicate",
        ),
        (
            "own group",
            json!({"a": {"parallel": [{"name": "x", "job": job(), "depends_on": ["a"]}]}}),
            "nodes.a.parallel[0].depends_on[0]",
            "group that this node is in",
        ),
        (
            "own member",
            json!({"a": {"parallel": [{"name": "x", "job": job()}], "depends_on": ["a.x"]}}),
            "nodes.a.depends_on[0]",
            "member of this group",
        ),
        ("name at the top", json!({"a": {"name": "b"}}), "nodes.a.name", "the key is the name"),
        ("retry", json!({"a": {"retry": {"max_attempts": 0}}}), "nodes.a.retry.max_attempts", "1 to 20"),
        ("timeout", json!({"a": {"timeout_seconds": 0}}), "nodes.a.timeout_seconds", "expected 1"),
        (
            "cache age",
            json!({"a": {"cache": {"expires_after_seconds": 0}}}),
            "nodes.a.cache.expires_after_seconds",
            "expected 1",
        ),
        ("condition retry", json!({"a": {"condition": "true", "retry": {}}}), "nodes.a.retry", "a condition"),
        ("outputs", json!({"a": {"outputs": {"x": "output."}}}), "nodes.a.outputs.x", "not an expression"),
        ("position", json!({"a": {"position": {"x": 1e9, "y": 0}}}), "nodes.a.position", "outside"),
        (
            "description",
            json!({"a": {"description": "a\u{7}b"}}),
            "nodes.a.description",
            "control characters",
        ),
    ];
    for (rule, nodes, path, words) in cases {
        let errors = errors(&of(nodes));
        assert_eq!(errors.len(), 1, "{rule}: {errors:#?}");
        assert!(
            errors[0].starts_with(&format!("{path}: ")) && errors[0].contains(words),
            "{rule}: {errors:#?}"
        );
    }
}

#[test]
fn headers_and_parameters_are_checked() {
    let cases = [
        (json!({"name": "", "nodes": {"a": {"job": job()}}}), "name", "must not be empty"),
        (json!({"name": "w", "nodes": {}}), "nodes", "at least one"),
        (
            json!({"name": "w", "timeout_seconds": 0, "nodes": {"a": {"job": job()}}}),
            "timeout_seconds",
            "expected 1",
        ),
        (json!({"name": "w", "params": {"x": 3}, "nodes": {"a": {"job": job()}}}), "params.x", "JSON Schema"),
        (
            json!({"name": "w", "params": {"x": {"type": "nmber"}}, "nodes": {"a": {"job": job()}}}),
            "params.x",
            "not a JSON Schema",
        ),
        (
            json!({"name": "w", "params": {"x": {"type": "string", "pattern": "("}}, "nodes": {"a": {"job": job()}}}),
            "params.x",
            "not a JSON Schema",
        ),
        (
            json!({"name": "w", "params": {"x": {"type": "number", "default": "1"}}, "nodes": {"a": {"job": job()}}}),
            "params.x.default",
            "number",
        ),
        (
            json!({"name": "w", "params": {"x": {"type": "array", "items": {"type": "number"}, "default": [1, "2"]}}, "nodes": {"a": {"job": job()}}}),
            "params.x.default[1]",
            "number",
        ),
        (
            json!({"name": "w", "params": {"x y": {}}, "nodes": {"a": {"job": job()}}}),
            "params.x y",
            "not a name",
        ),
        (
            json!({"name": "w", "params": {"x": {"const": "y".repeat(20_000)}}, "nodes": {"a": {"job": job()}}}),
            "params.x",
            "bytes as JSON",
        ),
    ];
    for (definition, path, words) in cases {
        assert_one(&errors(&super::json(definition)), path, words);
    }
}

#[test]
fn everything_wrong_is_told_at_once() {
    let workflow = of(json!({
        "a": {"depends_on": ["nowhere"], "when": "1 +"},
        "b": {"depends_on": ["b"], "job": {"image": "", "command": [], "gpu": {"count": 0}}},
        "c": {"webhook": {"url": "x", "timeout_seconds": 0}},
        "d": {"condition": "params.none"},
        "e": {"depends_on": ["f"]},
        "f": {"depends_on": ["e"]},
        "g": {"depends_on": ["f"]}
    }));
    let errors = errors(&workflow);
    for place in [
        "nodes.a.depends_on[0]",
        "nodes.a.when",
        "nodes.b.depends_on[0]",
        "nodes.b.job.image",
        "nodes.b.job.command",
        "nodes.b.job.gpu.count",
        "nodes.c.webhook.url",
        "nodes.c.webhook.timeout_seconds",
        "nodes.d.condition",
        "nodes.e.depends_on",
        "nodes.g",
    ] {
        assert!(errors.iter().any(|error| error.starts_with(&format!("{place}: "))), "{place}: {errors:#?}");
    }
    assert_eq!(errors.len(), 11, "{errors:#?}");
}

#[test]
fn every_cycle_is_printed_and_what_waits_for_it_is_unreachable() {
    let errors = errors(&of(json!({
        "a": {"depends_on": ["c"]}, "b": {"depends_on": ["a"]}, "c": {"depends_on": ["b"]},
        "x": {"depends_on": ["y"]}, "y": {"depends_on": ["x"]},
        "late": {"depends_on": ["b", "free"]}, "later": {"depends_on": ["late"]}, "free": {}
    })));
    assert_eq!(
        errors,
        [
            "nodes.a.depends_on: is in a cycle: a → b → c → a",
            "nodes.x.depends_on: is in a cycle: x → y → x",
            "nodes.late: is unreachable: it waits for `b`, which never starts because of a cycle",
            "nodes.later: is unreachable: it waits for `late`, which never starts because of a cycle",
        ]
    );
}

#[test]
fn a_long_cycle_is_printed_in_short() {
    let mut nodes = serde_json::Map::new();
    for at in 0..1_000 {
        nodes.insert(format!("n{at:04}"), json!({"depends_on": [format!("n{:04}", (at + 1) % 1_000)]}));
    }
    let errors = errors(&of(Value::Object(nodes)));
    assert_one(&errors, "nodes.n0000.depends_on", "(1000 nodes)");
    assert!(errors[0].len() < 400, "{errors:?}");
}

#[test]
fn errors_are_bounded() {
    let mut nodes = serde_json::Map::new();
    for at in 0..1_000 {
        nodes.insert(format!("n{at}"), json!({"depends_on": ["nowhere"]}));
    }
    let errors = errors(&of(Value::Object(nodes)));
    assert_eq!(errors.len(), Limits::ERRORS + 1);
    assert_eq!(errors.last().unwrap(), ": and 800 more errors");
}

#[test]
fn nodes_and_edges_are_bounded() {
    let chain = |count: usize| {
        let mut nodes = serde_json::Map::new();
        for at in 0..count {
            nodes.insert(format!("n{at}"), json!({}));
        }
        of(Value::Object(nodes))
    };
    assert_eq!(errors(&chain(Limits::NODES)), Vec::<String>::new());
    assert_one(&errors(&chain(Limits::NODES + 1)), "nodes", "at most 10000");
    let group = |name: &str| -> Vec<Value> {
        (0..400).map(|at| json!({"name": format!("{name}{at}"), "job": job()})).collect()
    };
    let wide = json!({"a": {"parallel": group("a")}, "b": {"parallel": group("b"), "depends_on": ["a"]}});
    assert_one(&errors(&of(wide)), "nodes.b.depends_on", "100000 edges");
}

#[test]
fn the_form_is_checked_node_by_node() {
    let text = r"
name: w
colour: red
nodes:
  a: {jobs: {}}
  b: {job: {image: a, command: [b]}, depends_on: [{node: a, when: x}]}
  c: {webhook: {}}
  d: {trigger: most, job: {image: a, command: [b]}}
  e: {parallel: [{name: x, jib: 1}]}
";
    let errors = Workflow::read(text, Format::Yaml).unwrap_err();
    let fields: Vec<_> = errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(
        fields,
        [
            "nodes.a.jobs",
            "nodes.b.depends_on[0].when",
            "nodes.c.webhook",
            "nodes.d.trigger",
            "nodes.e.parallel[0].jib",
            "colour"
        ]
    );
    assert!(errors[0].message.contains("unknown field `jobs`, expected one of"), "{errors:#?}");
}

#[test]
fn references_inside_groups_take_the_whole_id() {
    let workflow = yaml(
        r#"
name: w
nodes:
  first: {job: {image: a, command: [b]}}
  group:
    depends_on: [first]
    sequential:
      - {name: one, job: {image: a, command: ['${{ nodes.first.output.x }}']}}
      - {name: two, job: {image: a, command: ['${{ nodes.group.one.output.x }}']}}
      - name: inner
        parallel:
          - {name: deep, depends_on: [first], when: nodes.group.two.output.ok, job: {image: a, command: [b]}}
          - {name: other, depends_on: [deep], when: nodes.group.inner.deep.status == 'succeeded', job: {image: a, command: [b]}}
  last: {depends_on: [group.one], when: "nodes.group.one.output.ok && nodes['first'].output.ok", job: {image: a, command: [b]}}
"#,
    );
    assert_eq!(errors(&workflow), Vec::<String>::new());
}

#[test]
fn ten_thousand_nodes_are_valid_in_one_pass() {
    let mut nodes = serde_json::Map::new();
    for at in 0..Limits::NODES {
        let before: Vec<_> =
            (1..=10).filter_map(|back| at.checked_sub(back)).map(|at| format!("n{at}")).collect();
        let command =
            at.checked_sub(100).map_or("x".to_owned(), |far| format!("${{{{ nodes.n{far}.output.x }}}}"));
        nodes.insert(
            format!("n{at}"),
            json!({"depends_on": before, "job": {"image": "a", "command": [command]}, "when": "params.rate > 0"}),
        );
    }
    let workflow = of(Value::Object(nodes));
    assert_eq!(errors(&workflow), Vec::<String>::new());
    let plan = workflow.plan().unwrap();
    assert_eq!(plan.steps().iter().map(|step| step.before.len()).sum::<usize>(), 99_945);
}
