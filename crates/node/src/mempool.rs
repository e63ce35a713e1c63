//! Records that wait for a block: bounded, fair to every author, each once.
//!
//! Every author has a queue; a block takes one record of each author in turn, so that one
//! author's thousands do not keep another's one waiting. A record sent again joins the
//! one that waits and gets the same answer. A record stays here, with those who wait for
//! it, until [`Mempool::finish`] or [`Mempool::committed`] says how it ended, also while a
//! proposed block holds it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use credlog_ledger::block::record_cost;
use credlog_ledger::body::Body;
use credlog_ledger::ids::{Height, LeafIndex, RecordId, UnixMillis};
use credlog_ledger::record::{AuthorId, EncodedRecord};
use credlog_ledger::rejection::Rejection;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, oneshot};

use crate::config::MempoolSection;

/// Of the bytes, one author gets one part of so many.
const AUTHOR_PARTS: u64 = 4;
/// Waiters of one record among which those who went away are first looked for.
const WAITERS_SWEEP: usize = 16;

/// How a record ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It waits for a block; only for those who asked no more.
    Pending,
    /// It stands in the log, durably, and a quorum of the members attests that.
    Committed(Place),
    /// A rule refuses it.
    Refused(Box<Rejection>),
    /// Too many records of its request have bad signatures: its own was not checked.
    Unchecked,
    /// There is no room; it may be sent again.
    Full,
    /// The disk is full; it may be sent again.
    DiskFull,
    /// The node stops or its store failed; whether the record enters the log is not known.
    Unavailable,
}

/// Where a record stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its leaf.
    pub leaf: LeafIndex,
    /// Height of its block.
    pub height: Height,
    /// Time of its block's seal.
    pub time: UnixMillis,
}

/// Somebody who waits for a record.
#[derive(Debug)]
pub struct Waiter {
    answer: oneshot::Sender<Outcome>,
    admitted_suffices: bool,
}

impl Waiter {
    /// A waiter and the place where its answer arrives. With `admitted_suffices` the
    /// answer is [`Outcome::Pending`] as soon as the record is in the mempool.
    pub fn new(admitted_suffices: bool) -> (Self, oneshot::Receiver<Outcome>) {
        let (answer, receiver) = oneshot::channel();
        let waiter = Self {
            answer,
            admitted_suffices,
        };
        (waiter, receiver)
    }

    /// Whether it wants no more than to hear that the record waits.
    pub fn admitted_suffices(&self) -> bool {
        self.admitted_suffices
    }

    /// Whether nobody waits for the answer any more.
    pub fn is_gone(&self) -> bool {
        self.answer.is_closed()
    }

    /// Answers; whoever no longer waits is not disturbed.
    pub fn answer(self, outcome: Outcome) {
        let _gone = self.answer.send(outcome);
    }
}

/// Records that wait for a block.
#[derive(Debug)]
pub struct Mempool {
    inner: Mutex<Inner>,
    arrived: Notify,
    records_max: usize,
    bytes_max: usize,
    records_per_author_max: usize,
    bytes_per_author_max: usize,
}

#[derive(Debug, Default)]
struct Inner {
    /// Every record here, those that a block holds included.
    known: HashMap<RecordId, Known>,
    /// Records that no block holds, oldest first.
    queues: HashMap<AuthorId, VecDeque<Arc<EncodedRecord>>>,
    /// Authors with a queue, the next one first.
    turns: VecDeque<AuthorId>,
    /// Records in `queues`.
    queued: usize,
    /// Records of each author in `known`.
    by_author: HashMap<AuthorId, Load>,
    /// Bytes of all records in `known`.
    bytes: usize,
    closed: bool,
}

#[derive(Debug)]
struct Known {
    record: Arc<EncodedRecord>,
    waiters: Vec<Waiter>,
    /// When there are so many, those who went away are dropped.
    sweep_at: usize,
}

/// Number and bytes of records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Records, those that a block holds included.
    pub records: usize,
    /// Their bytes.
    pub bytes: usize,
}

impl Mempool {
    /// An empty mempool.
    pub fn new(limits: &MempoolSection) -> Self {
        Self {
            inner: Mutex::default(),
            arrived: Notify::new(),
            records_max: limits.records_max as usize,
            bytes_max: usize::try_from(limits.bytes_max).unwrap_or(usize::MAX),
            records_per_author_max: limits.records_per_author_max as usize,
            bytes_per_author_max: usize::try_from(limits.bytes_max / AUTHOR_PARTS)
                .unwrap_or(usize::MAX),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing here panics half-way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a record that is here already; gives the waiter back if it is not.
    pub fn join(&self, id: &RecordId, waiter: Waiter) -> Option<Waiter> {
        match self.lock().known.get_mut(id) {
            Some(known) => {
                known.join(waiter);
                None
            }
            None => Some(waiter),
        }
    }

    /// Takes in records with those who wait for them; one that is here already is joined.
    /// Answers the records that are new here.
    pub fn insert(
        &self,
        records: impl IntoIterator<Item = (EncodedRecord, Option<Waiter>)>,
    ) -> Vec<Arc<EncodedRecord>> {
        let mut inner = self.lock();
        let mut added = Vec::new();
        for (record, waiter) in records {
            let refused = if let Some(known) = inner.known.get_mut(&record.id()) {
                waiter.into_iter().for_each(|waiter| known.join(waiter));
                continue;
            } else if inner.closed {
                Outcome::Unavailable
            } else if self.has_room(&inner, &record) {
                added.push(inner.add(record, waiter));
                continue;
            } else {
                Outcome::Full
            };
            waiter
                .into_iter()
                .for_each(|waiter| waiter.answer(refused.clone()));
        }
        drop(inner);
        if !added.is_empty() {
            self.arrived.notify_waiters();
        }
        added
    }

    fn has_room(&self, inner: &Inner, record: &EncodedRecord) -> bool {
        let of_author = inner.by_author.get(&record.record().author.id);
        let of_author = of_author.copied().unwrap_or_default();
        inner.known.len() < self.records_max
            && inner.bytes + record.bytes().len() <= self.bytes_max
            && of_author.records < self.records_per_author_max
            && of_author.bytes + record.bytes().len() <= self.bytes_per_author_max
    }

    /// Ends when records have come in after this was called.
    pub fn arrived(&self) -> Notified<'_> {
        self.arrived.notified()
    }

    /// Records that no block holds.
    pub fn queued(&self) -> usize {
        self.lock().queued
    }

    /// Whether nothing more enters and nothing is left.
    pub fn is_drained(&self) -> bool {
        let inner = self.lock();
        inner.closed && inner.known.is_empty()
    }

    /// Lets nothing more in. What is here is still worked off.
    pub fn close(&self) {
        self.lock().closed = true;
    }

    /// Takes records for a block, one of each author in turn, at most `records_max` of at
    /// most `bytes_max` in a block's form; those that change the registry come first
    /// (rule R2). An author's order is kept: its change of the registry does not overtake
    /// its own Issue but waits for the next block.
    pub fn take(&self, records_max: usize, bytes_max: usize) -> Vec<Arc<EncodedRecord>> {
        let mut inner = self.lock();
        let mut taken = Vec::new();
        let mut rest = Vec::new();
        let mut bytes = 0;
        let mut issued: HashSet<AuthorId> = HashSet::new();
        let mut passed: Vec<AuthorId> = Vec::new();
        while taken.len() + rest.len() < records_max
            && let Some(author) = inner.turns.pop_front()
        {
            let next = inner.queues.get(&author).and_then(VecDeque::front);
            let fits = next.is_some_and(|record| {
                let waits = changes_registry(&record.record().body) && issued.contains(&author);
                !waits && bytes + record_cost(record) <= bytes_max
            });
            if !fits {
                passed.push(author);
                continue;
            }
            let Some(record) = inner.pop(&author) else {
                continue;
            };
            bytes += record_cost(&record);
            if changes_registry(&record.record().body) {
                taken.push(record);
            } else {
                if matches!(record.record().body, Body::Issue(_)) {
                    issued.insert(author);
                }
                rest.push(record);
            }
        }
        for author in passed.into_iter().rev() {
            inner.turns.push_front(author);
        }
        taken.append(&mut rest);
        taken
    }

    /// Puts records that a block took and left out back to the head of their queues, in
    /// their order.
    pub fn put_back(&self, records: Vec<Arc<EncodedRecord>>) {
        let mut inner = self.lock();
        for record in records.into_iter().rev() {
            if inner.known.contains_key(&record.id()) {
                inner.push_front(record);
            }
        }
    }

    /// Ids of at most `count` records that are here.
    pub fn ids(&self, count: usize) -> Vec<RecordId> {
        self.lock().known.keys().take(count).copied().collect()
    }

    /// Those of these records that are here.
    pub fn find(&self, ids: &[RecordId]) -> Vec<Arc<EncodedRecord>> {
        let inner = self.lock();
        let known = ids.iter().filter_map(|id| inner.known.get(id));
        known.map(|known| Arc::clone(&known.record)).collect()
    }

    /// Whether a record is here.
    pub fn contains(&self, id: &RecordId) -> bool {
        self.lock().known.contains_key(id)
    }

    /// Says how a record ended, and forgets it.
    pub fn finish(&self, outcomes: impl IntoIterator<Item = (RecordId, Outcome)>) {
        for (waiters, outcome) in self.forget(outcomes) {
            for waiter in waiters {
                waiter.answer(outcome.clone());
            }
        }
    }

    /// Forgets records, whoever holds them; answers who waits for each.
    pub fn forget<T>(
        &self,
        records: impl IntoIterator<Item = (RecordId, T)>,
    ) -> Vec<(Vec<Waiter>, T)> {
        let mut inner = self.lock();
        let mut waiting = Vec::new();
        let mut gone: HashMap<AuthorId, HashSet<RecordId>> = HashMap::new();
        for (id, rest) in records {
            if let Some(known) = inner.forget(&id) {
                let author = known.record.record().author.id.clone();
                gone.entry(author).or_default().insert(id);
                waiting.push((known.waiters, rest));
            }
        }
        for (author, gone) in gone {
            inner.unqueue(&author, gone);
        }
        waiting
    }

    /// Removes queued records that expired before `now`. Answers how many.
    pub fn prune(&self, now: UnixMillis) -> usize {
        let mut expired = Vec::new();
        let mut inner = self.lock();
        for queue in inner.queues.values_mut() {
            queue.retain(|record| {
                let expires_at = record.record().expires_at;
                let keep = expires_at >= now;
                if !keep {
                    expired.push((record.id(), expires_at));
                }
                keep
            });
        }
        inner.queued -= expired.len();
        if !expired.is_empty() {
            inner.drop_empty_queues();
        }
        drop(inner);
        let count = expired.len();
        self.finish(expired.into_iter().map(|(id, expires_at)| {
            let time = now;
            let rejection = Rejection::Expired { expires_at, time };
            (id, Outcome::Refused(Box::new(rejection)))
        }));
        count
    }

    /// Answers everybody that the node cannot say how the records end, and forgets them.
    pub fn abandon(&self) {
        let mut inner = self.lock();
        let known = std::mem::take(&mut *inner).known;
        inner.closed = true;
        drop(inner);
        for waiter in known.into_values().flat_map(|known| known.waiters) {
            waiter.answer(Outcome::Unavailable);
        }
    }

    /// What is here now.
    pub fn load(&self) -> Load {
        let inner = self.lock();
        Load {
            records: inner.known.len(),
            bytes: inner.bytes,
        }
    }
}

impl Known {
    fn join(&mut self, waiter: Waiter) {
        if waiter.admitted_suffices {
            waiter.answer(Outcome::Pending);
        } else {
            // Those who went away must not pile up when a record is sent again and again; but
            // to look at all of them each time takes time for the square of their number.
            if self.waiters.len() >= self.sweep_at {
                self.waiters.retain(|waiter| !waiter.answer.is_closed());
                self.sweep_at = WAITERS_SWEEP.max(2 * self.waiters.len());
            }
            self.waiters.push(waiter);
        }
    }
}

impl Inner {
    fn add(&mut self, record: EncodedRecord, waiter: Option<Waiter>) -> Arc<EncodedRecord> {
        let record = Arc::new(record);
        let author = record.record().author.id.clone();
        let bytes = record.bytes().len();
        self.bytes += bytes;
        let of_author = self.by_author.entry(author.clone()).or_default();
        of_author.records += 1;
        of_author.bytes += bytes;
        let mut known = Known {
            record: Arc::clone(&record),
            waiters: Vec::new(),
            sweep_at: WAITERS_SWEEP,
        };
        waiter.into_iter().for_each(|waiter| known.join(waiter));
        self.known.insert(record.id(), known);
        self.queued += 1;
        let queue = self.queues.entry(author.clone()).or_insert_with(|| {
            self.turns.push_back(author);
            VecDeque::new()
        });
        queue.push_back(Arc::clone(&record));
        record
    }

    /// The author's next record; its turn comes again after all others'.
    fn pop(&mut self, author: &AuthorId) -> Option<Arc<EncodedRecord>> {
        let queue = self.queues.get_mut(author)?;
        let record = queue.pop_front();
        if queue.is_empty() {
            self.queues.remove(author);
        } else {
            self.turns.push_back(author.clone());
        }
        self.queued -= usize::from(record.is_some());
        record
    }

    fn drop_empty_queues(&mut self) {
        self.queues.retain(|_, queue| !queue.is_empty());
        let queues = &self.queues;
        self.turns.retain(|author| queues.contains_key(author));
    }

    /// Takes records out of their author's queue: in most cases they are its first.
    fn unqueue(&mut self, author: &AuthorId, mut gone: HashSet<RecordId>) {
        let Some(queue) = self.queues.get_mut(author) else {
            return;
        };
        let before = queue.len();
        while queue.front().is_some_and(|first| gone.remove(&first.id())) {
            queue.pop_front();
        }
        if !gone.is_empty() {
            queue.retain(|record| !gone.contains(&record.id()));
        }
        self.queued -= before - queue.len();
        if queue.is_empty() {
            self.queues.remove(author);
            self.turns.retain(|turn| turn != author);
        }
    }

    fn push_front(&mut self, record: Arc<EncodedRecord>) {
        let author = record.record().author.id.clone();
        let queue = self.queues.entry(author.clone()).or_insert_with(|| {
            self.turns.push_front(author);
            VecDeque::new()
        });
        queue.push_front(record);
        self.queued += 1;
    }

    fn forget(&mut self, id: &RecordId) -> Option<Known> {
        let known = self.known.remove(id)?;
        let (author, bytes) = (&known.record.record().author.id, known.record.bytes().len());
        self.bytes -= bytes;
        if let Some(of_author) = self.by_author.get_mut(author) {
            of_author.records -= 1;
            of_author.bytes -= bytes;
            if of_author.records == 0 {
                self.by_author.remove(author);
            }
        }
        Some(known)
    }
}

/// Whether a record may change a registry entry, and so stands before every Issue of its
/// block (rule R2). An Approve may carry out an action on an accreditation.
fn changes_registry(body: &Body) -> bool {
    matches!(
        body,
        Body::Approve { .. }
            | Body::Propose { .. }
            | Body::Accredit(_)
            | Body::AmendAccreditation { .. }
            | Body::WithdrawAccreditation { .. }
            | Body::ReplaceIssuerKeys { .. }
            | Body::RotateKeys(_)
    )
}

#[cfg(test)]
mod tests;
