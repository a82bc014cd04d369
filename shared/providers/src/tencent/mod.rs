//! Tencent Cloud: a job is a `batch/v1` Job on the super nodes of a TKE cluster.
//!
//! The cloud's own API (TC3) tells prices, stock and how the cluster is reached; everything else is the cluster's. A job's
//! name is its attempt's, so the cluster itself refuses to make it twice.

mod adapter;
mod api;
mod bill;
mod catalogue;
mod cluster;
mod kubeconfig;
mod manifest;
mod pod;
mod refusal;
mod settings;
mod signature;
mod transport;
mod wire;

use std::sync::Arc;

use app::ports::{Clock, Provider};

pub use adapter::Adapter;
pub use settings::{InvalidSettings, Settings};

pub(crate) const NAME: &str = "tencent";

/// Tencent Cloud as a provider. It connects when it is first called.
pub fn provider(settings: Settings, clock: Arc<dyn Clock>) -> Arc<Adapter> {
    Arc::new(Adapter::new(settings, clock))
}

/// Tencent Cloud with the settings that its parameter holds.
pub(crate) fn configured(
    parameter: &str,
    url: Option<&str>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Provider>, String> {
    let mut settings = Settings::parse(parameter).map_err(|error| error.to_string())?;
    if let Some(url) = url {
        settings = settings.at(url).map_err(|error| format!("TENCENT_URL is no URL: {error}"))?;
    }
    Ok(provider(settings, clock))
}
