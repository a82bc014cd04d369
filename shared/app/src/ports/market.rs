//! What is remembered of the providers' catalogues, and what was measured of their offers.

use async_trait::async_trait;
use domain::placement::{Offer, Place, ProviderName, Statistics, Tally};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ProviderError, StoreError};

/// What a failed look at a catalogue means, for those who may not see the provider's own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// Our key is refused.
    Credentials,
    /// We ask too often.
    RateLimited,
    /// No answer, or none that we understand.
    Unavailable,
}

impl From<&ProviderError> for Trouble {
    fn from(error: &ProviderError) -> Self {
        match error {
            ProviderError::Credentials(_) => Self::Credentials,
            ProviderError::RateLimited { .. } => Self::RateLimited,
            ProviderError::Capacity(_)
            | ProviderError::Quota(_)
            | ProviderError::Invalid(_)
            | ProviderError::NotFound(_)
            | ProviderError::Unknown(_) => Self::Unavailable,
        }
    }
}

/// The last look at a catalogue that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    pub trouble: Trouble,
    pub at: Timestamp,
    /// In the provider's own words, for the owner of a job that finds no offer and for the log.
    pub words: String,
}

/// One provider's catalogue as it is remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelf {
    pub provider: ProviderName,
    /// As they were seen last, those that were refused since marked as sold out.
    pub offers: Vec<Offer>,
    /// When the provider last gave them; `None` if it never did.
    pub seen_at: Option<Timestamp>,
    /// Why a later look failed, if one did.
    pub failed: Option<Failed>,
}

impl Shelf {
    /// Of a provider that was never asked.
    pub fn empty(provider: ProviderName) -> Self {
        Self { provider, offers: Vec::new(), seen_at: None, failed: None }
    }
}

/// The catalogues, kept between invocations.
#[async_trait]
pub trait Catalogue: Send + Sync {
    /// What is remembered of one provider.
    async fn shelf(&self, provider: &ProviderName) -> Result<Shelf, StoreError>;
    /// Remembers what a provider has; what was marked as sold out before `at` counts as seen again.
    async fn stock(&self, provider: &ProviderName, offers: &[Offer], at: Timestamp)
    -> Result<(), StoreError>;
    /// Remembers that a look failed; the offers seen before stay.
    async fn failed(&self, provider: &ProviderName, failed: &Failed) -> Result<(), StoreError>;
    /// Marks an offer as sold out until its provider's catalogue is seen again.
    async fn sold_out(&self, offer: &Offer, at: Timestamp) -> Result<(), StoreError>;
    /// Asks for a refresh behind the answer: whoever listens for the request does it. Whether this was the first to ask
    /// since a request that holds until `until`.
    async fn ask_refresh(&self, now: Timestamp, until: Timestamp) -> Result<bool, StoreError>;
}

/// What waits and what works on the whole platform.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queue {
    /// Jobs that wait for their owner's limits.
    pub waiting: usize,
    /// Admitted jobs that look for an offer.
    pub searching: usize,
    /// Jobs whose instance boots.
    pub provisioning: usize,
    pub running: usize,
    /// When the jobs that wait or search were submitted; some of them if there are very many.
    pub since: Vec<Timestamp>,
}

/// What was measured.
#[async_trait]
pub trait Measurements: Send + Sync {
    /// Adds what happened in `place` to the day of `at`.
    async fn measure(&self, place: &Place, tally: &Tally, at: Timestamp) -> Result<(), StoreError>;
    /// Everything measured on the day of `from` and later.
    async fn measured_since(&self, from: Timestamp) -> Result<Statistics, StoreError>;
    async fn queue(&self) -> Result<Queue, StoreError>;
}
