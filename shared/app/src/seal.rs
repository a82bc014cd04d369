//! A job's secret values, encrypted under one key of the deployment.
//!
//! A value is bound to its job and to its name: a row's sealed text means nothing in another row.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    hmac,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{JobId, job::SealedText};

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
    let cipher = RandomizedNonceKey::new(&AES_256_GCM, &key.0).map_err(|_| SealError::Seal)?;
    let mut bytes = value.as_bytes().to_vec();
    let nonce = cipher
        .seal_in_place_append_tag(Aad::from(bound_to(job, name)), &mut bytes)
        .map_err(|_| SealError::Seal)?;
    Ok(SealedText(STANDARD.encode([nonce.as_ref().as_slice(), &bytes].concat())))
}

/// Opens what [`seal`] sealed for the same job and name.
pub fn open(key: &Key, job: JobId, name: &str, sealed: &SealedText) -> Result<String, SealError> {
    let cipher = RandomizedNonceKey::new(&AES_256_GCM, &key.0).map_err(|_| SealError::Open)?;
    let bytes = STANDARD.decode(&sealed.0).map_err(|_| SealError::Open)?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE_LEN).ok_or(SealError::Open)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Open)?;
    let mut sealed = sealed.to_vec();
    let plain = cipher
        .open_in_place(nonce, Aad::from(bound_to(job, name)), &mut sealed)
        .map_err(|_| SealError::Open)?;
    String::from_utf8(plain.to_vec()).map_err(|_| SealError::Open)
}

fn bound_to(job: JobId, name: &str) -> Vec<u8> {
    format!("{job}/{name}").into_bytes()
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
