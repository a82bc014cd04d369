//! The one place that reads the time. A simulated cloud is the outside world: it has a clock of its own.

use jiff::Timestamp;

#[expect(clippy::disallowed_methods, reason = "the cloud's clock is real; no port stands before it")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
