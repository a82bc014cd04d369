//! What the use cases say, as HTTP says it.

use app::{
    notifications::{NotificationError, SigningSecret},
    ports::{self, Call, CallFor, CallState},
};
use contract::{
    notifications::{Delivery, DeliveryState, Endpoint, EndpointSecret},
    runs::WebhookTry,
};
use lambda::Problem;

/// An error as it is shown.
pub(crate) fn problem(error: NotificationError) -> Problem {
    match error {
        NotificationError::Invalid(errors) => Problem::invalid(errors),
        NotificationError::NotFound => Problem::not_found("endpoint or delivery"),
        NotificationError::TooMany => Problem::conflict(
            "too_many_endpoints",
            "This account has as many endpoints as it may. Delete one at DELETE /v1/notifications/endpoints/{id}.",
        ),
        NotificationError::Seal(error) => Problem::internal(error),
        NotificationError::Store(error) => error.into(),
    }
}

pub(crate) fn endpoint(endpoint: ports::Endpoint) -> Endpoint {
    Endpoint {
        id: endpoint.id.to_string(),
        url: endpoint.url,
        description: endpoint.description,
        events: endpoint.events,
        statuses: endpoint.statuses,
        enabled: endpoint.enabled,
        disabled_reason: endpoint.disabled_reason,
        created_at: endpoint.created_at,
    }
}

pub(crate) fn with_secret((shown, secret): (ports::Endpoint, SigningSecret)) -> EndpointSecret {
    EndpointSecret { endpoint: endpoint(shown), secret: secret.expose().to_owned() }
}

/// A message to an endpoint; none of any other.
pub(crate) fn delivery(call: Call) -> Option<Delivery> {
    let CallFor::Notification { endpoint_id, event, repeats } = call.purpose else { return None };
    Some(Delivery {
        id: call.id.to_string(),
        endpoint_id: endpoint_id.to_string(),
        event,
        state: match call.state {
            CallState::Pending { .. } => DeliveryState::Pending,
            CallState::Waiting { .. } => DeliveryState::Waiting,
            CallState::Delivered => DeliveryState::Delivered,
            CallState::Failed => DeliveryState::Failed,
        },
        next_try_at: match call.state {
            CallState::Waiting { due } => Some(due),
            _ => None,
        },
        created_at: call.created_at,
        tries: call
            .tries
            .into_iter()
            .map(|one| WebhookTry {
                at: one.at,
                millis: one.millis,
                status: one.status,
                error: one.error,
                answer: one.answer,
            })
            .collect(),
        body: call.body,
        repeats: repeats.map(|id| id.to_string()),
    })
}
