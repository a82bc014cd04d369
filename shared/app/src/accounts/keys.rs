//! API keys: the way in for machines.

use domain::{
    ApiKeyId, Principal, UserId,
    account::{API_KEYS, ApiKey},
};
use jiff::{SignedDuration, Timestamp};

use super::{AccountError, Accounts, secret};
use crate::ports::{AccountStore, StoreError};

/// What every key begins with: a scanner for leaked secrets can find it.
pub const API_KEY_PREFIX: &str = "gpuk_";
/// How precisely the time of the last use is known.
const USE_PRECISION: SignedDuration = SignedDuration::from_hours(1);

impl Accounts {
    /// Makes a key; the text is to be shown once and is kept nowhere.
    pub async fn create_api_key(
        &self,
        user: UserId,
        name: String,
        expires_at: Option<Timestamp>,
    ) -> Result<(ApiKey, String), AccountError> {
        let now = self.clock.now();
        let errors = ApiKey::check(&name, expires_at, now);
        if !errors.is_empty() {
            return Err(AccountError::Invalid(errors));
        }
        // A token outlives a deactivation by minutes; a key would outlive it for good.
        if !self.user(user).await?.active {
            return Err(AccountError::Deactivated);
        }
        // Two requests at once may pass the limit by one: it guards the number of rows, not a right.
        if self.store.api_keys(user).await?.len() >= API_KEYS {
            return Err(AccountError::TooManyKeys);
        }
        let text = format!("{API_KEY_PREFIX}{}", secret::encode(&self.ids.secret()));
        let key = ApiKey {
            id: ApiKeyId::new(self.ids.uuid()),
            user,
            name,
            hint: text.chars().take(API_KEY_PREFIX.len() + 4).collect(),
            created_at: now,
            expires_at,
            last_used_at: None,
        };
        self.store.add_api_key(&secret::digest(text.as_bytes()).0, &key).await?;
        Ok((key, text))
    }

    /// The keys of an account, the oldest first.
    pub async fn api_keys(&self, user: UserId) -> Result<Vec<ApiKey>, AccountError> {
        Ok(self.store.api_keys(user).await?)
    }

    /// Takes a key away; it is refused from now on.
    pub async fn revoke_api_key(&self, user: UserId, id: ApiKeyId) -> Result<(), AccountError> {
        if self.store.remove_api_key(user, id).await? { Ok(()) } else { Err(AccountError::NotFound) }
    }
}

/// Who calls with the API key `text`; `None` if the key or its account is not good any more.
pub async fn api_key_principal(
    store: &dyn AccountStore,
    text: &str,
    now: Timestamp,
) -> Result<Option<Principal>, StoreError> {
    let Some(key) = store.api_key(&secret::digest(text.as_bytes()).0).await? else { return Ok(None) };
    if !key.is_valid(now) {
        return Ok(None);
    }
    let Some(user) = store.user(key.user).await?.filter(|user| user.active) else { return Ok(None) };
    if key.last_used_at.is_none_or(|used| now.duration_since(used) >= USE_PRECISION)
        && let Err(error) = store.touch_api_key(&key, now).await
    {
        // Nobody is locked out because a time could not be noted.
        tracing::warn!(key.id = %key.id, %error, "the use of an API key was not noted");
    }
    Ok(Some(user.principal()))
}
