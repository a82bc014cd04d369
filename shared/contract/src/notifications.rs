//! Notifications on the wire: where ends of jobs and runs are told, and what was told.

mod docs;
mod ended;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::runs::WebhookTry;

pub use docs::Docs;
pub use ended::{JobEnded, RunEnded};

/// What is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
pub enum NotificationEvent {
    /// A job has its final status.
    #[serde(rename = "job.ended")]
    JobEnded,
    /// A run has its final status.
    #[serde(rename = "run.ended")]
    RunEnded,
}

impl NotificationEvent {
    /// Its word, the `type` of its messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::JobEnded => "job.ended",
            Self::RunEnded => "run.ended",
        }
    }
}

/// With what a job or a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndStatus {
    Succeeded,
    Failed,
    Cancelled,
    TimedOut,
}

impl EndStatus {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
        }
    }
}

/// A new place to send notifications to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewEndpoint {
    /// `https://…` or `http://…`; addresses of private networks are refused when a message is sent.
    #[schema(example = "https://hooks.example.com/gpu", max_length = 2048)]
    pub url: String,
    #[serde(default)]
    #[schema(max_length = 500)]
    pub description: String,
    /// At least one.
    #[schema(min_items = 1)]
    pub events: Vec<NotificationEvent>,
    /// Only ends with one of these; all if absent or empty.
    #[serde(default)]
    pub statuses: Vec<EndStatus>,
}

/// A change of an endpoint. An absent field stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditEndpoint {
    #[serde(default)]
    #[schema(max_length = 2048)]
    pub url: Option<String>,
    #[serde(default)]
    #[schema(max_length = 500)]
    pub description: Option<String>,
    #[serde(default)]
    pub events: Option<Vec<NotificationEvent>>,
    #[serde(default)]
    pub statuses: Option<Vec<EndStatus>>,
    /// `true` also forgets why it was turned off.
    #[serde(default)]
    pub enabled: Option<bool>,
}

/// A place that notifications are sent to.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = NotificationEndpoint)]
pub struct Endpoint {
    #[schema(example = "whk_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub id: String,
    pub url: String,
    pub description: String,
    #[schema(value_type = Vec<NotificationEvent>)]
    pub events: Vec<String>,
    /// Only ends with one of these; all if empty.
    #[schema(value_type = Vec<EndStatus>)]
    pub statuses: Vec<String>,
    pub enabled: bool,
    /// Why it was turned off by itself; null if it was not.
    #[schema(required = true)]
    pub disabled_reason: Option<String>,
    pub created_at: Timestamp,
}

/// All endpoints of a user.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = NotificationEndpoints)]
pub struct Endpoints {
    pub items: Vec<Endpoint>,
}

/// An endpoint with its signing secret: the only time that it is shown.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = NotificationEndpointSecret)]
pub struct EndpointSecret {
    #[serde(flatten)]
    pub endpoint: Endpoint,
    /// Verifies the messages as Standard Webhooks 1.0 says.
    #[schema(example = "whsec_ZmFrZS1zZWNyZXQtZmFrZS1zZWNyZXQtMDAwMDAwMDA=")]
    pub secret: String,
}

impl std::fmt::Debug for EndpointSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EndpointSecret").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is being sent.
    Pending,
    /// A try failed; there is another one at `next_try_at`.
    Waiting,
    Delivered,
    /// The last try failed.
    Failed,
}

/// One message to an endpoint, however often it is tried.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = NotificationDelivery)]
pub struct Delivery {
    /// Its `webhook-id`, unless it repeats another one.
    #[schema(example = "msg_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub id: String,
    #[schema(example = "whk_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub endpoint_id: String,
    /// Such as `run.ended`; `test.ping` of a test.
    pub event: String,
    pub state: DeliveryState,
    /// Null unless it waits.
    #[schema(required = true)]
    pub next_try_at: Option<Timestamp>,
    pub created_at: Timestamp,
    /// The first first.
    pub tries: Vec<WebhookTry>,
    /// What was sent.
    #[schema(required = true)]
    pub body: Option<String>,
    /// The message that this one repeats; null if none.
    #[schema(required = true)]
    pub repeats: Option<String>,
}

/// A page of messages, newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = NotificationDeliveryPage)]
pub struct DeliveryPage {
    pub items: Vec<Delivery>,
    /// Pass it as `cursor` for the next page; null on the last one.
    #[schema(required = true)]
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use domain::job::Status;

    use super::*;

    #[test]
    fn the_words_of_ends_are_those_of_jobs() {
        let ends = [EndStatus::Succeeded, EndStatus::Failed, EndStatus::Cancelled, EndStatus::TimedOut];
        let known = Status::ALL.into_iter().filter(|status| status.is_terminal()).map(Status::as_str);
        assert!(ends.map(EndStatus::as_str).into_iter().eq(known));
        for (event, word) in
            [(NotificationEvent::JobEnded, "job.ended"), (NotificationEvent::RunEnded, "run.ended")]
        {
            assert_eq!((event.as_str(), serde_json::json!(event)), (word, serde_json::json!(word)));
        }
    }
}
