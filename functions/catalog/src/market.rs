//! The providers' catalogues, kept for a minute: they are slow to ask and limit how often they are asked.

use app::ports::{Provider, ProviderError, Providers};
use contract::offers::{Provider as Shown, ProviderStatus};
use domain::placement::Offer;
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use lambda::{Platform, Problem};
use tokio::sync::Mutex;

/// How long an answer is used again. A provider that did not answer is asked again at once.
const FRESH: SignedDuration = SignedDuration::from_secs(60);

/// What can be rented, and who was asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Market {
    pub(crate) offers: Vec<Offer>,
    pub(crate) providers: Vec<Shown>,
}

/// Asks the providers, and remembers.
#[derive(Debug)]
pub(crate) struct Markets {
    platform: Platform,
    kept: Mutex<Option<(Timestamp, Market)>>,
}

impl Markets {
    pub(crate) fn new(platform: Platform) -> Self {
        Self { platform, kept: Mutex::new(None) }
    }

    /// The market, at most a minute old.
    pub(crate) async fn now(&self) -> Result<Market, Problem> {
        let mut kept = self.kept.lock().await;
        let now = self.platform.clock().now();
        if let Some((at, market)) = &*kept
            && now.duration_since(*at) < FRESH
        {
            return Ok(market.clone());
        }
        let providers = lambda::machine::providers(&self.platform).await.map_err(Problem::internal)?;
        let market = ask(&providers, now).await;
        *kept =
            market.providers.iter().all(|p| p.status == ProviderStatus::Ok).then(|| (now, market.clone()));
        Ok(market)
    }
}

/// Asks every provider at once. One that fails is named with its failure, and the others' offers stand.
async fn ask(providers: &Providers, at: Timestamp) -> Market {
    let answers = join_all(providers.iter().map(|provider| one(provider.as_ref(), at))).await;
    let mut market = Market::default();
    for (shown, offers) in answers {
        market.providers.push(shown);
        market.offers.extend(offers);
    }
    market
}

async fn one(provider: &dyn Provider, at: Timestamp) -> (Shown, Vec<Offer>) {
    let name = provider.name().0;
    match provider.offers().await {
        Ok(offers) => {
            let count = Some(offers.len());
            (Shown { name, status: ProviderStatus::Ok, message: None, offers: count, checked_at: at }, offers)
        }
        Err(error) => {
            tracing::warn!(provider = name, %error, "the catalogue cannot be had");
            let (status, message) = failure(&error);
            (Shown { name, status, message: Some(message.into()), offers: None, checked_at: at }, Vec::new())
        }
    }
}

/// What a failure means to a caller. The provider's own words may hold what is the operator's alone: the log has them.
fn failure(error: &ProviderError) -> (ProviderStatus, &'static str) {
    match error {
        ProviderError::Credentials(_) => (
            ProviderStatus::Credentials,
            "The provider refuses our credentials. The operator has to renew them.",
        ),
        ProviderError::RateLimited { .. } => (
            ProviderStatus::RateLimited,
            "The provider limits how often it may be asked. Look again in a minute.",
        ),
        ProviderError::Capacity(_)
        | ProviderError::Quota(_)
        | ProviderError::Invalid(_)
        | ProviderError::NotFound(_)
        | ProviderError::Unknown(_) => {
            (ProviderStatus::Unavailable, "The provider's catalogue cannot be read. Look again later.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_providers_own_words_are_not_passed_on() {
        let secret = "key rpa_not_a_real_key is revoked";
        for error in [ProviderError::Credentials(secret.into()), ProviderError::Unknown(secret.into())] {
            assert!(!failure(&error).1.contains("rpa_"), "{error:?}");
        }
        assert_eq!(failure(&ProviderError::Credentials(secret.into())).0, ProviderStatus::Credentials);
    }
}
