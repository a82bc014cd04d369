//! The way to the clouds. Functions reach a simulated cloud through the AWS port, so that their calls pass the edge
//! that faults can strike; a real cloud they call themselves.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde_json::json;
use tracing::warn;

use crate::edge::{Edge, Edges, Refusal};

/// The simulated clouds, by name.
#[derive(Debug, Default)]
pub struct Clouds {
    urls: BTreeMap<String, String>,
    client: reqwest::Client,
}

/// Headers of the hop between here and the cloud. The host is not among them: some clouds' signatures cover it.
const HOP: [&str; 4] = ["connection", "transfer-encoding", "content-length", "keep-alive"];

impl Clouds {
    pub fn new(urls: BTreeMap<String, String>) -> Result<Self, reqwest::Error> {
        let client =
            reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { urls, client })
    }

    /// Their own URLs.
    pub fn urls(&self) -> &BTreeMap<String, String> {
        &self.urls
    }

    /// The path below `/_clouds/` that leads a function to a cloud.
    pub fn path(function: &str, cloud: &str) -> String {
        format!("/_clouds/{function}/{cloud}")
    }

    /// Carries a request to `{function}/{cloud}/{path}` on to the cloud.
    pub async fn forward(&self, edges: &Edges, parts: &Parts, path: &str, body: Bytes) -> Response {
        let mut words = path.splitn(3, '/');
        let (function, cloud) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let rest = words.next().unwrap_or_default();
        let Some(base) = self.urls.get(cloud) else {
            return answer(StatusCode::NOT_FOUND, "no such cloud");
        };
        let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let url = format!("{base}/{rest}{query}");
        // Where one path does everything, a header says what.
        let action =
            ["x-acs-action", "x-tc-action"].iter().find_map(|name| parts.headers.get(*name)?.to_str().ok());
        let operation = match action {
            Some(action) => format!("{} /{rest} {action}", parts.method),
            None => format!("{} /{rest}", parts.method),
        };
        let act = || async {
            let mut request = self.client.request(parts.method.clone(), &url).body(body.clone());
            for (name, value) in &parts.headers {
                if !HOP.contains(&name.as_str()) {
                    request = request.header(name, value);
                }
            }
            match request.send().await {
                Ok(response) => {
                    let (status, headers) = (response.status(), response.headers().clone());
                    let mut relayed = Response::new(Body::from_stream(response.bytes_stream()));
                    *relayed.status_mut() = status;
                    for (name, value) in &headers {
                        if !HOP.contains(&name.as_str()) {
                            relayed.headers_mut().append(name, value.clone());
                        }
                    }
                    relayed
                }
                Err(error) => {
                    warn!(%error, cloud, "a simulated cloud does not answer");
                    answer(StatusCode::BAD_GATEWAY, "the cloud does not answer")
                }
            }
        };
        let refuse = |refusal| match refusal {
            Refusal::Failed => answer(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
            Refusal::Throttled => answer(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
        };
        edges.through((Edge::Provider, &operation, function), act, refuse).await
    }
}

fn answer(status: StatusCode, message: &str) -> Response {
    let mut response = Response::new(Body::from(json!({ "error": message }).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
