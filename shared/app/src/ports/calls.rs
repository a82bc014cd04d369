//! Messages to other people's servers, and where notifications go.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use domain::{
    CallId, EndpointId, RunId, UserId,
    job::NodeRef,
    workflow::{Method, Retry},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Page, StoreError};
use crate::machine::StepError;

/// What a message is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CallFor {
    /// A webhook node of a run, which waits for its answer.
    Node { node: NodeRef },
    /// A notification, signed with its endpoint's secret.
    Notification {
        endpoint_id: EndpointId,
        /// Such as `job.ended`.
        event: String,
        /// The delivery that this one repeats by hand.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        repeats: Option<CallId>,
    },
}

/// One message, however often it is tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Also what its receiver tells repeats by.
    pub id: CallId,
    pub owner: UserId,
    #[serde(rename = "for")]
    pub purpose: CallFor,
    pub method: Method,
    pub url: String,
    pub headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The statuses that are a success; none means any of 200 to 299.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<u16>,
    /// Of one try, in seconds.
    pub timeout_seconds: u32,
    /// Pauses before the second and later tries, in seconds; their number bounds the tries.
    pub pauses: Vec<u32>,
    pub created_at: Timestamp,
    /// When it has to be over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    pub state: CallState,
    /// What became of each try, the first first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tries: Vec<Try>,
    /// Grows by one with each write of the row; 0 before the first.
    pub version: u64,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CallState {
    /// To be tried now: the stream hands it to the deliverer, and the tick does at `due` if that came to nothing.
    Pending {
        due: Timestamp,
    },
    /// To be tried then.
    Waiting {
        due: Timestamp,
    },
    Delivered,
    Failed,
}

/// How late the stream may be before the tick takes a message from it.
const STREAM: SignedDuration = SignedDuration::from_secs(60);

impl CallState {
    /// To be tried now, with tries that take up to `timeout_seconds`.
    pub fn pending(now: Timestamp, timeout_seconds: u32) -> Self {
        let patience = STREAM + SignedDuration::from_secs(timeout_seconds.into());
        Self::Pending { due: now.checked_add(patience).unwrap_or(Timestamp::MAX) }
    }
}

/// One try of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Try {
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub millis: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why it failed, in words for its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The beginning of the answer's body.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answer: String,
}

/// The pauses of a node's policy.
pub fn pauses(retry: Option<Retry>) -> Vec<u32> {
    let policy = retry.unwrap_or(Retry { max_attempts: 1, ..Retry::default() });
    (1..).map_while(|attempt| policy.delay_after(attempt)).collect()
}

/// Where somebody wants to hear of ends.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub id: EndpointId,
    pub owner: UserId,
    pub url: String,
    #[serde(default)]
    pub description: String,
    /// `job.ended`, `run.ended`.
    pub events: Vec<String>,
    /// Only of ends with one of these statuses; empty means all.
    #[serde(default)]
    pub statuses: Vec<String>,
    pub enabled: bool,
    /// Why it was turned off by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_reason: Option<String>,
    /// The signing secret, sealed under the platform's key.
    pub secret: domain::job::SealedText,
    pub version: u64,
    pub created_at: Timestamp,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("id", &self.id).field("url", &self.url).finish_non_exhaustive()
    }
}

/// Messages.
#[async_trait]
pub trait CallStore: Send + Sync {
    /// Writes new messages, each once however often it is asked for.
    async fn keep_calls(&self, calls: &[Call]) -> Result<(), StoreError>;
    async fn call(&self, id: CallId) -> Result<Option<Call>, StoreError>;
    /// Writes a message on the condition that its row has its `version`.
    async fn update_call(&self, call: &Call) -> Result<(), StoreError>;
    /// Messages whose next try is due at or before `now`, and those that should have been tried by then.
    async fn due_calls(&self, now: Timestamp, limit: usize) -> Result<Vec<Call>, StoreError>;
    /// The messages to an endpoint, newest first.
    async fn deliveries(
        &self,
        endpoint: EndpointId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Call>, StoreError>;
    /// The messages of a run's webhook nodes, newest first.
    async fn calls_of_run(&self, run: RunId, limit: usize) -> Result<Vec<Call>, StoreError>;
}

/// Endpoints.
#[async_trait]
pub trait EndpointStore: Send + Sync {
    async fn endpoints(&self, owner: UserId) -> Result<Vec<Endpoint>, StoreError>;
    async fn endpoint(&self, owner: UserId, id: EndpointId) -> Result<Option<Endpoint>, StoreError>;
    /// Writes an endpoint on the condition that its row has its `version`, or does not exist for version 0.
    async fn keep_endpoint(&self, endpoint: &Endpoint) -> Result<(), StoreError>;
    async fn remove_endpoint(&self, owner: UserId, id: EndpointId) -> Result<(), StoreError>;
}

/// One try of a message as it goes over the wire.
#[derive(Debug)]
pub struct CallRequest<'a> {
    pub method: Method,
    pub url: &'a str,
    pub headers: &'a [(String, String)],
    pub body: Option<&'a str>,
    pub timeout: Duration,
    /// How much of the answer's body is wanted, in bytes; the rest is not read.
    pub keep: usize,
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// How long it wants to be left alone, in seconds.
    pub retry_after: Option<u64>,
    /// The beginning of the body; what is no UTF-8 is replaced.
    pub body: String,
}

/// Why there is no answer, in words for whoever wanted the call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// It may not be called, or cannot be: another try would end the same way.
    #[error("{0}")]
    Refused(String),
    /// Another try may go through.
    #[error("{0}")]
    Failed(String),
}

/// The way to other people's servers. It reaches public addresses alone and follows no redirect.
#[async_trait]
pub trait CallClient: Send + Sync {
    async fn call(&self, request: CallRequest<'_>) -> Result<Answer, CallError>;
}

/// How a webhook node's message ended: `{status, body}`, or why it failed in words for its owner.
pub type CallResult = Result<Value, String>;

/// Who waits for the messages of webhook nodes.
#[async_trait]
pub trait NodeCalls: Send + Sync {
    /// A node's message ended. Repeating it is harmless, and so is one of a try that nobody waits for any more.
    async fn call_ended(&self, node: NodeRef, result: CallResult) -> Result<(), StepError>;
}
