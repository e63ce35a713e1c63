//! What readers see: one committed state.

use std::fmt;
use std::sync::Arc;

use credlog_ledger::archive::Archive;
use credlog_ledger::certificate::CommitCertificate;
use credlog_ledger::ids::{Height, LeafIndex};
use credlog_ledger::rows::Head;
use credlog_ledger::state::{Row, View, ViewError};
use credlog_tlog::{Hash, TileReader};

use crate::generation::{Cells, Generation};
use crate::watermark::Watermark;

/// One committed state, for as long as the snapshot lives. It is durable, unless blocks are being
/// synced ([`Store::commit_synced`](crate::Store::commit_synced)).
///
/// Commits go on meanwhile and wait for no reader; a snapshot keeps what they overwrite in
/// memory (about a megabyte a block under load), so it should live for one request or one
/// block, not longer.
///
/// Every answer is checked against what was stored. An error means damage or a failing
/// disk: no answer then, never a wrong one.
pub struct Snapshot<'s> {
    tree: &'s sled::Tree,
    generation: Arc<Generation>,
}

impl<'s> Snapshot<'s> {
    pub(crate) fn new(tree: &'s sled::Tree, generation: Arc<Generation>) -> Self {
        Self { tree, generation }
    }

    pub(crate) fn cells(&self) -> Cells<'_> {
        Cells {
            tree: self.tree,
            generation: &self.generation,
        }
    }

    /// Where the log ends.
    pub fn head(&self) -> &Head {
        &self.generation.head
    }

    /// Height, size and root of the log with the digest of the state.
    pub fn position(&self) -> Watermark {
        Watermark::new(&self.generation.head, self.generation.digest)
    }

    /// The stored form of a block (a `credlog_ledger::block::Block`); nothing for heights
    /// that are not committed.
    ///
    /// # Errors
    /// [`ViewError`] if the block cannot be read or is damaged, as of every method here.
    pub fn block(&self, height: Height) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.cells().block(height)?)
    }

    /// A leaf of the log with its type byte; nothing beyond the log's end.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn leaf(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.cells().leaf(index)?)
    }

    /// The first `width` hashes (1 to 256) of a tile, 32 bytes each, as C2SP tlog-tiles
    /// publishes them; nothing for tiles and widths the log does not have yet.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.cells().tile(level, index, width)?)
    }

    /// The first `width` entries (1 to 256) of an entry bundle, as C2SP tlog-tiles
    /// publishes them, put together from blocks; nothing where the log does not reach.
    ///
    /// # Errors
    /// [`ViewError`].
    pub fn entries(&self, index: u64, width: u16) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.cells().entries(index, width)?)
    }
}

impl fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("head", self.head())
            .finish_non_exhaustive()
    }
}

impl View for Snapshot<'_> {
    fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        Rows(self.cells()).row(key)
    }

    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Row>, ViewError> {
        Rows(self.cells()).floor(prefix, key)
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, ViewError> {
        Rows(self.cells()).scan(prefix, after, limit)
    }
}

impl TileReader for Snapshot<'_> {
    type Error = ViewError;

    fn hashes(&self, level: u8, tile: u64, width: u16) -> Result<Vec<Hash>, ViewError> {
        Ok(self.cells().hashes(level, tile, width)?)
    }
}

impl Archive for Snapshot<'_> {
    fn leaf(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, ViewError> {
        self.leaf(index)
    }

    fn certificate(&self, height: Height) -> Result<Option<CommitCertificate>, ViewError> {
        self.certificate(height)
    }
}

/// The state of a generation as the transition reads it.
pub(crate) struct Rows<'s>(pub(crate) Cells<'s>);

impl View for Rows<'_> {
    fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        Ok(self.0.row(key)?)
    }

    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Row>, ViewError> {
        Ok(self.0.row_floor(prefix, key)?)
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, ViewError> {
        Ok(self.0.row_scan(prefix, after, limit)?)
    }
}
