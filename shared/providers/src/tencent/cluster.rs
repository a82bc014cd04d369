//! A cluster's API over HTTP: the few calls of Kubernetes that a job needs.
//!
//! The functions have a size to keep, and a general client for Kubernetes would bring more than they have left.

use std::net::{IpAddr, SocketAddr};

use app::ports::ProviderError;
use reqwest::{
    Method,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use url::Url;

use super::{
    kubeconfig::Access,
    refusal::{self, Deed},
    transport::{self, Answer, send},
};
use crate::{ApiKey, words::bounded};

pub(super) const PEER: &str = "the cluster";
/// Jobs or pods of one page.
const PAGE: &str = "500";

/// A cluster as it is reached.
pub(super) struct Cluster {
    server: Url,
    token: Option<ApiKey>,
    http: reqwest::Client,
}

impl Cluster {
    /// `endpoint` is the address that stands behind the server's name, where it is one: the name of a TKE cluster is known
    /// inside its VPC alone.
    pub(super) fn new(access: Access, endpoint: Option<&str>) -> Result<Self, ProviderError> {
        let unusable =
            |what: &str| ProviderError::Credentials(format!("the kubeconfig's {what} is unusable"));
        let Access { server, authority, token, identity } = access;
        let mut builder = transport::builder();
        if server.scheme() == "http" {
            builder = builder.tls_certs_only([]);
        } else if let Some(pem) = authority {
            let authorities = reqwest::Certificate::from_pem_bundle(&pem);
            let authorities = authorities.map_err(|_| unusable("certificate-authority-data"))?;
            builder = builder.tls_certs_only(authorities);
        }
        if let Some(identity) = identity {
            let identity = reqwest::Identity::from_pem(identity.expose().as_bytes());
            builder = builder.identity(identity.map_err(|_| unusable("client certificate"))?);
        }
        if let (Some(domain), Some(address)) = (server.domain(), endpoint.and_then(address)) {
            builder = builder.resolve(domain, address);
        }
        let http = builder.build().map_err(|error| transport::unreachable(PEER, &error))?;
        Ok(Self { server, token, http })
    }

    /// `path` below the server's address; each part is one segment, however it is spelt.
    pub(super) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.server.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, ProviderError> {
        let answer = self.send(Method::GET, url, None).await?;
        self.value(Deed::Read, &answer)
    }

    pub(super) async fn text(&self, url: Url) -> Result<String, ProviderError> {
        let answer = self.send(Method::GET, url, None).await?;
        if answer.status == 200 {
            return Ok(String::from_utf8_lossy(&answer.body).into_owned());
        }
        Err(self.refusal(Deed::Read, &answer))
    }

    /// `None` where there is one of that name already.
    pub(super) async fn create<T: DeserializeOwned>(
        &self,
        url: Url,
        body: &Value,
    ) -> Result<Option<T>, ProviderError> {
        let answer = self.send(Method::POST, url, Some(("application/json", body))).await?;
        if answer.status == 409 {
            let status = serde_json::from_slice::<super::wire::Status>(&answer.body);
            if status.is_ok_and(|status| status.reason == "AlreadyExists") {
                return Ok(None);
            }
        }
        self.value(Deed::Create, &answer).map(Some)
    }

    pub(super) async fn merge(&self, url: Url, body: &Value) -> Result<(), ProviderError> {
        let answer = self.send(Method::PATCH, url, Some(("application/merge-patch+json", body))).await?;
        self.value::<Value>(Deed::Read, &answer).map(drop)
    }

    /// `Ok` means that it was accepted.
    pub(super) async fn delete(&self, url: Url) -> Result<(), ProviderError> {
        let answer = self.send(Method::DELETE, url, None).await?;
        // The answer is the object or a status; a web page would be neither.
        self.value::<Value>(Deed::Delete, &answer).map(drop)
    }

    /// Every page of a list.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        path: &[&str],
        selector: &str,
    ) -> Result<Vec<T>, ProviderError> {
        let mut items = Vec::new();
        let mut next = String::new();
        loop {
            let mut url = self.url(path);
            url.query_pairs_mut().append_pair("labelSelector", selector).append_pair("limit", PAGE);
            if !next.is_empty() {
                url.query_pairs_mut().append_pair("continue", &next);
            }
            let page: super::wire::List<T> = self.get(url).await?;
            items.extend(page.items);
            if page.metadata.next.is_empty() {
                return Ok(items);
            }
            next = page.metadata.next;
        }
    }

    fn value<T: DeserializeOwned>(&self, deed: Deed, answer: &Answer) -> Result<T, ProviderError> {
        if (200..300).contains(&answer.status) {
            return serde_json::from_slice(&answer.body).map_err(|_| {
                let words = self.hidden(bounded(&String::from_utf8_lossy(&answer.body)));
                ProviderError::Unknown(format!("{}: {words}", answer.status))
            });
        }
        Err(self.refusal(deed, answer))
    }

    fn refusal(&self, deed: Deed, answer: &Answer) -> ProviderError {
        let Some(token) = self.token.as_ref().map(ApiKey::expose).filter(|token| !token.is_empty()) else {
            return refusal::of_status(deed, answer.status, answer.retry_after, &answer.body);
        };
        let body = String::from_utf8_lossy(&answer.body).replace(token, "***");
        refusal::of_status(deed, answer.status, answer.retry_after, body.as_bytes())
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<(&'static str, &Value)>,
    ) -> Result<Answer, ProviderError> {
        let mut request = self.http.request(method, url).header(ACCEPT, "application/json");
        if let Some(token) = &self.token {
            let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(|_| {
                ProviderError::Credentials("the kubeconfig's token has characters that no token has".into())
            })?;
            bearer.set_sensitive(true);
            request = request.header(AUTHORIZATION, bearer);
        }
        if let Some((kind, body)) = body {
            request = request.header(CONTENT_TYPE, kind).body(body.to_string());
        }
        send(PEER, request).await
    }

    fn hidden(&self, words: String) -> String {
        match self.token.as_ref().map(ApiKey::expose) {
            Some(token) if !token.is_empty() => words.replace(token, "***"),
            _ => words,
        }
    }
}

fn address(endpoint: &str) -> Option<SocketAddr> {
    let port = 0; // The URL's own.
    endpoint.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, port))
}
