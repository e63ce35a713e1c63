//! Growing a tree: its right edge alone, or its right edge with the tiles to write.

use crate::hash::{Hash, TREE_SIZE_MAX, TreeSize, node_hash};
use crate::reader::{TileNodes, TileReader, read_tile};
use crate::shape::{TreeError, check_size, complete_subtrees, join};
use crate::tile::{TILE_WIDTH, Tile};
use thiserror::Error;

/// Levels of tiles that a tree of [`TREE_SIZE_MAX`] leaves has.
const TILE_LEVELS: u8 = 8;

/// The right edge of a tree: its size and the hashes of its complete subtrees, from the largest.
///
/// That is all one needs to append leaves and to know the root: at most 63 hashes. Appending costs
/// one hash for the node of each completed subtree, one a leaf on average.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    subtrees: Vec<Hash>,
}

impl Frontier {
    /// The edge of the empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An edge that was kept: the size, and one hash for each bit set in it, from the largest.
    ///
    /// # Errors
    /// [`FrontierError`] when the number of hashes does not fit the size, or it is too large.
    pub fn from_parts(size: TreeSize, subtrees: Vec<Hash>) -> Result<Self, FrontierError> {
        if size.0 > TREE_SIZE_MAX {
            return Err(FrontierError::TooLarge { size });
        }
        let expected = size.0.count_ones() as usize;
        if subtrees.len() != expected {
            return Err(FrontierError::Hashes {
                size,
                expected,
                found: subtrees.len(),
            });
        }
        Ok(Self {
            size: size.0,
            subtrees,
        })
    }

    /// Recovers the edge that the tree had at `size` from its tiles.
    ///
    /// # Errors
    /// [`TreeError`] when a tile cannot be read or is too short.
    pub fn recover<R: TileReader>(reader: &R, size: TreeSize) -> Result<Self, TreeError<R::Error>> {
        check_size(size)?;
        let mut nodes = TileNodes::new(reader, size);
        let subtrees = complete_subtrees(0..size.0)
            .map(|(level, index)| nodes.node(level, index))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            size: size.0,
            subtrees,
        })
    }

    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        TreeSize(self.size)
    }

    /// The hashes of the complete subtrees, from the largest.
    #[must_use]
    pub fn subtrees(&self) -> &[Hash] {
        &self.subtrees
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        join(&self.subtrees)
    }

    /// Appends one leaf.
    pub fn append(&mut self, leaf_hash: Hash) {
        self.append_watched(leaf_hash, |_, _| ());
    }

    /// Appends leaves in order.
    pub fn append_many(&mut self, leaf_hashes: impl IntoIterator<Item = Hash>) {
        leaf_hashes
            .into_iter()
            .for_each(|leaf_hash| self.append(leaf_hash));
    }

    /// Appends one leaf and shows every subtree that it completes, with its level, from the leaf.
    fn append_watched(&mut self, leaf_hash: Hash, mut completed: impl FnMut(u32, Hash)) {
        completed(0, leaf_hash);
        let mut subtree = leaf_hash;
        for level in 1..=self.size.trailing_ones() {
            // One hash stands for each bit set: a trailing one has its left neighbour here.
            let Some(left) = self.subtrees.pop() else {
                break;
            };
            subtree = node_hash(&left, &subtree);
            completed(level, subtree);
        }
        self.subtrees.push(subtree);
        self.size += 1;
    }
}

/// Why parts are not the right edge of a tree.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrontierError {
    /// The number of hashes does not fit the size.
    #[error("the edge of a tree of {size} leaves has {expected} hashes, these are {found}")]
    Hashes {
        /// The size of the tree.
        size: TreeSize,
        /// The bits set in the size.
        expected: usize,
        /// The hashes given.
        found: usize,
    },
    /// The tree is larger than [`TREE_SIZE_MAX`].
    #[error("a tree of {size} leaves is larger than {TREE_SIZE_MAX}, the most this log supports")]
    TooLarge {
        /// The size that was given.
        size: TreeSize,
    },
}

/// Appends leaves to a tree that is kept in tiles, and hands out the tiles that changed.
///
/// It holds the right edge and the partial tile of each level, at most 64 KiB; a clone is the
/// cheap way to try a block and forget it. Work is linear in the leaves appended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TileAppender {
    frontier: Frontier,
    edge: Vec<EdgeTile>,
    full: Vec<Tile>,
}

/// The partial tile at the right edge of a level, 0 to 255 hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct EdgeTile {
    index: u64,
    hashes: Vec<Hash>,
    changed: bool,
}

impl TileAppender {
    /// An appender for the empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Continues a tree of `size` leaves, reading the tiles of its right edge.
    ///
    /// The reader may hold more than `size` leaves; what is beyond is ignored.
    ///
    /// # Errors
    /// [`TreeError`] when a tile cannot be read or is too short.
    pub fn open<R: TileReader>(reader: &R, size: TreeSize) -> Result<Self, TreeError<R::Error>> {
        let frontier = Frontier::recover(reader, size)?;
        let mut edge = Vec::new();
        for level in 0..TILE_LEVELS {
            let hashes_in_level = size.0 >> (8 * level);
            if hashes_in_level == 0 {
                break;
            }
            let index = hashes_in_level / u64::from(TILE_WIDTH);
            let hashes = match hashes_in_level % u64::from(TILE_WIDTH) {
                0 => Vec::new(),
                _ => read_tile(reader, level, index, size)?,
            };
            edge.push(EdgeTile {
                index,
                hashes,
                changed: false,
            });
        }
        Ok(Self {
            frontier,
            edge,
            full: Vec::new(),
        })
    }

    /// Appends one leaf.
    pub fn append(&mut self, leaf_hash: Hash) {
        let Self {
            frontier,
            edge,
            full,
        } = self;
        frontier.append_watched(leaf_hash, |level, hash| {
            // Tiles store every eighth level; eight completed levels fill the tile below.
            if level % 8 != 0 {
                return;
            }
            let tile_level = level as usize / 8;
            if edge.len() == tile_level {
                edge.push(EdgeTile::default());
            }
            let tile = &mut edge[tile_level];
            tile.hashes.push(hash);
            tile.changed = true;
            if tile.hashes.len() == usize::from(TILE_WIDTH) {
                let level = u8::try_from(tile_level).unwrap_or(u8::MAX);
                let hashes = std::mem::take(&mut tile.hashes);
                full.push(Tile {
                    level,
                    index: tile.index,
                    hashes,
                });
                tile.index += 1;
                tile.changed = false;
            }
        });
    }

    /// Appends leaves in order.
    pub fn append_many(&mut self, leaf_hashes: impl IntoIterator<Item = Hash>) {
        leaf_hashes
            .into_iter()
            .for_each(|leaf_hash| self.append(leaf_hash));
    }

    /// The number of leaves.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        self.frontier.size()
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// The right edge of the tree.
    #[must_use]
    pub fn frontier(&self) -> &Frontier {
        &self.frontier
    }

    /// The tiles that changed since the last call, each with its whole content so far, by level
    /// and index. Written over their older versions, they bring the stored tiles to this size.
    pub fn take_changed(&mut self) -> Vec<Tile> {
        let mut tiles = std::mem::take(&mut self.full);
        for (level, tile) in (0u8..).zip(&mut self.edge) {
            if std::mem::take(&mut tile.changed) {
                tiles.push(Tile {
                    level,
                    index: tile.index,
                    hashes: tile.hashes.clone(),
                });
            }
        }
        tiles.sort_by_key(|tile| (tile.level, tile.index));
        tiles
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{empty_root, leaf_hash};
    use crate::reader::MemoryTiles;

    fn leaves(count: u64) -> impl Iterator<Item = Hash> {
        (0..count).map(|n| leaf_hash(&n.to_be_bytes()))
    }

    #[test]
    fn changed_tiles_are_handed_out_once() {
        let mut appender = TileAppender::new();
        assert_eq!(
            (appender.root(), appender.take_changed()),
            (empty_root(), vec![])
        );
        appender.append_many(leaves(257));
        let widths = |tiles: &[Tile]| -> Vec<(u8, u64, usize)> {
            tiles
                .iter()
                .map(|tile| (tile.level, tile.index, tile.hashes.len()))
                .collect()
        };
        assert_eq!(
            widths(&appender.take_changed()),
            [(0, 0, 256), (0, 1, 1), (1, 0, 1)]
        );
        assert_eq!(appender.take_changed(), []);
        appender.append(leaf_hash(b"next"));
        assert_eq!(widths(&appender.take_changed()), [(0, 1, 2)]);
    }

    #[test]
    fn opening_continues_at_every_size_and_ignores_what_is_beyond() {
        let mut whole = TileAppender::new();
        whole.append_many(leaves(600));
        let mut tiles = MemoryTiles::default();
        tiles.extend(whole.take_changed());
        for size in [0, 1, 255, 256, 257, 511, 512, 513, 600] {
            let mut appender = TileAppender::open(&tiles, TreeSize(size)).unwrap();
            appender.append_many(leaves(600).skip(usize::try_from(size).unwrap()));
            appender.take_changed();
            assert_eq!(appender, whole, "from {size}");
        }
    }

    #[test]
    fn an_edge_has_a_hash_for_each_bit_of_its_size() {
        let mut frontier = Frontier::new();
        frontier.append_many(leaves(7));
        let kept = Frontier::from_parts(frontier.size(), frontier.subtrees().to_vec());
        assert_eq!(kept, Ok(frontier.clone()));
        let error = Frontier::from_parts(TreeSize(8), frontier.subtrees().to_vec());
        let size = TreeSize(8);
        assert_eq!(
            error,
            Err(FrontierError::Hashes {
                size,
                expected: 1,
                found: 3
            })
        );
        let size = TreeSize(u64::MAX);
        assert_eq!(
            Frontier::from_parts(size, vec![]),
            Err(FrontierError::TooLarge { size })
        );
    }
}
