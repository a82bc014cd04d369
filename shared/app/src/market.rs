//! The market: what can be rented, as far as we know, and what we measured of it.
//!
//! The catalogues are kept in the table and, for a minute, in the process. A launch takes what is kept and only asks a
//! provider itself whose catalogue is old; everybody else asks for a refresh that happens behind, in the function that
//! hears the request. A provider that fails keeps its old offers, with their age.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{
    Rates,
    placement::{Offer, Place, ProviderName, Refusal, Statistics, Stock, Tally},
};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};

use crate::ports::{
    Catalogue, Clock, Failed, Measurements, Provider, ProviderError, Providers, Shelf, StoreError, Trouble,
};

/// How long a refresh that was asked for is waited for before it is asked for again.
const REQUEST: SignedDuration = SignedDuration::from_secs(30);
/// A provider that failed is not waited for again within that time.
const PATIENCE: SignedDuration = SignedDuration::from_secs(20);
/// How often, and after how long each time, a launch looks whether the catalogue has come that somebody else asked for.
const LOOKS: u32 = 20;
const LOOK: Duration = Duration::from_millis(250);
/// How far back measurements count.
pub const MEASURED_DAYS: u32 = 14;
/// How long measurements are used again before they are read anew.
const MEASURED_FRESH: SignedDuration = SignedDuration::from_secs(60);

/// How old a catalogue may be.
#[derive(Debug, Clone, Copy)]
pub struct Freshness {
    /// Up to this age nothing is done.
    pub fresh: SignedDuration,
    /// Beyond this age a launch asks the provider before it decides.
    pub stale: SignedDuration,
    /// How long one provider is waited for.
    pub timeout: Duration,
}

/// The providers' offers and our measurements of them.
#[derive(Clone)]
pub struct Market {
    pub providers: Providers,
    pub catalogue: Arc<dyn Catalogue>,
    pub measurements: Arc<dyn Measurements>,
    pub clock: Arc<dyn Clock>,
    pub freshness: Freshness,
    pub rates: Rates,
    kept: Arc<Mutex<Kept>>,
}

/// What this process remembers.
#[derive(Default)]
struct Kept {
    shelves: Option<(Timestamp, Vec<Shelf>)>,
    statistics: Option<(Timestamp, Arc<Statistics>)>,
}

impl std::fmt::Debug for Market {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Market").field("providers", &self.providers).finish_non_exhaustive()
    }
}

/// The shelves of every provider that has credentials.
#[derive(Debug, Clone, Default)]
pub struct View {
    pub shelves: Vec<Shelf>,
}

impl View {
    /// Every offer of every shelf.
    pub fn offers(&self) -> Vec<Offer> {
        self.shelves.iter().flat_map(|shelf| shelf.offers.iter().cloned()).collect()
    }

    /// The providers that have no offers because they failed, with their words.
    pub fn silent(&self) -> Vec<String> {
        let failed = self.shelves.iter().filter(|shelf| shelf.seen_at.is_none());
        failed.filter_map(|s| s.failed.as_ref().map(|why| format!("{}: {}", s.provider, why.words))).collect()
    }

    fn shelf(&self, provider: &ProviderName) -> Option<&Shelf> {
        self.shelves.iter().find(|shelf| shelf.provider == *provider)
    }

    /// The providers whose shelf `is` so.
    fn which(&self, is: impl Fn(&Shelf) -> bool) -> Vec<ProviderName> {
        self.shelves.iter().filter(|shelf| is(shelf)).map(|shelf| shelf.provider.clone()).collect()
    }
}

impl Market {
    /// A market over the providers that have credentials.
    pub fn new(
        providers: Providers,
        catalogue: Arc<dyn Catalogue>,
        measurements: Arc<dyn Measurements>,
        clock: Arc<dyn Clock>,
        freshness: Freshness,
        rates: Rates,
    ) -> Self {
        Self { providers, catalogue, measurements, clock, freshness, rates, kept: Arc::default() }
    }

    /// What a launch decides on. A provider is asked for it only if its catalogue is too old or was never seen.
    pub async fn for_launch(&self) -> Result<View, StoreError> {
        let view = self.remembered().await?;
        let now = self.clock.now();
        let due =
            view.which(|shelf| is_older(shelf, self.freshness.stale, now) && is_worth_asking(shelf, now));
        if due.is_empty() {
            self.refresh_behind(&view).await;
            return Ok(view);
        }
        // A thousand nodes of a run that launch at once are no reason to ask a cloud a thousand times.
        let is_first = self.catalogue.ask_refresh(now, now + REQUEST).await.unwrap_or(true);
        if !is_first && let Some(view) = self.seen_by_another(&due).await? {
            return Ok(view);
        }
        Ok(self.refresh(&due, view).await)
    }

    /// What somebody else is asking these providers for, once it is there.
    async fn seen_by_another(&self, due: &[ProviderName]) -> Result<Option<View>, StoreError> {
        for _ in 0..LOOKS {
            tokio::time::sleep(LOOK).await;
            let view = self.load().await?;
            let now = self.clock.now();
            let is_open =
                |shelf: &Shelf| is_older(shelf, self.freshness.stale, now) && is_worth_asking(shelf, now);
            if !view.shelves.iter().any(|shelf| due.contains(&shelf.provider) && is_open(shelf)) {
                return Ok(Some(view));
            }
        }
        Ok(None)
    }

    /// What a launch decides on that found nothing in `view`: the providers are asked, unless they were asked within
    /// `spare`.
    pub async fn look_again(&self, view: &View, spare: SignedDuration) -> Option<View> {
        let now = self.clock.now();
        let due = view.which(|shelf| is_older(shelf, spare, now) && is_worth_asking(shelf, now));
        if due.is_empty() { None } else { Some(self.refresh(&due, view.clone()).await) }
    }

    /// What is shown. Only a catalogue that was never seen is waited for.
    pub async fn for_show(&self) -> Result<View, StoreError> {
        let view = self.remembered().await?;
        let now = self.clock.now();
        let due = view.which(|shelf| shelf.seen_at.is_none() && is_worth_asking(shelf, now));
        let view = if due.is_empty() { view } else { self.refresh(&due, view).await };
        self.refresh_behind(&view).await;
        Ok(view)
    }

    /// Asks every provider whose catalogue is not fresh; what a request for a refresh leads to. How many were asked.
    pub async fn refresh_due(&self) -> Result<usize, StoreError> {
        let view = self.load().await?;
        let now = self.clock.now();
        let due = view.which(|shelf| is_older(shelf, self.freshness.fresh, now));
        if !due.is_empty() {
            self.refresh(&due, view).await;
        }
        Ok(due.len())
    }

    /// The shelves as this process or the table has them.
    async fn remembered(&self) -> Result<View, StoreError> {
        let now = self.clock.now();
        if let Some((at, shelves)) = &self.kept().shelves
            && now.duration_since(*at) < self.freshness.fresh
        {
            return Ok(View { shelves: shelves.clone() });
        }
        self.load().await
    }

    async fn load(&self) -> Result<View, StoreError> {
        let names: Vec<ProviderName> = self.providers.iter().map(|provider| provider.name()).collect();
        let shelves = join_all(names.iter().map(|name| self.catalogue.shelf(name))).await;
        let view = View { shelves: shelves.into_iter().collect::<Result<_, _>>()? };
        self.keep(&view);
        Ok(view)
    }

    fn keep(&self, view: &View) {
        self.kept().shelves = Some((self.clock.now(), view.shelves.clone()));
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        // What is kept is whole between any two statements.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks these providers at once. Whatever fails, the view that comes back is as good as the one before.
    async fn refresh(&self, due: &[ProviderName], mut view: View) -> View {
        let asked = due.iter().filter_map(|name| self.providers.get(name)).map(|one| self.ask(one.as_ref()));
        for (provider, answer) in join_all(asked).await {
            let old = view.shelf(&provider).cloned().unwrap_or_else(|| Shelf::empty(provider.clone()));
            let now = self.clock.now();
            let (shelf, kept) = match answer {
                Ok(offers) => {
                    let kept = self.catalogue.stock(&provider, &offers, now).await;
                    (Shelf { offers, seen_at: Some(now), failed: None, provider }, kept)
                }
                Err(error) => {
                    tracing::warn!(provider = %provider, %error, "the provider's offers cannot be had");
                    let failed = Failed { trouble: Trouble::from(&error), at: now, words: error.to_string() };
                    let kept = self.catalogue.failed(&provider, &failed).await;
                    (Shelf { failed: Some(failed), ..old }, kept)
                }
            };
            if let Err(error) = kept {
                tracing::warn!(provider = %shelf.provider, %error, "a catalogue could not be kept");
            }
            view.shelves.retain(|other| other.provider != shelf.provider);
            view.shelves.push(shelf);
        }
        self.keep(&view);
        view
    }

    async fn ask(&self, provider: &dyn Provider) -> (ProviderName, Result<Vec<Offer>, ProviderError>) {
        let answer = tokio::time::timeout(self.freshness.timeout, provider.offers()).await;
        let seconds = self.freshness.timeout.as_secs_f64();
        let late = |_| Err(ProviderError::Unknown(format!("no catalogue within {seconds} s")));
        (provider.name(), answer.unwrap_or_else(late))
    }

    /// Has what is not fresh refreshed by somebody else; only who asks first causes anything.
    async fn refresh_behind(&self, view: &View) {
        let now = self.clock.now();
        if view.which(|shelf| is_older(shelf, self.freshness.fresh, now)).is_empty() {
            return;
        }
        if let Err(error) = self.catalogue.ask_refresh(now, now + REQUEST).await {
            tracing::warn!(%error, "a refresh of the catalogues could not be asked for");
        }
    }

    /// An offer was refused for want of capacity: it is not tried first again until its catalogue is seen again.
    pub async fn sold_out(&self, offer: &Offer) {
        if let Some((_, shelves)) = &mut self.kept().shelves {
            let shelf = shelves.iter_mut().find(|shelf| shelf.provider == offer.provider);
            for one in shelf.into_iter().flat_map(|shelf| &mut shelf.offers).filter(|one| is_same(one, offer))
            {
                one.stock = Stock::None;
            }
        }
        if let Err(error) = self.catalogue.sold_out(offer, self.clock.now()).await {
            tracing::warn!(provider = %offer.provider, %error, "an offer could not be marked as sold out");
        }
    }

    /// What was measured in the last [`MEASURED_DAYS`]; nothing, which is the prior, if it cannot be read.
    pub async fn statistics(&self) -> Arc<Statistics> {
        let now = self.clock.now();
        if let Some((at, statistics)) = &self.kept().statistics
            && now.duration_since(*at) < MEASURED_FRESH
        {
            return statistics.clone();
        }
        let from = now - SignedDuration::from_hours(24 * i64::from(MEASURED_DAYS - 1));
        match self.measurements.measured_since(from).await {
            Ok(statistics) => {
                let statistics = Arc::new(statistics);
                self.kept().statistics = Some((now, statistics.clone()));
                statistics
            }
            Err(error) => {
                tracing::warn!(%error, "the measurements could not be read");
                Arc::default()
            }
        }
    }

    /// Notes what happened with an offer. Nobody's job waits or fails for it.
    pub async fn measure(&self, offer: &Offer, tally: Tally) {
        if let Err(error) = self.measurements.measure(&Place::of(offer), &tally, self.clock.now()).await {
            tracing::warn!(provider = %offer.provider, %error, "a measurement was lost");
        }
    }
}

fn is_older(shelf: &Shelf, age: SignedDuration, now: Timestamp) -> bool {
    shelf.seen_at.is_none_or(|at| now.duration_since(at) > age)
}

/// A provider that failed a moment ago would fail again.
fn is_worth_asking(shelf: &Shelf, now: Timestamp) -> bool {
    shelf.failed.as_ref().is_none_or(|failed| now.duration_since(failed.at) > PATIENCE)
}

fn is_same(a: &Offer, b: &Offer) -> bool {
    (&a.region, &a.instance_type, a.gpu_count, a.spot) == (&b.region, &b.instance_type, b.gpu_count, b.spot)
}

/// What a refusal counts as.
pub fn refusal(error: &ProviderError) -> Refusal {
    match error {
        ProviderError::Capacity(_) => Refusal::Capacity,
        ProviderError::Quota(_) => Refusal::Quota,
        ProviderError::RateLimited { .. } => Refusal::RateLimited,
        ProviderError::Credentials(_) => Refusal::Credentials,
        ProviderError::Invalid(_) | ProviderError::NotFound(_) | ProviderError::Unknown(_) => Refusal::Other,
    }
}
