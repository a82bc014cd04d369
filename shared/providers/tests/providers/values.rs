//! Values that several tests need.

use std::{collections::BTreeMap, sync::Arc};

use app::ports::{Clock, Launch};
use domain::{
    AttemptId,
    job::{Handle, Spec, Spot},
    money::{Currency, Money},
    placement::Offer,
    samples,
};
use jiff::Timestamp;
use providers::{ApiKey, runpod};
use uuid::Uuid;

pub(crate) const KEY: &str = "rpa_FAKEKEYFORTESTS";
pub(crate) const SEEN: &str = "2026-06-01T12:00:00Z";

/// It is always the same moment.
pub(crate) struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        SEEN.parse().unwrap()
    }
}

#[expect(clippy::disallowed_methods, reason = "a simulation has the real time")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

pub(crate) fn runpod(url: &str, key: &str) -> Arc<dyn app::ports::Provider> {
    let settings = runpod::Settings::new(ApiKey::new(key)).at(url).unwrap();
    runpod::provider(settings, Arc::new(Noon))
}

pub(crate) fn attempt(number: u128) -> AttemptId {
    AttemptId::new(Uuid::from_u128(number))
}

pub(crate) fn handle(id: &str) -> Handle {
    Handle { provider: "runpod".into(), region: String::new(), id: id.to_owned() }
}

pub(crate) fn usd(micros: i64) -> Money {
    Money::new(micros, Currency::Usd)
}

/// What the recorded create calls ask for.
pub(crate) fn offer() -> Offer {
    Offer {
        region: "EU-RO-1".into(),
        price_per_hour: usd(440_000),
        seen_at: SEEN.parse().unwrap(),
        ..samples::offer()
    }
}

pub(crate) fn launch(number: u128, offer: Offer) -> Launch {
    let spec = Spec {
        name: "a job".into(),
        image: "docker.io/library/busybox:1.36".into(),
        spot: Spot::Prefer,
        ..samples::spec()
    };
    Launch {
        attempt: attempt(number),
        offer,
        spec,
        env: BTreeMap::from([("GPU_RUNNER".to_owned(), "while :; do sleep 1; done".to_owned())]),
        release_at: "2126-06-01T14:00:00Z".parse().unwrap(),
    }
}
