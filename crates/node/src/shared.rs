//! What the parts of a node have in common.

use std::sync::Arc;
use std::time::Duration;

use credlog_consensus::Fatal;
use credlog_ledger::ids::Height;
use credlog_ledger::member::MemberSet;
use credlog_store::{Store, TestimonyError};
use tokio::sync::watch;

use crate::attesting::Attesting;
use crate::cosigning::Cosigning;
use crate::mempool::Mempool;
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::production::{Obstacles, now};
use crate::watchdog::Watchdog;

/// What the ledger's thread shares with the rest of the node.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The store; only the ledger's thread writes to it.
    pub store: Arc<Store>,
    /// Records that wait for a block.
    pub mempool: Arc<Mempool>,
    /// Those who wait until their record is attested.
    pub attesting: Arc<Attesting>,
    /// Cosignatures.
    pub cosigning: Arc<Cosigning>,
    /// What the node counts.
    pub metrics: Arc<Metrics>,
    /// Knows since when the disk is waited for.
    pub watchdog: Arc<Watchdog>,
    /// Disk and clock.
    pub obstacles: Obstacles,
    /// What other nodes are told.
    pub outbox: Outbox,
    /// The members that decide the height after the newest block.
    pub members: watch::Sender<Arc<MemberSet>>,
    /// Height of the newest block.
    pub heads: watch::Sender<Height>,
    /// After the first record arrives, a block waits this long for more.
    pub linger: Duration,
}

impl Shared {
    /// Cosigns the newest checkpoint if the rules allow it, and tells the others.
    ///
    /// # Errors
    /// [`Fatal`]: the node must stop.
    pub(crate) fn cosign(&self) -> Result<(), Fatal> {
        let signed = self.watchdog.during(|| {
            // A block that peers decided may not be durable yet.
            self.store.make_durable().map_err(fatal)?;
            self.cosigning.sign(now()).map_err(fatal)
        });
        self.outbox.cosignature(signed?);
        Ok(())
    }

    /// Gives the store the cosignatures of attested checkpoints.
    ///
    /// # Errors
    /// [`Fatal`]: the node must stop.
    pub(crate) fn save_cosignatures(&self) -> Result<(), Fatal> {
        for cosignatures in self.cosigning.take_unsaved() {
            match self.store.put_cosignatures(&cosignatures) {
                Err(TestimonyError::Fatal(error)) => return Err(fatal(error)),
                Err(error) => tracing::warn!(%error, "cosignatures are not kept"),
                Ok(()) => {}
            }
        }
        Ok(())
    }
}

/// The node cannot go on.
pub(crate) fn fatal(error: impl std::fmt::Display) -> Fatal {
    Fatal {
        reason: error.to_string(),
    }
}
