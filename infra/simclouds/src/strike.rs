//! What becomes of a call that meets a planned fault, whichever cloud it is for.

use crate::faults::{Mode, Plan};
use crate::serve::{Dropped, answer};
use axum::body::Body;
use hyper::Response;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// How a boot will go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Boot {
    #[default]
    Works,
    Fails,
    Hangs,
    /// There is never a place for it: where a cloud takes what it has no room for.
    NoRoom,
}

/// What a fault changes about a call that is carried out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turn {
    pub(crate) lag_ms: u64,
    pub(crate) boot: Option<Boot>,
}

type Say<'a, T> = &'a (dyn Fn(T) -> Response<Body> + Send + Sync);

/// How an API does what it is called for, and says what a fault wants said.
pub(crate) struct Voice<'a> {
    pub(crate) perform: Say<'a, Turn>,
    /// A status.
    pub(crate) failure: Say<'a, u16>,
    /// Seconds until the next try.
    pub(crate) throttled: Say<'a, u64>,
    /// None: it is not said; what is made finds no room.
    pub(crate) sold_out: Option<Say<'a, ()>>,
}

/// The answer to a call that meets a fault, or none. `note` hears of it: before a call that never ends, so that a test
/// can wait for it.
pub(crate) async fn meet(
    plan: Option<&Plan>,
    usual: Turn,
    voice: &Voice<'_>,
    stop: &CancellationToken,
    note: &(dyn Fn(Option<u16>, Option<Mode>) + Send + Sync),
) -> Result<Response<Body>, Dropped> {
    let mode = plan.map(|plan| plan.mode);
    if let Some(Mode::Hang | Mode::HangAfter) = mode {
        if mode == Some(Mode::HangAfter) {
            (voice.perform)(usual);
        }
        note(None, mode);
        stop.cancelled().await;
        return Err(Dropped);
    }
    let answer = match plan {
        None => Ok((voice.perform)(usual)),
        Some(plan) => suffer(plan, voice, usual),
    };
    note(answer.as_ref().ok().map(|response| response.status().as_u16()), mode);
    answer
}

fn suffer(plan: &Plan, voice: &Voice<'_>, usual: Turn) -> Result<Response<Body>, Dropped> {
    let perform = voice.perform;
    let booting = |boot| Ok(perform(Turn { boot: Some(boot), ..usual }));
    match plan.mode {
        Mode::FailBefore => Ok((voice.failure)(plan.status)),
        Mode::FailAfter => {
            perform(usual);
            Ok((voice.failure)(plan.status))
        }
        Mode::Throttle => Ok((voice.throttled)(plan.retry_after_s)),
        Mode::Nonsense => Ok(nonsense()),
        Mode::NonsenseAfter => {
            perform(usual);
            Ok(nonsense())
        }
        Mode::Twice => {
            perform(usual);
            Ok(perform(usual))
        }
        Mode::DropBefore | Mode::Hang => Err(Dropped),
        Mode::DropAfter | Mode::HangAfter => {
            perform(usual);
            Err(Dropped)
        }
        Mode::NoCapacity => match voice.sold_out {
            Some(sold_out) => Ok(sold_out(())),
            None => booting(Boot::NoRoom),
        },
        Mode::Stale => Ok(perform(Turn { lag_ms: plan.lag_ms, ..usual })),
        Mode::BootFail => booting(Boot::Fails),
        Mode::BootHang => booting(Boot::Hangs),
    }
}

fn nonsense() -> Response<Body> {
    answer(200, "text/html", "<!doctype html><title>Under maintenance</title><h1>We will be back soon</h1>")
}
