//! Notifications and webhooks through the whole stack, to a receiver on this machine.

use std::{path::Path, process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{
    runs::{after, gives, run, statuses},
    support::{Plan, Received, Receiver, Stack, User, shell_job},
};

async fn stack() -> (Stack, User) {
    let stack = Plan::default().with("LoopbackWebhooks", "true").start().await;
    stack.cloud_settings(json!({ "at_once": true, "boot_ms": 0 })).await;
    let user = stack.user().await;
    (stack, user)
}

async fn endpoint(user: &User, url: &str, changes: Value) -> Value {
    let mut wish = json!({ "url": url, "events": ["job.ended", "run.ended"] });
    if let (Some(wish), Value::Object(changes)) = (wish.as_object_mut(), changes) {
        wish.extend(changes);
    }
    user.post("/v1/notifications/endpoints", &wish).await.expect(201)
}

fn path(endpoint: &Value, rest: &str) -> String {
    format!("/v1/notifications/endpoints/{}{rest}", endpoint["id"].as_str().expect("an id"))
}

/// The deliveries of an endpoint, once `enough`: their rows are written after the receiver has answered.
async fn deliveries(user: &User, endpoint: &Value, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    for _ in 0..300 {
        let page = user.get(&path(endpoint, "/deliveries")).await.expect(200);
        let items = page["items"].as_array().cloned().unwrap_or_default();
        if enough(&items) {
            return items;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not enough: {:#}", user.get(&path(endpoint, "/deliveries")).await.body);
}

fn all_are(state: &'static str, number: usize) -> impl Fn(&[Value]) -> bool {
    move |items| items.len() == number && items.iter().all(|item| item["state"] == state)
}

/// Has the verifiers that receivers use look at a message. Each prints the message's type, or why it refuses it.
async fn verified(message: &Received, secret: &str) -> [Result<String, String>; 2] {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let python = "import json, sys\nfrom standardwebhooks.webhooks import Webhook\nm = json.load(sys.stdin)\n\
                  print(Webhook(m['secret']).verify(m['body'], m['headers'])['type'])";
    let node = "const { Webhook } = require(process.env.VERIFIER);\n\
                const m = JSON.parse(require('fs').readFileSync(0));\n\
                console.log(new Webhook(m.secret).verify(m.body, m.headers).type);";
    let input = json!({ "secret": secret, "body": message.body, "headers": message.headers }).to_string();
    let mut results = Vec::new();
    let mut python_command = Command::new(root.join("target/venv-webhooks/bin/python"));
    python_command.args(["-c", python]);
    let mut node_command = Command::new("node");
    let package = root.join("target/node/node_modules/standardwebhooks");
    assert!(package.exists(), "{} is missing: scripts/run_tests.sh installs it", package.display());
    node_command.args(["-e", node]).env("VERIFIER", package);
    for mut command in [python_command, node_command] {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the verifier starts: scripts/run_tests.sh installs it");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).await.expect("written");
        let output = child.wait_with_output().await.expect("the verifier ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        results.push(if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        });
    }
    [results.remove(0), results.remove(0)]
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_of_jobs_and_runs_are_told_and_signed_as_the_standard_says() {
    let (stack, user) = stack().await;
    let mut receiver = Receiver::start(&[]).await;
    let hook = endpoint(&user, &receiver.url("/hook"), json!({})).await;
    let failures = endpoint(&user, &receiver.url("/failures"), json!({ "statuses": ["failed"] })).await;
    let secret = hook["secret"].as_str().expect("a secret");
    assert!(secret.starts_with("whsec_"));

    let id = user.submit(&job()).await;
    user.ended(&id).await;
    let message = receiver.next().await;
    assert_eq!((message.method.as_str(), message.path.as_str()), ("POST", "/hook"));
    assert_eq!(message.headers["content-type"], "application/json");
    let body: Value = serde_json::from_str(&message.body).expect("JSON");
    assert_eq!(body["type"], "job.ended");
    assert_eq!((&body["data"]["id"], &body["data"]["status"]), (&json!(id), &json!("succeeded")));
    assert_eq!((&body["data"]["name"], &body["data"]["exit_code"]), (&json!("notified"), &json!(0)));
    assert_eq!(verified(&message, secret).await, [Ok("job.ended".to_owned()), Ok("job.ended".to_owned())]);
    let mut forged = message.clone();
    forged.body = forged.body.replace("succeeded", "failed");
    let other = failures["secret"].as_str().expect("a secret");
    for refused in [verified(&forged, secret).await, verified(&message, other).await] {
        assert!(refused.iter().all(Result::is_err), "{refused:?}");
    }

    let (ended, _) =
        run(&user, &json!({ "name": "one", "nodes": { "a": { "job": gives(&json!(1)) } } }), &json!({}))
            .await;
    let mut told = [receiver.next().await, receiver.next().await];
    told.sort_by_key(|message| message.body.contains("run.ended"));
    let body: Value = serde_json::from_str(&told[1].body).expect("JSON");
    assert_eq!(body["type"], "run.ended");
    assert_eq!((&body["data"]["id"], &body["data"]["status"]), (&ended["id"], &json!("succeeded")));
    assert_eq!(verified(&told[1], secret).await, [Ok("run.ended".to_owned()), Ok("run.ended".to_owned())]);
    let node: Value = serde_json::from_str(&told[0].body).expect("JSON");
    assert_eq!((&node["type"], &node["data"]["run_id"]), (&json!("job.ended"), &ended["id"]));

    let log = deliveries(&user, &hook, all_are("delivered", 3)).await;
    assert_eq!(log[2]["id"], message.headers["webhook-id"], "newest first");
    assert_eq!(log[2]["tries"][0]["status"], 200);
    deliveries(&user, &failures, <[Value]>::is_empty).await;
    stack.rest().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_tried_until_it_is_through() {
    let (stack, user) = stack().await;
    let mut receiver = Receiver::start(&[500, 302, 200]).await;
    let hook = endpoint(&user, &receiver.url("/"), json!({ "events": ["job.ended"] })).await;
    let id = user.submit(&job()).await;
    user.ended(&id).await;
    let first = receiver.next().await;
    // The tick hands it to the stream again when its pause of five seconds is over.
    let second = tokio::select! {
        second = receiver.next() => second,
        never = ticking(&stack) => never,
    };
    let waiting = deliveries(&user, &hook, all_are("waiting", 1)).await;
    assert!(waiting[0]["next_try_at"].is_string());
    assert_eq!(waiting[0]["tries"][1]["error"], "the server answered 302", "a redirect is not followed");
    assert_eq!(first.headers["webhook-id"], second.headers["webhook-id"]);
    let secret = hook["secret"].as_str().expect("a secret");
    assert!(verified(&second, secret).await.iter().all(Result::is_ok));

    // What somebody sends by hand goes at once, and has the id of what it repeats.
    let message = waiting[0]["id"].as_str().expect("an id");
    let again =
        user.post(&format!("/v1/notifications/deliveries/{message}/redeliver"), &json!({})).await.expect(202);
    assert_eq!((&again["repeats"], &again["state"]), (&json!(message), &json!("pending")));
    let third = receiver.next().await;
    assert_eq!(third.headers["webhook-id"], message);
    assert_eq!(third.body, first.body);
    let log = deliveries(&user, &hook, |items| items.iter().any(|item| item["state"] == "delivered")).await;
    assert_eq!(log.len(), 2);
    // The tick finds nothing that is due yet.
    assert_eq!(tick(&stack).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_tested_rotated_turned_off_and_removed() {
    let (stack, user) = stack().await;
    let mut receiver = Receiver::start(&[200, 404, 200, 410]).await;
    let hook = endpoint(&user, &receiver.url("/"), json!({ "description": "the team" })).await;
    let test = path(&hook, "/test");
    user.post(&test, &json!({})).await.expect(202);
    let message = receiver.next().await;
    let secret = hook["secret"].as_str().expect("a secret");
    assert_eq!(verified(&message, secret).await, [Ok("test.ping".to_owned()), Ok("test.ping".to_owned())]);
    // A test is tried once.
    user.post(&test, &json!({})).await.expect(202);
    receiver.next().await;
    let log = deliveries(&user, &hook, |items| items.iter().any(|item| item["state"] == "failed")).await;
    assert_eq!(log[0]["tries"][0]["status"], 404);

    let rotated = user.post(&path(&hook, "/rotate-secret"), &json!({})).await.expect(200);
    let fresh = rotated["secret"].as_str().expect("a secret");
    assert_ne!(fresh, secret);
    user.post(&test, &json!({})).await.expect(202);
    let message = receiver.next().await;
    assert!(verified(&message, fresh).await.iter().all(Result::is_ok));
    assert!(verified(&message, secret).await.iter().all(Result::is_err));

    // A server that says it is gone is not called again until its owner turns it on.
    user.post(&test, &json!({})).await.expect(202);
    receiver.next().await;
    deliveries(&user, &hook, |items| items.len() == 4 && items[0]["state"] == "failed").await;
    let off = user.get(&path(&hook, "")).await.expect(200);
    assert_eq!(
        (&off["enabled"], &off["disabled_reason"]),
        (&json!(false), &json!("the server answered 410 Gone"))
    );
    assert!(off["secret"].is_null());
    let on = user.patch(&path(&hook, ""), &json!({ "enabled": true, "description": "" })).await.expect(200);
    assert_eq!(
        (&on["enabled"], &on["disabled_reason"], &on["description"]),
        (&json!(true), &Value::Null, &json!(""))
    );

    let stranger = stack.user().await;
    let delivery = log[0]["id"].as_str().expect("an id");
    for (method, path) in [
        ("GET", path(&hook, "")),
        ("GET", path(&hook, "/deliveries")),
        ("DELETE", path(&hook, "")),
        ("POST", test.clone()),
        ("POST", path(&hook, "/rotate-secret")),
        ("POST", format!("/v1/notifications/deliveries/{delivery}/redeliver")),
    ] {
        let method: reqwest::Method = method.parse().expect("a method");
        stranger.send(method.clone(), &path, Some(&json!({})), &[]).await.problem(404, "not_found");
        let nobody = User::anonymous(&stack).send(method, &path, Some(&json!({})), &[]).await;
        nobody.problem(401, "not_authenticated");
    }
    assert_eq!(stranger.get("/v1/notifications/endpoints").await.expect(200)["items"], json!([]));
    assert_eq!(user.delete(&path(&hook, "")).await.status.as_u16(), 204);
    user.get(&path(&hook, "/deliveries")).await.problem(404, "not_found");
    let gone = user.post(&format!("/v1/notifications/deliveries/{delivery}/redeliver"), &json!({})).await;
    gone.problem(404, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_cannot_be_is_refused_field_by_field() {
    let (_stack, user) = stack().await;
    let bad = json!({ "url": "ftp://u:p@x", "events": [], "statuses": ["failed", "failed"] });
    let fields = user.post("/v1/notifications/endpoints", &bad).await.problem(422, "invalid_fields");
    assert_eq!(fields, ["url", "events", "statuses[1]"]);
    let unknown = json!({ "url": "https://example.com", "events": ["job.started"] });
    user.post("/v1/notifications/endpoints", &unknown).await.problem(422, "invalid_fields");
    let hook = endpoint(&user, "https://example.com/hook", json!({})).await;
    user.patch(&path(&hook, ""), &json!({ "url": "x" })).await.problem(422, "invalid_fields");
    user.get(&path(&hook, "/deliveries?cursor=!")).await.problem(422, "invalid_cursor");
    user.get(&path(&hook, "/deliveries?limit=0")).await.problem(422, "invalid_fields");
    for _ in 1..20 {
        endpoint(&user, "https://example.com/hook", json!({})).await;
    }
    let wish = json!({ "url": "https://example.com/hook", "events": ["run.ended"] });
    user.post("/v1/notifications/endpoints", &wish).await.problem(409, "too_many_endpoints");
}

/// A deployment as it is: nothing inside is called, whatever leads there.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_inside_is_called() {
    let stack = Stack::start().await;
    let user = stack.user().await;
    let receiver = Receiver::start(&[]).await;
    for host in ["127.0.0.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "localhost"] {
        let url = receiver.url("/").replace("127.0.0.1", host);
        let hook = endpoint(&user, &url, json!({})).await;
        user.post(&path(&hook, "/test"), &json!({})).await.expect(202);
        let log = deliveries(&user, &hook, all_are("failed", 1)).await;
        assert_eq!(log[0]["tries"][0]["error"], "the address is not one of the public internet", "{host}");
        assert!(log[0]["tries"][0]["status"].is_null());
    }
    assert_eq!(receiver.heard(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_node_calls_and_its_answer_is_its_output() {
    let (_stack, user) = stack().await;
    let mut receiver = Receiver::start(&[503, 200, 500]).await;
    let definition = json!({ "name": "deploy", "nodes": {
        "train": { "job": gives(&json!({ "model": "m-7" })) },
        "deploy": after(&["train"], json!({ "webhook": {
            "url": receiver.url("/deploy"), "method": "PUT", "headers": { "x-team": "vision" },
            "body": { "model": "${{ nodes.train.output.model }}" },
            "retry": { "max_attempts": 3, "backoff_seconds": 1 } } })),
        "check": after(&["deploy"], json!({ "webhook": { "url": receiver.url("/check"), "expect": [204] } })),
    } });
    let (ended, nodes) = run(&user, &definition, &json!({})).await;
    let messages = [receiver.next().await, receiver.next().await, receiver.next().await];
    assert_eq!((messages[0].method.as_str(), messages[0].path.as_str()), ("PUT", "/deploy"));
    assert_eq!(messages[0].headers["x-team"], "vision");
    assert_eq!(serde_json::from_str::<Value>(&messages[0].body).expect("JSON"), json!({ "model": "m-7" }));
    assert_eq!(
        messages[0].headers["webhook-id"], messages[1].headers["webhook-id"],
        "the same message again"
    );
    assert_eq!(messages[2].path, "/check");
    assert_eq!(
        statuses(&nodes),
        [("check", "failed"), ("deploy", "succeeded"), ("train", "succeeded")].into()
    );
    assert_eq!(nodes["deploy"]["output"]["status"], 200);
    assert_eq!(nodes["check"]["reason"], "the webhook failed: the server answered 500");
    assert_eq!(ended["status"], "failed");
    let detail = user
        .get(&format!("/v1/runs/{}/nodes/deploy", ended["id"].as_str().expect("an id")))
        .await
        .expect(200);
    let tries: Vec<&Value> =
        detail["tries"].as_array().into_iter().flatten().map(|one| &one["status"]).collect();
    assert_eq!(tries, [&json!(503), &json!(200)]);
}

/// One tick of the scheduler; the messages that it found due.
async fn tick(stack: &Stack) -> Value {
    let ticked = stack.post(&stack.aws, "/_local/invoke-schedule/scheduler", &json!({})).await;
    ticked["result"]["messages"].clone()
}

async fn ticking(stack: &Stack) -> Received {
    loop {
        tick(stack).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn job() -> Value {
    shell_job("true", json!({ "name": "notified", "env": { "SIM_EXIT_CODE": "0" } }))
}
