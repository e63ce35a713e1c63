//! How far long work has come.

use credlog_ledger::ids::Height;

/// How far a check or a rebuild has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Blocks are executed again.
    Blocks {
        /// Height of the newest one done.
        done: Height,
        /// Height of the last one, as far as that is known.
        last: Height,
    },
    /// Rows of the state are compared.
    Rows {
        /// Rows done.
        done: u64,
    },
    /// Tiles are compared.
    Tiles {
        /// Tiles done.
        done: u64,
        /// All of them.
        all: u64,
    },
}
