//! The shape of an RFC 6962 tree: which subtrees a root or a proof is made of.
//!
//! Everything here asks for complete subtrees by `(level, index)`: the node of level `h` and index
//! `i` is the tree over the leaves `i·2^h .. (i+1)·2^h`. Where such hashes come from (tiles, rows
//! of a database, memory) is the caller's business.

use crate::hash::{Hash, LeafIndex, TREE_SIZE_MAX, TreeSize, empty_root, node_hash};
use std::ops::Range;
use thiserror::Error;

/// Why a tree could not be read, grown or proved over.
///
/// `E` is the error of the reader that was asked for hashes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TreeError<E: std::error::Error + 'static> {
    /// The reader failed.
    #[error("the tree's hashes could not be read: {0}")]
    Reader(#[source] E),
    /// The reader returned fewer hashes of a tile than the tree has.
    #[error(
        "tile {tile} of level {level} has {found} hashes, the tree needs {wanted}; \
         the store lacks data for this size"
    )]
    ShortTile {
        /// Level of the tile, 0 for leaf hashes.
        level: u8,
        /// Index of the tile in its level.
        tile: u64,
        /// Hashes that the tree of the asked size has in this tile.
        wanted: u16,
        /// Hashes that the reader returned.
        found: usize,
    },
    /// The reader has no hash for a complete subtree of the tree.
    #[error("node {index} of level {level} is missing; the store lacks data for this size")]
    MissingNode {
        /// Level of the node, 0 for leaf hashes; each level halves.
        level: u8,
        /// Index of the node in its level.
        index: u64,
    },
    /// A leaf was named that the tree does not have.
    #[error("leaf {index} is not in a tree of {size} leaves")]
    LeafOutOfRange {
        /// The leaf that was asked for.
        index: LeafIndex,
        /// The size of the tree.
        size: TreeSize,
    },
    /// The older tree is the larger one.
    #[error("the older tree has {old} leaves, more than the newer with {new}; swap the sizes")]
    SizesOutOfOrder {
        /// Size of the older tree.
        old: TreeSize,
        /// Size of the newer tree.
        new: TreeSize,
    },
    /// A tree grew, and the hashes of some new leaves were not given.
    #[error("the tree grows from {old} to {new} leaves, and {given} new leaf hashes were given")]
    MissingLeaves {
        /// Size before.
        old: TreeSize,
        /// Size after.
        new: TreeSize,
        /// How many hashes of leaves in between were given.
        given: usize,
    },
    /// The tree is larger than [`TREE_SIZE_MAX`].
    #[error("a tree of {size} leaves is larger than {TREE_SIZE_MAX}, the most this log supports")]
    TooLarge {
        /// The size that was asked for.
        size: TreeSize,
    },
}

/// Refuses sizes on which arithmetic could overflow.
pub(crate) fn check_size<E: std::error::Error>(size: TreeSize) -> Result<(), TreeError<E>> {
    if size.0 > TREE_SIZE_MAX {
        return Err(TreeError::TooLarge { size });
    }
    Ok(())
}

/// The complete subtrees of the range, from the left, which is from the largest.
///
/// `range.start` is a multiple of the power of two at or above the range's length, as for every
/// range that RFC 6962 splits a tree into.
pub(crate) fn complete_subtrees(range: Range<u64>) -> impl Iterator<Item = (u8, u64)> {
    let mut position = range.start;
    let length = range.end - range.start;
    (0..64u8)
        .rev()
        .filter(move |level| length >> level & 1 == 1)
        .map(move |level| {
            let index = position >> level;
            position += 1 << level;
            (level, index)
        })
}

/// Joins the hashes of complete subtrees, given from the left, to the root over all of them.
pub(crate) fn join(subtrees: &[Hash]) -> Hash {
    let mut from_right = subtrees.iter().rev();
    let Some(last) = from_right.next() else {
        return empty_root();
    };
    from_right.fold(*last, |right, left| node_hash(left, &right))
}

/// The RFC 6962 hash of a range of leaves.
pub(crate) fn range_hash<E>(
    node: &mut impl FnMut(u8, u64) -> Result<Hash, E>,
    range: Range<u64>,
) -> Result<Hash, E> {
    let subtrees: Vec<Hash> = complete_subtrees(range)
        .map(|(level, index)| node(level, index))
        .collect::<Result<_, E>>()?;
    Ok(join(&subtrees))
}

/// The ranges whose hashes are the inclusion proof of a leaf, leaf to root (RFC 6962 2.1.1).
pub(crate) fn inclusion_ranges(index: u64, size: u64) -> Vec<Range<u64>> {
    let mut ranges = Vec::new();
    let mut tree = 0..size;
    while tree.end - tree.start > 1 {
        let middle = tree.start + split(tree.end - tree.start);
        if index < middle {
            ranges.push(middle..tree.end);
            tree.end = middle;
        } else {
            ranges.push(tree.start..middle);
            tree.start = middle;
        }
    }
    ranges.reverse();
    ranges
}

/// The ranges whose hashes are the consistency proof between two sizes (RFC 6962 2.1.2).
///
/// None when the older tree is empty or the sizes are the same: nothing has to be shown.
pub(crate) fn consistency_ranges(old: u64, new: u64) -> Vec<Range<u64>> {
    if old == 0 || old == new {
        return Vec::new();
    }
    let mut ranges = Vec::new();
    let mut tree = 0..new;
    while tree.end != old {
        let middle = tree.start + split(tree.end - tree.start);
        if old <= middle {
            ranges.push(middle..tree.end);
            tree.end = middle;
        } else {
            ranges.push(tree.start..middle);
            tree.start = middle;
        }
    }
    // A subtree that starts at the first leaf is the older tree itself: the verifier knows it.
    if tree.start != 0 {
        ranges.push(tree);
    }
    ranges.reverse();
    ranges
}

/// The largest power of two smaller than `length`, which is at least 2.
fn split(length: u64) -> u64 {
    1 << (length - 1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtrees_cover_the_range_from_the_left() {
        assert_eq!(
            complete_subtrees(0..7).collect::<Vec<_>>(),
            [(2, 0), (1, 2), (0, 6)]
        );
        assert_eq!(
            complete_subtrees(8..11).collect::<Vec<_>>(),
            [(1, 4), (0, 10)]
        );
        assert_eq!(complete_subtrees(0..0).count(), 0);
    }

    #[test]
    fn ranges_of_the_examples_in_rfc_6962_section_2_1_3() {
        // The tree of seven leaves d0 to d6; c, d, f, g, i, j, k, l are named there.
        assert_eq!(inclusion_ranges(0, 7), [1..2, 2..4, 4..7]);
        assert_eq!(inclusion_ranges(3, 7), [2..3, 0..2, 4..7]);
        assert_eq!(inclusion_ranges(4, 7), [5..6, 6..7, 0..4]);
        assert_eq!(inclusion_ranges(6, 7), [4..6, 0..4]);
        assert_eq!(consistency_ranges(3, 7), [2..3, 3..4, 0..2, 4..7]);
        assert_eq!(
            consistency_ranges(4, 7).as_slice(),
            std::slice::from_ref(&(4..7))
        );
        assert_eq!(consistency_ranges(6, 7), [4..6, 6..7, 0..4]);
    }
}
