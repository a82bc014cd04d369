//! WebSocket connections and what they want to hear.

use async_trait::async_trait;
use domain::{JobId, Principal, RunId, UserId};
use jiff::Timestamp;

use super::StoreError;

/// What a connection subscribes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// One job.
    Job(JobId),
    /// One run of a workflow, with all of its nodes.
    Run(RunId),
    /// Every job and every run of one owner.
    Owner(UserId),
    /// What concerns the whole platform, for its administrators.
    Platform,
}

/// An open connection.
#[derive(Debug, Clone)]
pub struct Connection {
    /// API Gateway's id.
    pub id: String,
    pub principal: Principal,
    pub connected_at: Timestamp,
}

/// A right to connect once.
#[derive(Debug, Clone)]
pub struct Ticket {
    pub principal: Principal,
    pub expires_at: Timestamp,
}

/// Connections, tickets and subscriptions.
#[async_trait]
pub trait ConnectionStore: Send + Sync {
    /// Keeps a ticket under the SHA-256 of its text.
    async fn keep_ticket(&self, digest: &str, ticket: &Ticket) -> Result<(), StoreError>;
    /// Takes a ticket away: the second call finds nothing.
    async fn take_ticket(&self, digest: &str) -> Result<Option<Ticket>, StoreError>;
    async fn connect(&self, connection: &Connection) -> Result<(), StoreError>;
    async fn connection(&self, id: &str) -> Result<Option<Connection>, StoreError>;
    /// Forgets a connection with its subscriptions; repeating it is harmless.
    async fn disconnect(&self, id: &str) -> Result<(), StoreError>;
    async fn subscribe(&self, id: &str, topic: Topic) -> Result<(), StoreError>;
    async fn unsubscribe(&self, id: &str, topic: Topic) -> Result<(), StoreError>;
    async fn subscriptions(&self, id: &str) -> Result<Vec<Topic>, StoreError>;
    /// The ids of the connections that want to hear of `topic`.
    async fn subscribers(&self, topic: Topic) -> Result<Vec<String>, StoreError>;
}

/// Why a message did not reach a connection.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The connection is gone: forget it.
    #[error("the connection is gone")]
    Gone,
    /// It may work later; the event log has it anyway.
    #[error("the message could not be sent")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The way to one connection.
#[async_trait]
pub trait Push: Send + Sync {
    /// Sends one message; API Gateway takes 128 KB at most.
    async fn push(&self, connection: &str, message: &[u8]) -> Result<(), PushError>;
    /// Closes the connection.
    async fn close(&self, connection: &str) -> Result<(), PushError>;
}
