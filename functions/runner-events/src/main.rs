//! What runners report. Each message is acknowledged only when all that follows from it is done.

mod message;

use std::{sync::Arc, time::Duration};

use app::machine::{Message, Reply, StepError, Stop};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::post,
};
use domain::AttemptId;
use lambda::{Carrier, Problem};

#[derive(Clone)]
struct Api {
    platform: lambda::Platform,
    carrier: Arc<Carrier>,
}

/// The largest message: a piece of log, or an output with its exit.
const BODY_LIMIT: usize = 1024 * 1024;

async fn hear(
    State(api): State<Api>,
    Path((attempt, kind)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let machine = api.carrier.machine().await.map_err(Problem::internal)?;
    // A wrong attempt and a wrong token look the same from outside.
    let refused = || Problem::unauthorized("invalid_runner_token", "The token is not good for this attempt.");
    let attempt: AttemptId = attempt.parse().map_err(|_| refused())?;
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = token.strip_prefix("Bearer ").unwrap_or_default();
    if !machine.runner_key.accepts(attempt, token) {
        return Err(refused());
    }
    let (sender, report) = message::read(&kind, &headers, &body, api.platform.clock().now())?;
    let message = Message { attempt, runner: sender.runner_id, number: sender.sequence, report };
    let reply = machine.hear(&message).await.map_err(problem)?;
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text(reply)).into_response())
}

fn text(reply: Reply) -> String {
    use runner::protocol::{Reply as Text, Stop as Word};
    match reply {
        Reply::Go { every, secrets } => {
            let every = Duration::try_from_secs_f64(every).unwrap_or(Duration::from_mins(1));
            let go = Text::go().every(every);
            secrets.into_iter().fold(go, |text, (name, value)| text.secret(name, value)).into_text()
        }
        Reply::Stop(Stop::Cancel) => Text::stop(Word::Cancel).into_text(),
        Reply::Stop(Stop::Superseded) => Text::stop(Word::Superseded).into_text(),
        Reply::Stop(Stop::Gone) => Text::stop(Word::Gone).into_text(),
    }
}

/// A runner sends a message again that was answered with 5xx.
fn problem(error: StepError) -> Problem {
    Problem::unavailable(error)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda::Error> {
    let platform = lambda::Platform::from_env()?;
    let carrier = Arc::new(Carrier::new(platform.clone()));
    let routes = Router::new()
        .route("/v1/runner/{attempt}/{kind}", post(hear))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(Api { platform, carrier });
    lambda::http::run(routes).await
}
