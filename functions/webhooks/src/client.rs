//! The way to other people's servers.
//!
//! A user's address must not lead to what only this platform can reach. So a name is looked up here, what it leads to is
//! held against the rule, and the connection goes to one of the addresses that passed: there is no second look-up that
//! could answer differently. An address that is written out, in whichever form, is held against the same rule. A redirect
//! is an answer like any other and is not followed.

use std::{
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use app::ports::{Answer, CallClient, CallError, CallRequest};
use async_trait::async_trait;
use domain::{address::is_public, workflow::Method};
use futures::StreamExt;
use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::RETRY_AFTER,
    redirect::Policy,
};
use url::Host;

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Which addresses may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Those of the public internet.
    Public,
    /// Those, and this machine: for development.
    Loopback,
}

impl Reach {
    fn allows(self, address: IpAddr) -> bool {
        is_public(address) || self == Self::Loopback && address.to_canonical().is_loopback()
    }
}

/// Where names lead.
#[async_trait]
pub trait Names: Send + Sync {
    /// Every address of a name.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The machine's own resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemNames;

#[async_trait]
impl Names for SystemNames {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// A name that leads to no address that may be called.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the address is not one of the public internet")]
struct NotPublic;

/// Looks names up and lets through what may be called.
struct Guard {
    names: Arc<dyn Names>,
    reach: Reach,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (names, reach) = (self.names.clone(), self.reach);
        Box::pin(async move {
            let mut found = names.addresses(name.as_str()).await?;
            let known = !found.is_empty();
            found.retain(|address| reach.allows(*address));
            if known && found.is_empty() {
                return Err(NotPublic.into());
            }
            let found = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(found) as Addrs)
        })
    }
}

/// An HTTP client that reaches public addresses alone.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    reach: Reach,
}

impl Client {
    /// A client that looks names up with `names`.
    ///
    /// # Errors
    /// If the machine has no certificates to verify servers with.
    pub fn new(reach: Reach, names: Arc<dyn Names>) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .dns_resolver(Arc::new(Guard { names, reach }))
            .redirect(Policy::none())
            // A proxy would look names up by itself.
            .no_proxy()
            .referer(false)
            .connect_timeout(CONNECT)
            // A message is alone: a connection that is kept would only be a way around the next look-up.
            .pool_max_idle_per_host(0)
            .user_agent("gpu-webhooks/1")
            .build()?;
        Ok(Self { http, reach })
    }

    /// The URL, if what is written in it may be called. Numbers of any base and embedded addresses are addresses by then.
    fn url(&self, text: &str) -> Result<Url, CallError> {
        let refused = |why: &str| CallError::Refused(why.to_owned());
        let url = Url::parse(text).map_err(|_| refused("the address cannot be read"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refused("the address is neither https:// nor http://"));
        }
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) => None,
            None => return Err(refused("the address has no host")),
        };
        match literal {
            Some(address) if !self.reach.allows(address) => Err(CallError::Refused(NotPublic.to_string())),
            _ => Ok(url),
        }
    }

    async fn exchange(&self, url: Url, request: &CallRequest<'_>) -> Result<Answer, CallError> {
        let mut sent = self.http.request(method(request.method), url);
        for (name, value) in request.headers {
            sent = sent.header(name, value);
        }
        if let Some(body) = request.body {
            sent = sent.body(body.to_owned());
        }
        let answer = sent.send().await.map_err(|error| failure(&error))?;
        let status = answer.status().as_u16();
        let retry_after =
            answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let mut bytes = Vec::new();
        let mut body = answer.bytes_stream();
        while bytes.len() < request.keep {
            match body.next().await {
                Some(Ok(piece)) => {
                    bytes.extend_from_slice(&piece[..piece.len().min(request.keep - bytes.len())]);
                }
                // What the server decided is known; a text that ends early changes nothing of it.
                Some(Err(_)) | None => break,
            }
        }
        Ok(Answer { status, retry_after, body: String::from_utf8_lossy(&bytes).into_owned() })
    }
}

#[async_trait]
impl CallClient for Client {
    async fn call(&self, request: CallRequest<'_>) -> Result<Answer, CallError> {
        let url = self.url(request.url)?;
        tokio::time::timeout(request.timeout, self.exchange(url, &request))
            .await
            .unwrap_or_else(|_| Err(CallError::Failed("the server took too long".to_owned())))
    }
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

/// Why there was no answer, without what our own network looks like.
fn failure(error: &reqwest::Error) -> CallError {
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(present) = cause {
        if let Some(refused) = present.downcast_ref::<NotPublic>() {
            return CallError::Refused(refused.to_string());
        }
        cause = present.source();
    }
    if error.is_builder() {
        return CallError::Refused("the address or a header cannot be sent".to_owned());
    }
    CallError::Failed(
        if error.is_timeout() {
            "the server took too long"
        } else if error.is_connect() {
            "the server cannot be reached"
        } else {
            "the connection ended without an answer"
        }
        .to_owned(),
    )
}
