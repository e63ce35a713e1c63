//! A block that does not end.
//!
//! sled 0.34.7 may wait forever for a write that failed, and a disk may take a request and
//! never answer it. The thread that waits cannot be helped; so somebody else looks at how
//! long it does, and the process ends.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often is looked.
const INTERVAL: Duration = Duration::from_millis(200);

/// Knows since when work on a block runs.
#[derive(Debug)]
pub struct Watchdog {
    limit: Duration,
    begun: Mutex<Option<Instant>>,
}

impl Watchdog {
    /// A watchdog that lets a block, from its first record to its commit, take `limit`.
    pub fn new(limit: Duration) -> Self {
        Self {
            limit,
            begun: Mutex::default(),
        }
    }

    /// Runs work that waits for the disk.
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        *self.begun() = Some(Instant::now());
        let _ended = Ended(self);
        work()
    }

    /// Ends when the work has run for longer than the limit; answers how long it runs.
    pub async fn overdue(&self) -> Duration {
        loop {
            let running = self.begun().map(|begun| begun.elapsed());
            if let Some(running) = running.filter(|running| *running > self.limit) {
                return running;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    fn begun(&self) -> MutexGuard<'_, Option<Instant>> {
        // A moment in time is whole, whoever panicked.
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The work has ended, be it by a panic.
struct Ended<'w>(&'w Watchdog);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        *self.0.begun() = None;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn only_a_commit_that_runs_is_overdue() {
        let watchdog = Arc::new(Watchdog::new(Duration::from_millis(300)));
        for _ in 0..3 {
            watchdog.during(|| std::thread::sleep(Duration::from_millis(150)));
        }
        let patience = Duration::from_millis(600);
        let idle = tokio::time::timeout(patience, watchdog.overdue()).await;
        assert!(idle.is_err(), "nothing runs");
        let hanging = Arc::clone(&watchdog);
        let (release, held) = std::sync::mpsc::channel::<()>();
        let commit = std::thread::spawn(move || hanging.during(|| held.recv()));
        let overdue = tokio::time::timeout(Duration::from_secs(10), watchdog.overdue());
        assert!(overdue.await.unwrap() > Duration::from_millis(300));
        drop(release);
        commit.join().unwrap().unwrap_err();
        let after = tokio::time::timeout(patience, watchdog.overdue()).await;
        assert!(after.is_err(), "it has ended");
    }
}
