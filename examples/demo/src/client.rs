//! The API as a client sees it.

use std::time::Duration;

use anyhow::{Context, bail};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};

/// A signed-in client.
pub(crate) struct Client {
    http: reqwest::Client,
    api: String,
    token: String,
}

/// What a live connection gives.
pub(crate) enum Live {
    Message(Value),
    Closed,
}

impl Client {
    pub(crate) fn new(api: &str) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(35)).build()?;
        Ok(Self { http, api: api.trim_end_matches('/').to_owned(), token: String::new() })
    }

    /// Registers a user of this run's own and signs in.
    pub(crate) async fn sign_in(&mut self, email: &str) -> anyhow::Result<String> {
        let run = uuid::Uuid::new_v4().simple().to_string();
        let email = email.replace('@', &format!("+{}@", &run[..8]));
        let password = uuid::Uuid::new_v4().to_string();
        let account = json!({ "email": email, "password": password });
        self.post("/v1/auth/register", &account).await.context("the demo user could not be registered")?;
        let session =
            self.post("/v1/auth/login", &account).await.context("the demo user could not sign in")?;
        session["access_token"]
            .as_str()
            .context("the answer has no access token")?
            .clone_into(&mut self.token);
        Ok(email)
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.answer(self.http.get(format!("{}{path}", self.api))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.answer(self.http.post(format!("{}{path}", self.api)).json(body)).await
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let request = if self.token.is_empty() { request } else { request.bearer_auth(&self.token) };
        let answer = request.send().await?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        if !status.is_success() {
            bail!("{status}: {}", body["detail"].as_str().unwrap_or("no detail"));
        }
        Ok(body)
    }

    /// A connection that hears of one job (`job_id`) or run (`run_id`) from its first event on.
    pub(crate) async fn live(&self, kind: &str, id: &str) -> anyhow::Result<Connection> {
        let ticket = self.post("/v1/realtime/ticket", &json!({})).await?;
        let url = ticket["url"].as_str().context("the ticket has no url")?;
        let (mut socket, _) =
            tokio_tungstenite::connect_async(url).await.context("the WebSocket does not open")?;
        let subscribe = json!({ "action": "subscribe", kind: id, "after": 0 });
        socket.send(Message::text(subscribe.to_string())).await?;
        Ok(Connection { socket, held: Vec::new(), ping: tokio::time::interval(Duration::from_secs(20)) })
    }
}

/// An open WebSocket. Batches are taken apart, and it pings so that it is not closed as idle.
pub(crate) struct Connection {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    held: Vec<Value>,
    ping: tokio::time::Interval,
}

impl Connection {
    pub(crate) async fn next(&mut self) -> anyhow::Result<Live> {
        loop {
            if let Some(message) = self.held.pop() {
                return Ok(Live::Message(message));
            }
            let received = tokio::select! {
                received = self.socket.next() => received,
                _ = self.ping.tick() => {
                    self.socket.send(Message::text(r#"{"action":"ping"}"#)).await?;
                    continue;
                }
            };
            let Some(Ok(received)) = received else { return Ok(Live::Closed) };
            let Message::Text(text) = received else { continue };
            let mut message: Value = serde_json::from_str(&text)?;
            match message["messages"].as_array_mut() {
                Some(batch) if !batch.is_empty() => self.held.extend(std::mem::take(batch).into_iter().rev()),
                _ => self.held.push(message),
            }
        }
    }
}
