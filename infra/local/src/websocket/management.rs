//! `@connections`: how functions reach the clients.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc::error::TrySendError;

use super::connection::Outgoing;
use super::{Front, MESSAGE_LIMIT};

impl Front {
    /// Carries out a request on a connection.
    pub fn manage(&self, method: &Method, id: &str, body: Bytes) -> Response {
        match *method {
            Method::POST => self.send(id, body),
            Method::DELETE => {
                let outgoing = self.connections().get(id).map(|connection| connection.outgoing.clone());
                match outgoing.map(|outgoing| outgoing.try_send(Outgoing::Close)) {
                    Some(Ok(()) | Err(TrySendError::Full(_))) => empty(StatusCode::NO_CONTENT),
                    Some(Err(TrySendError::Closed(_))) | None => gone(),
                }
            }
            Method::GET => {
                let Some(connection) = self.connections().get(id).cloned() else { return gone() };
                let time = |time: Timestamp| time.to_string();
                let body = json!({
                    "connectedAt": time(connection.client.connected),
                    "lastActiveAt": time(connection.last_active),
                    "identity": {
                        "sourceIp": connection.client.source.to_string(),
                        "userAgent": connection.client.user_agent,
                    },
                });
                let mut response = Response::new(Body::from(body.to_string()));
                response
                    .headers_mut()
                    .insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
            _ => error(StatusCode::FORBIDDEN, "ForbiddenException", "Forbidden"),
        }
    }

    /// Sends a message to a client.
    pub(super) fn send(&self, id: &str, body: Bytes) -> Response {
        if body.len() > MESSAGE_LIMIT {
            return error(StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException", "Message too long");
        }
        let outgoing = self.connections().get(id).map(|connection| connection.outgoing.clone());
        match outgoing.map(|outgoing| outgoing.try_send(Outgoing::Message(body))) {
            Some(Ok(())) => empty(StatusCode::OK),
            Some(Err(TrySendError::Full(_))) => error(
                StatusCode::TOO_MANY_REQUESTS,
                "LimitExceededException",
                "Too many messages wait for the client",
            ),
            Some(Err(TrySendError::Closed(_))) | None => gone(),
        }
    }
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn gone() -> Response {
    error(StatusCode::GONE, "GoneException", "The connection is gone")
}

/// An error in the form of the service.
pub fn error(status: StatusCode, kind: &'static str, message: &str) -> Response {
    let mut response = Response::new(Body::from(json!({ "message": message }).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(kind));
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
