//! The job machine with everything it needs, made at a function's first invocation.

use std::sync::Arc;

use app::{
    machine::{Machine, RunnerKey, Settings, Unseal},
    ports::Providers,
    seal,
};
use aws::ParameterError;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{JobId, job::SealedText};
use providers::runpod;
use tokio::sync::OnceCell;

use crate::Platform;

/// Makes the job machine once and hands it out.
#[derive(Debug)]
pub struct Carrier {
    platform: Platform,
    machine: OnceCell<Machine>,
}

/// Why the machine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// The parameter `/runner-key` is not at least 32 bytes in base64.
    #[error("the parameter /runner-key is not at least 32 bytes in base64")]
    RunnerKey,
    #[error("RUNPOD_URL is not a URL")]
    RunpodUrl(#[source] url::ParseError),
    #[error(transparent)]
    SecretsKey(#[from] seal::InvalidKey),
}

impl Carrier {
    /// A machine on `platform`, not made yet.
    pub fn new(platform: Platform) -> Self {
        Self { platform, machine: OnceCell::new() }
    }

    /// The machine.
    pub async fn machine(&self) -> Result<&Machine, SetUpError> {
        self.machine.get_or_try_init(|| make(&self.platform)).await
    }
}

async fn make(platform: &Platform) -> Result<Machine, SetUpError> {
    let config = platform.config();
    let runner_key = platform.parameter("/runner-key").await?;
    let runner_key = STANDARD.decode(runner_key.expose().trim()).ok().and_then(RunnerKey::new);
    let secrets = seal::Key::from_base64(platform.parameter(seal::KEY_PARAMETER).await?.expose())?;
    let store = Arc::new(platform.store().clone());
    Ok(Machine {
        jobs: store.clone(),
        runners: store.clone(),
        listeners: store,
        workflows: platform.workflows(),
        providers: providers(platform).await?,
        clock: platform.clock(),
        ids: platform.ids(),
        runner_key: runner_key.ok_or(SetUpError::RunnerKey)?,
        secrets: Arc::new(Opener(secrets)),
        settings: Settings {
            api_url: config.api_url.clone(),
            heartbeat_seconds: config.heartbeat.as_secs_f64(),
            watched_seconds: config.watched.as_secs_f64(),
            boot_check_seconds: u32::try_from(config.boot_check.as_secs()).unwrap_or(u32::MAX).max(1),
            concurrency: config.default_concurrency,
            capacity_backoff_seconds: u32::try_from(config.capacity_backoff.as_secs())
                .unwrap_or(u32::MAX)
                .max(1),
        },
    })
}

/// The providers whose credentials are among the parameters.
pub async fn providers(platform: &Platform) -> Result<Providers, SetUpError> {
    let runpod = match platform.find_parameter("/providers/runpod").await? {
        None => None,
        Some(key) => {
            let mut settings = runpod::Settings::new(providers::ApiKey::new(key.expose().trim()));
            if let Some(url) = &platform.config().runpod_url {
                settings.url = url.parse().map_err(SetUpError::RunpodUrl)?;
            }
            Some(settings)
        }
    };
    Ok(providers::registry(providers::Settings { clock: platform.clock(), runpod }))
}

struct Opener(seal::Key);

impl Unseal for Opener {
    fn open(&self, job: JobId, name: &str, sealed: &SealedText) -> Option<String> {
        seal::open(&self.0, job, name, sealed).ok()
    }
}
