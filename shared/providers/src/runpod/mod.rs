//! RunPod: REST v2 for on-demand pods, logs and the catalogue; GraphQL for spot, which REST v2 does not have.
//!
//! RunPod knows no idempotency and no tags, and names need not be unique. So a pod carries its attempt in its name, and a
//! create call is sent once: whoever does not know its result looks for the name.

mod adapter;
mod client;
mod graphql;
mod log;
mod refusal;
mod wire;

use std::sync::Arc;

use app::ports::{Clock, Provider};
use url::Url;

use crate::ApiKey;

pub use adapter::Adapter;

/// The provider's name.
pub const NAME: &str = "runpod";

/// The production service; GraphQL is at `/graphql` of the same host.
const PRODUCTION: &str = "https://api.runpod.io";

/// How RunPod is reached and what of it is used.
#[derive(Debug, Clone)]
pub struct Settings {
    pub api_key: ApiKey,
    /// The base of both APIs.
    pub url: Url,
    /// Whether machines of private hosts are offered too.
    pub community: bool,
}

impl Settings {
    /// The production service, data-centre machines alone.
    pub fn new(api_key: ApiKey) -> Self {
        #[expect(clippy::expect_used, reason = "the constant is a URL")]
        let url = Url::parse(PRODUCTION).expect("a URL");
        Self { api_key, url, community: false }
    }

    /// The same at another base, such as a simulation's. `Err` for what is no URL.
    pub fn at(self, url: &str) -> Result<Self, url::ParseError> {
        Ok(Self { url: Url::parse(url)?, ..self })
    }
}

/// RunPod as a provider. It connects when it is first called.
pub fn provider(settings: Settings, clock: Arc<dyn Clock>) -> Arc<Adapter> {
    Arc::new(Adapter::new(settings, clock))
}

/// RunPod with the API key that its parameter holds.
pub(crate) fn configured(
    parameter: &str,
    url: Option<&str>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Provider>, String> {
    let mut settings = Settings::new(ApiKey::new(parameter));
    if settings.api_key.expose().is_empty() {
        return Err("it is empty, and should be the API key".to_owned());
    }
    if let Some(url) = url {
        settings = settings.at(url).map_err(|error| format!("RUNPOD_URL is no URL: {error}"))?;
    }
    Ok(provider(settings, clock))
}
