//! A user's named secrets: written, listed, deleted; their values go to the runners of their owner's jobs and nowhere else.

mod hand_out;

use std::{collections::BTreeMap, fmt, sync::Arc};

use domain::{
    UserId,
    job::FieldError,
    secret::{self, JOB_BYTES, SECRETS, Secret},
};

use crate::{
    ports::{Clock, Ids, SecretStore, StoreError, UserSecret},
    seal::{Envelope, Key, SealError},
};

pub use hand_out::{HandOut, HandOutError, Values};

/// The use cases of secrets.
#[derive(Clone)]
pub struct Secrets {
    pub store: Arc<dyn SecretStore>,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub key: Key,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("some fields are not acceptable")]
    Invalid(Vec<FieldError>),
    #[error("there is no such secret")]
    NotFound,
    #[error("the user has as many secrets as they may")]
    TooMany,
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Where a user's secret stands: what its envelope is bound to.
pub(crate) fn place(owner: UserId, name: &str) -> String {
    format!("{owner}/{name}")
}

impl Secrets {
    /// Keeps a value under a name; whether the name is new.
    pub async fn put(&self, owner: UserId, name: &str, value: &str) -> Result<(Secret, bool), SecretError> {
        let errors = secret::check(name, value);
        if !errors.is_empty() {
            return Err(SecretError::Invalid(errors));
        }
        let now = self.clock.now();
        // Two requests at once may pass the limit by one: it guards the number of rows, not a right.
        let present = self.store.secrets(owner).await?;
        if present.len() >= SECRETS && present.iter().all(|secret| secret.name != name) {
            return Err(SecretError::TooMany);
        }
        let envelope = Envelope::seal(&self.key, &self.ids.secret(), &place(owner, name), value.as_bytes())?;
        let about = Secret {
            owner,
            name: name.to_owned(),
            bytes: value.len(),
            created_at: now,
            updated_at: now,
            last_used_at: None,
        };
        Ok(self.store.put_secret(&UserSecret { about, envelope }).await?)
    }

    /// What is known of a user's secrets, by name.
    pub async fn list(&self, owner: UserId) -> Result<Vec<Secret>, SecretError> {
        Ok(self.store.secrets(owner).await?)
    }

    /// Takes a secret away. Commands that have it keep it; jobs that have not started will not.
    pub async fn remove(&self, owner: UserId, name: &str) -> Result<(), SecretError> {
        if self.store.remove_secret(owner, name).await? { Ok(()) } else { Err(SecretError::NotFound) }
    }
}

/// What is wrong with a job's references, variable by variable: who submits hears of it before anything is rented.
pub async fn check_references(
    store: &dyn SecretStore,
    owner: UserId,
    references: &BTreeMap<String, String>,
) -> Result<Vec<FieldError>, StoreError> {
    if references.is_empty() {
        return Ok(Vec::new());
    }
    let present = store.secrets(owner).await?;
    let mut errors = Vec::new();
    let mut bytes = 0;
    for (variable, name) in references {
        match present.iter().find(|secret| secret.name == *name) {
            Some(secret) => bytes += secret.bytes,
            None => errors.push(FieldError::new(
                format!("secrets.{variable}"),
                format!("there is no secret {name}; make it at PUT /v1/secrets/{name}"),
            )),
        }
    }
    if bytes > JOB_BYTES {
        errors.push(FieldError::new(
            "secrets",
            format!("their values have {bytes} bytes together; at most {JOB_BYTES}"),
        ));
    }
    Ok(errors)
}
