//! A crash at every effect of a run: each write and each call that its nodes' executions make is failed before it is done,
//! failed after it was done, or done twice. Whatever happens, the run ends, its nodes end as they should, each try is one
//! job, and no event is missing.
//!
//! Every effect is struck once, in one of the three ways by turns; with `CRASH_MODES=all`, in each of them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::{after, check, fails, gives, quick, statuses};
use crate::support::{Stack, User};

const MODES: [&str; 3] = ["fail_before", "fail_after", "twice"];
/// Cases at the same time, each worker with a stack of its own.
const WORKERS: usize = 3;
/// The SDK sends a call to AWS three times: a fault that is to be felt must last longer.
const SDK_TRIES: u64 = 3;

/// One call of a clean run: the `nth` of its kind.
#[derive(Debug, Clone, PartialEq)]
struct Effect {
    edge: String,
    operation: String,
    function: String,
    nth: u64,
}

/// A definition, how its nodes end, and how many jobs that takes.
#[derive(Clone)]
struct Case {
    definition: Value,
    ends: &'static [(&'static str, &'static str)],
    jobs: u64,
}

fn diamond() -> Case {
    Case {
        definition: json!({ "name": "diamond", "nodes": {
            "a": { "job": gives(&json!(1)) },
            "b": after(&["a"], json!({ "job": gives(&json!(2)) })),
            "c": after(&["a"], json!({ "condition": "nodes.a.output == 1" })),
            "d": after(&["b", "c"], json!({ "job": gives(&json!("${{ nodes.b.output }}")) })),
        } }),
        ends: &[("a", "succeeded"), ("b", "succeeded"), ("c", "succeeded"), ("d", "succeeded")],
        jobs: 3,
    }
}

fn map_and_join() -> Case {
    Case {
        definition: json!({ "name": "map", "nodes": {
            "each": { "map": { "over": [3, 1, 2], "max_parallel": 2, "node": { "job": gives(&json!("${{ item }}")) } } },
            "best": after(&["each"], json!({ "condition": "nodes.each.output == [3, 1, 2]" })),
        } }),
        ends: &[("each", "succeeded"), ("best", "succeeded")],
        jobs: 3,
    }
}

fn failing_branch() -> Case {
    Case {
        definition: json!({ "name": "failing", "nodes": {
            "bad": { "job": fails(), "retry": { "max_attempts": 2, "backoff_seconds": 0 } },
            "behind": after(&["bad"], json!({ "job": gives(&Value::Null) })),
            "mend": after(&["bad"], json!({ "job": gives(&Value::Null), "trigger": "one_failed" })),
        } }),
        ends: &[("bad", "failed"), ("behind", "upstream_failed"), ("mend", "succeeded")],
        jobs: 3,
    }
}

/// Reads change nothing: failing one is failing the step, which the writes around it cover already. What the jobs alone do
/// outside of the steps is struck in the crash test of jobs.
fn is_effect(call: &Value) -> bool {
    let operation = call["operation"].as_str().unwrap_or_default();
    let function = call["function"].as_str().unwrap_or_default();
    match call["edge"].as_str().unwrap_or_default() {
        "dynamodb" => {
            ["steps", "workflows"].contains(&function)
                && !["GetItem", "Query", "BatchGetItem"].contains(&operation)
        }
        "states" => ["steps", "workflows"].contains(&function),
        "lambda" => function == "steps",
        _ => false,
    }
}

async fn effects_of_a_clean_run(stack: &Stack, user: &User, case: &Case) -> Vec<Effect> {
    // The first run fetches catalogue and definition; the next finds them.
    let workflow = user.workflow(&case.definition).await;
    user.run_ended(&user.start(&workflow, &json!({})).await).await;
    stack.rest().await;
    let before = stack.get(&stack.aws, "/_local/calls").await["last"].as_u64().unwrap_or(0);
    user.run_ended(&user.start(&workflow, &json!({})).await).await;
    stack.rest().await;
    let calls = stack.get(&stack.aws, &format!("/_local/calls?since={before}")).await;
    let mut counts: BTreeMap<(String, String, String), u64> = BTreeMap::new();
    let mut effects = Vec::new();
    for call in calls["calls"].as_array().into_iter().flatten().filter(|call| is_effect(call)) {
        let word = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
        let key = (word("edge"), word("operation"), word("function"));
        let nth = counts.entry(key.clone()).or_default();
        *nth += 1;
        effects.push(Effect { edge: key.0, operation: key.1, function: key.2, nth: *nth });
    }
    effects
}

async fn jobs_of(user: &User) -> u64 {
    let counts = user.get("/v1/jobs/counts").await.expect(200);
    let counts = counts["by_status"].as_object().expect("the counts");
    counts.values().filter_map(Value::as_u64).sum()
}

/// How often the fault struck, or what is wrong.
async fn suffer(stack: &Stack, user: &User, case: &Case, effect: &Effect, mode: &str) -> Result<u64, String> {
    let times = if mode == "twice" || effect.edge == "lambda" { 1 } else { SDK_TRIES };
    let before = jobs_of(user).await;
    let workflow = user.workflow(&case.definition).await;
    stack
        .fault(&json!({
            "edge": effect.edge, "operation": effect.operation, "function": effect.function,
            "nth": effect.nth, "times": times, "mode": mode,
        }))
        .await;
    // A client repeats its request under its key until it has an answer.
    let key = format!("{effect:?}{mode}").replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let path = format!("/v1/workflows/{workflow}/runs");
    let mut id = None;
    for _ in 0..5 {
        let headers = [("idempotency-key", key.as_str())];
        let answer = user.send(reqwest::Method::POST, &path, Some(&json!({})), &headers).await;
        if answer.status.as_u16() == 201 {
            id = answer.body["id"].as_str().map(str::to_owned);
            break;
        }
    }
    let id = id.ok_or("the run was never accepted")?;
    // An execution whose start failed is the sweeper's to start.
    let sweeping = async {
        loop {
            tokio::time::sleep(Duration::from_secs(3)).await;
            stack.sweep().await;
        }
    };
    let run = tokio::select! {
        run = user.run_ended(&id) => run,
        () = sweeping => unreachable!("it never ends"),
    };
    stack.rest().await;
    let hits = stack.clear_faults().await;
    let nodes = user.nodes(&id).await;
    if statuses(&nodes) != case.ends.iter().copied().collect() {
        return Err(format!("the nodes did not end right: {run:#}\n{nodes:#?}"));
    }
    check(user, &run).await;
    let made = jobs_of(user).await - before;
    if made == case.jobs { Ok(hits) } else { Err(format!("{made} jobs instead of {}", case.jobs)) }
}

async fn suffer_all(case: Case) {
    let mut stacks = Vec::new();
    for _ in 0..WORKERS {
        stacks.push(quick().await);
    }
    let effects = effects_of_a_clean_run(&stacks[0].0, &stacks[0].1, &case).await;
    assert!(effects.len() > 20, "only {} effects: {effects:?}", effects.len());
    let all = std::env::var("CRASH_MODES").is_ok_and(|modes| modes == "all");
    let cases: Vec<(Effect, &str)> = (0..)
        .zip(&effects)
        .flat_map(|(turn, effect)| {
            let modes = if all { &MODES[..] } else { &MODES[turn % 3..=turn % 3] };
            modes.iter().map(move |mode| (effect.clone(), *mode))
        })
        .collect();
    let total = cases.len();
    let queue = Arc::new(Mutex::new(cases));
    let worked: Vec<(u64, Vec<String>)> = stream::iter(&stacks)
        .map(|(stack, user)| {
            let (queue, case) = (queue.clone(), case.clone());
            async move {
                let (mut struck, mut failures) = (0, Vec::new());
                loop {
                    let Some((effect, mode)) = queue.lock().expect("the queue").pop() else { break };
                    match suffer(stack, user, &case, &effect, mode).await {
                        Ok(hits) => struck += u64::from(hits > 0),
                        Err(why) => failures.push(format!("{mode} {effect:?}: {why}")),
                    }
                }
                let left = stack.executions().await;
                if !left.is_empty() {
                    failures.push(format!("executions are left: {left:?}"));
                }
                (struck, failures)
            }
        })
        .buffer_unordered(WORKERS)
        .collect()
        .await;
    let struck: u64 = worked.iter().map(|(struck, _)| struck).sum();
    let failures: Vec<String> = worked.into_iter().flat_map(|(_, failures)| failures).collect();
    println!("crash at every effect of a run: {total} cases, {struck} struck, {} failed", failures.len());
    assert!(failures.is_empty(), "{} of {total}:\n{}", failures.len(), failures.join("\n\n"));
    // Nodes run side by side, so a call need not come up again as the so manieth.
    assert!(struck * 10 >= total as u64 * 9, "only {struck} of {total} faults struck");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_every_effect_of_a_diamond_loses_nothing() {
    suffer_all(diamond()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_every_effect_of_a_map_loses_nothing() {
    suffer_all(map_and_join()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_every_effect_of_a_failing_branch_loses_nothing() {
    suffer_all(failing_branch()).await;
}
