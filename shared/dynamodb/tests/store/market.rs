//! The market over the real store: what is remembered, what is refreshed by whom, what was measured.

use std::fmt::Write as _;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{TABLE, Table};
use app::{
    market::{Freshness, Market},
    ports::{
        Catalogue, Clock, Failed, Instance, Launch, Measurements, Observation, Provider, ProviderError,
        Providers, Trouble,
    },
};
use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    AttemptId, Rates,
    job::Handle,
    placement::{Offer, Place, ProviderName, Refusal, Stock, Tally},
    samples,
};
use jiff::{SignedDuration, Timestamp};

/// 2026-11-24T00:00:00Z.
const AT: Timestamp = Timestamp::constant(1_795_478_400, 0);

fn after(seconds: i64) -> Timestamp {
    AT + SignedDuration::from_secs(seconds)
}

fn offer(provider: &str, region: &str) -> Offer {
    Offer { provider: provider.into(), region: region.into(), seen_at: AT, ..samples::offer() }
}

struct SetClock(AtomicI64);

impl SetClock {
    fn set(&self, at: Timestamp) {
        self.0.store(at.as_second(), Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).expect("a time")
    }
}

/// A cloud of which only the catalogue is asked.
struct Shop {
    name: &'static str,
    answer: Mutex<Result<Vec<Offer>, ProviderError>>,
    asked: AtomicUsize,
}

impl Shop {
    fn new(name: &'static str) -> Arc<Self> {
        let answer = Mutex::new(Ok(vec![offer(name, "here")]));
        Arc::new(Self { name, answer, asked: AtomicUsize::new(0) })
    }

    fn says(&self, answer: Result<Vec<Offer>, ProviderError>) {
        *self.answer.lock().expect("the answer") = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Provider for Shop {
    fn name(&self) -> ProviderName {
        self.name.into()
    }

    async fn offers(&self) -> Result<Vec<Offer>, ProviderError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.answer.lock().expect("the answer").clone()
    }

    async fn launch(&self, _: &Launch) -> Result<Instance, ProviderError> {
        unreachable!("nothing is launched here")
    }

    async fn find(&self, _: AttemptId, _: &Offer) -> Result<Vec<Instance>, ProviderError> {
        unreachable!("nothing is launched here")
    }

    async fn observe(&self, _: &Handle) -> Result<Observation, ProviderError> {
        unreachable!("nothing is launched here")
    }

    async fn terminate(&self, _: &Handle) -> Result<(), ProviderError> {
        unreachable!("nothing is launched here")
    }

    async fn list(&self) -> Result<Vec<Instance>, ProviderError> {
        unreachable!("nothing is launched here")
    }

    async fn last_log(&self, _: &Handle, _: usize) -> Result<Vec<String>, ProviderError> {
        unreachable!("nothing is launched here")
    }
}

/// Some clouds, a table, and the time.
struct Street {
    table: Table,
    clock: Arc<SetClock>,
    shops: Vec<Arc<Shop>>,
}

impl Street {
    async fn new(names: &[&'static str]) -> Self {
        let clock = Arc::new(SetClock(AtomicI64::new(AT.as_second())));
        Self { table: Table::new().await, clock, shops: names.iter().map(|name| Shop::new(name)).collect() }
    }

    /// As a process that has just started sees it.
    fn market(&self) -> Market {
        let store = Arc::new(self.table.store.clone());
        let providers = self.shops.iter().map(|shop| shop.clone() as Arc<dyn Provider>).collect();
        let freshness = Freshness {
            fresh: SignedDuration::from_secs(60),
            stale: SignedDuration::from_secs(600),
            timeout: Duration::from_secs(5),
        };
        let clock = self.clock.clone();
        Market::new(Providers::new(providers), store.clone(), store, clock, freshness, Rates::default())
    }

    async fn refresh_is_asked_for(&self) -> bool {
        let key = |text: &str| AttributeValue::S(text.to_owned());
        let found = self.table.client.get_item().table_name(TABLE);
        let found =
            found.key("pk", key("CATALOG")).key("sk", key("REFRESH")).send().await.expect("a row, or none");
        found.item.is_some()
    }
}

#[tokio::test]
async fn a_catalogue_is_asked_for_once_and_then_remembered_by_all() {
    let place = Street::new(&["a", "b"]).await;
    let offers = place.market().for_show().await.expect("a view").offers();
    assert_eq!(offers.len(), 2);
    place.clock.set(after(59));
    let market = place.market();
    assert_eq!(market.for_launch().await.expect("a view").offers().len(), 2);
    assert_eq!((place.shops[0].asked(), place.shops[1].asked()), (1, 1));
    assert!(!place.refresh_is_asked_for().await, "nothing is old");
}

#[tokio::test]
async fn old_offers_are_used_at_once_and_refreshed_by_whoever_is_told() {
    let place = Street::new(&["a"]).await;
    place.market().for_show().await.expect("a view");
    place.clock.set(after(300));
    let view = place.market().for_launch().await.expect("a view");
    assert_eq!(view.shelves[0].seen_at, Some(AT));
    assert_eq!(place.shops[0].asked(), 1, "five minutes are not too old to launch");
    assert!(place.refresh_is_asked_for().await);
    assert_eq!(place.market().refresh_due().await.expect("a refresh"), 1);
    assert_eq!(place.market().for_show().await.expect("a view").shelves[0].seen_at, Some(after(300)));
    assert_eq!(place.market().refresh_due().await.expect("a refresh"), 0, "one refresh is enough");
}

#[tokio::test]
async fn only_the_first_asks_for_a_refresh() {
    let store = Table::new().await.store;
    assert!(store.ask_refresh(AT, after(30)).await.expect("a row"));
    assert!(!store.ask_refresh(after(29), after(59)).await.expect("a row"));
    assert!(store.ask_refresh(after(30), after(60)).await.expect("a row"), "it was never heard");
}

#[tokio::test]
async fn a_launch_asks_where_the_catalogue_is_too_old_and_one_that_fails_keeps_its_offers() {
    let place = Street::new(&["a", "b"]).await;
    place.market().for_show().await.expect("a view");
    place.clock.set(after(700));
    place.shops[0].says(Err(ProviderError::Credentials("key fake-key is revoked".into())));
    let market = place.market();
    let view = market.for_launch().await.expect("a view");
    assert_eq!((place.shops[0].asked(), place.shops[1].asked()), (2, 2));
    assert_eq!(view.offers().len(), 2);
    let shelf = place.table.store.shelf(&"a".into()).await.expect("a shelf");
    assert_eq!((shelf.seen_at, shelf.offers.len()), (Some(AT), 1));
    assert_eq!(shelf.failed.map(|failed| failed.trouble), Some(Trouble::Credentials));
    market.for_launch().await.expect("a view");
    assert_eq!(place.shops[0].asked(), 2, "it is not waited for again at once");

    place.clock.set(after(800));
    place.shops[0].says(Ok(Vec::new()));
    place.market().refresh_due().await.expect("a refresh");
    let shelf = place.table.store.shelf(&"a".into()).await.expect("a shelf");
    assert_eq!((shelf.failed, shelf.seen_at, shelf.offers.len()), (None, Some(after(800)), 0));
}

#[tokio::test]
async fn one_that_never_answered_is_named_and_the_others_go_on() {
    let place = Street::new(&["a", "b"]).await;
    place.shops[1].says(Err(ProviderError::Unknown("no answer".into())));
    let view = place.market().for_launch().await.expect("a view");
    assert_eq!(view.offers().len(), 1);
    assert_eq!(view.silent(), ["b: unknown result: no answer"]);
}

#[tokio::test]
async fn what_was_refused_is_sold_out_until_its_catalogue_is_seen_again() {
    let place = Street::new(&["a"]).await;
    place.shops[0].says(Ok(vec![offer("a", "here"), offer("a", "there")]));
    let market = place.market();
    market.for_launch().await.expect("a view");
    place.clock.set(after(5));
    market.sold_out(&offer("a", "there")).await;
    let stocks = |offers: Vec<Offer>| offers.iter().map(|offer| offer.stock).collect::<Vec<_>>();
    let expected = [Stock::High, Stock::None];
    assert_eq!(stocks(market.for_launch().await.expect("a view").offers()), expected, "in this process");
    assert_eq!(
        stocks(place.market().for_launch().await.expect("a view").offers()),
        expected,
        "in all others"
    );
    let spare = SignedDuration::from_secs(10);
    let view = market.for_launch().await.expect("a view");
    assert!(market.look_again(&view, spare).await.is_none(), "it was asked a moment ago");
    place.clock.set(after(20));
    let again = market.look_again(&view, spare).await.expect("another look");
    assert_eq!(stocks(again.offers()), [Stock::High, Stock::High]);
    assert_eq!(
        stocks(place.market().for_launch().await.expect("a view").offers()),
        [Stock::High, Stock::High]
    );
}

#[tokio::test]
async fn a_catalogue_larger_than_a_row_comes_back_whole() {
    let store = Table::new().await.store;
    // Names that gzip makes little of.
    let mut seed = 1_u64;
    let mut noise = || {
        let mut text = String::new();
        for _ in 0..40 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            write!(text, "{:08x}", seed >> 32).expect("a string takes it");
        }
        text
    };
    let offers: Vec<Offer> =
        (0..4_000).map(|_| Offer { instance_type: noise(), ..offer("a", "here") }).collect();
    store.stock(&"a".into(), &offers, AT).await.expect("it is kept");
    let shelf = store.shelf(&"a".into()).await.expect("a shelf");
    assert_eq!((shelf.offers, shelf.seen_at), (offers, Some(AT)));
    store.stock(&"a".into(), &[offer("a", "here")], after(1)).await.expect("it is kept");
    assert_eq!(store.shelf(&"a".into()).await.expect("a shelf").offers.len(), 1);
    store.stock(&"a".into(), &[], AT).await.expect("a late answer is no error");
    assert_eq!(store.shelf(&"a".into()).await.expect("a shelf").offers.len(), 1, "the later look stands");
}

#[tokio::test]
async fn measurements_add_up_over_days_and_the_old_ones_are_left_out() {
    let store = Table::new().await.store;
    let place = Place::of(&offer("a", "here"));
    let day = |days: i64| AT + SignedDuration::from_hours(24 * days);
    store.measure(&place, &Tally::launched(), day(0)).await.expect("it is kept");
    store.measure(&place, &Tally::refused(Refusal::Capacity), day(5)).await.expect("it is kept");
    store.measure(&place, &Tally::refused(Refusal::Capacity), day(5)).await.expect("it is kept");
    store.measure(&place, &Tally::started(12_500), day(6)).await.expect("it is kept");
    let spot = Place { spot: true, ..place.clone() };
    store
        .measure(&spot, &Tally { ended: 1, preempted: 1, running_millis: 9, ..Tally::default() }, day(6))
        .await
        .expect("it is kept");
    let statistics = store.measured_since(day(1)).await.expect("statistics");
    let places = statistics.places();
    assert_eq!(places.len(), 2);
    assert_eq!(
        (places[0].0, *places[0].1),
        (
            &place,
            Tally { tried: 2, refused_capacity: 2, started: 1, boot_millis: 12_500, ..Tally::default() }
        )
    );
    assert_eq!((places[1].0, places[1].1.preempted, places[1].1.running_millis), (&spot, 1, 9));
}

#[tokio::test]
async fn a_failure_before_the_first_answer_is_kept() {
    let store = Table::new().await.store;
    let failed = Failed { trouble: Trouble::RateLimited, at: AT, words: "slow down".into() };
    store.failed(&"a".into(), &failed).await.expect("it is kept");
    let shelf = store.shelf(&"a".into()).await.expect("a shelf");
    assert_eq!((shelf.failed, shelf.seen_at), (Some(failed), None));
}
