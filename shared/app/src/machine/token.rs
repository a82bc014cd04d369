//! A runner's token is derived from its attempt's id, so nothing secret has to be kept with the attempt, and an
//! attempt that is launched again after a crash gets the same one.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::AttemptId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The key that runner tokens are derived under.
#[derive(Clone)]
pub struct RunnerKey(Vec<u8>);

impl std::fmt::Debug for RunnerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RunnerKey(***)")
    }
}

impl RunnerKey {
    /// A key from at least 32 random bytes.
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() >= 32).then_some(Self(bytes))
    }

    /// The token that is good for `attempt` alone.
    pub fn token(&self, attempt: AttemptId) -> String {
        URL_SAFE_NO_PAD.encode(self.mac(attempt).finalize().into_bytes())
    }

    /// Whether `token` is the one of `attempt`, in constant time.
    pub fn accepts(&self, attempt: AttemptId, token: &str) -> bool {
        URL_SAFE_NO_PAD.decode(token).is_ok_and(|given| self.mac(attempt).verify_slice(&given).is_ok())
    }

    fn mac(&self, attempt: AttemptId) -> Hmac<Sha256> {
        // HMAC takes a key of any length; `new` has made sure that it is a long one.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any key");
        mac.update(b"runner:");
        mac.update(attempt.to_string().as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_token_is_good_for_its_attempt_alone() {
        let key = RunnerKey::new(vec![7; 32]).expect("32 bytes");
        let (one, two) = (AttemptId::new(Uuid::from_u128(1)), AttemptId::new(Uuid::from_u128(2)));
        assert!(key.accepts(one, &key.token(one)));
        assert!(!key.accepts(two, &key.token(one)));
        assert!(!key.accepts(one, ""));
        assert!(!RunnerKey::new(vec![8; 32]).expect("32 bytes").accepts(one, &key.token(one)));
        assert!(RunnerKey::new(vec![1; 16]).is_none());
    }
}
