//! The front of the WebSocket API. A handshake is granted by the status that the function of `$connect` answers;
//! messages go to the route that they name or to `$default`; limits are API Gateway's.

mod connection;
mod management;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use base64::Engine;
use http::header::{CONNECTION, HeaderValue, UPGRADE, USER_AGENT};
use http::{HeaderMap, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tracing::{debug, warn};

use crate::bill::Meter;
use crate::functions::Functions;
use crate::http::{joined, message, parameters, request_id};
use crate::lambda::Outcome;
use crate::template::Api;
use connection::Outgoing;
pub use management::error;

/// The largest message, either way.
pub const MESSAGE_LIMIT: usize = 128 * 1024;
/// The largest frame of a client.
const FRAME_LIMIT: usize = 32 * 1024;
/// Messages that may wait for a slow client.
const WAITING: usize = 512;

/// The front.
#[derive(Debug)]
pub struct Front {
    api: Api,
    functions: Functions,
    meter: Arc<Meter>,
    connections: Mutex<HashMap<String, Connection>>,
}

/// What is known of an open connection.
#[derive(Debug, Clone)]
struct Connection {
    outgoing: mpsc::Sender<Outgoing>,
    client: Client,
    last_active: Timestamp,
}

/// Who connected.
#[derive(Debug, Clone)]
struct Client {
    id: String,
    source: IpAddr,
    user_agent: String,
    connected: Timestamp,
    host: String,
}

impl Front {
    pub fn new(api: Api, functions: Functions, meter: Arc<Meter>) -> Self {
        Self { api, functions, meter, connections: Mutex::default() }
    }

    fn connections(&self) -> MutexGuard<'_, HashMap<String, Connection>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many clients are connected.
    pub fn open(&self) -> usize {
        self.connections().len()
    }

    /// The function of a route; the key `$default` if there is no route of that name.
    fn route(&self, key: &str) -> Option<(&str, &str)> {
        let find = |key: &str| self.api.routes.iter().find(|route| route.key == key);
        find(key)
            .or_else(|| find("$default"))
            .map(|route| (route.key.as_str(), route.integration.function.as_str()))
    }

    /// The route key of a message, as the API's selection expression says.
    fn select(&self, body: &str) -> String {
        let field = self.api.route_selection.as_deref().and_then(|rule| rule.strip_prefix("$request.body."));
        let value: Option<Value> = serde_json::from_str(body).ok();
        let key = field.and_then(|field| Some(value?.get(field)?.as_str()?.to_owned()));
        // A client cannot reach the routes of the connection itself
        key.filter(|key| !key.starts_with('$')).unwrap_or_else(|| "$default".into())
    }

    /// Answers a handshake.
    pub async fn connect(self: Arc<Self>, mut request: Request, source: IpAddr) -> Response {
        let headers = request.headers();
        let Some(key) = handshake_key(headers) else {
            return message(StatusCode::UPGRADE_REQUIRED, "A WebSocket handshake is needed here");
        };
        let text = |name: &http::HeaderName| {
            headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let client = Client {
            id: connection_id(),
            source,
            user_agent: text(&USER_AGENT),
            connected: crate::clock::now(),
            host: text(&http::header::HOST),
        };
        let mut event = self.event(&client, "$connect", "CONNECT");
        event["headers"] = Value::Object(joined(headers));
        if let Some(query) = request.uri().query().filter(|query| !query.is_empty()) {
            let parameters = parameters(query);
            event["multiValueQueryStringParameters"] =
                parameters.iter().map(|(name, value)| (name.clone(), json!([value]))).collect();
            event["queryStringParameters"] = Value::Object(parameters);
        }
        if let Some(refused) = self.ask(&event).await {
            return refused;
        }
        let upgrade = hyper::upgrade::on(&mut request);
        let (outgoing, waiting) = mpsc::channel(WAITING);
        let connection = Connection { outgoing, client: client.clone(), last_active: client.connected };
        self.connections().insert(client.id.clone(), connection);
        tokio::spawn(async move {
            let config = WebSocketConfig::default()
                .max_message_size(Some(MESSAGE_LIMIT))
                .max_frame_size(Some(FRAME_LIMIT));
            match upgrade.await {
                Ok(socket) => {
                    let socket =
                        WebSocketStream::from_raw_socket(TokioIo::new(socket), Role::Server, Some(config))
                            .await;
                    connection::run(self, client, socket, waiting).await;
                }
                Err(error) => {
                    debug!(%error, "a client left during the handshake");
                    self.disconnected(&client, 1006, "").await;
                }
            }
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
            headers.insert("sec-websocket-accept", accept);
        }
        response
    }

    /// Asks the function of `$connect`; the response if it refuses.
    async fn ask(&self, event: &Value) -> Option<Response> {
        let (_, function) = self.route("$connect").filter(|(key, _)| *key == "$connect")?;
        match self.functions.invoke(function, event.to_string().into()).await {
            Outcome::Ok(body) => {
                let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
                let status = answer.get("statusCode").and_then(Value::as_u64);
                let status = status
                    .and_then(|status| u16::try_from(status).ok())
                    .and_then(|status| StatusCode::from_u16(status).ok());
                match status {
                    Some(status) if status.is_success() => None,
                    Some(status) => {
                        let mut response = message(status, status.canonical_reason().unwrap_or("Refused"));
                        if let Some(body) = answer.get("body").and_then(Value::as_str) {
                            *response.body_mut() = Body::from(body.to_owned());
                        }
                        Some(response)
                    }
                    None => Some(message(StatusCode::BAD_GATEWAY, "Internal server error")),
                }
            }
            other => {
                warn!(outcome = ?other, "a connection could not be asked for");
                Some(message(StatusCode::BAD_GATEWAY, "Internal server error"))
            }
        }
    }

    /// Forgets a connection and tells the function of `$disconnect`.
    async fn disconnected(&self, client: &Client, code: u16, reason: &str) {
        self.connections().remove(&client.id);
        let minutes = crate::clock::now().duration_since(client.connected).as_secs_f64() / 60.0;
        self.meter.add(|usage| usage.connection_minutes += minutes.ceil().max(1.0));
        let Some((_, function)) = self.route("$disconnect").filter(|(key, _)| *key == "$disconnect") else {
            return;
        };
        let mut event = self.event(client, "$disconnect", "DISCONNECT");
        event["requestContext"]["disconnectStatusCode"] = code.into();
        event["requestContext"]["disconnectReason"] = reason.into();
        event["headers"] =
            json!({ "Host": client.host, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": "" });
        let outcome = self.functions.invoke(function, event.to_string().into()).await;
        if !matches!(outcome, Outcome::Ok(_)) {
            warn!(?outcome, "a disconnect was not heard");
        }
    }

    fn event(&self, client: &Client, route: &str, kind: &str) -> Value {
        let now = crate::clock::now();
        let request_id = request_id();
        json!({
            "requestContext": {
                "routeKey": route,
                "eventType": kind,
                "messageDirection": "IN",
                "stage": self.api.stage,
                "apiId": self.api.id,
                "domainName": client.host,
                "connectionId": client.id,
                "connectedAt": client.connected.as_millisecond(),
                "requestId": request_id,
                "extendedRequestId": request_id,
                "requestTime": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
                "requestTimeEpoch": now.as_millisecond(),
                "identity": { "sourceIp": client.source.to_string(), "userAgent": client.user_agent },
            },
            "isBase64Encoded": false,
        })
    }

    /// Notes that a connection was used.
    fn touch(&self, id: &str, bytes: usize) {
        if let Some(connection) = self.connections().get_mut(id) {
            connection.last_active = crate::clock::now();
        }
        let pieces = bytes.div_ceil(FRAME_LIMIT).max(1) as u64;
        self.meter.add(|usage| usage.websocket_messages += pieces);
    }
}

/// The key of a handshake; `None` if the request is none.
fn handshake_key(headers: &HeaderMap) -> Option<String> {
    let has = |name: http::HeaderName, word: &str| {
        headers.get_all(name).iter().any(|value| {
            let value = value.to_str().unwrap_or_default();
            value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word))
        })
    };
    let version = headers.get("sec-websocket-version")?;
    (has(CONNECTION, "upgrade") && has(UPGRADE, "websocket") && version == "13").then_some(())?;
    Some(headers.get("sec-websocket-key")?.to_str().ok()?.to_owned())
}

/// A connection id in the form of API Gateway's.
fn connection_id() -> String {
    let bytes: [u8; 11] = rand::random();
    base64::engine::general_purpose::URL_SAFE.encode(bytes)
}
