//! The ledger as block production sees it: propose, check, commit.
//!
//! This is the seam. Whoever decides which block comes next (today the sole member's
//! [`producer`](crate::producer), a consensus engine later) owns the one [`Application`] of
//! a node and is the only one who changes the store; everybody else reads committed
//! snapshots.

use std::sync::Arc;
use std::time::Duration;

use credlog_ledger::block::{BLOCK_BYTES_MAX, Block};
use credlog_ledger::clock::{CLOCK_TOLERANCE_MILLIS, proposer_time};
use credlog_ledger::ids::{MemberId, RecordId, Round, UnixMillis};
use credlog_ledger::record::EncodedRecord;
use credlog_ledger::rejection::Rejection;
use credlog_ledger::state::{State, ViewError};
use credlog_ledger::transition::{self, ApplyError, BlockError, Executed, Execution, Opening};
use credlog_store::{Fatal, Store};

use crate::mempool::Mempool;

/// A block that could come next, and what became of the records it was made from.
#[derive(Debug)]
pub struct Proposal {
    /// The block with all that follows from it; nothing if no record was left.
    pub executed: Option<Executed>,
    /// Records that a rule refuses.
    pub refused: Vec<(EncodedRecord, Rejection)>,
    /// Records that may pass in a later block.
    pub left_out: Vec<EncodedRecord>,
}

/// The state and the store of a node, for whoever decides on blocks.
#[derive(Debug)]
pub struct Application {
    store: Arc<Store>,
    member: MemberId,
}

impl Application {
    /// The application of a member's node.
    pub fn new(store: Arc<Store>, member: MemberId) -> Self {
        Self { store, member }
    }

    /// The store, for reading.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Builds a block on top of the committed state from records of the mempool. The
    /// caller says to the mempool how each record of the answer ends.
    ///
    /// # Errors
    /// [`BlockError`] if it is not this member's turn in `round`, or if the state cannot
    /// be read: then the records taken are lost to the mempool, and the node must stop.
    pub fn propose(
        &self,
        now: UnixMillis,
        round: Round,
        mempool: &Mempool,
    ) -> Result<Proposal, BlockError> {
        let snapshot = self.store.snapshot();
        let state = State(&snapshot);
        let (head, parameters) = (state.head()?, state.parameters()?);
        let time = proposer_time(now, head.time, parameters.min_block_interval_ms, None);
        let opening = Opening {
            time,
            round,
            proposer: self.member.clone(),
        };
        let mut execution = Execution::open(&snapshot, opening)?;
        let mut proposal = Proposal {
            executed: None,
            refused: Vec::new(),
            left_out: Vec::new(),
        };
        let records = mempool.take(parameters.records_per_block as usize, BLOCK_BYTES_MAX);
        for record in records {
            match execution.apply(record.clone()) {
                Ok(_) => {}
                Err(ApplyError::Rejected(rejection)) if rejection.may_pass_later() => {
                    proposal.left_out.push(record);
                }
                Err(ApplyError::Rejected(rejection)) => proposal.refused.push((record, rejection)),
                Err(ApplyError::Fatal(error)) => return Err(error.into()),
            }
        }
        if execution.record_count() > 0 {
            proposal.executed = Some(execution.seal()?);
        }
        Ok(proposal)
    }

    /// How long the next block still has to wait for its time: until the block interval
    /// (rule R10) is over by the clock. Else each block's time would be later than the clock,
    /// and the ledger's time would run away from it.
    ///
    /// # Errors
    /// [`ViewError`] if the state cannot be read.
    pub fn pause(&self, now: UnixMillis) -> Result<Duration, ViewError> {
        let snapshot = self.store.snapshot();
        let interval = u64::from(State(&snapshot).parameters()?.min_block_interval_ms);
        let earliest = snapshot.head().time.plus(interval);
        Ok(Duration::from_millis(earliest.0.saturating_sub(now.0)))
    }

    /// How far the clock is behind the ledger, if that is more than clocks may differ
    /// (rule R1): then no block may be proposed.
    pub fn clock_behind(&self, now: UnixMillis) -> Option<Duration> {
        let behind = self.store.snapshot().head().time.0.saturating_sub(now.0);
        (behind > CLOCK_TOLERANCE_MILLIS).then_some(Duration::from_millis(behind))
    }

    /// Executes a block that was built elsewhere: every rule, every field of its seal.
    ///
    /// # Errors
    /// Every [`BlockError`].
    pub fn check(&self, block: Block) -> Result<Executed, BlockError> {
        transition::execute(&self.store.snapshot(), block)
    }

    /// Makes a block durable. When this returns, readers see it.
    ///
    /// # Errors
    /// [`Fatal`]: the node must stop.
    pub fn commit(&mut self, executed: &Executed) -> Result<(), Fatal> {
        self.store.commit(executed, None)
    }

    /// Where a record stands in the committed log.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn place(&self, id: &RecordId) -> Result<Option<crate::mempool::Place>, ViewError> {
        place(&State(&self.store.snapshot()), id)
    }
}

/// Where a record stands in a committed state.
///
/// # Errors
/// [`ViewError`].
pub fn place(state: &State<'_>, id: &RecordId) -> Result<Option<crate::mempool::Place>, ViewError> {
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
    Ok(Some(crate::mempool::Place { leaf, height, time }))
}
