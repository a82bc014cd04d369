//! From an end that was committed to a message for each endpoint that wants to hear of it.

use std::collections::BTreeMap;

use domain::{CallId, EndpointId, UserId, workflow::Method};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Builder;

use crate::ports::{Call, CallFor, CallState, CallStore, Endpoint, EndpointStore, StoreError};

/// Pauses before a notification's second and later tries, in seconds: a day in all.
const PAUSES: [u32; 7] = [5, 300, 1_800, 7_200, 18_000, 36_000, 21_600];
/// After that much time it is given up, even if its receiver asked for longer pauses.
const PATIENCE: SignedDuration = SignedDuration::from_hours(25);
/// Of one try, in seconds.
const TIMEOUT: u32 = 15;

/// Something that endpoints may want to hear of.
#[derive(Debug)]
pub struct News<'a> {
    /// Such as `job.ended`.
    pub event: &'a str,
    /// Whose end it is and which event of its history: the same for every look at the same event.
    pub key: String,
    /// How it ended.
    pub status: &'a str,
    pub at: Timestamp,
}

/// The body of a message, as Standard Webhooks lays it out.
pub fn payload(event: &str, at: Timestamp, data: &impl Serialize) -> String {
    serde_json::json!({ "type": event, "timestamp": at, "data": data }).to_string()
}

/// Writes one message for each of the owner's endpoints that want to hear of it; `data` is only asked for if one does. How
/// many do. Repeating it writes nothing twice: the ids follow from the event and the endpoint.
pub async fn announce<D: Serialize>(
    endpoints: &dyn EndpointStore,
    calls: &dyn CallStore,
    owner: UserId,
    news: &News<'_>,
    data: impl AsyncFnOnce() -> Result<D, StoreError>,
) -> Result<usize, StoreError> {
    let mut endpoints = endpoints.endpoints(owner).await?;
    endpoints.retain(|endpoint| endpoint.wants(news.event, news.status));
    if endpoints.is_empty() {
        return Ok(0);
    }
    let body = payload(news.event, news.at, &data().await?);
    let messages: Vec<Call> = endpoints
        .iter()
        .map(|endpoint| {
            message(endpoint, id(&news.key, endpoint.id, news.at), news.event, body.clone(), news.at)
        })
        .collect();
    calls.keep_calls(&messages).await?;
    Ok(messages.len())
}

impl Endpoint {
    /// Whether it is told of an end with this status.
    pub fn wants(&self, event: &str, status: &str) -> bool {
        self.enabled
            && self.events.iter().any(|wanted| wanted == event)
            && (self.statuses.is_empty() || self.statuses.iter().any(|wanted| wanted == status))
    }
}

/// A message to an endpoint that has not been tried.
pub(super) fn message(endpoint: &Endpoint, id: CallId, event: &str, body: String, now: Timestamp) -> Call {
    Call {
        id,
        owner: endpoint.owner,
        purpose: CallFor::Notification { endpoint_id: endpoint.id, event: event.to_owned(), repeats: None },
        method: Method::Post,
        url: endpoint.url.clone(),
        headers: BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]),
        body: Some(body),
        expect: Vec::new(),
        timeout_seconds: TIMEOUT,
        pauses: PAUSES.to_vec(),
        created_at: now,
        deadline: now.checked_add(PATIENCE).ok(),
        state: CallState::pending(now, TIMEOUT),
        tries: Vec::new(),
        version: 0,
    }
}

/// As a UUIDv7 it is sorted by its time among the others; its random part is a digest.
fn id(key: &str, endpoint: EndpointId, at: Timestamp) -> CallId {
    let digest = Sha256::digest(format!("{key}/{endpoint}"));
    let mut chance = [0; 10];
    chance.copy_from_slice(&digest[..10]);
    let millis = u64::try_from(at.as_millisecond()).unwrap_or_default();
    CallId::new(Builder::from_unix_timestamp_millis(millis, &chance).into_uuid())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_id_follows_from_the_event_and_the_endpoint_and_sorts_by_time() {
        let endpoint = |number| EndpointId::new(Uuid::from_u128(number));
        let at = |second| Timestamp::from_second(second).unwrap();
        let first = id("job_1/7", endpoint(1), at(1_700_000_000));
        assert_eq!(first, id("job_1/7", endpoint(1), at(1_700_000_000)));
        assert_ne!(first, id("job_1/7", endpoint(2), at(1_700_000_000)));
        assert_ne!(first, id("job_1/8", endpoint(1), at(1_700_000_000)));
        assert!(first.to_string() < id("job_0/1", endpoint(0), at(1_700_000_001)).to_string());
        assert_eq!(first.uuid().get_version_num(), 7);
    }

    #[test]
    fn the_tries_of_a_notification_take_a_day() {
        let sum: u32 = PAUSES.iter().sum();
        assert!((23 * 3_600..=24 * 3_600).contains(&sum), "{sum}");
        assert!(i64::from(sum) < PATIENCE.as_secs());
    }
}
