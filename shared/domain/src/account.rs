//! Accounts: who has one, how they sign in, and what their machines carry.

mod allowance;
mod email;
mod profile;
mod session;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use allowance::{Allowance, AllowanceChange, Quota};
pub use email::Email;
pub use profile::{Change, Profile, ProfileChange};
pub use session::{Presented, SESSION_LIFE, Session};

use crate::{
    access::{Principal, Role},
    id::{ApiKeyId, UserId},
    job::{FieldError, text},
};

/// The fewest characters of a password.
pub const PASSWORD_MIN_CHARS: usize = 10;
/// The most bytes of a password: hashing more would only cost time.
pub const PASSWORD_MAX_BYTES: usize = 256;
/// The most API keys that one account may have.
pub const API_KEYS: usize = 25;

/// A digest of something secret, kept in its place.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(pub String);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    pub email: Email,
    /// The password as Argon2id left it, with its parameters and salt.
    pub password: Digest,
    pub role: Role,
    /// Whether the account may be used at all.
    pub active: bool,
    pub profile: Profile,
    /// What the account may use and spend, where that is not what everybody may.
    #[serde(default)]
    pub allowance: Allowance,
    /// Sessions of an earlier epoch are over: a new password or a deactivation ends them all in one write.
    pub epoch: u32,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Counts the writes of the row; 0 is a row that was never written.
    pub version: u64,
}

impl User {
    /// The account as the caller of a request.
    pub fn principal(&self) -> Principal {
        Principal { user: self.id, role: self.role }
    }
}

/// What an administrator may not do to their own account: it would take the last one away unnoticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an administrator cannot deactivate or demote their own account")]
pub struct OwnAccount;

/// Changes role and activity of `user` as administrator `by`.
pub fn administer(
    user: &mut User,
    by: UserId,
    role: Option<Role>,
    active: Option<bool>,
    at: Timestamp,
) -> Result<(), OwnAccount> {
    let (role, active) = (role.unwrap_or(user.role), active.unwrap_or(user.active));
    if user.id == by && (role != Role::Admin || !active) {
        return Err(OwnAccount);
    }
    if user.active && !active {
        user.epoch += 1;
    }
    (user.role, user.active, user.updated_at) = (role, active, at);
    Ok(())
}

/// A machine's way in: it acts as its owner. The key itself is shown once and kept as a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub user: UserId,
    pub name: String,
    /// The first characters of the key, to tell one from another.
    pub hint: String,
    pub created_at: Timestamp,
    /// From then on it is refused; `None` means never.
    pub expires_at: Option<Timestamp>,
    /// To the hour: each use would cost a write.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// What is wrong with a key's name and expiry.
    pub fn check(name: &str, expires_at: Option<Timestamp>, now: Timestamp) -> Vec<FieldError> {
        let mut errors = Vec::new();
        text(&mut |field: &str, message| errors.push(FieldError::new(field, message)), "name", name, 1, 64);
        if expires_at.is_some_and(|at| at <= now) {
            errors.push(FieldError::new(
                "expires_at",
                "is not in the future; leave it out for a key without end",
            ));
        }
        errors
    }

    /// Whether the key is good at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// Checks a new password of the account with address `email`.
pub fn check_password(field: &str, password: &str, email: &str) -> Result<(), FieldError> {
    if password.chars().count() < PASSWORD_MIN_CHARS {
        return Err(FieldError::new(field, format!("must have at least {PASSWORD_MIN_CHARS} characters")));
    }
    if password.len() > PASSWORD_MAX_BYTES {
        return Err(FieldError::new(field, format!("must have at most {PASSWORD_MAX_BYTES} bytes")));
    }
    if password.trim().eq_ignore_ascii_case(email.trim()) {
        return Err(FieldError::new(field, "must not be the e-mail address"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn admin(id: u128) -> User {
        User {
            id: UserId::new(Uuid::from_u128(id)),
            email: Email::parse("root@example.com").unwrap(),
            password: Digest("not a real hash".into()),
            role: Role::Admin,
            active: true,
            profile: Profile::default(),
            allowance: Allowance::default(),
            epoch: 0,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            version: 1,
        }
    }

    #[test]
    fn nobody_locks_themselves_out() {
        let (mut me, at) = (admin(1), Timestamp::from_second(5).unwrap());
        let id = me.id;
        assert_eq!(administer(&mut me, id, Some(Role::User), None, at), Err(OwnAccount));
        assert_eq!(administer(&mut me, id, None, Some(false), at), Err(OwnAccount));
        assert_eq!(me, admin(1));
        assert_eq!(administer(&mut me, id, Some(Role::Admin), Some(true), at), Ok(()));

        let mut other = admin(2);
        assert_eq!(administer(&mut other, id, Some(Role::User), Some(false), at), Ok(()));
        assert_eq!((other.role, other.active, other.updated_at), (Role::User, false, at));
        assert_eq!(other.epoch, 1, "its sessions are over");
        assert_eq!(administer(&mut other, id, None, Some(true), at), Ok(()));
        assert_eq!((other.role, other.active, other.epoch), (Role::User, true, 1));
    }

    #[test]
    fn a_password_has_a_length_and_is_not_the_address() {
        let check = |password: &str| check_password("password", password, "ada@example.com").is_ok();
        assert!(check("1234567890"));
        assert!(!check("123456789"));
        assert!(check("密码密码密码密码密码"), "characters count, not bytes");
        assert!(check(&"x".repeat(256)) && !check(&"x".repeat(257)));
        assert!(!check(" ADA@example.com"));
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert!(!format!("{:?}", admin(1)).contains("not a real hash"));
    }

    #[test]
    fn a_key_ends_when_it_says() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert!(ApiKey::check("ci", Some(at(11)), at(10)).is_empty());
        assert_eq!(ApiKey::check("", Some(at(10)), at(10)).len(), 2);
    }
}
