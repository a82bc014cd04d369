//! What goes over the WebSocket, both ways. `docs/websocket-realtime-status.md` tells the story, and
//! `docs/websocket-messages.schema.json` is [`schema`] as a file; a test holds the two equal.

mod outgoing;
mod request;
mod schema;

pub use outgoing::{
    ConnectionStatus, Error, ErrorCode, Gap, Gpu, JobError, JobErrorCode, JobPosition, JobStatus, Log,
    MESSAGE_BYTES, Message, Metrics, Pong, Progress, ProgressFigures, RunPosition, RunState, Subscribed,
    Unsubscribed, pack,
};
pub use request::{REQUEST_BYTES, Request, StatusOf, Subject};
pub use schema::schema;
