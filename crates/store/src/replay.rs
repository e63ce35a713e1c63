//! Executing stored blocks again, from genesis on.

use credlog_ledger::block::Block;
use credlog_ledger::ids::Height;
use credlog_ledger::signature;
use credlog_ledger::state::{State, View};
use credlog_ledger::transition::{BlockError, Executed, execute};

use crate::fault::Fault;
use crate::generation::Cells;

/// What stands at a height.
pub(crate) enum Replayed {
    /// A block that verifies on top of the state, with all that follows from it.
    Block(Box<Executed>),
    /// No block.
    End,
}

/// Reads the block of a height and executes it on top of `view`: every signature, every
/// rule, every byte.
pub(crate) fn replay(
    blocks: Cells<'_>,
    view: &dyn View,
    height: Height,
) -> Result<Replayed, Fault> {
    let Some(bytes) = blocks.stored_block(height)? else {
        return Ok(Replayed::End);
    };
    let fault = |error: String| Fault::damaged(format!("the block of height {height}: {error}"));
    let mut block = Block::from_bytes(&bytes).map_err(|error| fault(error.to_string()))?;
    let state = State(view);
    let authors = block.records.iter().map(|record| &record.record().author);
    let keys: Result<Vec<_>, _> = authors.map(|author| state.author_key(author)).collect();
    // What does not verify in the batch is looked at again by the rules.
    signature::verify_batch(&mut block.records, &keys?);
    let executed = execute(view, block).map_err(|error| match error {
        BlockError::Fatal(error) => error.into(),
        rule => fault(rule.to_string()),
    })?;
    if executed.block != bytes || executed.seal.height != height {
        return Err(fault("it is stored in another form than it has".to_owned()));
    }
    Ok(Replayed::Block(Box::new(executed)))
}
