//! The sole member's producer: decides on blocks alone, as fast as they become durable.
//!
//! One thread owns the [`Application`]. It sleeps while the mempool is empty: an idle
//! ledger makes no blocks. What arrives while a block is being stored forms the next one,
//! so that blocks grow with the load and one flush serves many records.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use credlog_ledger::block::BLOCK_BYTES_MAX;
use credlog_ledger::ids::{RecordId, Round, UnixMillis};
use credlog_ledger::record::EncodedRecord;
use credlog_ledger::rejection::Rejection;
use credlog_ledger::state::ViewError;
use credlog_ledger::transition::{BlockError, Executed};
use credlog_store::Fatal;
use tokio::sync::watch;

use crate::application::{Application, Proposal};
use crate::mempool::{Mempool, Outcome, Place};
use crate::metrics::Metrics;
use crate::watchdog::Watchdog;

/// Expired records are looked for this often.
const PRUNE_INTERVAL: Duration = Duration::from_secs(1);
/// The longest pause in which a block under load gathers records.
const GATHERING_MAX: Duration = Duration::from_millis(5);
/// The longest sleep in one piece.
const SLEEP_MAX: Duration = Duration::from_millis(100);

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

/// Why no more blocks can be made.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Block(#[from] BlockError),
    #[error(transparent)]
    Store(#[from] Fatal),
    #[error(transparent)]
    State(#[from] ViewError),
    #[error("the system does not say how much space the store's disk has: {0}")]
    Space(#[from] std::io::Error),
}

/// The sole member's producer.
#[derive(Debug)]
pub struct SoleProducer {
    application: Application,
    mempool: Arc<Mempool>,
    metrics: Arc<Metrics>,
    watchdog: Arc<Watchdog>,
    linger: Duration,
    /// How long the newest block took to become durable.
    last_commit: Duration,
    /// Records of the newest block.
    last_records: u32,
    /// When expired records were last looked for.
    pruned: Instant,
    production: watch::Sender<Production>,
}

impl SoleProducer {
    /// Starts the thread. It ends when the mempool is closed and worked off, or when a
    /// block cannot be stored; `production` says which.
    ///
    /// # Errors
    /// [`std::io::Error`] if the system gives no thread.
    pub fn start(
        application: Application,
        mempool: Arc<Mempool>,
        metrics: Arc<Metrics>,
        watchdog: Arc<Watchdog>,
        linger: Duration,
        production: watch::Sender<Production>,
    ) -> std::io::Result<JoinHandle<()>> {
        let producer = Self {
            application,
            mempool,
            metrics,
            watchdog,
            linger,
            last_commit: Duration::ZERO,
            last_records: 0,
            pruned: Instant::now(),
            production,
        };
        let thread = std::thread::Builder::new().name("producer".into());
        thread.spawn(move || producer.run())
    }

    fn run(mut self) {
        // A panic must not leave those who wait without an answer, nor the node ready.
        let mempool = Arc::clone(&self.mempool);
        let production = self.production.clone();
        let work = std::panic::AssertUnwindSafe(|| self.produce());
        let end = match std::panic::catch_unwind(work) {
            Ok(Ok(())) => Production::Stopped,
            Ok(Err(failure)) => Production::Failed(failure.to_string()),
            Err(_) => Production::Failed("the producer panicked; see the log".to_owned()),
        };
        if let Production::Failed(reason) = &end {
            tracing::error!(%reason, "no more blocks can be made; the node stops");
        }
        // What failed before, in another part of the node, stays the reason.
        production.send_if_modified(|production| {
            let goes_on = !matches!(production, Production::Failed(_));
            if goes_on {
                *production = end;
            }
            goes_on
        });
        mempool.abandon();
    }

    fn produce(&mut self) -> Result<(), Failure> {
        // Before the first record, not when it comes.
        self.watchdog.during(|| self.observe())?;
        loop {
            let waiting = self.mempool.wait(PRUNE_INTERVAL);
            let possible = self.watchdog.during(|| self.observe())?;
            if waiting && possible == Production::DiskFull {
                self.turn_away();
            } else if waiting {
                let pause = self.application.pause(now())?;
                if possible == Production::ClockBehind || pause > SLEEP_MAX {
                    // In parts, so that a shutdown need not wait for it.
                    std::thread::sleep(SLEEP_MAX);
                } else {
                    std::thread::sleep(pause.max(self.gathering()));
                    Arc::clone(&self.watchdog).during(|| self.step())?;
                }
            } else if self.mempool.is_drained() {
                return Ok(());
            }
            self.prune();
            self.observe_load();
        }
    }

    /// Whether disk and clock allow blocks; says so to everybody when that changes.
    fn observe(&self) -> Result<Production, Failure> {
        let space = self.application.store().space()?;
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        self.metrics.disk_free_bytes.set(bytes(space.free_bytes));
        let reserve = bytes(space.reserve_bytes);
        self.metrics.disk_reserve_bytes.set(reserve);
        let behind = self.application.clock_behind(now());
        let behind_seconds = behind.unwrap_or_default().as_secs_f64();
        self.metrics.clock_behind_seconds.set(behind_seconds);
        let next = match (space.is_enough(), behind) {
            (false, _) => Production::DiskFull,
            (true, Some(_)) => Production::ClockBehind,
            (true, None) => Production::Running,
        };
        let answer = next.clone();
        self.production.send_if_modified(|production| {
            if *production == next || matches!(production, Production::Failed(_)) {
                return false;
            }
            match &next {
                Production::DiskFull => tracing::error!(
                    folder = %self.application.store().dir().display(),
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

    /// Answers those who wait while the disk is full; nothing of theirs is kept.
    fn turn_away(&self) {
        loop {
            let records = self.mempool.take(usize::MAX, BLOCK_BYTES_MAX);
            if records.is_empty() {
                return;
            }
            let outcome = |record: EncodedRecord| {
                let kind = record.record().body.kind();
                self.metrics.observe_record(kind, "disk-full");
                (record.id(), Outcome::DiskFull)
            };
            self.mempool.finish(records.into_iter().map(outcome));
        }
    }

    fn prune(&mut self) {
        if self.pruned.elapsed() < PRUNE_INTERVAL {
            return;
        }
        self.pruned = Instant::now();
        let expired = self.mempool.prune(now());
        if expired > 0 {
            tracing::debug!(expired, "records expired before they entered a block");
        }
    }

    /// How long to wait for company before a block is made. Those whose records the newest
    /// block held have just been answered and send their next ones now: without a pause
    /// the first of them would get a block of its own, and the others wait for its flush.
    /// A lone record waits for nobody.
    fn gathering(&self) -> Duration {
        let waiting = self.mempool.load().records;
        let company = self.last_records > 1 && waiting < self.last_records as usize;
        let pause = match company {
            true => (self.last_commit / 4).min(GATHERING_MAX),
            false => Duration::ZERO,
        };
        pause.max(self.linger)
    }

    /// Makes one block.
    fn step(&mut self) -> Result<(), Failure> {
        let begun = Instant::now();
        let proposal = self.application.propose(now(), Round(0), &self.mempool)?;
        let Proposal {
            executed,
            refused,
            left_out,
        } = proposal;
        self.metrics
            .execute_seconds
            .observe(begun.elapsed().as_secs_f64());
        // Only progress lets what was left out pass later; without it, wait a little.
        if executed.is_none() && !left_out.is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.mempool.put_back(left_out);
        let mut outcomes = Vec::new();
        if let Some(executed) = executed {
            self.commit(&executed)?;
            outcomes = self.committed(&executed);
        }
        for (record, rejection) in refused {
            outcomes.push(self.refused(&record, rejection)?);
        }
        self.mempool.finish(outcomes);
        Ok(())
    }

    fn commit(&mut self, executed: &Executed) -> Result<(), Failure> {
        let begun = Instant::now();
        self.application.commit(executed)?;
        let took = begun.elapsed();
        let seal = &executed.seal;
        (self.last_commit, self.last_records) = (took, seal.record_count);
        let metrics = &self.metrics;
        metrics.commit_seconds.observe(took.as_secs_f64());
        metrics.block_records.observe(f64::from(seal.record_count));
        #[allow(clippy::cast_precision_loss)] // at most 1 MiB
        metrics.block_bytes.observe(executed.block.len() as f64);
        metrics.observe_tip(seal.height, executed.size, seal.time);
        tracing::debug!(
            height = seal.height.0,
            records = seal.record_count,
            size = executed.size.0,
            commit_ms = took.as_millis(),
            "block committed"
        );
        Ok(())
    }

    fn committed(&self, executed: &Executed) -> Vec<(RecordId, Outcome)> {
        let (height, time) = (executed.seal.height, executed.seal.time);
        let leaves = (executed.first_leaf.0..).map(credlog_ledger::ids::LeafIndex);
        let outcome = |(record, leaf): (&EncodedRecord, _)| {
            self.metrics
                .observe_record(record.record().body.kind(), "committed");
            let place = Place { leaf, height, time };
            (record.id(), Outcome::Committed(place))
        };
        executed.records.iter().zip(leaves).map(outcome).collect()
    }

    /// A refused record's end. One that came in again just before its block was committed
    /// gets the answer of the first.
    fn refused(
        &self,
        record: &EncodedRecord,
        rejection: Rejection,
    ) -> Result<(RecordId, Outcome), ViewError> {
        let id = record.id();
        let kind = record.record().body.kind();
        if matches!(rejection, Rejection::Duplicate { .. })
            && let Some(place) = self.application.place(&id)?
        {
            self.metrics.observe_record(kind, "duplicate");
            return Ok((id, Outcome::Committed(place)));
        }
        self.metrics.observe_record(kind, rejection.code());
        tracing::debug!(record = %id, kind, code = rejection.code(), "record refused");
        Ok((id, Outcome::Refused(Box::new(rejection))))
    }

    #[allow(clippy::cast_possible_wrap)] // bounded by the configuration, far below 2^63
    fn observe_load(&self) {
        let load = self.mempool.load();
        self.metrics.mempool_records.set(load.records as i64);
        self.metrics.mempool_bytes.set(load.bytes as i64);
    }
}

/// The clock of this machine.
pub fn now() -> UnixMillis {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    UnixMillis(now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX)))
}
