//! A user's secrets on their way: into the command, into nothing else, and out of what the command says.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Plan, Stack, User, shell_job};

const VALUE: &str = "fake-hub-token-0123456789";

async fn keep(user: &User, name: &str, value: &str) {
    let body = json!({ "value": value });
    let kept = user.send(Method::PUT, &format!("/v1/secrets/{name}"), Some(&body), &[]).await;
    assert!(kept.status.is_success(), "{}", kept.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_its_secrets_and_what_it_says_of_them_is_masked() {
    // With this little time between them, the halves of the value come in two reports.
    let stack = Plan::default().with("HeartbeatSeconds", "0.3").with("WatchedSeconds", "0.3").start().await;
    let user = stack.user().await;
    keep(&user, "hub", VALUE).await;
    keep(&user, "PEM", "-----BEGIN FAKE-----\nfake-first-line\nfake-second-line\n-----END FAKE-----\n").await;
    let script = r#"
        printf '%s' "whole $TOKEN half " ; printf '%.10s' "$TOKEN"; sleep 1; printf '%s' "$TOKEN" | cut -c11-
        printf '%s\n' "$PEM" | sed -n 2p
        printf '%s' "$OWN" | base64
        echo "::progress 0.5 with $TOKEN"
        printf '{"token":"%s"}' "$TOKEN" >"$GPU_OUTPUT"
    "#;
    let secrets =
        json!({ "secrets": { "TOKEN": "hub", "PEM": "PEM" }, "secret_env": { "OWN": "fake-own-value" } });
    let id = user.submit(&shell_job(script, secrets)).await;
    let job = user.ended(&id).await;
    assert_eq!(job["status"], "succeeded", "{job:#}");
    assert_eq!(job["secrets"], json!({ "TOKEN": "hub", "PEM": "PEM" }));
    let stars = "*".repeat(VALUE.len());
    assert_eq!(job["exit"]["output"]["token"], stars, "{job:#}");
    let log = user.log(&id).await;
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[0], format!("whole {stars} half {stars}"), "{log}");
    assert_eq!(lines[1], "*".repeat("fake-first-line".len()), "{log}");
    assert_eq!(lines[2].trim_end_matches('='), "*".repeat(19), "{log}");
    assert_eq!(lines[3], format!("::progress 0.5 with {stars}"), "{log}");
    let list = user.get("/v1/secrets").await.expect(200);
    assert!(
        list["items"].as_array().is_some_and(|items| items.iter().all(|s| s["last_used_at"].is_string())),
        "{list}"
    );
    let everything =
        [job.to_string(), json!(user.events(&id).await).to_string(), stack.said(), list.to_string()];
    for text in everything {
        for value in [VALUE, "fake-first-line", "fake-own-value"] {
            assert!(!text.contains(value), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_names_secrets_that_its_owner_has() {
    let stack = Stack::start().await;
    let (user, other) = (stack.user().await, stack.admin().await);
    keep(&other, "hub", VALUE).await;
    let refused = async |secrets: Value| {
        let job = shell_job("true", json!({ "secrets": secrets }));
        user.post("/v1/jobs", &job).await.problem(422, "invalid_fields")
    };
    assert_eq!(refused(json!({ "TOKEN": "hub", "B": "none" })).await, ["secrets.B", "secrets.TOKEN"]);
    assert_eq!(refused(json!(["hub"])).await, ["secrets.hub"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_gone_when_the_command_starts_ends_its_job_in_words() {
    let stack = Plan::default().with("DefaultConcurrency", "1").start().await;
    let user = stack.user().await;
    keep(&user, "hub", VALUE).await;
    let gate = tempfile::tempdir().expect("a folder");
    let hold = format!("while [ ! -e {}/open ]; do sleep 0.05; done", gate.path().display());
    let first = user.submit(&shell_job(&hold, json!({}))).await;
    let id = user.submit(&shell_job("echo never", json!({ "secrets": { "TOKEN": "hub" } }))).await;
    user.delete("/v1/secrets/hub").await.expect(204);
    std::fs::write(gate.path().join("open"), "").expect("the gate opens");
    assert_eq!(user.ended(&first).await["status"], "succeeded");
    let job = user.ended(&id).await;
    assert_eq!((&job["status"], &job["attempt"]), (&json!("failed"), &json!(1)), "{job:#}");
    assert!(job["reason"].as_str().is_some_and(|reason| reason.contains("the secret hub")), "{job:#}");
    assert_eq!(user.log(&id).await, "");
    stack.rest().await;
    assert!(stack.live_pods().await.is_empty());
}
