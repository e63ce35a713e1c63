//! A replayed ledger, as receipts are made from: so the files outlive every node.

use std::cell::RefCell;
use std::collections::HashMap;

use credlog_ledger::archive::Archive;
use credlog_ledger::certificate::CommitCertificate;
use credlog_ledger::ids::Height;
use credlog_ledger::state::{Row, State, View, ViewError};
use credlog_tlog::{
    Hash, LeafIndex, Note, TILE_WIDTH, TileLevel, TilePath, TileReader, TreeSize, decode_bundle,
    tile_width,
};
use credlog_verify::receipt::{Attested, MakeError};

use crate::error::AuditError;
use crate::files;
use crate::source::Source;
use crate::state::AuditState;

/// Tiles that are remembered.
const TILES_MAX: usize = 4_096;

/// A ledger that was replayed without a finding, with the files that it was read from.
pub struct Replayed<'s> {
    source: &'s dyn Source,
    state: AuditState,
    size: TreeSize,
    note: Note,
    tiles: RefCell<HashMap<(u8, u64), Vec<Hash>>>,
}

impl<'s> Replayed<'s> {
    pub(crate) fn new(
        source: &'s dyn Source,
        state: AuditState,
        size: TreeSize,
        note: Note,
    ) -> Self {
        Self {
            source,
            state,
            size,
            note,
            tiles: RefCell::default(),
        }
    }

    /// The newest checkpoint with the cosignatures of a quorum; nothing if it has none.
    ///
    /// # Errors
    /// [`MakeError::View`] if a file cannot be read.
    pub fn attested(&self) -> Result<Option<Attested>, MakeError> {
        Attested::read(self, self.size, self.note.signatures(), None)
    }

    /// All hashes of a tile that the log has of it.
    fn tile(&self, level: u8, tile: u64) -> Result<Vec<Hash>, ViewError> {
        if let Some(known) = self.tiles.borrow().get(&(level, tile)) {
            return Ok(known.clone());
        }
        let path = self.path(TileLevel::Hash(level), tile)?;
        let found = files::tile(self.source, path).map_err(|error| unreadable(&error))?;
        let (hashes, _) = found.bytes.as_chunks::<32>();
        let hashes: Vec<Hash> = hashes.iter().map(|hash| Hash(*hash)).collect();
        let mut tiles = self.tiles.borrow_mut();
        if tiles.len() >= TILES_MAX {
            tiles.clear();
        }
        tiles.insert((level, tile), hashes.clone());
        Ok(hashes)
    }

    fn path(&self, level: TileLevel, tile: u64) -> Result<TilePath, ViewError> {
        let width = tile_width(level, tile, self.size);
        TilePath::new(level, tile, width).map_err(|error| ViewError::Damaged(error.to_string()))
    }
}

/// What cannot be read from the files now; they were read before.
fn unreadable(error: &AuditError) -> ViewError {
    ViewError::System(error.to_string())
}

impl View for Replayed<'_> {
    fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, ViewError> {
        self.state.row(key)
    }

    fn floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Row>, ViewError> {
        self.state.floor(prefix, key)
    }

    fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, ViewError> {
        self.state.scan(prefix, after, limit)
    }
}

impl TileReader for Replayed<'_> {
    type Error = ViewError;

    fn hashes(&self, level: u8, tile: u64, width: u16) -> Result<Vec<Hash>, ViewError> {
        let mut hashes = self.tile(level, tile)?;
        if hashes.len() < usize::from(width) {
            let what = format!("tile {tile} of level {level} has fewer than {width} hashes");
            return Err(ViewError::Damaged(what));
        }
        hashes.truncate(width.into());
        Ok(hashes)
    }
}

impl Archive for Replayed<'_> {
    fn leaf(&self, index: LeafIndex) -> Result<Option<Vec<u8>>, ViewError> {
        if index.0 >= self.size.0 {
            return Ok(None);
        }
        let width = u64::from(TILE_WIDTH);
        let path = self.path(TileLevel::Entries, index.0 / width)?;
        let found = files::tile(self.source, path).map_err(|error| unreadable(&error))?;
        let leaves = decode_bundle(&found.bytes);
        let leaves = leaves.map_err(|error| ViewError::Damaged(error.to_string()))?;
        let at = usize::try_from(index.0 % width).unwrap_or(usize::MAX);
        Ok(leaves.get(at).map(|leaf| leaf.to_vec()))
    }

    fn certificate(&self, height: Height) -> Result<Option<CommitCertificate>, ViewError> {
        let Some(before) = height.0.checked_sub(1) else {
            return Ok(None);
        };
        let (width, newest) = (u64::from(TILE_WIDTH), State(self).head()?.height);
        let (index, at) = (before / width, before % width);
        let last = newest.0.saturating_sub(index * width).min(width);
        let last = u16::try_from(last).unwrap_or(TILE_WIDTH);
        let found = files::certificates(self.source, index, last);
        let bundle = found.map_err(|error| unreadable(&error))?;
        let bytes = match &bundle {
            Some(found) => {
                let all = decode_bundle(&found.bytes);
                let all = all.map_err(|error| ViewError::Damaged(error.to_string()))?;
                let at = usize::try_from(at).unwrap_or(usize::MAX);
                all.get(at).map(|bytes| bytes.to_vec())
            }
            None => files::certificate(self.source, height).map_err(|error| unreadable(&error))?,
        };
        let bytes = bytes.filter(|bytes| !bytes.is_empty());
        let read = bytes
            .map(|bytes| CommitCertificate::from_bytes(&bytes))
            .transpose();
        read.map_err(|error| ViewError::Damaged(error.to_string()))
    }
}
