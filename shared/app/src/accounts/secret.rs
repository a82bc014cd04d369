//! Secrets that we hand out: random, shown once, kept as a digest.
//!
//! They have 256 random bits, so a plain SHA-256 is enough: there is nothing to guess, unlike with a password.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::account::Digest;
use sha2::Digest as _;

/// The text form of random bytes.
pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of a text form.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// What is kept of a secret.
pub(super) fn digest(secret: &[u8]) -> Digest {
    let hash = sha2::Sha256::digest(secret);
    Digest(hash.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether two digests are equal, in a time that does not tell where they differ.
pub(super) fn same(a: &Digest, b: &Digest) -> bool {
    let (a, b) = (a.0.as_bytes(), b.0.as_bytes());
    a.len() == b.len() && std::hint::black_box(a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_sha_256_in_hex() {
        let of_abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest(b"abc").0, of_abc);
        assert!(same(&digest(b"abc"), &Digest(of_abc.into())));
        assert!(!same(&digest(b"abc"), &digest(b"abd")));
        assert!(!same(&digest(b"abc"), &Digest(String::new())));
    }
}
