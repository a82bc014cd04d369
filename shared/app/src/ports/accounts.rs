//! Accounts, their sessions and their keys, as they are kept.

use async_trait::async_trait;
use domain::{
    ApiKeyId, SessionId, UserId,
    account::{ApiKey, Email, Session, User},
};
use jiff::Timestamp;

use super::{Page, StoreError};

/// Accounts with what lets people and machines in.
#[async_trait]
pub trait AccountStore: Send + Sync {
    /// Adds an account; [`StoreError::Conflict`] if its address has one already.
    async fn add_user(&self, user: &User) -> Result<(), StoreError>;
    async fn user(&self, id: UserId) -> Result<Option<User>, StoreError>;
    async fn user_by_email(&self, email: &Email) -> Result<Option<User>, StoreError>;
    /// Writes an account on the condition that its row has the version that was read. The address does not change.
    async fn update_user(&self, user: &User) -> Result<(), StoreError>;
    /// A page of all accounts, by address.
    async fn users(&self, limit: usize, cursor: Option<&str>) -> Result<Page<User>, StoreError>;

    /// Writes a session: a new one with version 0, otherwise on the condition that the row has the version that was read.
    async fn put_session(&self, session: &Session) -> Result<(), StoreError>;
    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError>;
    /// Forgets a session; repeating it is harmless.
    async fn end_session(&self, id: SessionId) -> Result<(), StoreError>;

    /// Adds a key under the SHA-256 of its text.
    async fn add_api_key(&self, digest: &str, key: &ApiKey) -> Result<(), StoreError>;
    async fn api_key(&self, digest: &str) -> Result<Option<ApiKey>, StoreError>;
    /// The keys of a user, the oldest first.
    async fn api_keys(&self, user: UserId) -> Result<Vec<ApiKey>, StoreError>;
    /// Takes a key away for good; whether there was one.
    async fn remove_api_key(&self, user: UserId, id: ApiKeyId) -> Result<bool, StoreError>;
    /// Notes that a key was used.
    async fn touch_api_key(&self, key: &ApiKey, at: Timestamp) -> Result<(), StoreError>;

    /// Takes one of `limit` from the window of `bucket` that ends at `ends`; how many are left, or
    /// [`StoreError::LimitReached`].
    async fn take(&self, bucket: &str, limit: u32, ends: Timestamp) -> Result<u32, StoreError>;
    /// Gives back what a harmless try took.
    async fn give_back(&self, bucket: &str, ends: Timestamp) -> Result<(), StoreError>;
}
