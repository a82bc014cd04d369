//! What can be rented now, from every provider that answers.

use domain::placement::Offer;
use futures::future::join_all;

use super::Machine;
use crate::ports::Providers;

/// The offers of every provider that answers, and why the others did not.
#[derive(Debug, Default)]
pub struct Market {
    pub offers: Vec<Offer>,
    pub silent: Vec<String>,
}

/// Asks every provider at once. One that fails is left out: the others go on.
pub async fn market(providers: &Providers) -> Market {
    let answers =
        join_all(providers.iter().map(|provider| async move { (provider.name(), provider.offers().await) }))
            .await;
    let mut market = Market::default();
    for (name, answer) in answers {
        match answer {
            Ok(offers) => market.offers.extend(offers),
            Err(error) => {
                tracing::warn!(provider = %name, %error, "the provider's offers cannot be had");
                market.silent.push(format!("{name}: {error}"));
            }
        }
    }
    market
}

impl Machine {
    pub(super) async fn market(&self) -> Market {
        market(&self.providers).await
    }
}
