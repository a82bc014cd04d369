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
    Digest(encode(&sha2::Sha256::digest(secret)))
}

/// Whether two digests are equal, in a time that does not tell where they differ.
pub(super) fn same(a: &Digest, b: &Digest) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(a.0.as_bytes(), b.0.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_sha_256() {
        let of_abc = Digest("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0".into());
        assert_eq!(digest(b"abc"), of_abc);
        assert!(same(&digest(b"abc"), &of_abc));
        assert!(!same(&digest(b"abc"), &digest(b"abd")));
        assert!(!same(&digest(b"abc"), &Digest(String::new())));
    }
}
