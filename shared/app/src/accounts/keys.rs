//! API keys: the way in for machines.

use domain::{
    ApiKeyId, Principal, UserId,
    account::{API_KEYS, ApiKey},
    job::FieldError,
};
use jiff::{SignedDuration, Timestamp};

use super::secret;
use crate::ports::{AccountStore, Ids, StoreError};

/// What every key begins with: a scanner for leaked secrets can find it.
pub const API_KEY_PREFIX: &str = "gpuk_";
/// How precisely the time of the last use is known.
const USE_PRECISION: SignedDuration = SignedDuration::from_hours(1);

/// Why a key was not made.
#[derive(Debug, thiserror::Error)]
pub enum NewKeyError {
    #[error("some fields are not acceptable")]
    Invalid(Vec<FieldError>),
    /// The account has as many as it may.
    #[error("the account has {API_KEYS} keys already")]
    TooMany,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a key for `user`; the text is to be shown once and is kept nowhere.
pub async fn create_api_key(
    store: &dyn AccountStore,
    ids: &dyn Ids,
    user: UserId,
    name: String,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(ApiKey, String), NewKeyError> {
    let errors = ApiKey::check(&name, expires_at, now);
    if !errors.is_empty() {
        return Err(NewKeyError::Invalid(errors));
    }
    // Two requests at once may pass the limit by one: it guards the row count, not a right.
    if store.api_keys(user).await?.len() >= API_KEYS {
        return Err(NewKeyError::TooMany);
    }
    let text = format!("{API_KEY_PREFIX}{}", secret::encode(&ids.secret()));
    let key = ApiKey {
        id: ApiKeyId::new(ids.uuid()),
        user,
        name,
        hint: text.chars().take(API_KEY_PREFIX.len() + 4).collect(),
        created_at: now,
        expires_at,
        last_used_at: None,
    };
    store.add_api_key(&secret::digest(text.as_bytes()).0, &key).await?;
    Ok((key, text))
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
