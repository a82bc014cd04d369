//! Brings the table to the shape that this deployment's code expects: a custom resource of the template, on which every
//! function depends. A migration that fails fails the deployment, and no function was replaced.

mod request;

use std::time::Duration;

use dynamodb::migrations::{Migrated, MigrationError, STEPS};
use lambda::{Event, Platform, events::Failure};
use request::{Answer, Kind, Request};
use serde::Serialize;
use tokio::time::sleep;

/// How often an answer is sent before this invocation fails. CloudFormation's request then comes again.
const TRIES: u32 = 4;

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("{0}")]
    Migration(#[from] MigrationError),
    #[error("the answer to the deployment could not be sent")]
    Answer(#[source] reqwest::Error),
}

impl Failure for Failed {
    fn error_type(&self) -> &'static str {
        "MigrationFailed"
    }
}

/// What an invocation gives who has no other way to be answered.
#[derive(Serialize)]
struct Outcome {
    #[serde(flatten)]
    migrated: Option<Migrated>,
}

async fn run(platform: &Platform, client: &reqwest::Client, request: Request) -> Result<Outcome, Failed> {
    let migrated = match request.kind {
        // The table goes with its stack.
        Kind::Delete => Ok(None),
        Kind::Create | Kind::Update => {
            let clock = platform.clock();
            // The request's id is the same when it is delivered again: that run goes on where this one ended.
            let migrating = platform.store().migrate(STEPS, &request.id, move || clock.now());
            migrating.await.map(Some)
        }
    };
    let Some(url) = &request.response_url else { return Ok(Outcome { migrated: migrated? }) };
    if let Err(error) = &migrated {
        tracing::error!(
            error = error as &dyn std::error::Error,
            "the migration failed, and the deployment with it"
        );
    }
    let answer = Answer::new(&request, migrated.as_ref());
    send(client, url, &answer).await.map_err(Failed::Answer)?;
    // The deployment knows; a retry by the Lambda service would only say it again.
    Ok(Outcome { migrated: migrated.ok().flatten() })
}

async fn send(client: &reqwest::Client, url: &str, answer: &Answer) -> Result<(), reqwest::Error> {
    let mut pause = Duration::from_millis(500);
    for left in (0..TRIES).rev() {
        // Signed in advance for a body without a type.
        let sent =
            client.put(url).body(answer.to_json()).send().await.and_then(reqwest::Response::error_for_status);
        match sent {
            Ok(_) => return Ok(()),
            Err(error) if left == 0 => return Err(error.without_url()),
            Err(error) => tracing::warn!(error = %error.without_url(), "the answer is sent again"),
        }
        sleep(pause).await;
        pause *= 2;
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let platform = Platform::from_env()?;
    let client = reqwest::Client::builder().timeout(Duration::from_secs(20)).build()?;
    lambda::events::run(|event: Event<Request>| Box::pin(run(&platform, &client, event.payload))).await
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::{Router, http::HeaderMap, http::StatusCode, routing::put};
    use serde_json::{Value, json};
    use tokio::net::TcpListener;

    use super::*;

    type Seen = Arc<Mutex<Vec<(Option<String>, Value)>>>;

    /// Where answers go; the first `failing` are turned away.
    async fn bucket(failing: usize) -> (String, Seen) {
        let seen = Seen::default();
        let kept = seen.clone();
        let receive = move |headers: HeaderMap, body: String| async move {
            let kind = headers.get("content-type").map(|kind| format!("{kind:?}"));
            let mut seen = kept.lock().expect("no test panicked");
            seen.push((kind, serde_json::from_str(&body).expect("JSON")));
            if seen.len() <= failing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/answer?signature=fake", listener.local_addr().expect("a bound port"));
        tokio::spawn(
            async move { axum::serve(listener, Router::new().route("/answer", put(receive))).await },
        );
        (url, seen)
    }

    fn request() -> Request {
        serde_json::from_value(json!({
            "RequestType": "Update", "RequestId": "r1", "StackId": "s", "LogicalResourceId": "Migration",
            "ResourceType": "Custom::Migration", "PhysicalResourceId": "schema", "ResourceProperties": {"Version": "1"},
            "ServiceToken": "arn:aws:lambda:us-east-1:123456789012:function:migrate"
        }))
        .expect("a request")
    }

    #[tokio::test]
    async fn a_failed_migration_fails_the_deployment_in_words() {
        let (url, seen) = bucket(0).await;
        let newer = MigrationError::Newer { table: 3, readable_from: 3, code: 2 };
        let answer = Answer::new(&request(), Err(&newer));
        send(&reqwest::Client::new(), &url, &answer).await.expect("sent");
        let seen = seen.lock().expect("no test panicked");
        let (kind, body) = &seen[0];
        assert_eq!(kind, &None, "the signature does not cover a type");
        assert_eq!((&body["Status"], &body["RequestId"]), (&json!("FAILED"), &json!("r1")));
        assert!(body["Reason"].as_str().expect("a reason").contains("deploy newer code"), "{body}");
    }

    #[tokio::test]
    async fn an_answer_that_is_turned_away_is_sent_again() {
        let (url, seen) = bucket(1).await;
        let migrated = Some(Migrated { version: 1, done: vec!["first shape"] });
        let answer = Answer::new(&request(), Ok(&migrated));
        send(&reqwest::Client::new(), &url, &answer).await.expect("sent");
        let seen = seen.lock().expect("no test panicked");
        assert_eq!(seen.len(), 2);
        let wanted = json!({
            "Status": "SUCCESS", "PhysicalResourceId": "schema", "StackId": "s", "RequestId": "r1",
            "LogicalResourceId": "Migration", "Data": {"Version": 1}
        });
        assert_eq!(seen[1].1, wanted);
    }
}
