//! The way in: form, ledger, expiry, author and signature, before a record may wait.
//!
//! Signature checks are the greater part of a record's cost, and cheaper in batches. So
//! what arrives gathers in a bounded queue, and a few threads take whatever is there as a
//! batch. A record whose author or key the committed state does not know stops here: a
//! stranger's flood reaches neither mempool nor producer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use credlog_gossip::NodeKey;
use credlog_ledger::body::Body;
use credlog_ledger::ids::{LedgerId, RecordId, UnixMillis};
use credlog_ledger::record::{Author, AuthorId, EXPIRY_MILLIS_MAX, EncodedRecord, Record};
use credlog_ledger::rejection::Rejection;
use credlog_ledger::signature::verify_batch;
use credlog_ledger::state::{State, ViewError};
use credlog_ledger::transition::signing_key;
use credlog_store::Store;

use crate::attesting::Attesting;
use crate::doubt::Doubt;
use crate::http::shares::network;
use crate::mempool::{Load, Mempool, Outcome, Place, Waiter};
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::production::now;
use crate::shared::Shared;

/// Records that may wait for their check.
const QUEUE_RECORDS_MAX: usize = 65_536;
/// Bytes of records that may wait for their check.
const QUEUE_BYTES_MAX: usize = 32 << 20;
/// Of the queue, one sender gets one part of so many.
const QUEUE_PARTS: usize = 4;
/// So many records of a request are checked before the others.
const TRIAL_RECORDS: usize = 16;
/// After so many bad signatures the rest of a request is not looked at.
pub const REQUEST_BAD_SIGNATURES_MAX: u32 = 16;
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
    attesting: Arc<Attesting>,
    outbox: Outbox,
    metrics: Arc<Metrics>,
    doubt: Arc<Doubt>,
}

type Submitted = (EncodedRecord, Waiter);

/// Who sends records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sender {
    /// A client, by its network: an IPv6 address counts with its /64.
    Client(IpAddr),
    /// A node of the gossip swarm.
    Peer(NodeKey),
}

impl Sender {
    /// The client with this address.
    pub fn client(address: IpAddr) -> Self {
        Self::Client(network(address))
    }
}

/// What the records of one request have in common.
#[derive(Debug)]
struct Origin {
    sender: Sender,
    /// Bad signatures found so far.
    bad: AtomicU32,
    /// Whether its first records were checked and were good.
    tried: AtomicBool,
}

impl Origin {
    fn is_suspect(&self) -> bool {
        self.bad.load(Ordering::Relaxed) > 0
    }

    fn is_given_up(&self) -> bool {
        self.bad.load(Ordering::Relaxed) >= REQUEST_BAD_SIGNATURES_MAX
    }
}

/// A record in the queue.
#[derive(Debug)]
struct Queued {
    record: EncodedRecord,
    waiter: Waiter,
    origin: Arc<Origin>,
}

/// A record whose signature comes next, and the key for it.
#[derive(Debug)]
struct Examined {
    queued: Queued,
    key: [u8; 32],
    /// Its place in the batch.
    at: usize,
}

/// A record that passed.
#[derive(Debug)]
struct Passed {
    record: EncodedRecord,
    waiter: Waiter,
    /// It came from a client of this node: other nodes are told.
    is_own: bool,
    at: usize,
}

#[derive(Debug, Default)]
struct Queue {
    records: std::collections::VecDeque<Queued>,
    bytes: usize,
    /// What is here of each sender.
    by_sender: HashMap<Sender, Load>,
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
        shared: &Shared,
        doubt: Arc<Doubt>,
    ) -> std::io::Result<(Arc<Self>, Vec<JoinHandle<()>>)> {
        let admission = Arc::new(Self {
            queue: Mutex::default(),
            arrived: Condvar::new(),
            turn: Mutex::new(0),
            turned: Condvar::new(),
            ledger: shared.store.ledger_id(),
            store: Arc::clone(&shared.store),
            mempool: Arc::clone(&shared.mempool),
            attesting: Arc::clone(&shared.attesting),
            outbox: shared.outbox.clone(),
            metrics: Arc::clone(&shared.metrics),
            doubt,
        });
        let spawn = |number| {
            let admission = Arc::clone(&admission);
            let thread = std::thread::Builder::new().name(format!("admission-{number}"));
            thread.spawn(move || admission.work())
        };
        let threads = (0..threads.max(1)).map(spawn).collect::<Result<_, _>>()?;
        Ok((admission, threads))
    }

    /// Takes the records of a request in; each waiter gets its answer sooner or later.
    pub fn submit(&self, sender: Sender, records: Vec<Submitted>) {
        let origin = Arc::new(Origin {
            sender,
            bad: AtomicU32::new(0),
            tried: AtomicBool::new(false),
        });
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
            } else if queue.has_room(origin.sender, bytes) {
                let origin = Arc::clone(&origin);
                queue.push(Queued {
                    record,
                    waiter,
                    origin,
                });
            } else {
                self.metrics
                    .observe_record(record.record().body.kind(), "full");
                refused.push((waiter, Outcome::Full));
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
                    self.metrics.store_faults.inc();
                    self.doubt.raise();
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
    fn enter(&self, number: u64, passed: Vec<Passed>) {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let early = |turn: &mut u64| *turn != number;
        let turn = self.turned.wait_while(turn, early);
        let mut turn = turn.unwrap_or_else(PoisonError::into_inner);
        let is_own = |passed: &Passed| passed.is_own;
        let (own, others): (Vec<_>, Vec<_>) = passed.into_iter().partition(is_own);
        let submitted = |passed: Passed| (passed.record, Some(passed.waiter));
        self.mempool.insert(others.into_iter().map(submitted));
        let added = self.mempool.insert(own.into_iter().map(submitted));
        *turn += 1;
        drop(turn);
        self.turned.notify_all();
        self.outbox.records(&added);
    }

    fn next_batch(&self) -> Option<(u64, Vec<Queued>)> {
        let idle = |queue: &mut Queue| queue.records.is_empty() && !queue.closed;
        let mut queue = self
            .arrived
            .wait_while(self.lock(), idle)
            .unwrap_or_else(PoisonError::into_inner);
        if queue.records.is_empty() {
            return None;
        }
        let batch = queue.take(BATCH_RECORDS_MAX);
        if !queue.records.is_empty() {
            self.arrived.notify_one();
        }
        let number = queue.batches;
        queue.batches += 1;
        Some((number, batch))
    }

    fn check(&self, batch: Vec<Queued>) -> Result<Vec<Passed>, ViewError> {
        let snapshot = self.store.snapshot();
        let state = State(&snapshot);
        let now = now();
        let time = now.max(snapshot.head().time.plus(1));
        let mut keys = Keys::at(time);
        let mut examined = Vec::with_capacity(batch.len());
        for (at, queued) in batch.into_iter().enumerate() {
            match self.examine(&state, &queued.record, now, &mut keys)? {
                Ok(key) => examined.push(Examined { queued, key, at }),
                Err(outcome) => self.end(&queued.record, queued.waiter, outcome),
            }
        }
        let mut passed = self.check_signatures(examined);
        passed.sort_unstable_by_key(|passed| passed.at);
        Ok(passed)
    }

    /// Checks the signatures of a batch; answers the good ones.
    ///
    /// One bad signature makes a batch twice as dear, for everybody whose records are in it.
    /// So a request with many records is first tried with a few of them, in a batch of their
    /// own; and the records of a request in which one was bad come last, one by one, until
    /// there were so many that the rest is given up.
    fn check_signatures(&self, examined: Vec<Examined>) -> Vec<Passed> {
        let mut passed = Vec::with_capacity(examined.len());
        let suspect = |one: &Examined| one.queued.origin.is_suspect();
        let (mut suspects, others): (Vec<_>, Vec<_>) = examined.into_iter().partition(suspect);
        let mut together = Vec::with_capacity(others.len());
        for mut request in by_request(others) {
            let origin = Arc::clone(&request[0].queued.origin);
            if request.len() >= TRIAL_RECORDS && !origin.tried.load(Ordering::Relaxed) {
                let rest = request.split_off(TRIAL_RECORDS);
                self.verify(request, &mut passed);
                request = rest;
                origin.tried.store(!origin.is_suspect(), Ordering::Relaxed);
            }
            match origin.is_suspect() {
                true => suspects.append(&mut request),
                false => together.append(&mut request),
            }
        }
        self.verify(together, &mut passed);
        for one in suspects {
            if one.queued.origin.is_given_up() {
                self.end(&one.queued.record, one.queued.waiter, Outcome::Unchecked);
            } else {
                self.verify(vec![one], &mut passed);
            }
        }
        passed
    }

    /// Checks signatures together.
    fn verify(&self, examined: Vec<Examined>, passed: &mut Vec<Passed>) {
        let (mut records, mut rest) = (Vec::new(), Vec::new());
        let mut keys = Vec::with_capacity(examined.len());
        for Examined { queued, key, at } in examined {
            records.push(queued.record);
            rest.push((queued.waiter, queued.origin, at));
            keys.push(Some(key));
        }
        verify_batch(&mut records, &keys);
        for (record, (waiter, origin, at)) in records.into_iter().zip(rest) {
            if record.verified_by().is_some() {
                passed.push(Passed {
                    record,
                    waiter,
                    is_own: matches!(origin.sender, Sender::Client(_)),
                    at,
                });
            } else {
                origin.bad.fetch_add(1, Ordering::Relaxed);
                let key = record.record().author.key;
                let outcome = Outcome::Refused(Box::new(Rejection::BadSignature { key }));
                self.end(&record, waiter, outcome);
            }
        }
    }

    fn end(&self, record: &EncodedRecord, waiter: Waiter, outcome: Outcome) {
        let label = match &outcome {
            Outcome::Refused(rejection) => rejection.code(),
            Outcome::Unchecked => "unchecked",
            _ => "duplicate",
        };
        self.metrics
            .observe_record(record.record().body.kind(), label);
        match outcome {
            Outcome::Committed(place) => self.attesting.wait(waiter, place),
            outcome => waiter.answer(outcome),
        }
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
        match known.find(state, record)? {
            Ok(key) => Ok(Ok(key)),
            Err(rejection) => refused(rejection),
        }
    }
}

impl Queue {
    fn has_room(&self, sender: Sender, bytes: usize) -> bool {
        let of_sender = self.by_sender.get(&sender).copied().unwrap_or_default();
        let part = |max: usize| max / QUEUE_PARTS;
        self.records.len() < QUEUE_RECORDS_MAX
            && self.bytes + bytes <= QUEUE_BYTES_MAX
            && of_sender.records < part(QUEUE_RECORDS_MAX)
            && of_sender.bytes + bytes <= part(QUEUE_BYTES_MAX)
    }

    fn push(&mut self, queued: Queued) {
        let bytes = queued.record.bytes().len();
        self.bytes += bytes;
        let of_sender = self.by_sender.entry(queued.origin.sender).or_default();
        of_sender.records += 1;
        of_sender.bytes += bytes;
        self.records.push_back(queued);
    }

    fn take(&mut self, records_max: usize) -> Vec<Queued> {
        let count = self.records.len().min(records_max);
        let taken: Vec<_> = self.records.drain(..count).collect();
        for queued in &taken {
            let bytes = queued.record.bytes().len();
            self.bytes -= bytes;
            if let Some(of_sender) = self.by_sender.get_mut(&queued.origin.sender) {
                of_sender.records -= 1;
                of_sender.bytes -= bytes;
                if of_sender.records == 0 {
                    self.by_sender.remove(&queued.origin.sender);
                }
            }
        }
        taken
    }
}

/// The records of each request, in the order of the requests' first.
fn by_request(examined: Vec<Examined>) -> Vec<Vec<Examined>> {
    let mut places = HashMap::new();
    let mut requests: Vec<Vec<Examined>> = Vec::new();
    for one in examined {
        let place = *places
            .entry(Arc::as_ptr(&one.queued.origin))
            .or_insert(requests.len());
        match requests.get_mut(place) {
            Some(request) => request.push(one),
            None => requests.push(vec![one]),
        }
    }
    requests
}

/// Keys of authors that were looked up for a batch of records.
pub(crate) struct Keys {
    time: UnixMillis,
    /// By author, and whether the record rotates keys: the recovery key may do only that.
    found: HashMap<(Author, bool), Result<[u8; 32], Rejection>>,
}

impl Keys {
    pub(crate) fn at(time: UnixMillis) -> Self {
        let found = HashMap::new();
        Self { time, found }
    }

    /// The key under which a record's signature has to verify, or why it may not sign.
    pub(crate) fn find(
        &mut self,
        state: &State<'_>,
        record: &Record,
    ) -> Result<Result<[u8; 32], Rejection>, ViewError> {
        let rotates = matches!(record.body, Body::RotateKeys(_));
        let author = (record.author.clone(), rotates);
        if let Some(found) = self.found.get(&author) {
            return Ok(found.clone());
        }
        let found = key_of(state, record, self.time)?;
        self.found.insert(author, found.clone());
        Ok(found)
    }
}

/// The key with which a record's author signs at `time`, by the ledger's rules.
fn key_of(
    state: &State<'_>,
    record: &Record,
    time: UnixMillis,
) -> Result<Result<[u8; 32], Rejection>, ViewError> {
    Ok(match &record.author.id {
        AuthorId::Member(id) => signing_key(record, state.members()?.find(id), None, time),
        AuthorId::Issuer(id) => {
            let entry = state.find_issuer(id)?.map(|(_, entry)| entry.as_of(time));
            signing_key(record, None, entry.as_ref(), time)
        }
    })
}

/// Where a record stands in a committed state.
///
/// # Errors
/// [`ViewError`].
pub fn place(state: &State<'_>, id: &RecordId) -> Result<Option<Place>, ViewError> {
    let Some(leaf) = state.record(id)? else {
        return Ok(None);
    };
    let missing = || {
        ViewError::Damaged(format!(
            "record {id} stands at leaf {leaf}, outside every block"
        ))
    };
    let (height, _) = state.block_of(leaf)?.ok_or_else(missing)?;
    let seal = state.seal(height)?.ok_or_else(missing)?.seal;
    let time = seal.time;
    Ok(Some(Place { leaf, height, time }))
}
