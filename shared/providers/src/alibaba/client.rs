//! ECS over HTTP: one signed request, one answer, no repeats.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use app::ports::{Clock, ProviderError};
use reqwest::{
    Response,
    header::{AUTHORIZATION, HeaderValue, RETRY_AFTER},
};
use serde::de::DeserializeOwned;
use url::Url;

use super::{refusal, sign};
use crate::ApiKey;

/// The cloud's books are one for all regions.
const BOOKS: &str = "https://business.aliyuncs.com/";
const CALL: Duration = Duration::from_secs(20);
const CONNECT: Duration = Duration::from_secs(5);
/// A function is frozen between calls; a connection that died meanwhile would turn a create call into an unknown one.
const IDLE: Duration = Duration::from_secs(5);
const BODY_BYTES: usize = 8 << 20;

/// A call's parameters.
pub(super) type Query = [(&'static str, String)];

/// A part of the cloud with an API of its own.
#[derive(Debug, Clone, Copy)]
enum Service<'a> {
    /// ECS in a region.
    Machines(&'a str),
    /// What everything costs.
    Books,
}

impl Service<'_> {
    const fn version(self) -> &'static str {
        match self {
            Self::Machines(_) => "2014-05-26",
            Self::Books => "2017-12-14",
        }
    }
}

/// All regions of ECS under one key.
pub(super) struct Client {
    /// What stands in for every region's own host.
    base: Option<Url>,
    key_id: String,
    secret: ApiKey,
    clock: Arc<dyn Clock>,
    /// Made at the first call: a function that never calls Alibaba Cloud loads no certificates.
    http: OnceLock<reqwest::Client>,
}

impl Client {
    pub(super) fn new(base: Option<Url>, key_id: String, secret: ApiKey, clock: Arc<dyn Clock>) -> Self {
        Self { base, key_id, secret, clock, http: OnceLock::new() }
    }

    /// Calls `action` in `region`.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        region: &str,
        action: &'static str,
        query: &Query,
    ) -> Result<T, ProviderError> {
        self.ask(Service::Machines(region), action, query).await
    }

    /// Calls `action` of the account's books.
    pub(super) async fn books<T: DeserializeOwned>(
        &self,
        action: &'static str,
        query: &Query,
    ) -> Result<T, ProviderError> {
        self.ask(Service::Books, action, query).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        service: Service<'_>,
        action: &'static str,
        query: &Query,
    ) -> Result<T, ProviderError> {
        let request = self.request(service, action, query)?;
        let answer = request.send().await.map_err(|error| broken(&error))?;
        let (status, retry_after) = (answer.status().as_u16(), retry_after(&answer));
        let body = read(answer).await?;
        // An answer is an object; a list would be read as one by the order of its parts.
        if status == 200
            && body.trim_ascii_start().starts_with(b"{")
            && let Ok(value) = serde_json::from_slice(&body)
        {
            return Ok(value);
        }
        let secret = self.secret.expose();
        let hide = |words: String| if secret.is_empty() { words } else { words.replace(secret, "***") };
        Err(refusal::of_answer(status, &body, retry_after, hide))
    }

    fn request(
        &self,
        service: Service<'_>,
        action: &'static str,
        query: &Query,
    ) -> Result<reqwest::RequestBuilder, ProviderError> {
        let mut url = self.url(service)?;
        url.set_query(Some(&sign::query(query)));
        let host = match (url.host_str().unwrap_or_default(), url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let headers = [
            ("accept", "application/json".to_owned()),
            ("host", host),
            ("x-acs-action", action.to_owned()),
            ("x-acs-content-sha256", sign::sha256(b"")),
            ("x-acs-date", self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            ("x-acs-signature-nonce", uuid::Uuid::new_v4().simple().to_string()),
            ("x-acs-version", service.version().to_owned()),
        ];
        // The path is always this one; what stands in for the cloud may be below another.
        let signed = sign::Request { method: "POST", path: "/", query, headers: &headers, body: b"" };
        let mut authorization = HeaderValue::try_from(
            signed.authorization(&self.key_id, self.secret.expose()),
        )
        .map_err(|_| ProviderError::Credentials("the access key id has characters that no key has".into()))?;
        authorization.set_sensitive(true);
        let mut request =
            self.http()?.post(url).timeout(CALL).header(AUTHORIZATION, authorization).body(Vec::new());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        Ok(request)
    }

    fn url(&self, service: Service<'_>) -> Result<Url, ProviderError> {
        if let Some(base) = &self.base {
            return Ok(base.clone());
        }
        let invalid = |error: url::ParseError| ProviderError::Invalid(error.to_string());
        let region = match service {
            Service::Books => return Url::parse(BOOKS).map_err(invalid),
            Service::Machines(region) => region,
        };
        // It becomes part of a host's name, and the key goes there.
        if region.is_empty() || !region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            return Err(ProviderError::Invalid(refusal::bounded(&format!("{region} is no region"))));
        }
        Url::parse(&format!("https://ecs.{region}.aliyuncs.com/")).map_err(invalid)
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
        if self.base.as_ref().is_some_and(|base| base.scheme() == "http") {
            // A simulation: no certificates are needed, and a machine may have none.
            builder = builder.tls_certs_only([]);
        }
        let made = builder.build().map_err(|error| unreachable(&error))?;
        Ok(self.http.get_or_init(|| made))
    }
}

fn broken(error: &reqwest::Error) -> ProviderError {
    if error.is_connect() || error.is_builder() { unreachable(error) } else { unanswered(error) }
}

/// Nothing was sent, so nothing was done.
fn unreachable(error: &reqwest::Error) -> ProviderError {
    let message = format!("Alibaba Cloud is unreachable: {}", causes(error));
    ProviderError::RateLimited { retry_after: None, message }
}

/// It may have been done.
fn unanswered(error: &reqwest::Error) -> ProviderError {
    ProviderError::Unknown(format!("Alibaba Cloud did not answer: {}", causes(error)))
}

/// The causes alone: the error's own text holds the address, and that the user data.
fn causes(error: &reqwest::Error) -> String {
    let mut parts = Vec::new();
    if error.is_timeout() {
        parts.push("timed out".to_owned());
    }
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        parts.push(error.to_string());
        cause = error.source();
    }
    refusal::bounded(&parts.join(": "))
}

/// The whole body, unless it is absurdly large.
async fn read(mut answer: Response) -> Result<Vec<u8>, ProviderError> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| unanswered(&error))? {
        if body.len() + chunk.len() > BODY_BYTES {
            return Err(ProviderError::Unknown(format!("the answer has more than {BODY_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Alibaba's own header counts in milliseconds, the usual one in seconds.
fn retry_after(answer: &Response) -> Option<Duration> {
    let number =
        |name: &str| -> Option<u64> { answer.headers().get(name)?.to_str().ok()?.trim().parse().ok() };
    number("x-acs-retry-after")
        .map(Duration::from_millis)
        .or_else(|| number(RETRY_AFTER.as_str()).map(Duration::from_secs))
}
