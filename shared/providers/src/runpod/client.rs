//! RunPod over HTTP: one request, one answer, no repeats.

use std::{sync::OnceLock, time::Duration};

use app::ports::ProviderError;
use reqwest::{
    Method, Response,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use serde::{Serialize, de::DeserializeOwned};
use url::Url;

use super::{
    refusal::{self, Deed},
    wire,
};
use crate::ApiKey;

const CALL: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(5);
/// Functions are frozen between calls, and a connection that died meanwhile would turn a create call into an unknown one.
const IDLE: Duration = Duration::from_secs(5);
/// A catalogue with every data centre has some hundred kilobytes.
const BODY_BYTES: usize = 8 << 20;

/// The two APIs under one base.
pub(super) struct Client {
    base: Url,
    key: ApiKey,
    /// Made at the first call: a function that never calls RunPod does not load certificates.
    http: OnceLock<reqwest::Client>,
}

impl Client {
    pub(super) fn new(base: Url, key: ApiKey) -> Self {
        Self { base, key, http: OnceLock::new() }
    }

    /// `path` below the base; each part is one segment, however it is spelt.
    pub(super) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// A call of REST v2 with an answer that is JSON.
    pub(super) async fn rest<T: DeserializeOwned>(
        &self,
        deed: Deed,
        method: Method,
        url: Url,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, ProviderError> {
        let answer = self.send(self.request(method, url, "application/json", body)?).await?;
        let (status, retry_after) = (answer.status().as_u16(), retry_after(&answer));
        let body = read(answer).await?;
        if (200..300).contains(&status)
            && let Ok(value) = serde_json::from_slice(&body)
        {
            return Ok(value);
        }
        Err(refusal::of_status(deed, status, retry_after, self.words(&body)))
    }

    /// A call of REST v2 whose answer has no body.
    pub(super) async fn delete(&self, url: Url) -> Result<(), ProviderError> {
        let answer = self.send(self.request(Method::DELETE, url, "application/json", None::<&()>)?).await?;
        let (status, retry_after) = (answer.status().as_u16(), retry_after(&answer));
        if matches!(status, 202 | 204) {
            return Ok(());
        }
        let body = read(answer).await?;
        Err(refusal::of_status(Deed::Delete, status, retry_after, self.words(&body)))
    }

    /// A call of REST v2 whose answer is a stream of events, as soon as it begins.
    pub(super) async fn stream(&self, url: Url) -> Result<Response, ProviderError> {
        let answer = self.send(self.request(Method::GET, url, "text/event-stream", None::<&()>)?).await?;
        let (status, retry_after) = (answer.status().as_u16(), retry_after(&answer));
        if status == 200 {
            return Ok(answer);
        }
        let body = read(answer).await?;
        Err(refusal::of_status(Deed::Read, status, retry_after, self.words(&body)))
    }

    /// A GraphQL call; `pick` takes what was asked for out of the data. With it there, errors beside it do not count:
    /// what was made was made.
    pub(super) async fn graphql<D: DeserializeOwned, T>(
        &self,
        deed: Deed,
        query: &str,
        pick: impl FnOnce(D) -> Option<T>,
    ) -> Result<T, ProviderError> {
        #[derive(Serialize)]
        struct Body<'a> {
            query: &'a str,
        }
        let url = self.url(&["graphql"]);
        let answer =
            self.send(self.request(Method::POST, url, "application/json", Some(&Body { query }))?).await?;
        let (status, retry_after) = (answer.status().as_u16(), retry_after(&answer));
        let body = read(answer).await?;
        let by_status = || refusal::of_status(deed, status, retry_after, self.words(&body));
        if !matches!(status, 200 | 400) {
            return Err(by_status());
        }
        let Ok(answer) = serde_json::from_slice::<wire::Answer<D>>(&body) else { return Err(by_status()) };
        match answer.data.and_then(pick) {
            Some(value) => Ok(value),
            None if !answer.errors.is_empty() => Err(refusal::of_graphql(&answer.errors)),
            None => Err(ProviderError::Unknown(self.words(&body))),
        }
    }

    fn request(
        &self,
        method: Method,
        url: Url,
        accept: &'static str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<reqwest::RequestBuilder, ProviderError> {
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", self.key.expose())).map_err(|_| {
            ProviderError::Credentials("the RunPod API key has characters that no key has".into())
        })?;
        bearer.set_sensitive(true);
        let request = self
            .http()?
            .request(method, url)
            .timeout(CALL)
            .header(AUTHORIZATION, bearer)
            .header(ACCEPT, accept);
        let Some(body) = body else { return Ok(request) };
        let json = serde_json::to_vec(body).map_err(|error| ProviderError::Invalid(error.to_string()))?;
        Ok(request.header(CONTENT_TYPE, "application/json").body(json))
    }

    fn http(&self) -> Result<&reqwest::Client, ProviderError> {
        if let Some(http) = self.http.get() {
            return Ok(http);
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("gpu-control-plane/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never());
        if self.base.scheme() == "http" {
            // A simulation: no certificates are needed, and a machine may have none.
            builder = builder.tls_certs_only([]);
        }
        let made = builder.build().map_err(|error| unreachable(&error))?;
        Ok(self.http.get_or_init(|| made))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, ProviderError> {
        request.send().await.map_err(|error| broken(&error))
    }

    /// The provider's words, without our key should they repeat it.
    fn words(&self, body: &[u8]) -> String {
        let words = refusal::words(body);
        if self.key.expose().is_empty() { words } else { words.replace(self.key.expose(), "***") }
    }
}

/// A call that did not get its answer.
fn broken(error: &reqwest::Error) -> ProviderError {
    if error.is_connect() || error.is_builder() { unreachable(error) } else { unanswered(error) }
}

/// Nothing was sent, so nothing was done.
fn unreachable(error: &reqwest::Error) -> ProviderError {
    ProviderError::RateLimited {
        retry_after: None,
        message: format!("RunPod is unreachable: {}", causes(error)),
    }
}

/// It may have been done.
fn unanswered(error: &reqwest::Error) -> ProviderError {
    ProviderError::Unknown(format!("RunPod did not answer: {}", causes(error)))
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
    refusal::bounded(&text)
}

/// The whole body, unless it is absurdly large.
async fn read(mut answer: Response) -> Result<Vec<u8>, ProviderError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unanswered(&error))? {
        if body.len() + chunk.len() > BODY_BYTES {
            return Err(ProviderError::Unknown(format!("RunPod's answer has more than {BODY_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// RunPod gives whole seconds.
fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
