//! The front of the HTTP API, on the port that people use. What no route takes is the frontend's, if it was built.

mod event;
mod files;
mod routes;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use serde_json::json;
use tracing::{debug, warn};

use crate::bill::Meter;
use crate::edge::{Edge, Refusal};
use crate::functions::Functions;
use crate::lambda::{Outcome, PAYLOAD_LIMIT};
use crate::websocket;
pub use event::{Origin, joined, parameters, request_id};
pub use routes::{Routes, decode};

/// The largest body of a request.
const BODY_LIMIT: usize = 10 * 1024 * 1024;
/// How much of a body that is too large is read before the connection is cut.
const PATIENCE: usize = 64 * 1024 * 1024;
/// A request is billed per piece of this size.
const METERED_PIECE: usize = 512 * 1024;
/// Where WebSocket clients connect on this port.
pub const WEBSOCKET_PATH: &str = "/ws";

/// The front.
#[derive(Debug)]
pub struct Front {
    pub routes: Routes,
    pub origin: Origin,
    pub functions: Functions,
    pub meter: Arc<Meter>,
    pub websocket: Option<Arc<websocket::Front>>,
    /// The built frontend.
    pub files: Option<PathBuf>,
}

/// The service to be served with the peer's address.
pub fn router(front: Arc<Front>) -> Router {
    Router::new().fallback(handle).with_state(front)
}

async fn handle(
    State(front): State<Arc<Front>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    if let Some(websocket) = &front.websocket
        && request.uri().path() == WEBSOCKET_PATH
    {
        return websocket.clone().connect(request, peer.ip()).await;
    }
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    if front.routes.find(method.as_str(), &path).is_none() {
        if matches!(method, Method::GET | Method::HEAD)
            && !front.routes.owns(&path)
            && let Some(folder) = &front.files
            && let Some(response) = files::answer(folder, &path).await
        {
            return response;
        }
        return message(StatusCode::NOT_FOUND, "Not Found");
    }
    let operation = format!("{method} {path}");
    let mut response = front.route(request, peer.ip(), &operation).await;
    if method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}

impl Front {
    async fn route(&self, request: Request, source: IpAddr, operation: &str) -> Response {
        let (parts, body) = request.into_parts();
        let Some(body) = read(body).await else {
            return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        };
        let Some(route) = self.routes.find(parts.method.as_str(), parts.uri.path()) else {
            return message(StatusCode::NOT_FOUND, "Not Found");
        };
        let pieces = body.len().div_ceil(METERED_PIECE).max(1);
        self.meter.add(|usage| usage.http_requests += pieces as u64);
        let event = Bytes::from(event::request(&self.origin, &route, &parts, &body, source).to_string());
        if event.len() > PAYLOAD_LIMIT {
            return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large");
        }
        let function = &route.integration.function;
        let short = self.functions.host.function(function).map_or("", |function| function.short.as_str());
        let act = || async {
            let call = self.functions.invoke(function, event.clone());
            if let Ok(outcome) = tokio::time::timeout(route.integration.timeout, call).await {
                return answer(operation, outcome);
            }
            warn!(operation, "the function took longer than an API waits");
            message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        };
        self.functions.edges.through((Edge::Http, operation, short), act, refuse).await
    }
}

/// The body, or none if it is too large. It is read to its end all the same, up to a limit: a client that is still
/// sending does not listen.
async fn read(body: Body) -> Option<Bytes> {
    let mut whole = BytesMut::new();
    let mut length = 0;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.ok()?;
        length += piece.len();
        if length <= BODY_LIMIT {
            whole.extend_from_slice(&piece);
        } else if length > PATIENCE {
            return None;
        }
    }
    (length <= BODY_LIMIT).then(|| whole.freeze())
}

fn answer(operation: &str, outcome: Outcome) -> Response {
    match outcome {
        Outcome::Ok(body) => {
            if let Some(response) = event::response(&body) {
                debug!(operation, status = response.status().as_u16(), "answered");
                return response;
            }
            warn!(operation, "the function's answer is not a response");
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
        Outcome::Failed(error) => {
            warn!(operation, error = %String::from_utf8_lossy(&error), "the function failed");
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
        Outcome::Refused { error: "TooManyRequestsException", .. } => {
            message(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable")
        }
        Outcome::Refused { error, message: cause } => {
            warn!(operation, error, cause, "the function was not run");
            message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
        }
    }
}

fn refuse(refusal: Refusal) -> Response {
    match refusal {
        Refusal::Failed => message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        Refusal::Throttled => message(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
    }
}

/// An answer of API Gateway itself.
pub fn message(status: StatusCode, text: &str) -> Response {
    let mut response = Response::new(Body::from(json!({ "message": text }).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
