//! The one place where this crate reads the time.

use jiff::Timestamp;

/// The time now.
#[expect(clippy::disallowed_methods, reason = "the stack is what others get their time from")]
pub fn now() -> Timestamp {
    Timestamp::now()
}
