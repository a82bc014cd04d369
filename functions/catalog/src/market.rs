//! The market as callers see it: a provider's own words are not passed on, its troubles are.

use app::{
    market::{Market, View},
    ports::{Shelf, Trouble},
};
use contract::offers::{AsOf, Provider, ProviderStatus};
use lambda::{Platform, Problem};
use tokio::sync::OnceCell;

/// Makes the market at the first request.
#[derive(Debug)]
pub(crate) struct Markets {
    platform: Platform,
    market: OnceCell<Market>,
}

/// What is known at the moment.
pub(crate) struct Now {
    pub(crate) view: View,
    pub(crate) as_of: AsOf,
}

impl Markets {
    pub(crate) fn new(platform: Platform) -> Self {
        Self { platform, market: OnceCell::new() }
    }

    pub(crate) async fn market(&self) -> Result<&Market, Problem> {
        let make = || async { lambda::machine::market(&self.platform).await.map_err(Problem::internal) };
        self.market.get_or_try_init(make).await
    }

    pub(crate) async fn now(&self) -> Result<Now, Problem> {
        let market = self.market().await?;
        let view = market.for_show().await?;
        let as_of = AsOf { now: self.platform.clock().now(), fresh: market.freshness.fresh };
        Ok(Now { view, as_of })
    }
}

impl Now {
    /// The providers, by name.
    pub(crate) fn providers(&self) -> Vec<Provider> {
        let mut providers: Vec<Provider> = self.view.shelves.iter().map(|shelf| self.shown(shelf)).collect();
        providers.sort_by(|a, b| a.name.cmp(&b.name));
        providers
    }

    fn shown(&self, shelf: &Shelf) -> Provider {
        let failed = shelf.failed.as_ref().map(|failed| (status(failed.trouble), failed.at));
        Provider::new(shelf.provider.0.clone(), shelf.offers.len(), shelf.seen_at, failed, self.as_of)
    }
}

fn status(trouble: Trouble) -> ProviderStatus {
    match trouble {
        Trouble::Credentials => ProviderStatus::Credentials,
        Trouble::RateLimited => ProviderStatus::RateLimited,
        Trouble::Unavailable => ProviderStatus::Unavailable,
    }
}
