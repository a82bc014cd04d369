//! Alibaba Cloud ECS: a job is a GPU instance whose first boot runs the job's container.
//!
//! The attempt is the create call's client token and a tag of the instance, so that a repeat makes no second instance and
//! a lost reply is found again. The machine's own script starts the container: see [`boot`].

mod adapter;
mod assistant;
mod bill;
mod boot;
mod client;
mod offers;
mod refusal;
mod settings;
mod sign;
mod wire;

use std::sync::Arc;

use app::ports::{Clock, Provider};

pub use adapter::Adapter;
pub use settings::{Region, Settings};

/// The provider's name.
pub const NAME: &str = "alibaba";

/// Alibaba Cloud as a provider. It connects when it is first called.
pub fn provider(settings: Settings, clock: Arc<dyn Clock>) -> Arc<Adapter> {
    Arc::new(Adapter::new(settings, clock))
}

/// Alibaba Cloud as its parameter describes it.
pub(crate) fn configured(
    parameter: &str,
    url: Option<&str>,
    clock: Arc<dyn Clock>,
) -> Result<Arc<dyn Provider>, String> {
    let mut settings = Settings::parse(parameter)?;
    if let Some(url) = url {
        settings.url = Some(url.parse().map_err(|error| format!("ALIBABA_URL is no URL: {error}"))?);
    }
    Ok(provider(settings, clock))
}
