//! Accounts on the wire: sign-in, one's own account, keys for machines, administration.

mod docs;
mod requests;

use domain::account;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

pub use docs::Docs;
pub use requests::{ChangePassword, EditMe, EditUser, ListUsers, Login, NewApiKey, Refresh, Register};

use crate::{
    mirror::mirror,
    money::{Currency, Money},
};

mirror! {
    /// What an account is allowed beyond its own resources.
    Role of domain::Role {
        /// Runs the platform: sees every resource and manages accounts.
        Admin,
        /// Sees and manages what is theirs.
        User,
    }
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct User {
    #[schema(example = "usr_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub id: String,
    #[schema(example = "ada@example.com")]
    pub email: String,
    pub role: Role,
    /// Whether it may be used at all.
    pub active: bool,
    #[schema(example = "Ada")]
    pub first_name: Option<String>,
    #[schema(example = "Lovelace")]
    pub last_name: Option<String>,
    #[schema(example = "Analytical Engines")]
    pub organization: Option<String>,
    #[schema(example = "+44 20 7946 0000")]
    pub phone: Option<String>,
    /// The URL of a picture.
    #[schema(example = "https://example.com/ada.png")]
    pub avatar: Option<String>,
    /// What amounts are shown in.
    pub currency: Currency,
    /// Jobs at a time; null is what everybody may.
    #[schema(required = true, example = 20)]
    pub max_jobs: Option<u32>,
    /// GPUs at a time; null is what everybody may.
    #[schema(required = true, example = 32)]
    pub max_gpus: Option<u32>,
    /// What its jobs may cost in a calendar month (UTC); null is no limit.
    #[schema(required = true)]
    pub monthly_budget: Option<Money>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

impl From<account::User> for User {
    fn from(user: account::User) -> Self {
        let profile = user.profile;
        Self {
            id: user.id.to_string(),
            email: user.email.to_string(),
            role: user.role.into(),
            active: user.active,
            first_name: profile.first_name,
            last_name: profile.last_name,
            organization: profile.organization,
            phone: profile.phone,
            avatar: profile.avatar,
            currency: profile.currency.into(),
            max_jobs: user.allowance.max_jobs,
            max_gpus: user.allowance.max_gpus,
            monthly_budget: user.allowance.monthly_budget.map(Into::into),
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

/// A session that has just begun or gone on.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Session {
    /// Send it as `Authorization: Bearer …`.
    #[schema(example = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1c3JfMDE4ZiJ9.c2lnbmF0dXJl")]
    pub access_token: String,
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// Seconds until the access token expires.
    #[schema(example = 900)]
    pub expires_in: i64,
    /// Good once, for the next session at `POST /v1/auth/refresh`. Also set as the cookie `refresh`.
    #[schema(example = "gpur_not-a-real-token")]
    pub refresh_token: String,
    /// From then on only a new sign-in helps.
    pub refresh_expires_at: Timestamp,
    pub user: User,
}

/// A key for a machine. The key itself is not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ApiKey {
    #[schema(example = "key_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub id: String,
    #[schema(example = "nightly builds")]
    pub name: String,
    /// How the key begins, to tell one from another.
    #[schema(example = "gpuk_AbCd")]
    pub hint: String,
    pub created_at: Timestamp,
    /// From then on it is refused; null means never.
    pub expires_at: Option<Timestamp>,
    /// To the hour; null if it was never used.
    pub last_used_at: Option<Timestamp>,
}

impl From<account::ApiKey> for ApiKey {
    fn from(key: account::ApiKey) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name,
            hint: key.hint,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
        }
    }
}

/// A key that has just been made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CreatedApiKey {
    /// The key. Keep it now: it is not shown again.
    #[schema(example = "gpuk_not-a-real-key")]
    pub key: String,
    #[serde(flatten)]
    pub about: ApiKey,
}

/// All keys of an account, the oldest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ApiKeys {
    pub items: Vec<ApiKey>,
}

/// A page of accounts, by address.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UserPage {
    pub items: Vec<User>,
    /// Pass it as `cursor` for the next page; null on the last one.
    pub next: Option<String>,
}

/// The answer of a protected example.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Example {
    #[schema(example = "Hello ada@example.com.")]
    pub message: String,
    #[schema(example = "usr_018f5e6c8a7b7c3d9e0f1a2b3c4d5e6f")]
    pub user_id: String,
    pub role: Role,
}
