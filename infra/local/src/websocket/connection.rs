//! The life of one connection, from the handshake to the end.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tracing::{debug, warn};

use super::{Client, Front};
use crate::http::request_id;
use crate::lambda::Outcome;

/// A connection on which nothing is said is closed.
const IDLE: Duration = Duration::from_mins(10);
/// No connection lives longer.
const LIFETIME: Duration = Duration::from_hours(2);

/// What is to be sent to a client.
#[derive(Debug)]
pub(super) enum Outgoing {
    Message(Bytes),
    Close,
}

/// Serves the connection until it ends, and then says so.
pub(super) async fn run<S>(
    front: Arc<Front>,
    client: Client,
    mut socket: WebSocketStream<S>,
    mut waiting: mpsc::Receiver<Outgoing>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let end = Instant::now() + LIFETIME;
    let mut active = Instant::now();
    let (code, reason) = loop {
        tokio::select! {
            incoming = socket.next() => match incoming {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    active = Instant::now();
                    front.touch(&client.id, message.len());
                    tokio::spawn(hear(front.clone(), client.clone(), message));
                }
                Some(Ok(Message::Close(frame))) => {
                    let (code, reason) = frame.map_or((1005, String::new()), |frame| {
                        (frame.code.into(), frame.reason.to_string())
                    });
                    break (code, reason);
                }
                // The library answers pings
                Some(Ok(_)) => active = Instant::now(),
                Some(Err(Error::Capacity(error))) => {
                    debug!(%error, "a client sent too much");
                    break close(&mut socket, CloseCode::Size, "Message too big").await;
                }
                Some(Err(error)) => {
                    debug!(%error, "a connection broke");
                    break (1006, String::new());
                }
                None => break (1006, String::new()),
            },
            outgoing = waiting.recv() => match outgoing {
                Some(Outgoing::Message(bytes)) => {
                    active = Instant::now();
                    front.touch(&client.id, bytes.len());
                    if let Err(error) = socket.send(frame(bytes)).await {
                        debug!(%error, "a connection broke");
                        break (1006, String::new());
                    }
                }
                Some(Outgoing::Close) | None => {
                    break close(&mut socket, CloseCode::Normal, "Connection Closed Normally").await;
                }
            },
            () = tokio::time::sleep_until((active + IDLE).min(end)) => {
                break close(&mut socket, CloseCode::Away, "Going away").await;
            }
        }
    };
    front.disconnected(&client, code, &reason).await;
}

fn frame(bytes: Bytes) -> Message {
    match String::from_utf8(bytes.to_vec()) {
        Ok(text) => Message::text(text),
        Err(_) => Message::binary(bytes),
    }
}

async fn close<S>(socket: &mut WebSocketStream<S>, code: CloseCode, reason: &'static str) -> (u16, String)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if let Err(error) = socket.close(Some(CloseFrame { code, reason: reason.into() })).await {
        debug!(%error, "a connection broke");
    }
    (code.into(), reason.to_owned())
}

/// Takes a client's message to its route.
async fn hear(front: Arc<Front>, client: Client, message: Message) {
    let binary = message.is_binary();
    let body = match message {
        Message::Text(text) => text.to_string(),
        other => STANDARD.encode(other.into_data()),
    };
    let wanted = if binary { "$default".to_owned() } else { front.select(&body) };
    let Some((route, function)) = front.route(&wanted) else { return };
    let mut event = front.event(&client, route, "MESSAGE");
    event["requestContext"]["messageId"] = request_id().into();
    event["body"] = body.into();
    event["isBase64Encoded"] = binary.into();
    let outcome = front.functions.invoke(function, event.to_string().into()).await;
    if !matches!(outcome, Outcome::Ok(_)) {
        warn!(?outcome, route, "a message was not heard");
        let request = event["requestContext"]["requestId"].clone();
        let answer =
            json!({ "message": "Internal server error", "connectionId": client.id, "requestId": request });
        front.send(&client.id, answer.to_string().into());
    }
}
