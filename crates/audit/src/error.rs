//! Why an audit or a copy did not come to its end. None of this is a finding.

use std::path::PathBuf;

use credlog_ledger::ids::Height;
use credlog_tlog::TreeSize;

use crate::source::SourceError;

/// What keeps an audit from its end: nothing is said about the ledger by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// A file could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A file that a whole copy of a ledger has is not there.
    #[error("{path} is not there; a whole ledger has it, another node or copy may have it too")]
    Missing {
        /// Its path.
        path: String,
    },
    /// The leaves of a bundle cannot be told apart: a finding says why.
    #[error("the leaves of bundle {bundle} cannot be read, nor any behind them")]
    Cut {
        /// Number of the bundle.
        bundle: u64,
    },
    /// No ledger can be founded by this file.
    #[error("the genesis file is not usable: {reason}")]
    Genesis {
        /// What is wrong with it.
        reason: String,
    },
    /// The newest checkpoint is no checkpoint, so there is nothing to begin with.
    #[error("what stands under /checkpoint is no checkpoint: {reason}")]
    Checkpoint {
        /// What is wrong with it.
        reason: String,
    },
    /// The log of another ledger.
    #[error(
        "this is the log {found:?}, the genesis file founds {expected:?}; give the genesis file of \
         this ledger"
    )]
    OtherLog {
        /// Origin of the log.
        found: String,
        /// Origin in the genesis file.
        expected: String,
    },
    /// The rules met a state that they cannot read: a fault of this program.
    #[error("the replayed state cannot be read: {reason}; please report this")]
    State {
        /// What was wrong.
        reason: String,
    },
    /// The members in force follow from a list that is not published, since the state could not be
    /// followed.
    #[error("no set of members is known for height {height}: {path} is not there")]
    Members {
        /// The height.
        height: Height,
        /// The file that would tell.
        path: String,
    },
}

/// Why a copy was not made or not finished. What was there before is still there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The node did not answer, or without something that it must have.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The folder cannot be written.
    #[error("{path} cannot be {doing}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What was being done to it.
        doing: &'static str,
        /// What the system says.
        reason: String,
    },
    /// Something else lies in the folder.
    #[error(
        "{folder} holds other files than an export of a ledger ({found}); name an empty or new folder"
    )]
    NotAnExport {
        /// The folder.
        folder: PathBuf,
        /// One of them.
        found: String,
    },
    /// The export of another ledger.
    #[error(
        "{folder} holds the export of ledger {kept} ({kept_origin}), the node serves ledger \
         {served} ({origin}); name another folder or node"
    )]
    OtherLedger {
        /// The folder.
        folder: PathBuf,
        /// Ledger id of the export.
        kept: String,
        /// Its origin.
        kept_origin: String,
        /// Ledger id of the node.
        served: String,
        /// Its origin.
        origin: String,
    },
    /// Another export works in the folder.
    #[error("another export writes to {folder} just now; wait until it has ended")]
    Locked {
        /// The folder.
        folder: PathBuf,
    },
    /// The node has less than the export.
    #[error(
        "the node's log has {served} leaves, the export {kept}; it is behind, ask another node or \
         wait"
    )]
    Behind {
        /// Size of the node's log.
        served: TreeSize,
        /// Size of the export.
        kept: TreeSize,
    },
    /// The node's log and the export are not one: one of the two is not what the members decided.
    #[error(
        "FORK: the node's log of {served} leaves and the export of {kept} leaves are not one log \
         (over {size} leaves the node's root is {found}, the export's is {root}); nothing was \
         overwritten. Keep both, and compare with other nodes",
        size = (*.served).min(*.kept)
    )]
    Fork {
        /// Size of the node's log.
        served: TreeSize,
        /// Size of the export.
        kept: TreeSize,
        /// Root of the node's log at the smaller of the two sizes.
        found: String,
        /// Root of the export at that size.
        root: String,
    },
    /// What the node sent is not what its checkpoint stands for.
    #[error("{path} of the node is not what its checkpoint stands for: {reason}; ask another node")]
    Untrue {
        /// The path.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// What the folder holds is not what its own checkpoint stands for.
    #[error("{path} in the folder is damaged: {reason}; export to a new folder")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The ledger has no block yet.
    #[error("the ledger has no block yet; there is nothing to export")]
    Empty,
}
