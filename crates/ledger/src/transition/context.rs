//! What holds for a whole block.

use crate::ids::{Height, LedgerId, MemberId, Origin, Round, UnixMillis};
use crate::parameters::Parameters;

/// Fixed when the block is opened, but for `members_changed`.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) ledger: LedgerId,
    pub(crate) origin: Origin,
    pub(crate) height: Height,
    pub(crate) time: UnixMillis,
    pub(crate) round: Round,
    pub(crate) proposer: MemberId,
    /// Parameters at the beginning of the block.
    pub(crate) parameters: Parameters,
    /// Status lists opened before this block.
    pub(crate) status_lists: u64,
    /// A record of this block has changed the set of members (rule R9: one at most).
    pub(crate) members_changed: bool,
}
