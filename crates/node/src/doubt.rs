//! Doubt in the store: something could not be read while the node runs.
//!
//! That may be damage, or a system that refused for a moment. So the node takes no more
//! records and looks at its whole store: a finding ends it, none ends the doubt.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// How many requests met something unreadable, and how many of them were looked into.
#[derive(Debug, Default)]
pub struct Doubt {
    faults: AtomicU64,
    settled: AtomicU64,
    raised: Notify,
}

impl Doubt {
    /// Something could not be read.
    pub fn raise(&self) {
        self.faults.fetch_add(1, Ordering::SeqCst);
        self.raised.notify_one();
    }

    /// Whether the store is in doubt.
    pub fn stands(&self) -> bool {
        self.faults() > self.settled.load(Ordering::SeqCst)
    }

    /// Faults so far.
    pub fn faults(&self) -> u64 {
        self.faults.load(Ordering::SeqCst)
    }

    /// The store was found whole by a look at it that began after so many faults.
    pub fn settle(&self, faults: u64) {
        self.settled.fetch_max(faults, Ordering::SeqCst);
    }

    /// Ends when the store is in doubt.
    pub async fn raised(&self) {
        while !self.stands() {
            self.raised.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_fault_during_the_look_needs_another_look() {
        let doubt = Doubt::default();
        assert!(!doubt.stands());
        doubt.raise();
        doubt.raised().await;
        let seen = doubt.faults();
        doubt.raise();
        doubt.settle(seen);
        assert!(doubt.stands());
        doubt.settle(doubt.faults());
        assert!(!doubt.stands());
    }
}
