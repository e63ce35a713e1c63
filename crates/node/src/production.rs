//! Whether this node can take part in making blocks: its disk and its clock.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use credlog_ledger::clock::CLOCK_TOLERANCE_MILLIS;
use credlog_ledger::ids::UnixMillis;
use credlog_store::Store;
use tokio::sync::watch;

use crate::metrics::Metrics;

/// Whether blocks can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Production {
    /// They can.
    Running,
    /// They cannot until this machine's clock has caught up with the newest block.
    ClockBehind,
    /// They cannot until the disk has space again.
    DiskFull,
    /// The node stops; what was waiting has its answer.
    Stopped,
    /// They cannot any more: the process must exit.
    Failed(String),
}

/// Watches disk and clock, and tells everybody.
#[derive(Debug, Clone)]
pub struct Obstacles {
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    production: watch::Sender<Production>,
}

impl Obstacles {
    /// Nothing is known yet.
    pub fn new(store: Arc<Store>, metrics: Arc<Metrics>) -> Self {
        Self {
            store,
            metrics,
            production: watch::Sender::new(Production::Running),
        }
    }

    /// What was seen last, and what comes.
    pub fn subscribe(&self) -> watch::Receiver<Production> {
        self.production.subscribe()
    }

    /// What was seen last.
    pub fn seen(&self) -> Production {
        self.production.borrow().clone()
    }

    /// The node can go on no more. What failed first stays the reason.
    pub fn fail(&self, reason: &str) {
        tracing::error!(%reason, "no more blocks can be made; the node stops");
        self.end(Production::Failed(reason.to_owned()));
    }

    /// The node stops.
    pub fn stop(&self) {
        self.end(Production::Stopped);
    }

    fn end(&self, end: Production) {
        self.production.send_if_modified(|production| {
            let goes_on = !matches!(production, Production::Failed(_));
            if goes_on {
                *production = end;
            }
            goes_on
        });
    }

    /// Whether disk and clock allow blocks; says so to everybody when that changes.
    ///
    /// # Errors
    /// [`std::io::Error`] if the system does not say how much space there is.
    pub fn look(&self) -> std::io::Result<Production> {
        let space = self.store.space()?;
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.metrics.disk_free_bytes.set(bytes(space.free_bytes));
        let reserve = bytes(space.reserve_bytes);
        self.metrics.disk_reserve_bytes.set(reserve);
        let behind_ms = self.store.snapshot().head().time.0.saturating_sub(now().0);
        let is_behind = behind_ms > CLOCK_TOLERANCE_MILLIS;
        #[allow(clippy::cast_precision_loss)] // seconds for people
        let behind_seconds = if is_behind {
            behind_ms as f64 / 1e3
        } else {
            0.0
        };
        self.metrics.clock_behind_seconds.set(behind_seconds);
        let next = match (space.is_enough(), is_behind) {
            (false, _) => Production::DiskFull,
            (true, true) => Production::ClockBehind,
            (true, false) => Production::Running,
        };
        let answer = next.clone();
        self.production.send_if_modified(|production| {
            let ended = matches!(production, Production::Failed(_) | Production::Stopped);
            if *production == next || ended {
                return false;
            }
            match &next {
                Production::DiskFull => tracing::error!(
                    folder = %self.store.dir().display(),
                    free_bytes = space.free_bytes,
                    reserve_bytes = space.reserve_bytes,
                    "the disk is full: no records are taken until there is space again; free \
                     space on it"
                ),
                Production::ClockBehind => tracing::error!(
                    seconds = behind_seconds,
                    "the clock of this machine is behind the ledger's newest block; no blocks are \
                     made until it has caught up: check the clock"
                ),
                _ => tracing::info!("disk and clock allow it: blocks are made again"),
            }
            *production = next;
            true
        });
        Ok(answer)
    }
}

/// The clock of this machine.
pub fn now() -> UnixMillis {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixMillis(now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX)))
}
