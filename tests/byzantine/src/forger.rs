//! Blocks that lead to the checkpoint they claim, whatever rule they break.

use anyhow::{Context, Result, ensure};
use credlog_consensus::{Application, Candidate};
use credlog_ledger::block::{Block, split_leaves};
use credlog_ledger::genesis::Genesis;
use credlog_ledger::ids::{Height, UnixMillis, ValueId};
use credlog_tlog::{Checkpoint, Frontier, leaf_hash};

/// Heights asked for at a time.
const HEIGHTS: u64 = 64;
const BYTES: usize = 8 << 20;

/// Follows the log, so that it can say what any block would lead to.
pub(crate) struct Forger {
    origin: String,
    log: Frontier,
    height: u64,
    /// Time of the newest seal.
    time: UnixMillis,
}

impl Forger {
    pub(crate) fn new(genesis: &Genesis) -> Self {
        Self {
            origin: genesis.origin.as_str().to_owned(),
            log: Frontier::new(),
            height: 0,
            time: genesis.time,
        }
    }

    /// Time of the seal before the next block.
    pub(crate) fn previous_time(&self) -> UnixMillis {
        self.time
    }

    /// Reads what was decided meanwhile.
    pub(crate) fn follow(&mut self, ledger: &dyn Application) -> Result<()> {
        let tip = ledger.tip().0;
        while self.height < tip {
            let first = Height(self.height + 1);
            let decided = ledger.decided(first, HEIGHTS, BYTES)?;
            ensure!(
                !decided.is_empty(),
                "height {first} is decided and not there"
            );
            for block in decided {
                let leaves = split_leaves(&block.block)?;
                self.log.append_many(leaves.into_iter().map(leaf_hash));
                self.time = Block::from_bytes(&block.block)?.seal.time;
                self.height += 1;
            }
        }
        Ok(())
    }

    /// The value that a block leads to.
    pub(crate) fn value(&self, block: &[u8]) -> Result<ValueId> {
        let mut log = self.log.clone();
        log.append_many(split_leaves(block)?.into_iter().map(leaf_hash));
        let checkpoint = Checkpoint::new(&self.origin, log.size(), log.root())?;
        Ok(ValueId::of(&checkpoint))
    }

    /// Changes a block and claims what it leads to now. The ledger's own candidate must come
    /// out unchanged when nothing is changed: else this forger proves nothing.
    pub(crate) fn forge(
        &self,
        honest: &Candidate,
        change: impl FnOnce(&mut Block),
    ) -> Result<Candidate> {
        ensure!(
            self.value(&honest.block)? == honest.value,
            "the forger has lost the log at height {}",
            honest.height
        );
        let mut block = Block::from_bytes(&honest.block)?;
        change(&mut block);
        let block = block.to_bytes().context("the forged block")?;
        Ok(Candidate {
            value: self.value(&block)?,
            block,
            ..honest.clone()
        })
    }
}
