//! Secret values, encrypted under one key of the deployment: of a job, of a user, and of an attempt.
//!
//! A value is bound to what it belongs to and to its name: a row's sealed text means nothing in another row.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hmac,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{JobId, job::SealedText};
use serde::{Deserialize, Serialize};

/// The parameter that holds the key: 32 random bytes in base64.
pub const KEY_PARAMETER: &str = "/secrets-key";

/// The parameter's value is not 32 bytes in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key of sealed values is not 32 bytes in base64")]
pub struct InvalidKey;

/// A value could not be sealed, or was not sealed by this key for this job and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The cipher refused.
    #[error("a secret value could not be sealed")]
    Seal,
    /// It was changed, or belongs elsewhere.
    #[error("a sealed value cannot be opened with this key for this job and name")]
    Open,
}

/// What seals and opens.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

impl Key {
    /// A key from its parameter's value.
    pub fn from_base64(text: &str) -> Result<Self, InvalidKey> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| InvalidKey)?;
        bytes.try_into().map(Self).map_err(|_| InvalidKey)
    }

    /// A digest of a request that may hold secret values: without the key nobody can guess at them.
    pub fn digest(&self, parts: &[&[u8]]) -> String {
        // The key that encrypts is never used for anything else.
        let own = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), b"digest of a request");
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, own.as_ref()));
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        STANDARD.encode(context.sign())
    }
}

/// Seals the value of the job's variable `name` under a fresh random nonce.
pub fn seal(key: &Key, job: JobId, name: &str, value: &str) -> Result<SealedText, SealError> {
    seal_at(key, &format!("{job}/{name}"), value)
}

/// Opens what [`seal`] sealed for the same job and name.
pub fn open(key: &Key, job: JobId, name: &str, sealed: &SealedText) -> Result<String, SealError> {
    open_at(key, &format!("{job}/{name}"), sealed)
}

/// Seals a text for `place`, such as an owner and an id, under a fresh random nonce.
pub fn seal_at(key: &Key, place: &str, value: &str) -> Result<SealedText, SealError> {
    encrypt(&key.0, place, value.as_bytes()).map(|bytes| SealedText(STANDARD.encode(bytes)))
}

/// Opens what [`seal_at`] sealed for the same place.
pub fn open_at(key: &Key, place: &str, sealed: &SealedText) -> Result<String, SealError> {
    let bytes = STANDARD.decode(&sealed.0).map_err(|_| SealError::Open)?;
    let plain = decrypt(&key.0, place, &bytes)?;
    String::from_utf8(plain).map_err(|_| SealError::Open)
}

/// A value under a key of its own, which is wrapped by another one: who holds the wrapping key can change without any
/// value being encrypted anew.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// What wrapped the key.
    wrapped_by: WrappedBy,
    /// The value's key, wrapped; base64.
    key: String,
    /// The value; base64.
    value: String,
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope").field("wrapped_by", &self.wrapped_by).finish_non_exhaustive()
    }
}

/// Who holds the key that wraps. A customer's KMS key would be another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrappedBy {
    /// The deployment: [`KEY_PARAMETER`].
    Parameter,
}

impl Envelope {
    /// Seals `value` for `place`, such as an owner and a name, under the fresh key `data_key`.
    pub fn seal(key: &Key, data_key: &[u8; 32], place: &str, value: &[u8]) -> Result<Self, SealError> {
        Ok(Self {
            wrapped_by: WrappedBy::Parameter,
            key: STANDARD.encode(encrypt(&key.0, &format!("key/{place}"), data_key)?),
            value: STANDARD.encode(encrypt(data_key, &format!("value/{place}"), value)?),
        })
    }

    /// Opens what was sealed for the same place.
    pub fn open(&self, key: &Key, place: &str) -> Result<Vec<u8>, SealError> {
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| SealError::Open);
        let data_key = match self.wrapped_by {
            WrappedBy::Parameter => decrypt(&key.0, &format!("key/{place}"), &decode(&self.key)?)?,
        };
        let data_key: [u8; 32] = data_key.try_into().map_err(|_| SealError::Open)?;
        decrypt(&data_key, &format!("value/{place}"), &decode(&self.value)?)
    }
}

fn encrypt(key: &[u8; 32], place: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let cipher = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| SealError::Seal)?;
    let mut bytes = plain.to_vec();
    let nonce = cipher
        .seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut bytes)
        .map_err(|_| SealError::Seal)?;
    Ok([nonce.as_ref().as_slice(), &bytes].concat())
}

fn decrypt(key: &[u8; 32], place: &str, bytes: &[u8]) -> Result<Vec<u8>, SealError> {
    let cipher = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| SealError::Open)?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN).ok_or(SealError::Open)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Open)?;
    let mut sealed = sealed.to_vec();
    let plain =
        cipher.open_in_place(nonce, Aad::from(place.as_bytes()), &mut sealed).map_err(|_| SealError::Open)?;
    Ok(plain.to_vec())
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn key(byte: u8) -> Key {
        Key::from_base64(&STANDARD.encode([byte; 32])).unwrap()
    }

    fn job(number: u128) -> JobId {
        JobId::new(Uuid::from_u128(number))
    }

    #[test]
    fn a_sealed_value_opens_for_its_job_and_name_alone() {
        let sealed = seal(&key(1), job(1), "TOKEN", "päss\nword").unwrap();
        assert!(!sealed.0.contains("word"));
        assert_eq!(open(&key(1), job(1), "TOKEN", &sealed).unwrap(), "päss\nword");
        assert_eq!(open(&key(1), job(2), "TOKEN", &sealed), Err(SealError::Open));
        assert_eq!(open(&key(1), job(1), "OTHER", &sealed), Err(SealError::Open));
        assert_eq!(open(&key(2), job(1), "TOKEN", &sealed), Err(SealError::Open));
    }

    #[test]
    fn an_envelope_opens_at_its_place_alone() {
        let envelope = Envelope::seal(&key(1), &[9; 32], "usr_1/TOKEN", b"fake-value").unwrap();
        let row = serde_json::to_string(&envelope).unwrap();
        assert!(!row.contains("fake") && !format!("{envelope:?}").contains(&envelope.key));
        let read: Envelope = serde_json::from_str(&row).unwrap();
        assert_eq!(read.open(&key(1), "usr_1/TOKEN").unwrap(), b"fake-value");
        for place in ["usr_2/TOKEN", "usr_1/OTHER"] {
            assert_eq!(read.open(&key(1), place), Err(SealError::Open), "{place}");
        }
        assert_eq!(read.open(&key(2), "usr_1/TOKEN"), Err(SealError::Open));
        let other = Envelope::seal(&key(1), &[8; 32], "usr_1/TOKEN", b"other").unwrap();
        let mixed = Envelope { value: other.value, ..read };
        assert_eq!(mixed.open(&key(1), "usr_1/TOKEN"), Err(SealError::Open));
    }

    #[test]
    fn the_same_value_never_looks_the_same() {
        let seal = || seal(&key(1), job(1), "TOKEN", "same").unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn a_changed_value_does_not_open() {
        let SealedText(text) = seal(&key(1), job(1), "TOKEN", "value").unwrap();
        let bytes = STANDARD.decode(text).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let changed = SealedText(STANDARD.encode(changed));
            assert_eq!(open(&key(1), job(1), "TOKEN", &changed), Err(SealError::Open), "byte {at}");
        }
        for text in ["", "AAAA", "not base64!"] {
            assert_eq!(open(&key(1), job(1), "TOKEN", &SealedText(text.into())), Err(SealError::Open));
        }
    }

    #[test]
    fn a_key_has_32_bytes_and_is_not_printed() {
        assert!(Key::from_base64("c2hvcnQ=").is_err());
        assert!(Key::from_base64("!").is_err());
        assert_eq!(format!("{:?}", key(7)), "Key(***)");
    }

    #[test]
    fn a_digest_depends_on_every_part_and_on_the_key() {
        let digest = key(1).digest(&[b"POST", b"/v1/jobs", b"{}"]);
        assert_eq!(digest, key(1).digest(&[b"POST", b"/v1/jobs", b"{}"]));
        assert_ne!(digest, key(1).digest(&[b"POST", b"/v1/jobs{}", b""]));
        assert_ne!(digest, key(2).digest(&[b"POST", b"/v1/jobs", b"{}"]));
    }
}
