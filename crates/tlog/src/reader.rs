//! Roots and proofs out of tiles.

use crate::hash::{Hash, LeafIndex, TreeSize, fold_complete};
use crate::shape::{TreeError, check_size, consistency_ranges, inclusion_ranges, range_hash};
use crate::tile::{TILE_WIDTH, Tile, TileLevel, tile_width};
use std::collections::BTreeMap;
use thiserror::Error;

/// Where the hashes of tiles come from: a store, a cache over it, downloaded files, memory.
pub trait TileReader {
    /// What can go wrong when a tile is read.
    type Error: std::error::Error + 'static;

    /// The first `width` hashes (1 to 256) of a tile; surplus hashes after them are ignored.
    ///
    /// A tile only ever grows at its end, so the newest version of it serves every older size.
    ///
    /// # Errors
    /// When the tile does not exist or cannot be read. Fewer hashes than asked for are noticed by
    /// the caller ([`TreeError::ShortTile`]).
    fn hashes(&self, level: u8, tile: u64, width: u16) -> Result<Vec<Hash>, Self::Error>;
}

/// The root of the first `size` leaves.
///
/// # Errors
/// [`TreeError`] when a tile cannot be read or is too short.
pub fn root_at<R: TileReader>(reader: &R, size: TreeSize) -> Result<Hash, TreeError<R::Error>> {
    check_size(size)?;
    let mut nodes = TileNodes::new(reader, size);
    range_hash(&mut |level, index| nodes.node(level, index), 0..size.0)
}

/// The inclusion proof of a leaf in the first `size` leaves, leaf to root (RFC 6962 2.1.1).
///
/// # Errors
/// [`TreeError::LeafOutOfRange`], or when a tile cannot be read or is too short.
pub fn inclusion_proof<R: TileReader>(
    reader: &R,
    index: LeafIndex,
    size: TreeSize,
) -> Result<Vec<Hash>, TreeError<R::Error>> {
    check_size(size)?;
    if index.0 >= size.0 {
        return Err(TreeError::LeafOutOfRange { index, size });
    }
    let mut nodes = TileNodes::new(reader, size);
    let mut node = |level, index| nodes.node(level, index);
    let ranges = inclusion_ranges(index.0, size.0).into_iter();
    ranges.map(|range| range_hash(&mut node, range)).collect()
}

/// The consistency proof between the first `old` and the first `new` leaves (RFC 6962 2.1.2).
///
/// Empty when `old` is zero or equals `new`.
///
/// # Errors
/// [`TreeError::SizesOutOfOrder`], or when a tile cannot be read or is too short.
pub fn consistency_proof<R: TileReader>(
    reader: &R,
    old: TreeSize,
    new: TreeSize,
) -> Result<Vec<Hash>, TreeError<R::Error>> {
    check_size(new)?;
    if old > new {
        return Err(TreeError::SizesOutOfOrder { old, new });
    }
    let mut nodes = TileNodes::new(reader, new);
    let mut node = |level, index| nodes.node(level, index);
    let ranges = consistency_ranges(old.0, new.0).into_iter();
    ranges.map(|range| range_hash(&mut node, range)).collect()
}

/// Reads one tile as wide as it is in a tree of `size` leaves, and cuts the surplus.
pub(crate) fn read_tile<R: TileReader>(
    reader: &R,
    level: u8,
    tile: u64,
    size: TreeSize,
) -> Result<Vec<Hash>, TreeError<R::Error>> {
    let width = tile_width(TileLevel::Hash(level), tile, size);
    let mut hashes = reader
        .hashes(level, tile, width)
        .map_err(TreeError::Reader)?;
    if hashes.len() < usize::from(width) {
        let found = hashes.len();
        return Err(TreeError::ShortTile {
            level,
            tile,
            wanted: width,
            found,
        });
    }
    hashes.truncate(usize::from(width));
    Ok(hashes)
}

/// Complete subtrees out of tiles: each tile is read once, and what it does not store is folded.
pub(crate) struct TileNodes<'a, R> {
    reader: &'a R,
    size: TreeSize,
    tiles: BTreeMap<(u8, u64), Vec<Hash>>,
}

impl<'a, R: TileReader> TileNodes<'a, R> {
    pub(crate) fn new(reader: &'a R, size: TreeSize) -> Self {
        Self {
            reader,
            size,
            tiles: BTreeMap::new(),
        }
    }

    /// The hash of a subtree that is complete in the tree of this size.
    pub(crate) fn node(&mut self, level: u8, index: u64) -> Result<Hash, TreeError<R::Error>> {
        let (tile_level, height) = (level / 8, level % 8);
        let first = index << height;
        let tile = first / u64::from(TILE_WIDTH);
        let key = (tile_level, tile);
        let hashes = match self.tiles.entry(key) {
            std::collections::btree_map::Entry::Occupied(read) => read.into_mut(),
            std::collections::btree_map::Entry::Vacant(unread) => {
                unread.insert(read_tile(self.reader, tile_level, tile, self.size)?)
            }
        };
        // 0 to 255 by the remainder.
        let offset = usize::try_from(first % u64::from(TILE_WIDTH)).unwrap_or_default();
        let subtree = hashes.get(offset..offset + (1 << height));
        let missing = TreeError::MissingNode { level, index };
        subtree.map(fold_complete).ok_or(missing)
    }
}

/// Tiles in memory, each in its newest version: for tools that hold a whole log, and for tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryTiles {
    tiles: BTreeMap<(u8, u64), Vec<Hash>>,
}

impl MemoryTiles {
    /// Keeps a tile in place of its older version.
    pub fn insert(&mut self, tile: Tile) {
        self.tiles.insert((tile.level, tile.index), tile.hashes);
    }

    /// The tiles, by level and index.
    pub fn iter(&self) -> impl Iterator<Item = (u8, u64, &[Hash])> {
        self.tiles
            .iter()
            .map(|((level, index), hashes)| (*level, *index, hashes.as_slice()))
    }
}

impl Extend<Tile> for MemoryTiles {
    fn extend<T: IntoIterator<Item = Tile>>(&mut self, tiles: T) {
        tiles.into_iter().for_each(|tile| self.insert(tile));
    }
}

impl TileReader for MemoryTiles {
    type Error = TileMissing;

    fn hashes(&self, level: u8, tile: u64, width: u16) -> Result<Vec<Hash>, TileMissing> {
        let hashes = self
            .tiles
            .get(&(level, tile))
            .ok_or(TileMissing { level, tile })?;
        Ok(hashes.iter().take(usize::from(width)).copied().collect())
    }
}

/// A tile is not there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("tile {tile} of level {level} is not there")]
pub struct TileMissing {
    /// Level of the tile.
    pub level: u8,
    /// Index of the tile in its level.
    pub tile: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::append::TileAppender;
    use crate::hash::{empty_root, leaf_hash};

    #[test]
    fn missing_and_short_tiles_are_named() {
        let mut tiles = MemoryTiles::default();
        assert_eq!(root_at(&tiles, TreeSize(0)), Ok(empty_root()));
        let missing = TileMissing { level: 0, tile: 0 };
        assert_eq!(
            root_at(&tiles, TreeSize(1)),
            Err(TreeError::Reader(missing))
        );
        tiles.insert(Tile {
            level: 0,
            index: 0,
            hashes: vec![leaf_hash(b"a")],
        });
        let short = TreeError::ShortTile {
            level: 0,
            tile: 0,
            wanted: 2,
            found: 1,
        };
        assert_eq!(root_at(&tiles, TreeSize(2)), Err(short));
    }

    /// Hands out every tile as wide as it is now, whatever was asked for, as a cache may.
    struct Generous(MemoryTiles);

    impl TileReader for Generous {
        type Error = TileMissing;

        fn hashes(&self, level: u8, tile: u64, _width: u16) -> Result<Vec<Hash>, TileMissing> {
            self.0.hashes(level, tile, TILE_WIDTH)
        }
    }

    #[test]
    fn surplus_hashes_of_a_tile_are_ignored() {
        let mut appender = TileAppender::new();
        appender.append_many((0..300u32).map(|n| leaf_hash(&n.to_be_bytes())));
        let mut tiles = MemoryTiles::default();
        tiles.extend(appender.take_changed());
        let generous = Generous(tiles.clone());
        for size in (0..=300).map(TreeSize) {
            assert_eq!(root_at(&generous, size), root_at(&tiles, size));
            let opened = TileAppender::open(&generous, size);
            assert_eq!(opened, TileAppender::open(&tiles, size));
        }
    }

    #[test]
    fn sizes_and_indexes_are_checked_first() {
        let tiles = MemoryTiles::default();
        let (index, size) = (LeafIndex(3), TreeSize(3));
        let error = TreeError::LeafOutOfRange { index, size };
        assert_eq!(inclusion_proof(&tiles, index, size), Err(error));
        let (old, new) = (TreeSize(4), TreeSize(3));
        let error = TreeError::SizesOutOfOrder { old, new };
        assert_eq!(consistency_proof(&tiles, old, new), Err(error));
        let size = TreeSize(u64::MAX);
        assert_eq!(root_at(&tiles, size), Err(TreeError::TooLarge { size }));
        assert_eq!(
            consistency_proof(&tiles, TreeSize(0), TreeSize(9)),
            Ok(vec![])
        );
    }
}
