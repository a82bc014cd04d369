//! What one attempt's command is given: settled when its runner starts, the same however often the runner asks, and
//! known afterwards to mask what the command says.

use std::{collections::BTreeMap, fmt, sync::Arc};

use domain::{AttemptId, job::Job, secret::JOB_BYTES};
use jiff::{SignedDuration, Timestamp};

use super::place;
use crate::{
    ports::{Ids, SecretStore, StoreError},
    seal::{Envelope, Key, SealError, open},
};

/// Values by their variable's name.
pub type Values = BTreeMap<String, String>;

/// How long after its job's deadline an attempt's values are kept to mask its last words.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// As long, where a job has no deadline.
const KEPT_WITHOUT: SignedDuration = SignedDuration::from_hours(24 * 90);

/// Gives out.
#[derive(Clone)]
pub struct HandOut {
    pub store: Arc<dyn SecretStore>,
    pub ids: Arc<dyn Ids>,
    pub key: Key,
}

impl fmt::Debug for HandOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandOut").finish_non_exhaustive()
    }
}

/// Why a command cannot have what its job wants.
#[derive(Debug, thiserror::Error)]
pub enum HandOutError {
    /// In words for the job's owner: nothing will make it right but another job.
    #[error("{0}")]
    Refused(String),
    /// Asking again may help.
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl HandOut {
    /// The values for an attempt of `job` whose runner starts.
    pub async fn give(&self, job: &Job, attempt: AttemptId, now: Timestamp) -> Result<Values, HandOutError> {
        if !job.spec.has_secrets() {
            return Ok(Values::new());
        }
        if let Some(values) = self.given(attempt).await? {
            return Ok(values);
        }
        let values = self.resolve(job).await?;
        let json = serde_json::to_vec(&values).map_err(|error| StoreError::Other(Box::new(error)))?;
        let envelope = Envelope::seal(&self.key, &self.ids.secret(), &attempt.to_string(), &json)?;
        let expires = job.deadline.map_or(now + KEPT_WITHOUT, |deadline| deadline.max(now) + KEPT);
        match self.store.give(attempt, &envelope, expires).await {
            Ok(()) => {}
            // Another message of the runner was quicker: its answer is the answer.
            Err(StoreError::Conflict) => return Ok(self.given(attempt).await?.unwrap_or(values)),
            Err(error) => return Err(error.into()),
        }
        for name in job.spec.secrets.values() {
            if let Err(error) = self.store.touch_secret(job.owner, name, now).await {
                tracing::warn!(job.id = %job.id, %error, "the use of a secret was not noted");
            }
        }
        Ok(values)
    }

    /// What an attempt was given; `None` if its runner never started.
    pub async fn given(&self, attempt: AttemptId) -> Result<Option<Values>, HandOutError> {
        let Some(envelope) = self.store.given(attempt).await? else { return Ok(None) };
        let json = envelope.open(&self.key, &attempt.to_string())?;
        let values = serde_json::from_slice(&json).map_err(|error| StoreError::Other(Box::new(error)))?;
        Ok(Some(values))
    }

    async fn resolve(&self, job: &Job) -> Result<Values, HandOutError> {
        let mut values = Values::new();
        for (variable, sealed) in &job.spec.secret_env {
            match open(&self.key, job.id, variable, sealed) {
                Ok(value) => drop(values.insert(variable.clone(), value)),
                Err(error) => {
                    tracing::error!(job.id = %job.id, variable, %error, "a job's secret cannot be opened with the present key");
                    return Err(HandOutError::Refused(format!(
                        "the value of {variable} was sealed under another key; submit the job again"
                    )));
                }
            }
        }
        for (variable, name) in &job.spec.secrets {
            let Some(secret) = self.store.secret(job.owner, name).await? else {
                return Err(HandOutError::Refused(format!(
                    "the secret {name} for the variable {variable} was deleted before the command began"
                )));
            };
            let opened = secret.envelope.open(&self.key, &place(job.owner, name));
            let value = opened.ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let Some(value) = value else {
                tracing::error!(job.id = %job.id, name, "a user's secret cannot be opened with the present key");
                return Err(HandOutError::Refused(format!(
                    "the secret {name} was sealed under another key; write it again at PUT /v1/secrets/{name}"
                )));
            };
            values.insert(variable.clone(), value);
        }
        let bytes: usize = values.values().map(String::len).sum();
        // Checked when the job was submitted, but a secret may have got a longer value since.
        if bytes > 2 * JOB_BYTES {
            return Err(HandOutError::Refused(format!(
                "the values of its secrets have {bytes} bytes together; at most {JOB_BYTES}"
            )));
        }
        Ok(values)
    }
}
