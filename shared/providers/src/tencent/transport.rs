//! One request, one answer, no repeats: the part that the cloud's API and the cluster's have in common.

use std::time::Duration;

use app::ports::ProviderError;
use reqwest::{ClientBuilder, RequestBuilder, Response, header::RETRY_AFTER};

use crate::words::bounded;

const CALL: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(5);
/// Functions are frozen between calls, and a connection that died meanwhile would turn a create call into an unknown one.
const IDLE: Duration = Duration::from_secs(5);
/// A page of jobs has some megabytes at most.
const BODY_BYTES: usize = 16 << 20;

/// An answer, whatever its status.
pub(super) struct Answer {
    pub(super) status: u16,
    /// What the header says.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// A client that neither repeats nor follows anything.
pub(super) fn builder() -> ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("gpu-control-plane/", env!("CARGO_PKG_VERSION")))
        .timeout(CALL)
        .connect_timeout(CONNECT)
        .pool_idle_timeout(IDLE)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
}

/// Sends `request` to `peer` and reads its whole answer, unless it is absurdly large.
pub(super) async fn send(peer: &str, request: RequestBuilder) -> Result<Answer, ProviderError> {
    let mut answer = request.send().await.map_err(|error| broken(peer, &error))?;
    let (status, retry_after) = (answer.status().as_u16(), retry_after(&answer));
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unanswered(peer, &error))? {
        if body.len() + chunk.len() > BODY_BYTES {
            return Err(ProviderError::Unknown(format!(
                "the answer of {peer} has more than {BODY_BYTES} bytes"
            )));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, retry_after, body })
}

/// A call that did not get its answer.
fn broken(peer: &str, error: &reqwest::Error) -> ProviderError {
    if error.is_connect() || error.is_builder() { unreachable(peer, error) } else { unanswered(peer, error) }
}

/// Nothing was sent, so nothing was done.
pub(super) fn unreachable(peer: &str, error: &reqwest::Error) -> ProviderError {
    ProviderError::RateLimited {
        retry_after: None,
        message: format!("{peer} is unreachable: {}", causes(error)),
    }
}

/// It may have been done.
fn unanswered(peer: &str, error: &reqwest::Error) -> ProviderError {
    ProviderError::Unknown(format!("{peer} did not answer: {}", causes(error)))
}

fn causes(error: &reqwest::Error) -> String {
    let mut text = if error.is_timeout() { "timed out".to_owned() } else { String::new() };
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    bounded(&text)
}

/// Whole seconds; a date is passed over.
fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
