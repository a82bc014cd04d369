//! Jobs from submission to end, by every way that an end can come.

use serde_json::{Value, json};

use crate::support::{Plan, Stack, shell_job};

fn kinds(events: &[Value]) -> Vec<String> {
    let kind = |event: &Value| {
        event["type"].as_str().or(event["event"]["type"].as_str()).unwrap_or_default().to_owned()
    };
    events.iter().map(kind).collect()
}

/// Nothing is left: what every test here ends with.
async fn nothing_is_left(stack: &Stack) {
    stack.rest().await;
    assert_eq!(stack.live_pods().await, Vec::<String>::new(), "instances that bill are left");
    assert_eq!(stack.executions().await, Vec::<Value>::new(), "executions are left");
    let swept = stack.sweep().await;
    for find in ["overdue", "restarted", "admitted", "orphans", "failures"] {
        assert_eq!(swept[find], 0, "the sweeper found something: {swept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_succeeds_with_its_log_its_output_and_its_cost() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let script = r#"echo "attempt $GPU_ATTEMPT"; echo "::progress 0.5 half way"; echo oops >&2; echo '{"loss":0.25}' >"$GPU_OUTPUT""#;
    let id = user.submit(&shell_job(script, json!({ "name": "训练 1" }))).await;
    let job = user.ended(&id).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    assert_eq!(job["name"], "训练 1");
    assert_eq!(job["exit"]["code"], 0);
    assert_eq!(job["exit"]["output"], json!({ "loss": 0.25 }));
    let log = user.log(&id).await;
    assert!(log.contains("attempt 1") && log.contains("oops"), "{log}");
    let events = user.events(&id).await;
    let expected = ["submitted", "provisioning", "instance_created", "running", "attempt_ended", "ended"];
    assert_eq!(kinds(&events), expected, "{events:#?}");
    let cost = user.get(&format!("/v1/jobs/{id}/cost")).await.expect(200);
    assert_eq!(cost["final"], true, "{cost:#}");
    assert_ne!(cost["total"][0]["amount"], "0.000000", "{cost:#}");
    nothing_is_left(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_on_alibaba_to_its_end() {
    let stack = Plan::default().clouds(&["runpod", "alibaba"]).start().await;
    let user = stack.user().await;
    let script = r#"echo "attempt $GPU_ATTEMPT on $GPU_INSTANCE_ID"; echo '{"loss":0.25}' >"$GPU_OUTPUT""#;
    let only = json!({ "forbidden_providers": ["runpod"], "gpu": { "model": "T4" }, "env": { "TEXT": "it's\ntwo lines" } });
    let id = user.submit(&shell_job(script, only)).await;
    let job = user.ended(&id).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    assert_eq!(job["exit"]["output"], json!({ "loss": 0.25 }));
    let machines = stack.ecs().await;
    let [machine] = &machines[..] else { panic!("one machine: {machines:#?}") };
    let log = user.log(&id).await;
    assert!(log.contains(&format!("attempt 1 on {}", machine["id"].as_str().unwrap_or_default())), "{log}");
    let cost = user.get(&format!("/v1/jobs/{id}/cost")).await.expect(200);
    assert_eq!((&cost["final"], &cost["total"][0]["currency"]), (&json!(true), &json!("CNY")), "{cost:#}");
    nothing_is_left(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_on_tencent_to_its_end() {
    let stack = Plan::default().clouds(&["runpod", "tencent"]).start().await;
    let user = stack.user().await;
    let script = r#"echo "attempt $GPU_ATTEMPT with $TEXT"; echo '{"loss":0.25}' >"$GPU_OUTPUT""#;
    let only = json!({
        "forbidden_providers": ["runpod"], "gpu": { "model": "T4" }, "spot": "only", "env": { "TEXT": "it's\ntwo lines" },
    });
    let id = user.submit(&shell_job(script, only)).await;
    let job = user.ended(&id).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    assert_eq!(job["exit"]["output"], json!({ "loss": 0.25 }));
    let pods = stack.tke().await;
    let [pod] = &pods[..] else { panic!("one pod: {pods:#?}") };
    assert_eq!((&pod["spot"], &pod["gpus"]), (&json!(true), &json!(1)), "{pod:#}");
    let log = user.log(&id).await;
    assert!(log.contains("attempt 1 with it's\ntwo lines"), "{log}");
    let cost = user.get(&format!("/v1/jobs/{id}/cost")).await.expect(200);
    assert_eq!((&cost["final"], &cost["total"][0]["currency"]), (&json!(true), &json!("CNY")), "{cost:#}");
    nothing_is_left(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_command_fails_the_job_with_its_exit_code() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let id = user.submit(&shell_job("echo bad; exit 3", json!({}))).await;
    let job = user.ended(&id).await;
    assert_eq!((&job["status"], &job["exit"]["code"]), (&json!("failed"), &json!(3)), "{job:#}");
    assert_eq!(job["attempt"], 1, "the default policy does not repeat a program's own failure");
    assert!(job["reason"].as_str().is_some_and(|why| why.contains("exit code 3")), "{job:#}");
    nothing_is_left(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_code_that_the_policy_names_is_tried_again() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let retry = json!({ "retry": { "max_attempts": 3, "on": ["exit_code"], "exit_codes": [75], "backoff_seconds": 0 } });
    let id = user.submit(&shell_job(r#"[ "$GPU_ATTEMPT" = 3 ] || exit 75"#, retry)).await;
    let job = user.ended(&id).await;
    assert_eq!((&job["status"], &job["attempt"]), (&json!("succeeded"), &json!(3)), "{job:#}");
    let attempts = user.get(&format!("/v1/jobs/{id}/attempts")).await.expect(200);
    assert_eq!(attempts["items"].as_array().map(Vec::len), Some(3), "{attempts:#}");
    nothing_is_left(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_command_hears_sigterm_and_may_finish() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let script = "trap 'echo tidy; exit 0' TERM; echo up; while :; do sleep 0.1; done";
    let id = user.submit(&shell_job(script, json!({}))).await;
    user.until(&id, "running").await;
    user.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await.expect(202);
    user.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await.expect(202);
    let job = user.ended(&id).await;
    assert_eq!(job["status"], "cancelled", "{job:#}");
    let log = user.log(&id).await;
    assert!(log.contains("tidy"), "the command had its grace: {log}");
    user.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await.problem(409, "job_ended");
    nothing_is_left(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_cancelled_while_it_boots() {
    let stack = Stack::start().await;
    stack.cloud_settings(json!({ "boot_ms": 600_000 })).await;
    let user = stack.user().await;
    let id = user.submit(&shell_job("echo never", json!({}))).await;
    user.until(&id, "instance_created").await;
    user.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await.expect(202);
    assert_eq!(user.ended(&id).await["status"], "cancelled");
    nothing_is_left(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_runs_too_long_is_timed_out() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let id = user.submit(&shell_job("sleep 600", json!({ "timeout_seconds": 1 }))).await;
    let job = user.ended(&id).await;
    assert_eq!(job["status"], "timed_out", "{job:#}");
    nothing_is_left(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_capacity_a_job_waits_and_says_why() {
    let stack = Stack::start().await;
    stack.cloud_fault(json!({ "operation": "create", "mode": "no_capacity", "times": 30 })).await;
    let user = stack.user().await;
    let id = user.submit(&shell_job("echo at last", json!({}))).await;
    let waiting = user.until(&id, "waiting_for_capacity").await;
    assert_eq!(waiting["status"], "queued", "{waiting:#}");
    stack.http.delete(format!("{}/_sim/faults", stack.runpod)).send().await.expect("an answer");
    let job = user.ended(&id).await;
    assert_eq!((&job["status"], &job["attempt"]), (&json!("succeeded"), &json!(1)), "{job:#}");
    let kinds = kinds(&user.events(&id).await);
    assert!(kinds.iter().any(|kind| kind == "launch_refused"), "{kinds:?}");
    nothing_is_left(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impossible_wish_waits_and_can_be_cancelled() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let id = user.submit(&shell_job("true", json!({ "gpu": { "model": "RTX 0001" } }))).await;
    user.until(&id, "waiting_for_capacity").await;
    let events = user.events(&id).await;
    assert!(events.iter().any(|e| e.to_string().contains("do not fit")), "{events:#?}");
    user.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await.expect(202);
    assert_eq!(user.ended(&id).await["status"], "cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preempted_spot_job_goes_on_in_a_new_attempt() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let script = r#"if [ "$GPU_ATTEMPT" = 1 ]; then echo up; sleep 600; fi; echo done"#;
    let retry =
        json!({ "spot": "only", "retry": { "max_attempts": 3, "on": ["preemption"], "backoff_seconds": 0 } });
    let id = user.submit(&shell_job(script, retry)).await;
    user.until(&id, "running").await;
    let pod = stack.pods().await.into_iter().find(|pod| pod["status"] == "RUNNING").expect("a pod");
    assert_eq!(pod["spot"], true, "{pod:#}");
    stack
        .post(
            &stack.runpod,
            &format!("/_sim/pods/{}/preempt", pod["id"].as_str().expect("an id")),
            &json!({ "notice_s": 0 }),
        )
        .await;
    let job = user.ended(&id).await;
    assert_eq!((&job["status"], &job["attempt"]), (&json!("succeeded"), &json!(2)), "{job:#}");
    let attempts = user.get(&format!("/v1/jobs/{id}/attempts")).await.expect(200);
    assert!(attempts["items"][0].to_string().contains("preempted"), "{attempts:#}");
    nothing_is_left(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_machine_is_noticed_and_another_one_takes_over() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let script = r#"if [ "$GPU_ATTEMPT" = 1 ]; then sleep 600; fi; echo done"#;
    let retry = json!({ "retry": { "max_attempts": 2, "on": ["lost_instance"], "backoff_seconds": 0 } });
    let id = user.submit(&shell_job(script, retry)).await;
    user.until(&id, "running").await;
    let pod = stack.pods().await.into_iter().find(|pod| pod["status"] == "RUNNING").expect("a pod");
    stack
        .post(&stack.runpod, &format!("/_sim/pods/{}/kill", pod["id"].as_str().expect("an id")), &json!({}))
        .await;
    let job = user.ended(&id).await;
    assert_eq!((&job["status"], &job["attempt"]), (&json!("succeeded"), &json!(2)), "{job:#}");
    nothing_is_left(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_answers_nonsense_does_not_lose_the_instance_it_made() {
    let stack = Stack::start().await;
    stack.cloud_fault(json!({ "operation": "create", "mode": "nonsense_after" })).await;
    let user = stack.user().await;
    let id = user.submit(&shell_job("echo fine", json!({}))).await;
    assert_eq!(user.ended(&id).await["status"], "succeeded");
    let created = stack.get(&stack.runpod, "/_sim/pods").await["created"].clone();
    assert_eq!(
        created.as_object().map(|names| names.values().filter_map(Value::as_u64).sum()),
        Some(1),
        "{created}"
    );
    nothing_is_left(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_limit_jobs_wait_their_turn_by_urgency() {
    let stack = Plan::default().with("DefaultConcurrency", "1").start().await;
    let user = stack.user().await;
    let gate = tempfile::tempdir().expect("a folder");
    let hold = format!("while [ ! -e {}/open ]; do sleep 0.05; done", gate.path().display());
    let first = user.submit(&shell_job(&hold, json!({}))).await;
    let low = user.submit(&shell_job("true", json!({ "priority": "low" }))).await;
    let urgent = user.submit(&shell_job("true", json!({ "priority": "urgent" }))).await;
    let gone = user.submit(&shell_job("true", json!({}))).await;
    assert_eq!(user.job(&low).await["admitted"], false);
    user.post(&format!("/v1/jobs/{gone}/cancel"), &json!({})).await.expect(202);
    assert_eq!(user.job(&gone).await["status"], "cancelled", "what only waits ends at once");
    std::fs::write(gate.path().join("open"), "").expect("the gate opens");
    for id in [&first, &urgent, &low] {
        assert_eq!(user.ended(id).await["status"], "succeeded");
    }
    let admitted = |job: Value| job["admitted_at"].as_str().unwrap_or_default().to_owned();
    assert!(admitted(user.job(&urgent).await) < admitted(user.job(&low).await));
    let counts = user.get("/v1/jobs/counts").await.expect(200);
    assert_eq!(counts["admitted"], 0, "{counts:#}");
    assert_eq!(
        (&counts["by_status"]["succeeded"], &counts["by_status"]["cancelled"]),
        (&json!(3), &json!(1))
    );
    nothing_is_left(&stack).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_values_reach_the_command_and_nobody_else() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let script = r#"[ "$TOKEN" = "$(printf 'fake-%s-value' s3cret)" ]"#;
    let id = user.submit(&shell_job(script, json!({ "secret_env": { "TOKEN": "fake-s3cret-value" } }))).await;
    let job = user.ended(&id).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    assert_eq!(job["secret_env"], json!(["TOKEN"]));
    let everything = [
        job.to_string(),
        json!(user.events(&id).await).to_string(),
        stack.row(&format!("JOB#{id}"), "JOB").await.to_string(),
        stack.said(),
    ];
    for text in everything {
        assert!(!text.contains("fake-s3cret-value"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stack_is_killed_and_the_job_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let stack = Plan::default().keeping(folder.path()).start().await;
    let user = stack.user().await;
    let script = r#"for i in 1 2 3 4 5 6 7 8 9 10; do echo "step $i"; sleep 0.2; done; echo '{"ok":true}' >"$GPU_OUTPUT""#;
    let id = user
        .submit(&shell_job(script, json!({ "retry": { "max_attempts": 3, "backoff_seconds": 0 } })))
        .await;
    user.until(&id, "running").await;
    let again = Plan::default().keeping(folder.path()).at(&stack);
    stack.kill().await;
    let stack = again.start().await;
    let job = user.ended(&id).await;
    assert_eq!(
        (&job["status"], &job["exit"]["output"]["ok"]),
        (&json!("succeeded"), &json!(true)),
        "{job:#}"
    );
    let events = user.events(&id).await;
    let numbers: Vec<u64> = events.iter().filter_map(|event| event["seq"].as_u64()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    stack.rest().await;
    assert_eq!(stack.live_pods().await, Vec::<String>::new());
}
