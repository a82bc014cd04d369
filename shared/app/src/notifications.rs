//! Notifications: where somebody wants to hear of ends, and the messages that tell them. The messages are sent by
//! [`crate::calls`]; here they are made.

mod announce;
mod endpoint;

use std::{fmt, sync::Arc};

use domain::{CallId, EndpointId, UserId, job::FieldError};
use serde_json::json;

use crate::{
    ports::{Call, CallFor, CallStore, Clock, Endpoint, EndpointStore, Ids, Page, StoreError},
    seal::{self, Key, SealError},
};

use announce::message;
pub use announce::{News, announce, payload};
pub use endpoint::{Change, JOB_ENDED, MOST_ENDPOINTS, RUN_ENDED, Wish};

/// What a test sends.
pub const TEST: &str = "test.ping";

/// The use cases of notifications.
#[derive(Clone)]
pub struct Notifications {
    pub endpoints: Arc<dyn EndpointStore>,
    pub calls: Arc<dyn CallStore>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub key: Key,
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications").finish_non_exhaustive()
    }
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum NotificationError {
    #[error("some fields are not acceptable")]
    Invalid(Vec<FieldError>),
    #[error("there is no such endpoint or delivery")]
    NotFound,
    #[error("the user has as many endpoints as they may")]
    TooMany,
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A signing secret as its owner gets it, once: `whsec_` and base64. It is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(String);

impl SigningSecret {
    /// The text for its owner.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Notifications {
    /// Makes an endpoint with a secret of its own.
    pub async fn create(
        &self,
        owner: UserId,
        wish: Wish,
    ) -> Result<(Endpoint, SigningSecret), NotificationError> {
        wish.check()?;
        // Two requests at once may pass the limit by one: it guards the number of rows, not a right.
        if self.endpoints.endpoints(owner).await?.len() >= MOST_ENDPOINTS {
            return Err(NotificationError::TooMany);
        }
        let id = EndpointId::new(self.ids.uuid());
        let (secret, sealed) = self.secret(owner, id)?;
        let mut endpoint = Endpoint {
            id,
            owner,
            url: wish.url,
            description: wish.description,
            events: wish.events,
            statuses: wish.statuses,
            enabled: true,
            disabled_reason: None,
            secret: sealed,
            version: 0,
            created_at: self.clock.now(),
        };
        self.keep(&mut endpoint).await?;
        Ok((endpoint, secret))
    }

    /// An owner's endpoints.
    pub async fn list(&self, owner: UserId) -> Result<Vec<Endpoint>, NotificationError> {
        Ok(self.endpoints.endpoints(owner).await?)
    }

    /// One of an owner's endpoints.
    pub async fn endpoint(&self, owner: UserId, id: EndpointId) -> Result<Endpoint, NotificationError> {
        self.endpoints.endpoint(owner, id).await?.ok_or(NotificationError::NotFound)
    }

    /// Changes an endpoint. One that is turned on again has no reason any more to be off.
    pub async fn change(
        &self,
        owner: UserId,
        id: EndpointId,
        change: Change,
    ) -> Result<Endpoint, NotificationError> {
        let mut endpoint = self.endpoint(owner, id).await?;
        change.apply(&mut endpoint)?;
        self.keep(&mut endpoint).await?;
        Ok(endpoint)
    }

    /// Takes an endpoint away; what is still to be sent to it fails.
    pub async fn remove(&self, owner: UserId, id: EndpointId) -> Result<(), NotificationError> {
        self.endpoint(owner, id).await?;
        Ok(self.endpoints.remove_endpoint(owner, id).await?)
    }

    /// Gives an endpoint another secret; from now on every try is signed with it.
    pub async fn rotate_secret(
        &self,
        owner: UserId,
        id: EndpointId,
    ) -> Result<(Endpoint, SigningSecret), NotificationError> {
        let mut endpoint = self.endpoint(owner, id).await?;
        let (secret, sealed) = self.secret(owner, id)?;
        endpoint.secret = sealed;
        self.keep(&mut endpoint).await?;
        Ok((endpoint, secret))
    }

    /// Sends a message that says nothing but that it is one, also to an endpoint that is turned off.
    pub async fn test(&self, owner: UserId, id: EndpointId) -> Result<Call, NotificationError> {
        let endpoint = self.endpoint(owner, id).await?;
        let now = self.clock.now();
        let body = payload(TEST, now, &json!({ "endpoint_id": id }));
        let mut call = message(&endpoint, CallId::new(self.ids.uuid()), TEST, body, now);
        // Who tests looks at the answer, and tests again.
        call.pauses.clear();
        self.send(call).await
    }

    /// The messages to an endpoint, newest first.
    pub async fn deliveries(
        &self,
        owner: UserId,
        id: EndpointId,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<Call>, NotificationError> {
        self.endpoint(owner, id).await?;
        Ok(self.calls.deliveries(id, limit, cursor).await?)
    }

    /// Sends a message once more, to where its endpoint is now. Its receiver gets it under the id of the first one.
    pub async fn redeliver(&self, owner: UserId, id: CallId) -> Result<Call, NotificationError> {
        let of = self.calls.call(id).await?.filter(|call| call.owner == owner);
        let Some(Call { purpose: CallFor::Notification { endpoint_id, event, repeats }, body, .. }) = of
        else {
            return Err(NotificationError::NotFound);
        };
        let endpoint = self.endpoint(owner, endpoint_id).await?;
        let body = body.unwrap_or_default();
        let mut call = message(&endpoint, CallId::new(self.ids.uuid()), &event, body, self.clock.now());
        call.purpose = CallFor::Notification { endpoint_id, event, repeats: repeats.or(Some(id)) };
        call.pauses.clear();
        self.send(call).await
    }

    async fn send(&self, mut call: Call) -> Result<Call, NotificationError> {
        self.calls.keep_calls(std::slice::from_ref(&call)).await?;
        call.version += 1;
        Ok(call)
    }

    async fn keep(&self, endpoint: &mut Endpoint) -> Result<(), StoreError> {
        self.endpoints.keep_endpoint(endpoint).await?;
        endpoint.version += 1;
        Ok(())
    }

    fn secret(
        &self,
        owner: UserId,
        id: EndpointId,
    ) -> Result<(SigningSecret, domain::job::SealedText), SealError> {
        let secret = endpoint::secret(self.ids.secret());
        let sealed = seal::seal_at(&self.key, &endpoint::place(owner, id), secret.expose())?;
        Ok((secret, sealed))
    }
}

/// Opens an endpoint's signing secret.
pub(crate) fn open_secret(key: &Key, endpoint: &Endpoint) -> Result<SigningSecret, SealError> {
    seal::open_at(key, &endpoint::place(endpoint.owner, endpoint.id), &endpoint.secret).map(SigningSecret)
}
