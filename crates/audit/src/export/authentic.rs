//! Tiles of a source, believed only as far as they follow from a checkpoint.
//!
//! The partial tiles at the right edge lead to the root, all of their hashes. A full tile leads to
//! one hash of the tile above it. So tiles are read from above, and each is checked when it is
//! read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use credlog_api::path;
use credlog_tlog::{
    Checkpoint, HASH_BYTES, Hash, TILE_WIDTH, Tile, TileLevel, TilePath, TileReader, TreeError,
    TreeSize, root_at, tile_width,
};

use super::target::Target;
use super::tile_path;
use crate::error::ExportError;
use crate::files;
use crate::piece;
use crate::source::Source;

/// Tiles by level and index.
type Known = HashMap<(u8, u64), Arc<Vec<Hash>>>;

/// The tiles under a checkpoint.
pub(super) struct Authentic<'s> {
    source: &'s dyn Source,
    target: &'s Target,
    checkpoint: Checkpoint,
    edge: Known,
    /// Full tiles above the leaves' hashes: an eighth of a byte for each leaf.
    upper: Mutex<Known>,
}

/// Partial tiles of the right edge, before they are believed.
struct Edge<'a>(&'a Authentic<'a>);

impl<'s> Authentic<'s> {
    /// Reads the right edge and compares it with the root.
    pub(super) fn open(
        source: &'s dyn Source,
        target: &'s Target,
        checkpoint: &Checkpoint,
    ) -> Result<Self, ExportError> {
        let mut tiles = Self {
            source,
            target,
            checkpoint: checkpoint.clone(),
            edge: HashMap::new(),
            upper: Mutex::default(),
        };
        for level in 0..8_u8 {
            let hashes = tiles.size().0 >> (8 * u32::from(level));
            let index = hashes / u64::from(TILE_WIDTH);
            let width = tile_width(TileLevel::Hash(level), index, tiles.size());
            if width == 0 {
                continue;
            }
            let wanted = tile_path(TileLevel::Hash(level), index, width)?;
            let found = tiles.fetch(wanted)?;
            tiles.edge.insert((level, index), Arc::new(found));
        }
        let root = root_at(&Edge(&tiles), tiles.size());
        if tiles.checked(root)? != checkpoint.root() {
            return Err(ExportError::Untrue {
                path: path::CHECKPOINT.to_owned(),
                reason: "the tiles at the end of the log do not lead to its root".to_owned(),
            });
        }
        Ok(tiles)
    }

    pub(super) fn size(&self) -> TreeSize {
        self.checkpoint.size()
    }

    pub(super) fn origin(&self) -> &str {
        self.checkpoint.origin()
    }

    /// What a walk through the tree gave.
    pub(super) fn checked<T>(
        &self,
        walked: Result<T, TreeError<ExportError>>,
    ) -> Result<T, ExportError> {
        walked.map_err(|error| match error {
            TreeError::Reader(error) => error,
            other => ExportError::Untrue {
                path: "/tile".to_owned(),
                reason: other.to_string(),
            },
        })
    }

    /// A tile as wide as it is under the checkpoint.
    pub(super) fn tile(&self, level: u8, index: u64) -> Result<Arc<Vec<Hash>>, ExportError> {
        if let Some(edge) = self.edge.get(&(level, index)) {
            return Ok(Arc::clone(edge));
        }
        if let Some(known) = self.known().get(&(level, index)) {
            return Ok(Arc::clone(known));
        }
        let wanted = tile_path(TileLevel::Hash(level), index, TILE_WIDTH)?;
        let width = u64::from(TILE_WIDTH);
        let above = self.tile(level + 1, index / width)?;
        let at = usize::try_from(index % width).unwrap_or(usize::MAX);
        let expected = above.get(at);
        let leads = |hashes: &Vec<Hash>| Some(&piece::root_of(hashes)) == expected;
        let there = self.local(wanted)?.filter(leads);
        let hashes = match there {
            Some(hashes) => hashes,
            None => {
                let fetched = self.fetch(wanted)?;
                if !leads(&fetched) {
                    return Err(ExportError::Untrue {
                        path: path::tile(&wanted),
                        reason: "its hashes do not lead to the hash in the tile above".to_owned(),
                    });
                }
                fetched
            }
        };
        let hashes = Arc::new(hashes);
        if level > 0 {
            self.known().insert((level, index), Arc::clone(&hashes));
        }
        Ok(hashes)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.upper.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a tile in its place, unless it stands there.
    pub(super) fn write(&self, target: &Target, level: u8, index: u64) -> Result<(), ExportError> {
        let hashes = self.tile(level, index)?;
        let width = u16::try_from(hashes.len()).unwrap_or(TILE_WIDTH);
        let wanted = tile_path(TileLevel::Hash(level), index, width)?;
        if self.local(wanted)?.as_ref() == Some(&*hashes) {
            return Ok(());
        }
        let tile = Tile {
            level,
            index,
            hashes: hashes.to_vec(),
        };
        target.write(&path::tile(&wanted), &tile.to_bytes())
    }

    fn local(&self, wanted: TilePath) -> Result<Option<Vec<Hash>>, ExportError> {
        let bytes_max = usize::from(TILE_WIDTH) * HASH_BYTES;
        let bytes = self.target.read(&path::tile(&wanted), bytes_max)?;
        Ok(bytes.and_then(|bytes| piece::hashes(&bytes, wanted, wanted.width()).ok()))
    }

    fn fetch(&self, wanted: TilePath) -> Result<Vec<Hash>, ExportError> {
        let found = files::tile(self.source, wanted)?;
        piece::hashes(&found.bytes, wanted, found.width).map_err(|reason| ExportError::Untrue {
            path: found.path,
            reason,
        })
    }
}

impl TileReader for Authentic<'_> {
    type Error = ExportError;

    fn hashes(&self, level: u8, tile: u64, _width: u16) -> Result<Vec<Hash>, ExportError> {
        Ok(self.tile(level, tile)?.to_vec())
    }
}

impl TileReader for Edge<'_> {
    type Error = ExportError;

    fn hashes(&self, level: u8, tile: u64, _width: u16) -> Result<Vec<Hash>, ExportError> {
        // A root is folded of partial tiles alone: a full one stands in the tile above.
        Ok(self
            .0
            .edge
            .get(&(level, tile))
            .map_or_else(Vec::new, |hashes| hashes.to_vec()))
    }
}
