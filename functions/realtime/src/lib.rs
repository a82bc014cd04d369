//! The clients' side of live status: tickets over HTTP, and what comes over the WebSocket. Both APIs invoke this one
//! function, which tells their events apart by their shape.

mod socket;
mod ticket;

use std::sync::Arc;

use app::{ports::StoreError, realtime::Realtime};
use lambda::{Event, Platform};
use serde_json::Value;

/// Why an event was not handled; API Gateway answers 502.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It is neither an HTTP request nor anything of a WebSocket.
    #[error("the event is of no kind that this function knows")]
    Event(#[from] serde_json::Error),
    /// A connection could not be let in, or not be forgotten.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl lambda::events::Failure for Failure {
    fn error_type(&self) -> &'static str {
        match self {
            Self::Event(_) => "UnknownEvent",
            Self::Store(_) => "Store",
        }
    }
}

/// Answers one event.
pub async fn handle(platform: &Platform, event: Event<Value>) -> Result<Value, Failure> {
    if event.payload.pointer("/requestContext/connectionId").is_some() {
        socket::handle(platform, serde_json::from_value(event.payload)?).await
    } else {
        Ok(lambda::http::answer(ticket::routes(platform.clone()), event).await?)
    }
}

fn realtime(platform: &Platform) -> Realtime {
    let store = Arc::new(platform.store().clone());
    Realtime::new(store.clone(), store.clone(), store.clone(), store, platform.clock(), platform.ids())
}
