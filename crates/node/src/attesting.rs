//! Those whose records stand in the log and who wait until a quorum attests that.
//!
//! A submitter hears success when the checkpoint that covers the record is attested (design
//! rule C3): from then on the record is in every later checkpoint that anybody accepts.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use credlog_ledger::ids::{Height, MemberId, UnixMillis};

use crate::mempool::{Outcome, Place, Waiter};

/// Waiters among whom those who went away are first looked for.
const SWEEP_MIN: usize = 1_024;

/// The newest attested checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    /// Its height.
    pub height: Height,
    /// Leaves of the log.
    pub size: u64,
    /// Nothing that was attested before this time is missing from it (rule C4).
    pub as_of: UnixMillis,
    /// Members that cosigned it, in ascending order.
    pub cosigners: Vec<MemberId>,
    /// How many it takes.
    pub quorum: usize,
}

/// Those who wait, by the height of their record.
#[derive(Debug, Default)]
pub struct Attesting {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    attested: Height,
    waiting: BTreeMap<Height, Vec<(Waiter, Place)>>,
    /// How many wait, those included that went away since the last sweep.
    count: usize,
    /// When there are so many, those who went away are dropped.
    sweep_at: usize,
    closed: bool,
}

impl Inner {
    fn push(&mut self, waiter: Waiter, place: Place) {
        // Those who went away must not pile up while the members have no quorum.
        if self.count >= self.sweep_at {
            self.count = 0;
            for waiting in self.waiting.values_mut() {
                waiting.retain(|(waiter, _)| !waiter.is_gone());
                self.count += waiting.len();
            }
            self.sweep_at = SWEEP_MIN.max(2 * self.count);
        }
        self.count += 1;
        let waiting = self.waiting.entry(place.height).or_default();
        waiting.push((waiter, place));
    }
}

impl Attesting {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing here panics half-way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a waiter when the block that holds its record is attested.
    pub fn wait(&self, waiter: Waiter, place: Place) {
        let mut inner = self.lock();
        if place.height <= inner.attested {
            waiter.answer(Outcome::Committed(place));
        } else if waiter.admitted_suffices() {
            waiter.answer(Outcome::Pending);
        } else if inner.closed {
            waiter.answer(Outcome::Unavailable);
        } else {
            inner.push(waiter, place);
        }
    }

    /// The block of this height, and so all before it, are attested.
    pub fn attested(&self, height: Height) {
        let mut inner = self.lock();
        if height <= inner.attested {
            return;
        }
        inner.attested = height;
        let later = inner.waiting.split_off(&height.next());
        inner.count = later.values().map(Vec::len).sum();
        let answered = std::mem::replace(&mut inner.waiting, later);
        drop(inner);
        for (waiter, place) in answered.into_values().flatten() {
            waiter.answer(Outcome::Committed(place));
        }
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// Answers everybody that the node cannot say when their records are attested.
    pub fn abandon(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        for (waiter, _) in waiting.into_values().flatten() {
            waiter.answer(Outcome::Unavailable);
        }
    }
}

#[cfg(test)]
mod tests {
    use credlog_ledger::ids::{LeafIndex, UnixMillis};

    use super::*;

    fn place(height: u64) -> Place {
        Place {
            leaf: LeafIndex(height * 10),
            height: Height(height),
            time: UnixMillis(height),
        }
    }

    #[test]
    fn success_is_heard_when_the_height_is_attested() {
        let attesting = Attesting::default();
        let wait = |height| {
            let (waiter, answer) = Waiter::new(false);
            attesting.wait(waiter, place(height));
            answer
        };
        let (mut third, mut fourth) = (wait(3), wait(4));
        attesting.attested(Height(2));
        assert!(third.try_recv().is_err());
        attesting.attested(Height(3));
        assert_eq!(third.try_recv(), Ok(Outcome::Committed(place(3))));
        assert!(fourth.try_recv().is_err());
        assert_eq!(wait(3).try_recv(), Ok(Outcome::Committed(place(3))));
        attesting.abandon();
        assert_eq!(fourth.try_recv(), Ok(Outcome::Unavailable));
        assert_eq!(wait(9).try_recv(), Ok(Outcome::Unavailable));
        assert!(attesting.is_empty());
    }
}
