//! Knows whether anything runs, so that a test can wait for rest instead of for time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// Counts what runs.
#[derive(Debug, Default, Clone)]
pub struct Activity(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    running: AtomicUsize,
    /// Counts every start and end.
    changes: AtomicU64,
    ended: Notify,
}

/// Something that runs until this is dropped.
#[derive(Debug)]
pub struct Running(Activity);

/// Between the end of one thing and the start of the next that it causes there is a moment in which nothing
/// runs. It is a matter of microseconds, so that this much quiet is rest.
const QUIET: Duration = Duration::from_millis(30);

impl Activity {
    /// Something starts.
    pub fn start(&self) -> Running {
        self.0.running.fetch_add(1, Ordering::SeqCst);
        self.0.changes.fetch_add(1, Ordering::SeqCst);
        Running(self.clone())
    }

    /// Returns when nothing runs and nothing has started for a moment.
    pub async fn rest(&self) {
        loop {
            let ended = self.0.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            if self.0.running.load(Ordering::SeqCst) > 0 {
                ended.await;
                continue;
            }
            let before = self.0.changes.load(Ordering::SeqCst);
            tokio::time::sleep(QUIET).await;
            if self.0.running.load(Ordering::SeqCst) == 0 && self.0.changes.load(Ordering::SeqCst) == before {
                return;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let inner = &self.0.0;
        inner.changes.fetch_add(1, Ordering::SeqCst);
        if inner.running.fetch_sub(1, Ordering::SeqCst) == 1 {
            inner.ended.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rest_comes_after_the_last_end() {
        let activity = Activity::default();
        let first = activity.start();
        let rest = tokio::spawn({
            let activity = activity.clone();
            async move { activity.rest().await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!rest.is_finished());
        drop(first);
        tokio::time::sleep(QUIET / 2).await;
        let second = activity.start();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!rest.is_finished());
        drop(second);
        rest.await.unwrap();
    }
}
