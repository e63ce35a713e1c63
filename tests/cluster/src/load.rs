//! Records posted while something happens, and which of them were acknowledged.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use credlog_e2e::Issuer;
use credlog_ledger::ids::RecordId;

use crate::view::{Answered, submit};

/// A sender whose node does not take its record waits this long.
const PAUSE: Duration = Duration::from_millis(50);

/// A record that a node said is in the log.
#[derive(Debug, Clone, Copy)]
pub struct Acknowledged {
    /// The record.
    pub id: RecordId,
    /// Which node said so.
    pub node: usize,
    /// When.
    pub at: Instant,
    /// After what time.
    pub took: Duration,
}

/// Senders at work; they end when this is dropped or stopped.
pub struct Load {
    shared: Arc<Shared>,
    senders: Vec<JoinHandle<()>>,
}

struct Shared {
    issuer: Arc<Issuer>,
    stop: AtomicBool,
    acknowledged: Mutex<Vec<Acknowledged>>,
    others: AtomicUsize,
    credentials: u32,
}

impl Load {
    /// Starts `senders` threads for each node, each with one record at a time, in records of
    /// `credentials`. With `each`, a sender begins no more than one record in that time.
    pub(crate) fn start(
        issuer: &Arc<Issuer>,
        nodes: &[(usize, SocketAddr)],
        senders: usize,
        credentials: u32,
        each: Option<Duration>,
    ) -> Self {
        let shared = Arc::new(Shared {
            issuer: Arc::clone(issuer),
            stop: AtomicBool::new(false),
            acknowledged: Mutex::new(Vec::new()),
            others: AtomicUsize::new(0),
            credentials,
        });
        let all = (nodes.len() * senders).max(1);
        let apart = each.unwrap_or_default().div_f64(all as f64);
        // Each has its own time: what is sent at a pace is spread evenly.
        let mut first = Instant::now();
        let senders = nodes
            .iter()
            .flat_map(|node| std::iter::repeat_n(*node, senders))
            .map(|(node, address)| {
                let shared = Arc::clone(&shared);
                let due = first;
                first += apart;
                std::thread::spawn(move || shared.send(node, address, due, each))
            })
            .collect();
        Self { shared, senders }
    }

    /// How many records were acknowledged so far.
    pub fn count(&self) -> usize {
        self.shared.lock().len()
    }

    /// How many records got another answer, or none.
    pub fn others(&self) -> usize {
        self.shared.others.load(Ordering::Relaxed)
    }

    /// What was acknowledged so far.
    pub fn so_far(&self) -> Vec<Acknowledged> {
        self.shared.lock().clone()
    }

    /// Stops the senders, and answers what was acknowledged.
    pub fn stop(mut self) -> Vec<Acknowledged> {
        self.end();
        std::mem::take(&mut *self.shared.lock())
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for sender in self.senders.drain(..) {
            // A sender that panicked has acknowledged nothing more; the test sees too few.
            let _ = sender.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Acknowledged>> {
        self.acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one record after the other; with a pace, a late answer does not put off the next
    /// ones.
    fn send(&self, node: usize, address: SocketAddr, first: Instant, each: Option<Duration>) {
        let mut due = first;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        while !self.stop.load(Ordering::Relaxed) {
            let Ok(record) = self.issuer.next_issuance(self.credentials) else {
                return;
            };
            let began = Instant::now();
            due = each.map_or(began, |each| (due + each).max(began));
            let pause = match submit(address, &record) {
                Answered::Acknowledged(id) => {
                    let (at, took) = (Instant::now(), began.elapsed());
                    self.lock().push(Acknowledged { id, node, at, took });
                    due.saturating_duration_since(at)
                }
                _ => {
                    self.others.fetch_add(1, Ordering::Relaxed);
                    PAUSE
                }
            };
            std::thread::sleep(pause);
        }
    }
}
