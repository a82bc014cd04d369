//! A crash at every effect: each call that the life of a job makes to the outside is failed before it is done, failed
//! after it was done, and done twice. Whatever happens, the job ends right, nothing is left that bills, no event is
//! missing, the command worked once per attempt and its cost is counted once.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::support::{Plan, Stack, User, shell_job};

/// One call of a clean life: the `nth` of its kind.
#[derive(Debug, Clone, PartialEq)]
struct Effect {
    edge: String,
    operation: String,
    function: String,
    nth: u64,
}

const MODES: [&str; 3] = ["fail_before", "fail_after", "twice"];
/// Cases at the same time, each worker with a stack of its own.
const WORKERS: usize = 3;
/// The SDK sends a call to AWS three times: a fault that is to be felt must last longer.
const SDK_TRIES: u64 = 3;

/// Reads change nothing: failing one is failing the step, which the writes around it cover already.
fn is_effect(call: &Value) -> bool {
    let operation = call["operation"].as_str().unwrap_or_default();
    let function = call["function"].as_str().unwrap_or_default();
    let carries = ["jobs", "steps", "runner-events"].contains(&function);
    match call["edge"].as_str().unwrap_or_default() {
        "dynamodb" => carries && !["GetItem", "Query", "BatchGetItem"].contains(&operation),
        "states" | "provider" => carries,
        "lambda" => ["steps", "runner-events"].contains(&function),
        _ => false,
    }
}

async fn effects_of_a_clean_life(stack: &Stack, user: &User, marks: &Path) -> Vec<Effect> {
    // The first launch fetches the catalogue; those that follow find it.
    let first = user.submit(&job(stack, marks)).await;
    assert_eq!(user.ended(&first).await["status"], "succeeded");
    stack.rest().await;
    let before = stack.get(&stack.aws, "/_local/calls").await["last"].as_u64().unwrap_or(0);
    let id = user.submit(&job(stack, marks)).await;
    assert_eq!(user.ended(&id).await["status"], "succeeded");
    stack.rest().await;
    let calls = stack.get(&stack.aws, &format!("/_local/calls?since={before}")).await;
    let mut counts: BTreeMap<(String, String, String), u64> = BTreeMap::new();
    let mut effects = Vec::new();
    for call in calls["calls"].as_array().into_iter().flatten().filter(|call| is_effect(call)) {
        let word = |name: &str| call[name].as_str().unwrap_or_default().to_owned();
        let operation = without_ids(&word("operation"));
        let key = (word("edge"), operation, word("function"));
        let nth = counts.entry(key.clone()).or_default();
        *nth += 1;
        effects.push(Effect { edge: key.0, operation: key.1, function: key.2, nth: *nth });
    }
    effects
}

/// A pod's or Job's own name is another one each time: a star in a fault stands for it.
fn without_ids(operation: &str) -> String {
    let mut words: Vec<&str> = operation.split('/').collect();
    for kind in 0..words.len().saturating_sub(1) {
        if ["pods", "jobs", "secrets"].contains(&words[kind]) {
            words[kind + 1] = "*";
        }
    }
    words.join("/")
}

/// The command leaves a mark for each time that it runs.
fn job(stack: &Stack, marks: &Path) -> Value {
    let script = r#"echo ran >>"$MARKS/$GPU_JOB_ID.$GPU_ATTEMPT"; echo working; sleep 0.3; echo '{"answer":42}' >"$GPU_OUTPUT""#;
    let model = if stack.cloud("runpod").is_empty() { "T4" } else { "RTX 4090" };
    shell_job(
        script,
        json!({ "env": { "MARKS": marks }, "gpu": { "model": model }, "retry": { "max_attempts": 5, "backoff_seconds": 0 } }),
    )
}

async fn suffer(stack: &Stack, user: &User, marks: &Path, effect: &Effect, mode: &str) -> Result<(), String> {
    let times = if mode == "twice" || !["dynamodb", "states"].contains(&effect.edge.as_str()) {
        1
    } else {
        SDK_TRIES
    };
    stack
        .fault(&json!({
            "edge": effect.edge, "operation": effect.operation, "function": effect.function,
            "nth": effect.nth, "times": times, "mode": mode,
        }))
        .await;
    // A client repeats a submission under its key until it has an answer.
    let key = format!("{effect:?}{mode}").replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let mut id = None;
    for _ in 0..5 {
        let answer = user
            .send(reqwest::Method::POST, "/v1/jobs", Some(&job(stack, marks)), &[("idempotency-key", &key)])
            .await;
        if answer.status.as_u16() == 201 {
            id = answer.body["id"].as_str().map(str::to_owned);
            break;
        }
    }
    let id = id.ok_or("the job was never accepted")?;
    // A start that failed is made good by the sweeper.
    if user.events(&id).await.len() == 1 && stack.executions().await.is_empty() {
        stack.sweep().await;
    }
    let ended = user.ended(&id).await;
    let hits = stack.clear_faults().await;
    stack.rest().await;
    // Only the cloud can make a machine that no answer tells of.
    let creates = ["POST /v2/pods", "POST / RunInstances"];
    let may_need_sweep = creates.contains(&effect.operation.as_str()) || effect.operation.ends_with("/jobs");
    check(stack, user, marks, (&id, &ended), may_need_sweep)
        .await
        .map_err(|why| format!("{why} (struck {hits} times)"))?;
    if hits == 0 { Err("the fault struck nothing".into()) } else { Ok(()) }
}

async fn check(
    stack: &Stack,
    user: &User,
    marks: &Path,
    (id, ended): (&str, &Value),
    may_need_sweep: bool,
) -> Result<(), String> {
    let says = |what: &str, value: &Value| Err(format!("{what}: {value:#}"));
    if ended["status"] != "succeeded" || ended["exit"]["output"]["answer"] != 42 {
        return says("the job did not end right", ended);
    }
    let events = user.events(id).await;
    let numbers: Vec<u64> = events.iter().filter_map(|event| event["seq"].as_u64()).collect();
    let last = ended["seq"].as_u64().unwrap_or(0);
    if numbers != (1..=last).collect::<Vec<_>>() {
        return says("the events have gaps", &json!(numbers));
    }
    if events.iter().filter(|event| event["event"]["type"] == "ended" || event["type"] == "ended").count()
        != 1
    {
        return says("there is not one end", &json!(events));
    }
    let log = user.log(id).await;
    if log.matches("working").count() != 1 {
        return says("the log is not whole", &json!(log));
    }
    let names = own_pods(stack, user, id).await;
    if !names.is_empty() {
        if !may_need_sweep {
            return says("instances are left for the sweeper", &json!(names));
        }
        stack.sweep().await;
        let left = own_pods(stack, user, id).await;
        if !left.is_empty() {
            return says("instances are left", &json!(left));
        }
    }
    let attempts = user.get(&format!("/v1/jobs/{id}/attempts")).await.expect(200);
    for attempt in attempts["items"].as_array().into_iter().flatten() {
        let number = attempt["number"].as_u64().unwrap_or(0);
        let ran = std::fs::read_to_string(marks.join(format!("{id}.{number}"))).unwrap_or_default();
        if ran.lines().count() > 1 {
            return says("an attempt's command worked more than once", attempt);
        }
    }
    Ok(())
}

/// Live instances of this job's attempts.
async fn own_pods(stack: &Stack, user: &User, id: &str) -> Vec<String> {
    let attempts = user.get(&format!("/v1/jobs/{id}/attempts")).await.expect(200);
    let ids: Vec<String> = attempts["items"]
        .as_array()
        .into_iter()
        .flatten()
        // A name on Kubernetes has no underscore.
        .filter_map(|attempt| attempt["id"].as_str()?.split('_').next_back().map(str::to_owned))
        .collect();
    let live = stack.live_pods().await;
    live.into_iter().filter(|name| ids.iter().any(|id| name.ends_with(id.as_str()))).collect()
}

/// What the month's row says was spent, and what the jobs say.
async fn spend_is_counted_once(stack: &Stack, user: &User) -> Result<(), String> {
    let mut told = 0.0;
    let mut cursor = String::new();
    loop {
        let page = user.get(&format!("/v1/jobs?limit=100{cursor}")).await.expect(200);
        for job in page["items"].as_array().into_iter().flatten() {
            for cost in job["cost"].as_array().into_iter().flatten() {
                told += cost["amount"].as_str().and_then(|amount| amount.parse::<f64>().ok()).unwrap_or(0.0);
            }
        }
        match page["next_cursor"].as_str().or(page["next"].as_str()) {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let month = this_month(user).await;
    let row = stack.row(&format!("OWNER#{}", user.id), &format!("SPEND#{month}")).await;
    let micros = |currency: &str| row[currency]["N"].as_str().and_then(|micros| micros.parse::<f64>().ok());
    let counted = (micros("USD").unwrap_or(0.0) + micros("CNY").unwrap_or(0.0)) / 1e6;
    if (counted - told).abs() < 5e-7 {
        Ok(())
    } else {
        Err(format!("the row says {counted}, the jobs say {told}"))
    }
}

async fn this_month(user: &User) -> String {
    let page = user.get("/v1/jobs?limit=1").await.expect(200);
    page["items"][0]["ended_at"].as_str().unwrap_or_default().chars().take(7).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_every_effect_loses_nothing() {
    let effects = suffer_all("runpod", |_| true).await;
    assert!(effects.len() > 20, "only {} effects: {effects:?}", effects.len());
}

/// What every cloud shares is struck above; here it is this cloud's own calls.
#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_every_call_to_alibaba_loses_nothing() {
    let calls = ["RunInstances", "DeleteInstances", "DescribeInstances"].map(|name| format!("POST / {name}"));
    let effects = suffer_all("alibaba", |effect| calls.contains(&effect.operation)).await;
    let struck = |call: &str| effects.iter().any(|effect| effect.operation == call);
    assert!(struck(&calls[0]) && struck(&calls[1]), "{effects:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_at_every_call_to_tencent_loses_nothing() {
    let effects = suffer_all("tencent", |effect| effect.edge == "provider").await;
    let struck = |method: &str, kind: &str| {
        effects.iter().any(|effect| effect.operation.starts_with(method) && effect.operation.contains(kind))
    };
    assert!(
        struck("POST", "/jobs") && struck("POST", "/secrets") && struck("DELETE", "/jobs/"),
        "{effects:?}"
    );
}

/// Each of the cases that are `wanted` of a clean life on one cloud.
async fn suffer_all(cloud: &str, wanted: impl Fn(&Effect) -> bool) -> Vec<Effect> {
    let marks = tempfile::tempdir().expect("a folder");
    // A catalogue that grows old would add a call here and there.
    let start = || Plan::default().clouds(&[cloud]).with("OffersFreshSeconds", "3600").start();
    let first = start().await;
    let user = first.user().await;
    let mut effects = effects_of_a_clean_life(&first, &user, marks.path()).await;
    effects.retain(wanted);
    let cases: Vec<(Effect, &str)> =
        effects.iter().flat_map(|effect| MODES.iter().map(move |mode| (effect.clone(), *mode))).collect();
    let mut stacks = vec![(first, user)];
    for _ in 1..WORKERS {
        let stack = start().await;
        let user = stack.user().await;
        stacks.push((stack, user));
    }
    let total = cases.len();
    let queue = Arc::new(std::sync::Mutex::new(cases));
    let worked: Vec<Vec<String>> = stream::iter(&stacks)
        .map(|(stack, user)| {
            let (queue, marks) = (queue.clone(), marks.path());
            async move {
                let mut failures = Vec::new();
                loop {
                    let Some((effect, mode)) = queue.lock().expect("the queue").pop() else { break };
                    if let Err(why) = suffer(stack, user, marks, &effect, mode).await {
                        failures.push(format!("{mode} {effect:?}: {why}"));
                    }
                }
                if let Err(why) = spend_is_counted_once(stack, user).await {
                    failures.push(format!("spend: {why}"));
                }
                if !stack.executions().await.is_empty() {
                    failures.push(format!("executions are left: {:?}", stack.executions().await));
                }
                failures
            }
        })
        .buffer_unordered(WORKERS)
        .collect()
        .await;
    let failures: Vec<String> = worked.into_iter().flatten().collect();
    println!(
        "crash at every effect on {cloud}: {total} cases over {} effects, {} failed",
        effects.len(),
        failures.len()
    );
    assert!(failures.is_empty(), "{} of {total}:\n{}", failures.len(), failures.join("\n\n"));
    effects
}
