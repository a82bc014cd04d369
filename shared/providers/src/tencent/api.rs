//! The cloud's own API: one signed request, one answer.

use std::sync::{Arc, OnceLock};

use app::ports::{Clock, ProviderError};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::{
    refusal,
    signature::Request,
    transport::{self, send},
    wire,
};
use crate::{ApiKey, words::bounded};

const PEER: &str = "Tencent Cloud";
const JSON: &str = "application/json";

/// A part of the cloud with an API of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Clusters.
    Tke,
    /// Machines, and what they cost.
    Cvm,
    /// The account's books.
    Billing,
}

impl Service {
    const fn name(self) -> &'static str {
        match self {
            Self::Tke => "tke",
            Self::Cvm => "cvm",
            Self::Billing => "billing",
        }
    }

    const fn version(self) -> &'static str {
        match self {
            Self::Tke => "2018-05-25",
            Self::Cvm => "2017-03-12",
            Self::Billing => "2018-07-09",
        }
    }
}

pub(super) struct Api {
    /// What stands in for each service's own host.
    base: Option<Url>,
    region: String,
    secret_id: ApiKey,
    secret_key: ApiKey,
    clock: Arc<dyn Clock>,
    /// Made at the first call: a function that never calls Tencent Cloud does not load certificates.
    http: OnceLock<reqwest::Client>,
}

impl Api {
    pub(super) fn new(
        base: Option<Url>,
        region: String,
        secret_id: ApiKey,
        secret_key: ApiKey,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { base, region, secret_id, secret_key, clock, http: OnceLock::new() }
    }

    /// What stands in for the cloud, if anything does.
    pub(super) fn base(&self) -> Option<&Url> {
        self.base.as_ref()
    }

    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        service: Service,
        action: &'static str,
        body: &Value,
    ) -> Result<T, ProviderError> {
        let answer = send(PEER, self.request(service, action, body)?).await?;
        let said = || self.hidden(&bounded(&String::from_utf8_lossy(&answer.body)));
        if answer.status == 429 {
            return Err(ProviderError::RateLimited { retry_after: answer.retry_after, message: said() });
        }
        let unknown = || ProviderError::Unknown(format!("{}: {}", answer.status, said()));
        if answer.status != 200 {
            return Err(unknown());
        }
        let envelope: wire::Envelope = serde_json::from_slice(&answer.body).map_err(|_| unknown())?;
        let response = envelope.response.get();
        if let Ok(wire::Failure { error }) = serde_json::from_str(response) {
            return Err(refusal::of_code(&error.code, &self.hidden(&error.message), answer.retry_after));
        }
        serde_json::from_str(response).map_err(|_| unknown())
    }

    fn request(
        &self,
        service: Service,
        action: &'static str,
        body: &Value,
    ) -> Result<reqwest::RequestBuilder, ProviderError> {
        let invalid = |error: &dyn std::fmt::Display| ProviderError::Invalid(format!("{PEER}: {error}"));
        let url = match &self.base {
            Some(base) => base.clone(),
            None => Url::parse(&format!("https://{}.tencentcloudapi.com/", service.name()))
                .map_err(|error| invalid(&error))?,
        };
        let mut host = url.host_str().unwrap_or_default().to_owned();
        if let Some(port) = url.port() {
            host = format!("{host}:{port}");
        }
        let body = body.to_string();
        let at = self.clock.now();
        let signed =
            Request { method: "POST", query: "", content_type: JSON, host: &host, body: body.as_bytes() };
        let authorization = signed.authorization(&self.secret_id, &self.secret_key, service.name(), at);
        let mut authorization = HeaderValue::try_from(authorization).map_err(|_| {
            ProviderError::Credentials("the secret id has characters that no id has".to_owned())
        })?;
        authorization.set_sensitive(true);
        Ok(self
            .http()?
            .post(url)
            .header(HOST, &host)
            .header(CONTENT_TYPE, JSON)
            .header("x-tc-action", action)
            .header("x-tc-version", service.version())
            .header("x-tc-region", &self.region)
            .header("x-tc-timestamp", at.as_second())
            .header("x-tc-language", "en-US")
            .header(AUTHORIZATION, authorization)
            .body(body))
    }

    fn http(&self) -> Result<&reqwest::Client, ProviderError> {
        if let Some(http) = self.http.get() {
            return Ok(http);
        }
        let mut builder = transport::builder();
        if self.base.as_ref().is_some_and(|url| url.scheme() == "http") {
            // A simulation: no certificates are needed, and a machine may have none.
            builder = builder.tls_certs_only([]);
        }
        let made = builder.build().map_err(|error| transport::unreachable(PEER, &error))?;
        Ok(self.http.get_or_init(|| made))
    }

    /// The cloud's words, without our key should they repeat it.
    fn hidden(&self, words: &str) -> String {
        let key = self.secret_key.expose();
        if key.is_empty() { words.to_owned() } else { words.replace(key, "***") }
    }
}
