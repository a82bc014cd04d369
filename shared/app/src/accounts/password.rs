//! Passwords: Argon2id with the parameters that OWASP recommends (19 MiB, two passes, one lane).

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use domain::account::Digest;

/// In place of the password of an account that does not exist: checking against it takes as long, and nothing fits it.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A password could not be hashed or a kept one not be read.
#[derive(Debug, thiserror::Error)]
#[error("password hashing failed: {0}")]
pub struct HashError(String);

fn hasher() -> Result<Argon2<'static>, HashError> {
    let params = Params::new(19 * 1024, 2, 1, None).map_err(|error| HashError(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

/// What is kept of a password.
pub(super) async fn hash(password: String, salt: [u8; 16]) -> Result<Digest, HashError> {
    heavy(move || {
        let hash = hasher()?.hash_password_with_salt(password.as_bytes(), &salt);
        hash.map(|hash| Digest(hash.to_string())).map_err(|error| HashError(error.to_string()))
    })
    .await
}

/// Whether `password` is the one that was kept. Without a kept one it is not, after the same work.
pub(super) async fn verify(password: String, kept: Option<Digest>) -> Result<bool, HashError> {
    heavy(move || {
        let exists = kept.is_some();
        let kept = kept.map_or_else(|| NOBODY.to_owned(), |kept| kept.0);
        match hasher()?.verify_password(password.as_bytes(), kept.as_str()) {
            Ok(()) => Ok(exists),
            Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(HashError(error.to_string())),
        }
    })
    .await
}

/// Tens of milliseconds of work: not on the thread that answers.
async fn heavy<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
) -> Result<T, HashError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| HashError(error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_same_password_fits() {
        let kept = hash("correct horse".into(), [7; 16]).await.unwrap();
        assert!(kept.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", kept.0);
        assert!(verify("correct horse".into(), Some(kept.clone())).await.unwrap());
        assert!(!verify("correct hors".into(), Some(kept)).await.unwrap());
    }

    #[tokio::test]
    async fn the_same_password_is_kept_differently_each_time() {
        let (a, b) =
            (hash("same".into(), [1; 16]).await.unwrap(), hash("same".into(), [2; 16]).await.unwrap());
        assert_ne!(a, b);
    }

    #[tokio::test]
    async fn nothing_fits_nobody() {
        assert!(!verify(String::new(), None).await.unwrap());
        assert!(verify("x".into(), Some(Digest("garbage".into()))).await.is_err());
    }
}
