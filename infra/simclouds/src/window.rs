//! The calls of a minute, for the clouds' rate limits.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_mins(1);

/// Counts calls; a new minute begins with the first call after the last one ended.
#[derive(Debug, Default)]
pub(crate) struct Window(Mutex<(Option<Instant>, u32)>);

/// One call in its minute.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    /// 1 for the first.
    pub(crate) number: u32,
    /// Until the next minute begins.
    pub(crate) left: Duration,
}

impl Window {
    pub(crate) fn count(&self) -> Counted {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let begun = window.0.filter(|at| now.duration_since(*at) < MINUTE).unwrap_or(now);
        let number = if window.0 == Some(begun) { window.1.saturating_add(1) } else { 1 };
        *window = (Some(begun), number);
        Counted { number, left: MINUTE.saturating_sub(now.duration_since(begun)) }
    }

    /// How long a call has to wait that is above `limit`; 0 = there is no limit.
    pub(crate) fn excess(&self, limit: u32) -> Option<Duration> {
        let counted = (limit > 0).then(|| self.count())?;
        (counted.number > limit).then_some(counted.left)
    }
}
