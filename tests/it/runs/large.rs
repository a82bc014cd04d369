//! Large runs: what a node costs does not depend on how many others there are.

use serde_json::{Map, Value, json};

use super::{after, check, gives, quick, quick_and_patient, run};
use crate::support::{Stack, User};

/// What a run added to the bill, for each of its nodes.
struct Bill {
    writes: f64,
    reads: f64,
    transitions: f64,
}

async fn bill(stack: &Stack, user: &User, nodes: Map<String, Value>) -> Bill {
    let usage = async |what: &str| {
        stack.get(&stack.aws, "/_local/bill").await["usage"][what]
            .as_f64()
            .unwrap_or_else(|| panic!("{what}"))
    };
    stack.rest().await;
    let (writes, reads, transitions) =
        (usage("write_units").await, usage("read_units").await, usage("transitions").await);
    let count = nodes.len() as f64;
    let (run, _) = run(user, &json!({ "name": "large", "nodes": nodes }), &json!({})).await;
    assert_eq!(run["status"], "succeeded", "{run:#}");
    stack.rest().await;
    Bill {
        writes: (usage("write_units").await - writes) / count,
        reads: (usage("read_units").await - reads) / count,
        transitions: (usage("transitions").await - transitions) / count,
    }
}

fn fan_out(jobs: usize) -> Map<String, Value> {
    let names: Vec<String> = (0..jobs).map(|number| format!("n{number}")).collect();
    let before: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut nodes: Map<String, Value> =
        names.iter().map(|name| (name.clone(), json!({ "job": gives(&Value::Null) }))).collect();
    nodes.insert("join".into(), after(&before, json!({ "condition": "true" })));
    nodes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_costs_the_same_in_a_small_run_and_in_a_large_one() {
    let (stack, user) = quick_and_patient().await;
    // Fetches the catalogue.
    bill(&stack, &user, fan_out(2)).await;
    let small = bill(&stack, &user, fan_out(10)).await;
    let large = bill(&stack, &user, fan_out(40)).await;
    // The tests' own looks at the run are reads, too: a few for each run, and a page for each hundred nodes.
    assert!(large.reads < small.reads * 1.5 + 5.0, "{} reads a node, {} before", large.reads, small.reads);
    assert!(large.writes < small.writes * 1.2, "{} writes a node, {} before", large.writes, small.writes);
    // A job takes four; a run adds three in all, and nothing for a node.
    assert!(large.transitions <= 4.1, "{} transitions a node", large.transitions);
}

/// Conditions need no job: what is left is the run's own work.
#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_nodes_end_in_a_chain_and_in_a_fan_with_its_join() {
    let (_stack, user) = quick().await;
    let named = |number: usize| format!("n{number}");
    let chain: Map<String, Value> = (0..2_000)
        .map(|number| {
            let mut node = json!({ "condition": "true" });
            if number > 0 {
                node = after(&[&named(number - 1)], node);
            }
            (named(number), node)
        })
        .collect();
    let workflow = user.workflow(&json!({ "name": "chain", "nodes": chain })).await;
    let id = user.start(&workflow, &json!({})).await;
    let ended = user.run_ended(&id).await;
    assert_eq!((&ended["status"], &ended["counts"]["succeeded"]), (&json!("succeeded"), &json!(2_000)));

    let names: Vec<String> = (0..1_999).map(named).collect();
    let before: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut fan: Map<String, Value> =
        names.iter().map(|name| (name.clone(), json!({ "condition": "true" }))).collect();
    fan.insert("join".into(), after(&before, json!({ "condition": "true" })));
    let workflow = user.workflow(&json!({ "name": "fan", "nodes": fan })).await;
    let id = user.start(&workflow, &json!({})).await;
    let ended = user.run_ended(&id).await;
    assert_eq!((&ended["status"], &ended["counts"]["succeeded"]), (&json!("succeeded"), &json!(2_000)));
    assert_eq!(ended["seq"], 2_002, "one event for each node, the start and the end");
    check_ends(&user, &ended).await;
}

/// As [`check`], without the edges, of which there are too many to look at one by one.
async fn check_ends(user: &User, run: &Value) {
    let events = user.run_events(run["id"].as_str().expect("an id")).await;
    let numbers = events.iter().filter_map(|event| event["seq"].as_u64());
    assert!(numbers.eq(1..=run["seq"].as_u64().unwrap_or(0)), "the events have gaps");
    let join = events.iter().position(|event| event["event"]["node"] == "join");
    assert_eq!(join, Some(events.len() - 2), "the join is the last node");
}

#[tokio::test(flavor = "multi_thread")]
async fn random_layers_end_with_each_node_once_and_after_its_dependencies() {
    let (_stack, user) = quick().await;
    // A linear congruential generator: the same graph each time.
    let mut seed = 42_u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    let mut nodes = Map::new();
    let mut before: Vec<String> = Vec::new();
    for layer in 0..6 {
        let here: Vec<String> = (0..6).map(|number| format!("l{layer}-{number}")).collect();
        for name in &here {
            let mut node = if random(4) == 0 {
                json!({ "condition": "true" })
            } else {
                json!({ "job": gives(&Value::Null) })
            };
            if !before.is_empty() {
                let mut on: Vec<&str> =
                    (0..=random(3)).map(|_| before[random(before.len())].as_str()).collect();
                on.sort_unstable();
                on.dedup();
                node = after(&on, node);
            }
            nodes.insert(name.clone(), node);
        }
        before = here;
    }
    let (run, _) = run(&user, &json!({ "name": "layers", "nodes": nodes }), &json!({})).await;
    assert_eq!((&run["status"], &run["counts"]["succeeded"]), (&json!("succeeded"), &json!(36)), "{run:#}");
    check(&user, &run).await;
}
