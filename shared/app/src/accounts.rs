//! Accounts: registration, sign-in, the chain of refresh tokens, keys for machines, and their administration.

mod admin;
mod chain;
mod keys;
mod password;
mod profile;
mod secret;
mod session;
mod throttle;

use std::{fmt, sync::Arc};

use domain::{
    SessionId,
    account::{Email, User},
    job::FieldError,
};
use jiff::Timestamp;

pub use keys::{API_KEY_PREFIX, api_key_principal};
pub use password::HashError;
pub use session::Registration;
pub use throttle::{Budget, Limit, REGISTER_ADDRESS, SIGN_IN_ACCOUNT, SIGN_IN_ADDRESS};

use crate::ports::{AccountStore, Clock, Ids, StoreError};

/// The use cases of accounts.
#[derive(Clone)]
pub struct Accounts {
    pub store: Arc<dyn AccountStore>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    /// Whoever registers with this address becomes an administrator.
    pub first_admin: Option<Email>,
    /// Whether anybody else may register.
    pub open: bool,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts").field("open", &self.open).finish_non_exhaustive()
    }
}

/// A session that has just begun or gone on.
#[derive(Clone)]
pub struct SignedIn {
    pub user: User,
    pub session: SessionId,
    /// For the next refresh; kept nowhere.
    pub refresh_token: String,
    /// When the chain of refresh tokens ends.
    pub expires_at: Timestamp,
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn")
            .field("user", &self.user.id)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

/// What became of something that is throttled.
#[derive(Debug)]
pub struct Counted<T> {
    pub outcome: Result<T, AccountError>,
    /// The tightest limit that it counted against; `None` if it was refused before it counted.
    pub budget: Option<Budget>,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("some fields are not acceptable")]
    Invalid(Vec<FieldError>),
    #[error("registration is closed")]
    RegistrationClosed,
    #[error("the address has an account already")]
    EmailTaken,
    /// The address or the password is wrong: which of them, nobody is told.
    #[error("wrong address or password")]
    WrongCredentials,
    /// The password is right, but the account may not be used.
    #[error("the account is deactivated")]
    Deactivated,
    /// Too many tries; the budget says until when.
    #[error("too many tries")]
    Throttled(Budget),
    /// The refresh token is none, or its session is over.
    #[error("the session is over")]
    SessionOver,
    /// A refresh token was used twice: its session is over for everybody.
    #[error("the refresh token was used before")]
    Reused,
    #[error("there is no such account or key")]
    NotFound,
    #[error(transparent)]
    OwnAccount(#[from] domain::account::OwnAccount),
    #[error("the account has as many keys as it may")]
    TooManyKeys,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Hash(#[from] HashError),
}

impl From<FieldError> for AccountError {
    fn from(error: FieldError) -> Self {
        Self::Invalid(vec![error])
    }
}

/// How often a change is decided again when somebody else changes the same row.
const DECISIONS: usize = 4;

impl Accounts {
    /// Changes an account and writes it, deciding again if somebody else wrote it in between.
    async fn change(
        &self,
        id: domain::UserId,
        decide: impl Fn(User) -> Result<User, AccountError>,
    ) -> Result<User, AccountError> {
        for _ in 0..DECISIONS {
            let user = self.store.user(id).await?.ok_or(AccountError::NotFound)?;
            let changed = decide(user)?;
            match self.store.update_user(&changed).await {
                Ok(()) => return Ok(User { version: changed.version + 1, ..changed }),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict.into())
    }
}
