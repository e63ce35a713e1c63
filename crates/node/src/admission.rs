//! The way in: form, ledger, expiry, author and signature, before a record may wait.
//!
//! Signature checks are the greater part of a record's cost, and cheaper in batches. So
//! what arrives gathers in a bounded queue, and a few threads take whatever is there as a
//! batch. A record whose author or key the committed state does not know stops here: a
//! stranger's flood reaches neither mempool nor producer.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use credlog_ledger::body::{Action, Body};
use credlog_ledger::ids::{LedgerId, UnixMillis};
use credlog_ledger::record::{Author, AuthorId, EXPIRY_MILLIS_MAX, EncodedRecord};
use credlog_ledger::rejection::Rejection;
use credlog_ledger::signature::verify_batch;
use credlog_ledger::state::{State, ViewError};
use credlog_store::Store;

use crate::application::place;
use crate::mempool::{Mempool, Outcome, Waiter};
use crate::metrics::Metrics;
use crate::producer::now;

/// Records that may wait for their check.
const QUEUE_RECORDS_MAX: usize = 16_384;
/// Bytes of records that may wait for their check.
const QUEUE_BYTES_MAX: usize = 32 << 20;
/// Most records of a batch.
const BATCH_RECORDS_MAX: usize = 256;
/// How far ahead of this machine's clock a sender's may be.
const CLOCK_TOLERANCE_MILLIS: u64 = 10_000;

/// The way in.
#[derive(Debug)]
pub struct Admission {
    queue: Mutex<Queue>,
    arrived: Condvar,
    /// Number of the batch that enters the mempool next: batches are checked side by side,
    /// but enter in the order in which they came.
    turn: Mutex<u64>,
    turned: Condvar,
    ledger: LedgerId,
    store: Arc<Store>,
    mempool: Arc<Mempool>,
    metrics: Arc<Metrics>,
}

type Submitted = (EncodedRecord, Waiter);

#[derive(Debug, Default)]
struct Queue {
    records: std::collections::VecDeque<Submitted>,
    bytes: usize,
    /// Batches taken so far.
    batches: u64,
    closed: bool,
}

impl Admission {
    /// Starts the threads that check.
    ///
    /// # Errors
    /// [`std::io::Error`] if the system gives no thread.
    pub fn start(
        threads: usize,
        ledger: LedgerId,
        store: Arc<Store>,
        mempool: Arc<Mempool>,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<(Arc<Self>, Vec<JoinHandle<()>>)> {
        let admission = Arc::new(Self {
            queue: Mutex::default(),
            arrived: Condvar::new(),
            turn: Mutex::new(0),
            turned: Condvar::new(),
            ledger,
            store,
            mempool,
            metrics,
        });
        let spawn = |number| {
            let admission = Arc::clone(&admission);
            let thread = std::thread::Builder::new().name(format!("admission-{number}"));
            thread.spawn(move || admission.work())
        };
        let threads = (0..threads.max(1)).map(spawn).collect::<Result<_, _>>()?;
        Ok((admission, threads))
    }

    /// Takes records in; each waiter gets its answer sooner or later.
    pub fn submit(&self, records: Vec<Submitted>) {
        let mut queue = self.lock();
        let mut refused = Vec::new();
        for (record, waiter) in records {
            // A record that waits already costs nothing more.
            let Some(waiter) = self.mempool.join(&record.id(), waiter) else {
                continue;
            };
            let bytes = record.bytes().len();
            if queue.closed {
                refused.push((waiter, Outcome::Unavailable));
            } else if queue.records.len() >= QUEUE_RECORDS_MAX
                || queue.bytes + bytes > QUEUE_BYTES_MAX
            {
                self.metrics
                    .observe_record(record.record().body.kind(), "full");
                refused.push((waiter, Outcome::Full));
            } else {
                queue.bytes += bytes;
                queue.records.push_back((record, waiter));
            }
        }
        drop(queue);
        self.arrived.notify_one();
        for (waiter, outcome) in refused {
            waiter.answer(outcome);
        }
    }

    /// Takes nothing more in; what waits is still checked, then the threads end.
    pub fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while let Some((number, batch)) = self.next_batch() {
            let begun = Instant::now();
            // A panic drops the batch's waiters, who see that as "not known".
            let work = std::panic::AssertUnwindSafe(|| self.check(batch));
            let passed = match std::panic::catch_unwind(work) {
                Ok(Ok(passed)) => passed,
                Ok(Err(error)) => {
                    tracing::error!(%error, "records could not be checked");
                    Vec::new()
                }
                Err(_) => {
                    tracing::error!("the check of records panicked");
                    Vec::new()
                }
            };
            self.metrics
                .admission_seconds
                .inc_by(begun.elapsed().as_secs_f64());
            self.enter(number, passed);
        }
    }

    /// Puts a batch into the mempool when all before it are there.
    fn enter(&self, number: u64, passed: Vec<Submitted>) {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let early = |turn: &mut u64| *turn != number;
        let turn = self.turned.wait_while(turn, early);
        let mut turn = turn.unwrap_or_else(PoisonError::into_inner);
        self.mempool.insert(passed);
        *turn += 1;
        self.turned.notify_all();
    }

    fn next_batch(&self) -> Option<(u64, Vec<Submitted>)> {
        let idle = |queue: &mut Queue| queue.records.is_empty() && !queue.closed;
        let mut queue = self
            .arrived
            .wait_while(self.lock(), idle)
            .unwrap_or_else(PoisonError::into_inner);
        if queue.records.is_empty() {
            return None;
        }
        let count = queue.records.len().min(BATCH_RECORDS_MAX);
        let batch: Vec<_> = queue.records.drain(..count).collect();
        queue.bytes -= batch
            .iter()
            .map(|(record, _)| record.bytes().len())
            .sum::<usize>();
        if !queue.records.is_empty() {
            self.arrived.notify_one();
        }
        let number = queue.batches;
        queue.batches += 1;
        Some((number, batch))
    }

    fn check(&self, batch: Vec<Submitted>) -> Result<Vec<Submitted>, ViewError> {
        let snapshot = self.store.snapshot();
        let state = State(&snapshot);
        let now = now();
        let mut known = Keys::default();
        let (mut records, mut waiters, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for (record, waiter) in batch {
            match self.examine(&state, &record, now, &mut known)? {
                Ok(key) => {
                    records.push(record);
                    waiters.push(waiter);
                    keys.push(Some(key));
                }
                Err(outcome) => self.end(&record, waiter, outcome),
            }
        }
        verify_batch(&mut records, &keys);
        let mut passed = Vec::with_capacity(records.len());
        for (record, waiter) in records.into_iter().zip(waiters) {
            if record.verified_by().is_some() {
                passed.push((record, waiter));
            } else {
                let key = record.record().author.key;
                let outcome = Outcome::Refused(Box::new(Rejection::BadSignature { key }));
                self.end(&record, waiter, outcome);
            }
        }
        Ok(passed)
    }

    fn end(&self, record: &EncodedRecord, waiter: Waiter, outcome: Outcome) {
        let label = match &outcome {
            Outcome::Refused(rejection) => rejection.code(),
            _ => "duplicate",
        };
        self.metrics
            .observe_record(record.record().body.kind(), label);
        waiter.answer(outcome);
    }

    /// The key under which the signature has to verify, or the record's end.
    fn examine(
        &self,
        state: &State<'_>,
        encoded: &EncodedRecord,
        now: UnixMillis,
        known: &mut Keys,
    ) -> Result<Result<[u8; 32], Outcome>, ViewError> {
        let refused = |rejection| Ok(Err(Outcome::Refused(Box::new(rejection))));
        let record = encoded.record();
        if record.ledger != self.ledger {
            let (found, expected) = (record.ledger, self.ledger);
            return refused(Rejection::WrongLedger { found, expected });
        }
        if let Body::Propose {
            action: Action::AddMember { .. },
        } = &record.body
        {
            let reason = "this version of the node runs ledgers of one member".to_owned();
            return refused(Rejection::ActionImpossible { reason });
        }
        if let Some(place) = place(state, &encoded.id())? {
            return Ok(Err(Outcome::Committed(place)));
        }
        let expires_at = record.expires_at;
        if expires_at < now {
            let time = now;
            return refused(Rejection::Expired { expires_at, time });
        }
        if expires_at > now.plus(EXPIRY_MILLIS_MAX + CLOCK_TOLERANCE_MILLIS) {
            let time = now;
            return refused(Rejection::ExpiresTooLate { expires_at, time });
        }
        match known.find(state, &record.author)? {
            Some(key) => Ok(Ok(key)),
            None => refused(unknown_key(state, &record.author)?),
        }
    }
}

/// Keys of authors that were looked up for this batch.
#[derive(Default)]
struct Keys(HashMap<Author, Option<[u8; 32]>>);

impl Keys {
    fn find(&mut self, state: &State<'_>, author: &Author) -> Result<Option<[u8; 32]>, ViewError> {
        if let Some(found) = self.0.get(author) {
            return Ok(*found);
        }
        let found = state.author_key(author)?;
        self.0.insert(author.clone(), found);
        Ok(found)
    }
}

/// Why the ledger knows no key of an author.
fn unknown_key(state: &State<'_>, author: &Author) -> Result<Rejection, ViewError> {
    let known = match &author.id {
        AuthorId::Member(id) => state.members()?.find(id).is_some(),
        AuthorId::Issuer(id) => state.issuer_number(id)?.is_some(),
    };
    let (author, key) = (author.id.clone(), author.key);
    Ok(match known {
        true => Rejection::KeyNotActive { author, key },
        false => Rejection::UnknownAuthor { author },
    })
}
