//! What every cloud's adapter owes its callers, checked against the cloud's simulation. [`contract!`] makes the tests for
//! one [`Cloud`].

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use app::ports::{Instance, Observation, Paid, Phase, Provider, ProviderError};
use async_trait::async_trait;
use domain::{
    job::Handle,
    placement::{Offer, Stock},
};
use serde_json::{Value, json};

use crate::values::{attempt, launch, now};

/// A call of the interface, as a fault is aimed at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    Launch,
    LaunchSpot,
    List,
    Observe,
    Terminate,
    Offers,
}

/// What goes wrong with the next such call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is done, and the connection breaks before the answer.
    ReplyLost,
    /// It is done, and the answer is a web page.
    DoneWithNonsense,
    /// Nothing is done, and the answer is a web page.
    Nonsense,
    /// Nothing is done, and the connection breaks.
    Dropped,
    /// Nothing is done, and the cloud is out of order.
    OutOfOrder,
    /// Nothing is done, and the caller shall wait so many seconds.
    Throttled(u64),
    /// The instance never finishes booting.
    BootHangs,
    /// The instance fails to boot.
    BootFails,
}

impl Fault {
    /// The fault as the simulations' control API takes it.
    pub(crate) fn plan(self, operation: &str) -> Value {
        let mut plan = match self {
            Self::ReplyLost => json!({"mode": "drop_after"}),
            Self::DoneWithNonsense => json!({"mode": "nonsense_after"}),
            Self::Nonsense => json!({"mode": "nonsense"}),
            Self::Dropped => json!({"mode": "drop_before"}),
            Self::OutOfOrder => json!({"mode": "fail_before", "status": 503}),
            Self::Throttled(seconds) => json!({"mode": "throttle", "retry_after_s": seconds}),
            Self::BootHangs => json!({"mode": "boot_hang"}),
            Self::BootFails => json!({"mode": "boot_fail"}),
        };
        plan["operation"] = json!(operation);
        plan
    }
}

/// A simulated cloud.
#[async_trait]
pub(crate) trait Cloud: Sized + Send + Sync {
    async fn start() -> Self;
    fn provider(&self) -> Arc<dyn Provider>;
    /// The same cloud with a key that it does not know.
    fn stranger(&self) -> Arc<dyn Provider>;
    /// An instance of that id where this cloud has instances.
    fn handle(&self, id: &str) -> Handle;
    /// What becomes of an instance that does not boot.
    fn after_a_failed_boot(&self) -> Phase {
        Phase::Exited { code: None }
    }
    /// Whether this cloud says when to call again, to a call that is too much.
    fn names_a_wait(&self, _call: Call) -> bool {
        true
    }
    async fn plan(&self, call: Call, fault: Fault);
    async fn sell_out(&self);
    async fn spend_everything(&self);
    /// Somebody else's instance in the same account, with a name like ours.
    async fn add_foreign(&self) -> Handle;
    async fn preempt(&self, instance: &Handle);
    /// Stops it as a person does in the console.
    async fn stop(&self, instance: &Handle);
    /// The machine is gone, and the cloud forgets it.
    async fn lose(&self, instance: &Handle);
    /// How many instances there really are.
    async fn live(&self) -> u64;
    /// What it billed for all instances together, in millionths.
    async fn spent(&self) -> i64;
}

/// The tests of one cloud: every case, so that no cloud leaves one out.
macro_rules! contract {
    ($cloud:ty) => {
        crate::contract::contract! { $cloud:
            offers_are_sound
            an_instance_lives_and_dies
            a_lost_reply_is_found_again
            a_launch_that_was_not_done_is_not_found
            each_state_is_seen
            terminating_again_says_that_it_is_gone
            a_lost_termination_can_be_repeated
            the_list_is_ours_and_complete
            an_empty_shelf_is_no_capacity
            an_empty_account_is_a_quota
            a_throttled_call_says_how_long
            a_wrong_key_is_told
            nonsense_is_never_a_success
            the_log_is_what_the_container_wrote
            the_bill_is_the_clouds_own
        }
    };
    ($cloud:ty: $($case:ident)*) => {
        $(
            #[tokio::test]
            async fn $case() {
                let cloud = <$cloud as crate::contract::Cloud>::start().await;
                crate::contract::$case(&cloud).await;
            }
        )*
    };
}
pub(crate) use contract;

/// A cheap offer in stock.
async fn offer(cloud: &impl Cloud, spot: bool) -> Offer {
    let offers = cloud.provider().offers().await.unwrap();
    let mut suitable: Vec<_> =
        offers.into_iter().filter(|o| o.spot == spot && o.gpu_count == 1 && o.stock > Stock::Low).collect();
    suitable.sort_by_key(|offer| offer.price_per_hour.micros);
    suitable.into_iter().next().expect("something is in stock")
}

/// Looks until the cloud shows it, as the job machine does.
async fn until(cloud: &impl Cloud, handle: &Handle, phase: &Phase) -> Observation {
    let provider = cloud.provider();
    loop {
        let seen = match provider.observe(handle).await {
            Err(ProviderError::NotFound(words)) => Observation { phase: Phase::Gone, detail: Some(words) },
            seen => seen.unwrap(),
        };
        if seen.phase == *phase {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) async fn offers_are_sound(cloud: &impl Cloud) {
    let offers = cloud.provider().offers().await.unwrap();
    let name = cloud.provider().name();
    assert!(offers.iter().any(|offer| offer.spot) && offers.iter().any(|offer| !offer.spot));
    let mut seen = BTreeSet::new();
    for offer in &offers {
        assert_eq!(offer.provider, name);
        assert!(
            offer.price_per_hour.micros > 0 && offer.gpu_count > 0 && offer.gpu_memory_gib > 0,
            "{offer:?}"
        );
        assert!(!offer.gpu.is_empty() && !offer.instance_type.is_empty(), "{offer:?}");
        let key = (offer.region.clone(), offer.instance_type.clone(), offer.gpu_count, offer.spot);
        assert!(seen.insert(key), "twice: {offer:?}");
    }
}

pub(crate) async fn an_instance_lives_and_dies(cloud: &impl Cloud) {
    let provider = cloud.provider();
    for (number, spot) in [(1, false), (2, true)] {
        let made = provider.launch(&launch(number, offer(cloud, spot).await)).await.unwrap();
        assert_eq!(made.attempt, Some(attempt(number)));
        assert_eq!(made.handle.provider, provider.name());
        until(cloud, &made.handle, &Phase::Running).await;
        provider.terminate(&made.handle).await.unwrap();
        let after = provider.observe(&made.handle).await;
        assert!(
            matches!(after, Err(ProviderError::NotFound(_)) | Ok(Observation { phase: Phase::Gone, .. })),
            "{after:?}"
        );
    }
    assert_eq!(cloud.live().await, 0);
}

pub(crate) async fn a_lost_reply_is_found_again(cloud: &impl Cloud) {
    let provider = cloud.provider();
    let cases = [
        (Call::Launch, Fault::ReplyLost),
        (Call::Launch, Fault::DoneWithNonsense),
        (Call::LaunchSpot, Fault::ReplyLost),
        (Call::LaunchSpot, Fault::DoneWithNonsense),
    ];
    for (number, (call, fault)) in (1..).zip(cases) {
        let offer = offer(cloud, call == Call::LaunchSpot).await;
        assert_eq!(provider.find(attempt(number), &offer).await.unwrap(), []);
        cloud.plan(call, fault).await;
        let lost = provider.launch(&launch(number, offer.clone())).await.unwrap_err();
        assert!(matches!(lost, ProviderError::Unknown(_)), "{call:?} {fault:?}: {lost:?}");
        let found = provider.find(attempt(number), &offer).await.unwrap();
        let [Instance { handle, attempt: of, created_at, .. }] = &found[..] else { panic!("{found:?}") };
        assert_eq!(*of, Some(attempt(number)));
        assert!(created_at.is_some(), "billing began at some time");
        provider.terminate(handle).await.unwrap();
    }
    assert_eq!(cloud.live().await, 0);
}

pub(crate) async fn a_launch_that_was_not_done_is_not_found(cloud: &impl Cloud) {
    let provider = cloud.provider();
    for call in [Call::Launch, Call::LaunchSpot] {
        for fault in [Fault::Dropped, Fault::Nonsense, Fault::OutOfOrder] {
            let offer = offer(cloud, call == Call::LaunchSpot).await;
            cloud.plan(call, fault).await;
            let error = provider.launch(&launch(1, offer.clone())).await.unwrap_err();
            assert!(matches!(error, ProviderError::Unknown(_)), "{call:?} {fault:?}: {error:?}");
            assert_eq!(provider.find(attempt(1), &offer).await.unwrap(), []);
        }
    }
    assert_eq!(cloud.live().await, 0);
}

pub(crate) async fn each_state_is_seen(cloud: &impl Cloud) {
    let provider = cloud.provider();
    let exited = Phase::Exited { code: None };

    cloud.plan(Call::Launch, Fault::BootHangs).await;
    let starting = provider.launch(&launch(1, offer(cloud, false).await)).await.unwrap();
    until(cloud, &starting.handle, &Phase::Starting).await;

    cloud.plan(Call::Launch, Fault::BootFails).await;
    let failing = provider.launch(&launch(2, offer(cloud, false).await)).await.unwrap();
    until(cloud, &failing.handle, &cloud.after_a_failed_boot()).await;

    let running = provider.launch(&launch(3, offer(cloud, false).await)).await.unwrap();
    until(cloud, &running.handle, &Phase::Running).await;
    cloud.stop(&running.handle).await;
    until(cloud, &running.handle, &exited).await;

    let spot = provider.launch(&launch(4, offer(cloud, true).await)).await.unwrap();
    until(cloud, &spot.handle, &Phase::Running).await;
    cloud.preempt(&spot.handle).await;
    let seen = until(cloud, &spot.handle, &Phase::Preempted).await;
    assert!(seen.detail.is_some_and(|words| !words.is_empty()), "the cloud's own words are kept");

    let lost = provider.launch(&launch(5, offer(cloud, false).await)).await.unwrap();
    cloud.lose(&lost.handle).await;
    let after = provider.observe(&lost.handle).await;
    assert!(matches!(after, Err(ProviderError::NotFound(_))), "{after:?}");
}

pub(crate) async fn terminating_again_says_that_it_is_gone(cloud: &impl Cloud) {
    let provider = cloud.provider();
    let made = provider.launch(&launch(1, offer(cloud, false).await)).await.unwrap();
    provider.terminate(&made.handle).await.unwrap();
    for gone in [&made.handle, &cloud.handle("neverwas")] {
        let again = provider.terminate(gone).await;
        assert!(matches!(again, Err(ProviderError::NotFound(_))), "{again:?}");
    }
}

pub(crate) async fn a_lost_termination_can_be_repeated(cloud: &impl Cloud) {
    let provider = cloud.provider();
    let made = provider.launch(&launch(1, offer(cloud, false).await)).await.unwrap();
    cloud.plan(Call::Terminate, Fault::Dropped).await;
    let first = provider.terminate(&made.handle).await;
    assert!(matches!(first, Err(ProviderError::Unknown(_))), "{first:?}");
    assert_eq!(cloud.live().await, 1);
    cloud.plan(Call::Terminate, Fault::ReplyLost).await;
    let second = provider.terminate(&made.handle).await;
    assert!(matches!(second, Err(ProviderError::Unknown(_))), "{second:?}");
    let third = provider.terminate(&made.handle).await;
    assert!(matches!(third, Err(ProviderError::NotFound(_))), "{third:?}");
    assert_eq!(cloud.live().await, 0);
}

pub(crate) async fn the_list_is_ours_and_complete(cloud: &impl Cloud) {
    let provider = cloud.provider();
    let foreign = cloud.add_foreign().await;
    let mut expected = BTreeSet::new();
    for (number, spot) in [(1, false), (2, true), (3, false)] {
        expected.insert(provider.launch(&launch(number, offer(cloud, spot).await)).await.unwrap().handle);
    }
    let list = provider.list().await.unwrap();
    assert_eq!(list.iter().map(|one| one.handle.clone()).collect::<BTreeSet<_>>(), expected);
    assert!(!expected.contains(&foreign));
    let attempts: BTreeSet<_> = list.iter().map(|one| one.attempt.unwrap()).collect();
    assert_eq!(attempts, BTreeSet::from([attempt(1), attempt(2), attempt(3)]));
    assert!(list.iter().all(|one| one.created_at.is_some()));
}

pub(crate) async fn an_empty_shelf_is_no_capacity(cloud: &impl Cloud) {
    let (on_demand, spot) = (offer(cloud, false).await, offer(cloud, true).await);
    cloud.sell_out().await;
    for offer in [on_demand, spot] {
        let error = cloud.provider().launch(&launch(1, offer)).await.unwrap_err();
        assert!(matches!(error, ProviderError::Capacity(_)), "{error:?}");
    }
    assert!(cloud.provider().offers().await.unwrap().iter().all(|offer| offer.stock == Stock::None));
}

pub(crate) async fn an_empty_account_is_a_quota(cloud: &impl Cloud) {
    let (on_demand, spot) = (offer(cloud, false).await, offer(cloud, true).await);
    cloud.spend_everything().await;
    for offer in [on_demand, spot] {
        let error = cloud.provider().launch(&launch(1, offer)).await.unwrap_err();
        assert!(matches!(error, ProviderError::Quota(_)), "{error:?}");
    }
}

pub(crate) async fn a_throttled_call_says_how_long(cloud: &impl Cloud) {
    let provider = cloud.provider();
    let (on_demand, spot) = (offer(cloud, false).await, offer(cloud, true).await);
    let made = provider.launch(&launch(9, on_demand.clone())).await.unwrap();
    for call in [Call::Launch, Call::LaunchSpot, Call::List, Call::Observe, Call::Terminate, Call::Offers] {
        cloud.plan(call, Fault::Throttled(7)).await;
        let error = match call {
            Call::Launch => provider.launch(&launch(1, on_demand.clone())).await.map(drop),
            Call::LaunchSpot => provider.launch(&launch(1, spot.clone())).await.map(drop),
            Call::List => provider.list().await.map(drop),
            Call::Observe => provider.observe(&made.handle).await.map(drop),
            Call::Terminate => provider.terminate(&made.handle).await,
            Call::Offers => provider.offers().await.map(drop),
        };
        let Err(ProviderError::RateLimited { retry_after, .. }) = error else {
            panic!("{call:?}: {error:?}")
        };
        let said = cloud.names_a_wait(call).then_some(Duration::from_secs(7));
        assert_eq!(retry_after, said, "{call:?}");
    }
    assert_eq!(cloud.live().await, 1, "a throttled call does nothing");
}

pub(crate) async fn a_wrong_key_is_told(cloud: &impl Cloud) {
    let offer = offer(cloud, false).await;
    let spot = Offer { spot: true, ..offer.clone() };
    let stranger = cloud.stranger();
    for error in [
        stranger.offers().await.map(drop),
        stranger.launch(&launch(1, offer.clone())).await.map(drop),
        stranger.launch(&launch(1, spot)).await.map(drop),
        stranger.find(attempt(1), &offer).await.map(drop),
        stranger.list().await.map(drop),
        stranger.observe(&cloud.handle("x")).await.map(drop),
        stranger.terminate(&cloud.handle("x")).await,
        stranger.last_log(&cloud.handle("x"), 10).await.map(drop),
    ] {
        assert!(matches!(error, Err(ProviderError::Credentials(_))), "{error:?}");
    }
}

pub(crate) async fn nonsense_is_never_a_success(cloud: &impl Cloud) {
    let provider = cloud.provider();
    let made = provider.launch(&launch(1, offer(cloud, false).await)).await.unwrap();
    for call in [Call::List, Call::Observe, Call::Terminate, Call::Offers] {
        cloud.plan(call, Fault::Nonsense).await;
        let error = match call {
            Call::List => provider.list().await.map(drop),
            Call::Observe => provider.observe(&made.handle).await.map(drop),
            Call::Terminate => provider.terminate(&made.handle).await,
            _ => provider.offers().await.map(drop),
        };
        assert!(matches!(error, Err(ProviderError::Unknown(_))), "{call:?}: {error:?}");
    }
    assert_eq!(cloud.live().await, 1);
}

pub(crate) async fn the_log_is_what_the_container_wrote(cloud: &impl Cloud) {
    let provider = cloud.provider();
    let mut launch = launch(1, offer(cloud, false).await);
    let runner = "n=0; while [ $n -lt 20 ]; do n=$((n+1)); echo \"line $n\"; done; exec sleep 600";
    launch.env.insert("GPU_RUNNER".into(), runner.into());
    let made = provider.launch(&launch).await.unwrap();
    let last = loop {
        let lines = provider.last_log(&made.handle, 3).await.unwrap();
        if lines.last().is_some_and(|line| line == "line 20") {
            break lines;
        }
    };
    assert_eq!(last, ["line 18", "line 19", "line 20"]);
    let unknown = provider.last_log(&cloud.handle("neverwas"), 3).await;
    assert!(matches!(unknown, Err(ProviderError::NotFound(_))), "{unknown:?}");
}

pub(crate) async fn the_bill_is_the_clouds_own(cloud: &impl Cloud) {
    let provider = cloud.provider();
    let mut sum = 0;
    for (number, spot) in [(1, false), (2, true)] {
        let offer = offer(cloud, spot).await;
        let from = now();
        let made = provider.launch(&launch(number, offer.clone())).await.unwrap();
        until(cloud, &made.handle, &Phase::Running).await;
        while cloud.spent().await == sum {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        provider.terminate(&made.handle).await.unwrap();
        until(cloud, &made.handle, &Phase::Gone).await;
        let paid = Paid { attempt: attempt(number), handle: made.handle, from, until: now() };
        let billed = loop {
            match provider.billed(&paid).await.unwrap() {
                Some(billed) => break billed,
                // It ends a moment after the cloud has said so.
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        assert_eq!(billed.currency, offer.price_per_hour.currency);
        sum += billed.micros;
        let nobodys = Paid { attempt: attempt(99), handle: cloud.handle("nobody"), ..paid };
        assert_eq!(provider.billed(&nobodys).await.unwrap(), None);
    }
    assert!(sum > 0);
    assert_eq!(sum, cloud.spent().await);
}
