//! The way to the WebSocket: a ticket over HTTP.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::openapi::Standard;

/// The right to open one WebSocket connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RealtimeTicket)]
pub struct Ticket {
    /// Good once.
    #[schema(example = "hV1Yt6wq0q0dE7mE2u5m2m1b6m0i3l7o4s8v1x5z9aA")]
    pub ticket: String,
    /// Until when it is good: 60 seconds.
    pub expires_at: Timestamp,
    /// Where to connect, with the ticket in it.
    #[schema(example = "wss://gpu.example.com/ws?ticket=hV1Yt6wq0q0dE7mE2u5m2m1b6m0i3l7o4s8v1x5z9aA")]
    pub url: String,
}

/// The operations on live status.
#[derive(Debug, OpenApi)]
#[openapi(
    tags((name = "realtime", description = "Live status over a WebSocket")),
    paths(create_realtime_ticket)
)]
pub struct Docs;

/// Get a ticket for the WebSocket
///
/// A browser cannot send a token with a WebSocket, and a token in a URL would stand in logs. So a ticket does: it is good for one
/// connection within a minute.
#[utoipa::path(
    post, path = "/v1/realtime/ticket", operation_id = "create_realtime_ticket", tag = "realtime",
    responses(
        (status = 201, description = "The ticket. Its text is not kept and cannot be asked for again.", body = Ticket),
        Standard,
    )
)]
#[expect(dead_code, reason = "only its attributes are read")]
fn create_realtime_ticket() {}
