//! A cloud whose parameter is wrong. It stands in its place and says so, so that whoever asks for its health learns why.

use std::sync::Arc;

use app::ports::{Instance, Launch, Observation, Provider, ProviderError};
use async_trait::async_trait;
use domain::{
    AttemptId,
    job::Handle,
    placement::{Offer, ProviderName},
};

struct Misconfigured {
    name: &'static str,
    why: String,
}

pub(crate) fn provider(name: &'static str, why: String) -> Arc<dyn Provider> {
    Arc::new(Misconfigured { name, why })
}

impl Misconfigured {
    fn refuse<T>(&self) -> Result<T, ProviderError> {
        Err(ProviderError::Credentials(self.why.clone()))
    }
}

#[async_trait]
impl Provider for Misconfigured {
    fn name(&self) -> ProviderName {
        self.name.into()
    }

    async fn offers(&self) -> Result<Vec<Offer>, ProviderError> {
        self.refuse()
    }

    async fn launch(&self, _launch: &Launch) -> Result<Instance, ProviderError> {
        self.refuse()
    }

    async fn find(&self, _attempt: AttemptId, _offer: &Offer) -> Result<Vec<Instance>, ProviderError> {
        self.refuse()
    }

    async fn observe(&self, _handle: &Handle) -> Result<Observation, ProviderError> {
        self.refuse()
    }

    async fn terminate(&self, _handle: &Handle) -> Result<(), ProviderError> {
        self.refuse()
    }

    async fn list(&self) -> Result<Vec<Instance>, ProviderError> {
        self.refuse()
    }

    async fn last_log(&self, _handle: &Handle, _lines: usize) -> Result<Vec<String>, ProviderError> {
        self.refuse()
    }
}
