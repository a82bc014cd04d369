//! Everything outside, made when it is first asked for: a function that starts has built nothing yet, and one that never
//! asks for a client has none linked in.

use std::sync::{Arc, OnceLock};

use app::ports::{Clock, Ids, Push, StoreError, Workflows};
use app::{
    jobs::Jobs,
    money::Purse,
    runs::{Plans, Runs},
};
use aws::{Connections, Environment, ParameterError, Parameters, Secret, StepFunctions};
use domain::account::Quota;
use dynamodb::Store;
use tokio::sync::Mutex;

use crate::{
    config::{Config, ConfigErrors},
    system::{RandomIds, SystemClock},
    tokens::{KeyError, Keys},
};

/// A function's configuration and clients. Cloning it is cheap; all clones share them.
#[derive(Clone)]
pub struct Platform(Arc<Inner>);

struct Inner {
    config: Config,
    environment: Environment,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    store: OnceLock<Store>,
    workflows: OnceLock<Arc<dyn Workflows>>,
    push: OnceLock<Arc<dyn Push>>,
    parameters: OnceLock<Parameters>,
    keys: Mutex<Option<(Secret, Arc<Keys>)>>,
    plans: Plans,
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Platform").field("config", &self.0.config).finish_non_exhaustive()
    }
}

/// Why the keys that sign our tokens could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Platform {
    /// The platform that the process's environment describes.
    pub fn from_env() -> Result<Self, ConfigErrors> {
        Ok(Self::new(
            Config::from_env()?,
            Environment::from_env(),
            Arc::new(SystemClock),
            Arc::new(RandomIds),
        ))
    }

    /// A platform from its parts.
    pub fn new(config: Config, environment: Environment, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        Self(Arc::new(Inner {
            config,
            environment,
            clock,
            ids,
            store: OnceLock::new(),
            workflows: OnceLock::new(),
            push: OnceLock::new(),
            parameters: OnceLock::new(),
            keys: Mutex::new(None),
            plans: Plans::default(),
        }))
    }

    pub fn config(&self) -> &Config {
        &self.0.config
    }

    pub fn clock(&self) -> Arc<dyn Clock> {
        self.0.clock.clone()
    }

    pub fn ids(&self) -> Arc<dyn Ids> {
        self.0.ids.clone()
    }

    /// The table; it implements every store port.
    pub fn store(&self) -> &Store {
        self.0.store.get_or_init(|| Store::new(self.0.environment.dynamodb(), &self.0.config.table))
    }

    /// Quotas and budgets as they are kept, with what everybody may.
    pub fn purse(&self) -> Purse {
        let config = self.config();
        Purse {
            store: Arc::new(self.store().clone()),
            rates: config.rates,
            quota: Quota { jobs: config.default_concurrency, gpus: config.default_gpus },
        }
    }

    /// What people do with jobs.
    pub fn jobs(&self) -> Jobs {
        let store = Arc::new(self.store().clone());
        Jobs {
            jobs: store.clone(),
            runners: store.clone(),
            secrets: store,
            workflows: self.workflows(),
            clock: self.clock(),
            ids: self.ids(),
            purse: self.purse(),
        }
    }

    /// What becomes of runs. They share the definitions that were read.
    pub fn runs(&self) -> Runs {
        let store = Arc::new(self.store().clone());
        Runs {
            runs: store.clone(),
            calls: store.clone(),
            definitions: store,
            jobs: self.jobs(),
            plans: self.0.plans.clone(),
        }
    }

    pub fn workflows(&self) -> Arc<dyn Workflows> {
        let config = &self.0.config;
        let make = || {
            Arc::new(StepFunctions::new(&self.0.environment, &config.job_machine, &config.run_machine)) as _
        };
        self.0.workflows.get_or_init(make).clone()
    }

    pub fn push(&self) -> Arc<dyn Push> {
        let make = || Arc::new(Connections::new(&self.0.environment, &self.0.config.websocket_endpoint)) as _;
        self.0.push.get_or_init(make).clone()
    }

    /// The parameter `name` below the deployment's prefix, such as `/signing-key`. Kept for five minutes.
    pub async fn parameter(&self, name: &str) -> Result<Secret, ParameterError> {
        self.parameters().get(name).await
    }

    /// As [`Self::parameter`], `None` if there is no such parameter: a provider without credentials is absent.
    pub async fn find_parameter(&self, name: &str) -> Result<Option<Secret>, ParameterError> {
        self.parameters().find(name).await
    }

    /// The keys of our access tokens: parameter `/signing-key`.
    pub async fn keys(&self) -> Result<Arc<Keys>, SigningError> {
        let pem = self.parameter("/signing-key").await?;
        let mut kept = self.0.keys.lock().await;
        match &*kept {
            Some((of, keys)) if *of == pem => Ok(keys.clone()),
            _ => {
                let keys = Arc::new(Keys::from_pem(pem.expose(), &self.0.config.api_url)?);
                *kept = Some((pem, keys.clone()));
                Ok(keys)
            }
        }
    }

    fn parameters(&self) -> &Parameters {
        let make = || Parameters::new(&self.0.environment, &self.0.config.parameter_prefix, self.clock());
        self.0.parameters.get_or_init(make)
    }
}

impl From<SigningError> for crate::Problem {
    fn from(error: SigningError) -> Self {
        Self::internal(error)
    }
}

impl From<ParameterError> for crate::Problem {
    fn from(error: ParameterError) -> Self {
        Self::internal(error)
    }
}

impl From<StoreError> for crate::Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::conflict(
                "conflict",
                "Somebody else changed this at the same time. Read it again, then repeat the request if it still applies.",
            ),
            StoreError::Cursor => Self::new(
                http::StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_cursor",
                "The cursor is not one that this list gave out. Start again without one.",
            )
            .with_field("cursor", "is not one that this list gave out"),
            StoreError::Busy(_) => Self::unavailable(error),
            StoreError::LimitReached | StoreError::Other(_) => Self::internal(error),
        }
    }
}
