//! A sign-in and the chain of refresh tokens that follows from it.
//!
//! A refresh token has two parts. The *family* is the same along the chain; the *link* is new with each token. Who shows
//! the family with another link than the last one shows a token that was used already: either the owner or a thief has
//! the next one, and nobody can tell which, so the chain ends. Who does not know the family has no token at all, and can
//! end nobody's chain.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Digest;
use crate::id::{SessionId, UserId};

/// How long after sign-in a chain may be renewed.
pub const SESSION_LIFE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A chain of refresh tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    pub user: UserId,
    /// The epoch of its user when it began; see [`super::User::epoch`].
    pub epoch: u32,
    pub family: Digest,
    /// Of the only token that may be used next.
    pub link: Digest,
    pub created_at: Timestamp,
    pub renewed_at: Timestamp,
    pub expires_at: Timestamp,
    /// Counts the writes of the row; 0 is a row that was never written.
    pub version: u64,
}

/// What a shown token means for its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// It is the next one: renew.
    Next,
    /// It was used before: end the chain.
    Used,
    /// It is none of this chain, or the chain is over: refuse.
    Unknown,
}

impl Session {
    /// Judges a token by its parts. `same` compares two digests in constant time.
    pub fn judge(
        &self,
        family: &Digest,
        link: &Digest,
        now: Timestamp,
        same: impl Fn(&Digest, &Digest) -> bool,
    ) -> Presented {
        if !same(&self.family, family) || now >= self.expires_at {
            Presented::Unknown
        } else if same(&self.link, link) {
            Presented::Next
        } else {
            Presented::Used
        }
    }

    /// The chain with its next link.
    #[must_use]
    pub fn renewed(self, link: Digest, now: Timestamp) -> Self {
        Self { link, renewed_at: now, ..self }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn only_the_last_token_of_the_chain_renews_it() {
        let digest = |text: &str| Digest(text.into());
        let at = |second| Timestamp::from_second(second).unwrap();
        let session = Session {
            id: SessionId::new(Uuid::from_u128(1)),
            user: UserId::new(Uuid::from_u128(2)),
            epoch: 0,
            family: digest("family"),
            link: digest("1"),
            created_at: at(0),
            renewed_at: at(0),
            expires_at: at(100),
            version: 1,
        };
        let judge = |session: &Session, family: &str, link: &str, second| {
            session.judge(&digest(family), &digest(link), at(second), |a, b| a == b)
        };
        assert_eq!(judge(&session, "family", "1", 99), Presented::Next);
        assert_eq!(judge(&session, "family", "0", 99), Presented::Used);
        assert_eq!(judge(&session, "guess", "0", 99), Presented::Unknown);
        assert_eq!(judge(&session, "guess", "1", 99), Presented::Unknown);
        assert_eq!(judge(&session, "family", "1", 100), Presented::Unknown);
        let next = session.renewed(digest("2"), at(50));
        assert_eq!(judge(&next, "family", "1", 99), Presented::Used);
        assert_eq!(judge(&next, "family", "2", 99), Presented::Next);
    }
}
