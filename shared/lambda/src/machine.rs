//! The job machine with everything it needs, made at a function's first invocation.

use std::{sync::Arc, time::Duration};

use app::{
    machine::{Machine, RunnerKey, Settings},
    market::{Freshness, Market},
    ports::Providers,
    seal,
    secrets::HandOut,
};
use aws::ParameterError;
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::SignedDuration;
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
    let key = seal::Key::from_base64(platform.parameter(seal::KEY_PARAMETER).await?.expose())?;
    let store = Arc::new(platform.store().clone());
    let market = market(platform).await?;
    Ok(Machine {
        jobs: store.clone(),
        runners: store.clone(),
        listeners: store.clone(),
        workflows: platform.workflows(),
        providers: market.providers.clone(),
        market,
        clock: platform.clock(),
        ids: platform.ids(),
        runner_key: runner_key.ok_or(SetUpError::RunnerKey)?,
        hand_out: HandOut { store, ids: platform.ids(), key },
        purse: platform.purse(),
        runs: platform.runs(),
        settings: Settings {
            api_url: config.api_url.clone(),
            heartbeat_seconds: config.heartbeat.as_secs_f64(),
            watched_seconds: config.watched.as_secs_f64(),
            boot_check_seconds: u32::try_from(config.boot_check.as_secs()).unwrap_or(u32::MAX).max(1),
            capacity_backoff_seconds: u32::try_from(config.capacity_backoff.as_secs())
                .unwrap_or(u32::MAX)
                .max(1),
            bill_after: signed(config.bill_after),
        },
    })
}

/// How long a provider's catalogue is waited for.
const CATALOGUE_TIMEOUT: Duration = Duration::from_secs(8);

/// The offers of the providers that have credentials, and what was measured of them.
pub async fn market(platform: &Platform) -> Result<Market, SetUpError> {
    let config = platform.config();
    let store = Arc::new(platform.store().clone());
    let freshness = Freshness {
        fresh: signed(config.offers_fresh),
        stale: signed(config.offers_stale.max(config.offers_fresh)),
        timeout: CATALOGUE_TIMEOUT,
    };
    let providers = providers(platform).await?;
    Ok(Market::new(providers, store.clone(), store, platform.clock(), freshness, config.rates))
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

/// The providers whose credentials are among the parameters. One whose parameter is wrong is among them and refuses.
pub async fn providers(platform: &Platform) -> Result<Providers, SetUpError> {
    let mut made = Vec::new();
    for cloud in providers::CLOUDS {
        let Some(parameter) = platform.find_parameter(&format!("/providers/{}", cloud.name)).await? else {
            continue;
        };
        let url = platform.config().cloud_urls.get(cloud.name).map(String::as_str);
        let (provider, wrong) = cloud.provider(parameter.expose(), url, platform.clock());
        if let Some(wrong) = wrong {
            tracing::error!(provider = cloud.name, wrong, "the provider's parameter cannot be used");
        }
        made.push(provider);
    }
    Ok(Providers::new(made))
}
