//! A ledger as it is kept: its log, the state that follows, and what members signed.

use credlog_tlog::{LeafIndex, TileReader};

use crate::certificate::CommitCertificate;
use crate::ids::Height;
use crate::state::{View, ViewError};

/// Read access to one committed point of a ledger, for whoever proves something about it.
pub trait Archive: View + TileReader<Error = ViewError> {
    /// A leaf of the log with its type byte; nothing beyond the log's end.
    ///
    /// # Errors
    /// [`ViewError`] if it cannot be read.
    fn leaf(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, ViewError>;

    /// The commit certificate of a height; nothing where none is kept.
    ///
    /// # Errors
    /// [`ViewError`] if it cannot be read.
    fn certificate(&self, height: Height) -> Result<Option<CommitCertificate>, ViewError>;
}
