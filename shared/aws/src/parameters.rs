//! Secrets: SecureString parameters of the Systems Manager, kept in memory for a few minutes.

use std::{collections::HashMap, fmt, sync::Arc};

use app::ports::Clock;
use aws_sdk_ssm::{Client, error::ProvideErrorMetadata};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::Environment;

/// How long a value is used before it is read again: a changed secret counts after that time at the latest.
const FRESH: SignedDuration = SignedDuration::from_mins(5);

/// A value that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Hides `value`.
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// The value, for the call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Why a parameter could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ParameterError {
    /// Whoever deployed did not make it.
    #[error("parameter {0} does not exist")]
    Missing(String),
    /// Anything else; it may work later.
    #[error("parameter {name} could not be read")]
    Other {
        name: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The parameters of this deployment.
pub struct Parameters {
    client: Client,
    prefix: String,
    clock: Arc<dyn Clock>,
    /// Absence is remembered like a value: a provider without credentials costs no call for each job.
    read: Mutex<HashMap<String, (Timestamp, Option<Secret>)>>,
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameters").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

impl Parameters {
    /// The parameters whose names begin with `prefix`.
    pub fn new(environment: &Environment, prefix: impl Into<String>, clock: Arc<dyn Clock>) -> Self {
        Self { client: environment.ssm(), prefix: prefix.into(), clock, read: Mutex::default() }
    }

    /// The parameter `name`, which begins with a slash and goes behind the prefix; `None` if there is none.
    pub async fn find(&self, name: &str) -> Result<Option<Secret>, ParameterError> {
        // Held over the call: of many requests at once, one asks and the others wait for its answer.
        let mut read = self.read.lock().await;
        let now = self.clock.now();
        if let Some((at, value)) = read.get(name)
            && now.duration_since(*at) < FRESH
        {
            return Ok(value.clone());
        }
        let full = format!("{}{name}", self.prefix);
        let value = match self.client.get_parameter().name(&full).with_decryption(true).send().await {
            Ok(answer) => answer.parameter.and_then(|parameter| parameter.value).map(Secret::new),
            Err(error) => match error.as_service_error().and_then(ProvideErrorMetadata::code) {
                Some("ParameterNotFound") => None,
                _ => return Err(ParameterError::Other { name: full, source: Box::new(error) }),
            },
        };
        read.insert(name.to_owned(), (now, value.clone()));
        Ok(value)
    }

    /// The parameter `name`, which must exist.
    pub async fn get(&self, name: &str) -> Result<Secret, ParameterError> {
        self.find(name).await?.ok_or_else(|| ParameterError::Missing(format!("{}{name}", self.prefix)))
    }
}
