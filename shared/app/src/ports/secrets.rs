//! Users' secrets and what attempts were given of them, as they are kept: sealed.

use async_trait::async_trait;
use domain::{AttemptId, UserId, secret::Secret};
use jiff::Timestamp;

use super::StoreError;
use crate::seal::Envelope;

/// A secret with its sealed value.
#[derive(Debug, Clone)]
pub struct UserSecret {
    pub about: Secret,
    pub envelope: Envelope,
}

/// Named secrets.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// Writes a secret; one of the same name is replaced and keeps the time at which it was made. Gives what is known of
    /// it now, and whether it is new.
    async fn put_secret(&self, secret: &UserSecret) -> Result<(Secret, bool), StoreError>;
    async fn secret(&self, owner: UserId, name: &str) -> Result<Option<UserSecret>, StoreError>;
    /// What is known of a user's secrets, by name.
    async fn secrets(&self, owner: UserId) -> Result<Vec<Secret>, StoreError>;
    /// Takes a secret away for good; whether there was one.
    async fn remove_secret(&self, owner: UserId, name: &str) -> Result<bool, StoreError>;
    /// Notes that a runner was given a secret. One that is gone stays gone.
    async fn touch_secret(&self, owner: UserId, name: &str, at: Timestamp) -> Result<(), StoreError>;

    /// What an attempt's command was given, sealed as one.
    async fn given(&self, attempt: AttemptId) -> Result<Option<Envelope>, StoreError>;
    /// Keeps what an attempt's command is given until `expires`; [`StoreError::Conflict`] if something was given before.
    async fn give(&self, attempt: AttemptId, values: &Envelope, expires: Timestamp)
    -> Result<(), StoreError>;
}
