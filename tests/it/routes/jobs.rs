//! `/v1/jobs`: what is refused, and that nothing came of it; keys, cursors, filters; other people's jobs.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Plan, Stack, User, shell_job};

fn with(path: &[&str], value: Value) -> Value {
    let mut job = shell_job("true", json!({}));
    let mut at = &mut job;
    for name in path {
        at = &mut at[*name];
    }
    *at = value;
    job
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_names_its_field_and_leaves_nothing_behind() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let long = "x".repeat(100 * 1024);
    let cases: Vec<(Value, &str)> = vec![
        (with(&["image"], json!(long)), "image"),
        (with(&["image"], json!("")), "image"),
        (with(&["image"], json!("a b")), "image"),
        (with(&["command"], json!([long])), "command"),
        (with(&["command"], json!([])), "command"),
        (with(&["command"], json!(["a\u{0}b"])), "command"),
        (with(&["name"], json!("line\nbreak")), "name"),
        (with(&["name"], json!("\u{202e}evil")), "name"),
        (with(&["name"], json!("n".repeat(129))), "name"),
        (with(&["gpu"], json!({ "count": 0 })), "gpu.count"),
        (with(&["gpu"], json!({ "count": 17 })), "gpu.count"),
        (with(&["max_price_per_hour"], json!({ "amount": "-1", "currency": "USD" })), "max_price_per_hour"),
        (with(&["timeout_seconds"], json!(0)), "timeout_seconds"),
        (with(&["timeout_seconds"], json!(2_592_001)), "timeout_seconds"),
        (with(&["env"], json!({ "1X": "a" })), "env.1X"),
        (with(&["env"], json!({ "GPU_RUNNER_TOKEN": "a" })), "env.GPU_RUNNER_TOKEN"),
        (with(&["retry"], json!({ "max_attempts": 21 })), "retry.max_attempts"),
        (with(&["tags"], json!({ "": "a" })), "tags."),
        (with(&["metadata"], json!({ "a": "m".repeat(17_000) })), "metadata"),
    ];
    for (job, field) in &cases {
        let answer = user.post("/v1/jobs", job).await;
        let shown: String = answer.body.to_string().chars().take(600).collect();
        assert_eq!(answer.status.as_u16(), 422, "{field}: {shown}");
        let fields = answer.problem(422, "invalid_fields");
        assert!(fields.iter().any(|named| named.starts_with(field)), "{field} is not among {fields:?}");
    }
    for (job, field) in [
        (with(&["gpu"], json!("four")), "gpu"),
        (with(&["timeout_seconds"], json!("1h")), "timeout_seconds"),
        (with(&["timeout_seconds"], json!(-5)), "timeout_seconds"),
        (with(&["comand"], json!(["x"])), "comand"),
        (with(&["gpu"], json!({ "count": 1, "modle": "x" })), "gpu"),
        (with(&["spot"], json!("sometimes")), "spot"),
    ] {
        let answer = user.post("/v1/jobs", &job).await;
        let status = answer.status.as_u16();
        assert!([400, 422].contains(&status), "{field}: {}", answer.body);
        assert!(answer.body.to_string().contains(field), "{field} is not named: {}", answer.body);
    }
    for body in [&b"{"[..], b"", b"[]", b"null", b"\xff\xfe", b"{\"image\":\"a\",\"image\":"] {
        let status = user.post_raw("/v1/jobs", body.to_vec()).await.status.as_u16();
        assert!([400, 422].contains(&status), "{}: {status}", body.escape_ascii());
    }
    let huge = user.post_raw("/v1/jobs", vec![b' '; 300 * 1024]).await;
    assert_eq!(huge.problem(413, "body_too_large"), Vec::<String>::new());
    assert_eq!(user.get("/v1/jobs").await.expect(200)["items"], json!([]), "nothing was stored");
    assert_eq!(stack.executions().await, Vec::<Value>::new(), "nothing was started");
    assert_eq!(stack.pods().await, Vec::<Value>::new(), "nothing was rented");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_makes_a_repeat_harmless() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let job = shell_job("true", json!({}));
    let send = |job: Value, key: &'static str| {
        let user = user.clone();
        async move { user.send(Method::POST, "/v1/jobs", Some(&job), &[("idempotency-key", key)]).await }
    };
    let first = send(job.clone(), "once").await.expect(201);
    let again = send(job.clone(), "once").await;
    assert_eq!(again.headers.get("idempotent-replayed").and_then(|v| v.to_str().ok()), Some("true"));
    assert_eq!(again.expect(201), first, "the same status and body");
    let other = with(&["name"], json!("other"));
    send(other, "once").await.problem(422, "idempotency_key_reused");
    // What was refused is not remembered: the corrected request goes through under the same key.
    send(with(&["image"], json!("")), "twice").await.problem(422, "invalid_fields");
    send(job, "twice").await.expect(201);
    let jobs = user.get("/v1/jobs").await.expect(200);
    assert_eq!(jobs["items"].as_array().map(Vec::len), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_elses_job_does_not_exist() {
    let stack = Plan::default().with("DefaultConcurrency", "1").start().await;
    let (mine, other, admin) = (stack.user().await, stack.user().await, stack.admin().await);
    let id = mine.submit(&shell_job("sleep 600", json!({}))).await;
    let base = format!("/v1/jobs/{id}");
    for path in ["", "/log", "/events", "/metrics", "/attempts", "/cost"] {
        other.get(&format!("{base}{path}")).await.problem(404, "not_found");
        admin.get(&format!("{base}{path}")).await.expect(200);
    }
    other.post(&format!("{base}/cancel"), &json!({})).await.problem(404, "not_found");
    other.post(&format!("{base}/restart"), &json!({})).await.problem(404, "not_found");
    other.patch(&base, &json!({ "name": "mine now" })).await.problem(404, "not_found");
    other.delete(&base).await.problem(404, "not_found");
    assert_eq!(other.get("/v1/jobs").await.expect(200)["items"], json!([]));
    mine.delete(&base).await.problem(409, "job_not_ended");
    mine.post(&format!("{base}/cancel"), &json!({})).await.expect(202);
    mine.ended(&id).await;
    assert_eq!(mine.delete(&base).await.status.as_u16(), 204);
    mine.get(&base).await.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_filtered_and_paged_on_the_server() {
    let stack = Plan::default().with("DefaultConcurrency", "1").start().await;
    let user = stack.user().await;
    let first = user.submit(&shell_job("sleep 600", json!({ "name": "holds the place" }))).await;
    let mut ids = Vec::new();
    for n in 0..12 {
        let job = json!({ "name": format!("Sweep {n}"), "tags": { "team": if n % 2 == 0 { "a" } else { "b" }, "n": n.to_string() } });
        ids.push(user.submit(&shell_job("true", job)).await);
    }
    let list = |query: String| {
        let user = user.clone();
        async move { user.get(&format!("/v1/jobs?{query}")).await.expect(200) }
    };
    let names = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().cloned().unwrap_or_default();
        items.iter().filter_map(|job| job["id"].as_str().map(str::to_owned)).collect()
    };
    let mut seen = Vec::new();
    let mut page = list("limit=5".into()).await;
    loop {
        seen.extend(names(&page));
        let Some(next) = page["next"].as_str() else { break };
        page = list(format!("limit=5&cursor={next}")).await;
    }
    let newest_first: Vec<String> = ids.iter().rev().cloned().chain([first.clone()]).collect();
    assert_eq!(seen, newest_first);
    assert_eq!(names(&list("tag=team:a".into()).await).len(), 6);
    assert_eq!(names(&list("tag=team".into()).await).len(), 12);
    assert_eq!(names(&list("name=sweep%201".into()).await).len(), 3, "1, 10 and 11");
    assert_eq!(names(&list("status=succeeded".into()).await), Vec::<String>::new());
    assert_eq!(names(&list("status=queued&limit=100".into()).await).len(), 12);
    assert_eq!(names(&list("submitted_before=2020-01-01T00:00:00Z".into()).await), Vec::<String>::new());
    for query in [
        "limit=0",
        "limit=101",
        "status=done",
        "cursor=%00",
        "cursor=bm90IG91cnM",
        "submitted_after=today",
        "colour=red",
    ] {
        let answer = user.get(&format!("/v1/jobs?{query}")).await;
        assert!([400, 422].contains(&answer.status.as_u16()), "{query}: {}", answer.body);
    }
    for id in ids.iter().chain([&first]) {
        user.post(&format!("/v1/jobs/{id}/cancel"), &json!({})).await.expect(202);
    }
    user.ended(&first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_edited_and_repeated() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let id = user.submit(&shell_job("exit 1", json!({ "secret_env": { "KEY": "fake-secret" } }))).await;
    user.ended(&id).await;
    let edited = user
        .patch(&format!("/v1/jobs/{id}"), &json!({ "name": "新名字", "tags": { "a": "b" } }))
        .await
        .expect(200);
    assert_eq!((&edited["name"], &edited["tags"]["a"]), (&json!("新名字"), &json!("b")));
    let again = user.post(&format!("/v1/jobs/{id}/restart"), &json!({})).await.expect(201);
    assert_ne!(again["id"], json!(id));
    assert_eq!(again["restart_of"], json!(id));
    let again = again["id"].as_str().expect("an id").to_owned();
    assert_eq!(user.ended(&again).await["exit"]["code"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_describes_itself() {
    let stack = Stack::start().await;
    let nobody = User::anonymous(&stack);
    let api = nobody.get("/v1/openapi.json").await.expect(200);
    assert!(api["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{}", api["openapi"]);
    nobody.get("/healthz").await.expect(200);
    let page = nobody.get("/docs").await;
    assert!(
        page.headers
            .get("content-type")
            .and_then(|v| v.to_str().ok())
            .is_some_and(|kind| kind.starts_with("text/html"))
    );
}
