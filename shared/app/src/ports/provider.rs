//! One interface in front of every cloud.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use domain::{
    AttemptId, Money,
    job::{Handle, Spec},
    placement::{Offer, ProviderName},
};
use jiff::{Timestamp, ToSpan, tz::TimeZone};

/// What a cloud is asked to run.
#[derive(Clone)]
pub struct Launch {
    /// The client token, and the instance's name or tag: what a lost reply is found again by.
    pub attempt: AttemptId,
    pub offer: Offer,
    pub spec: Spec,
    /// The container's environment with the runner in it: never logged.
    pub env: BTreeMap<String, String>,
    /// When the provider itself shall give the instance back, where it can.
    pub release_at: Timestamp,
}

impl std::fmt::Debug for Launch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Launch")
            .field("attempt", &self.attempt)
            .field("offer", &self.offer)
            .finish_non_exhaustive()
    }
}

/// An instance that a provider has under our name.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    pub handle: Handle,
    /// The attempt in its name or tag; `None` for a name of ours that is no attempt's.
    pub attempt: Option<AttemptId>,
    /// When billing began, if the provider says so.
    pub created_at: Option<Timestamp>,
    pub phase: Phase,
}

/// Where an instance stands. A word that we do not know is `Unknown`, never a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Being made or booting: it bills, or soon will.
    Starting,
    /// It is there.
    Running,
    /// The container ended; the exit code where the cloud tells.
    Exited { code: Option<i32> },
    /// The cloud takes it back, or has.
    Preempted,
    /// Being deleted, or gone.
    Gone,
    /// A word that this adapter does not know.
    Unknown(String),
}

/// One look at one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    pub phase: Phase,
    /// In the provider's own words.
    pub detail: Option<String>,
}

/// Why a provider did not do what was asked: each variant says what the caller does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// Not to be had now: take the next offer.
    #[error("no capacity: {0}")]
    Capacity(String),
    /// Our account may not have more, or cannot pay: take another provider's offer.
    #[error("quota: {0}")]
    Quota(String),
    /// Ask again after that time. Nothing was done.
    #[error("rate limited: {message}")]
    RateLimited { retry_after: Option<Duration>, message: String },
    /// The key is wrong or may not do this: take another provider's offer, and tell the operator.
    #[error("credentials: {0}")]
    Credentials(String),
    /// The request itself is wrong; repeating it changes nothing.
    #[error("invalid request: {0}")]
    Invalid(String),
    /// There is no such instance.
    #[error("not found: {0}")]
    NotFound(String),
    /// It is not known whether it was done: look for it before anything else.
    #[error("unknown result: {0}")]
    Unknown(String),
}

/// An instance that is gone, and when it was paid for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    pub attempt: AttemptId,
    pub handle: Handle,
    pub from: Timestamp,
    pub until: Timestamp,
}

impl Paid {
    /// The calendar months (UTC) in which it was paid for, such as `2026-11`, the first first.
    pub fn months(&self) -> Vec<String> {
        let mut months = Vec::new();
        let mut day = self.from.to_zoned_datetime(TimeZone::UTC).date().first_of_month();
        let last = self.until.to_zoned_datetime(TimeZone::UTC).date();
        while day <= last {
            months.push(day.strftime("%Y-%m").to_string());
            let Ok(next) = day.checked_add(1.month()) else { break };
            day = next;
        }
        months
    }
}

/// A cloud. Each call makes one observation or one change; none waits.
#[async_trait]
pub trait Provider: Send + Sync {
    fn name(&self) -> ProviderName;
    /// What can be rented now, with live prices.
    async fn offers(&self) -> Result<Vec<Offer>, ProviderError>;
    /// Asks for one instance. A repeat with the same attempt must not make a second one where the cloud offers a way.
    async fn launch(&self, launch: &Launch) -> Result<Instance, ProviderError>;
    /// Every instance of this attempt in the place that `offer` names: normally none or one.
    async fn find(&self, attempt: AttemptId, offer: &Offer) -> Result<Vec<Instance>, ProviderError>;
    async fn observe(&self, handle: &Handle) -> Result<Observation, ProviderError>;
    /// Gives the instance back. `Ok` means that the cloud accepted; [`ProviderError::NotFound`] that it is gone already.
    async fn terminate(&self, handle: &Handle) -> Result<(), ProviderError>;
    /// Every instance under our tag or name, in every region.
    async fn list(&self) -> Result<Vec<Instance>, ProviderError>;
    /// The last lines of the container's own log, where the cloud keeps one.
    async fn last_log(&self, handle: &Handle, lines: usize) -> Result<Vec<String>, ProviderError>;
    /// What the cloud's own books say that a paid instance cost, long enough after its end that they are complete. `None`
    /// where they say nothing of it, as those of a cloud that has none.
    async fn billed(&self, paid: &Paid) -> Result<Option<Money>, ProviderError> {
        let _ = paid;
        Ok(None)
    }
}

/// The providers that have credentials. One without is absent, not broken.
#[derive(Clone, Default)]
pub struct Providers(Vec<Arc<dyn Provider>>);

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|p| p.name())).finish()
    }
}

impl Providers {
    pub fn new(providers: Vec<Arc<dyn Provider>>) -> Self {
        Self(providers)
    }

    pub fn get(&self, name: &ProviderName) -> Option<&Arc<dyn Provider>> {
        self.0.iter().find(|provider| provider.name() == *name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Provider>> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_counts_from_its_first_moment_to_its_last() {
        let months = |from: &str, until: &str| {
            let attempt = domain::AttemptId::new(uuid::Uuid::nil());
            let handle = Handle { provider: "runpod".into(), region: String::new(), id: "pod".into() };
            let at = |text: &str| text.parse().expect("a time");
            Paid { attempt, handle, from: at(from), until: at(until) }.months()
        };
        assert_eq!(months("2026-11-30T23:59:59Z", "2026-11-30T23:59:59.9Z"), ["2026-11"]);
        assert_eq!(months("2026-11-30T23:59:59Z", "2026-12-01T00:00:00Z"), ["2026-11", "2026-12"]);
        assert_eq!(months("2026-12-31T00:00:00Z", "2027-02-01T00:00:00Z"), ["2026-12", "2027-01", "2027-02"]);
    }
}
