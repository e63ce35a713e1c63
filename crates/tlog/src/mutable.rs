//! RFC 6962 trees whose leaves change in place.
//!
//! The log is append-only, but the ledger also commits to its present state: trees of the same
//! hash and shape whose leaves are replaced and appended. The hashes of all complete subtrees live
//! in a store behind [`NodeReader`]; [`update`] recomputes only the paths of what changed and hands
//! back the rows to write. The proofs are verified by [`crate::verify_inclusion`].

use crate::hash::{Hash, LeafIndex, TreeSize, node_hash};
use crate::shape::{TreeError, check_size, inclusion_ranges, range_hash};
use std::collections::BTreeMap;
use std::convert::Infallible;

/// Where the hashes of complete subtrees come from.
pub trait NodeReader {
    /// What can go wrong when a hash is read.
    type Error: std::error::Error + 'static;

    /// The hash of the subtree over the leaves `index·2^level .. (index+1)·2^level`, or `None`
    /// when it is not stored. Level 0 holds the leaf hashes.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn node(&self, level: u8, index: u64) -> Result<Option<Hash>, Self::Error>;
}

/// The hashes to store after a change, by `(level, index)`, in that order.
pub type ChangedNodes = Vec<((u8, u64), Hash)>;

/// The new root and the changed rows after leaves were replaced or appended.
///
/// `changed_leaves` maps leaf indexes to their new leaf hashes; it must hold every leaf from
/// `size_before` to `size_after`. Reads at most one hash for each level of each changed leaf.
///
/// # Errors
/// [`TreeError::SizesOutOfOrder`] for a tree that would shrink, [`TreeError::LeafOutOfRange`] for a
/// leaf at or beyond `size_after`, [`TreeError::MissingLeaves`] when an appended leaf is not given,
/// [`TreeError::MissingNode`] when the reader lacks a node, or the reader's error.
pub fn update<R: NodeReader>(
    reader: &R,
    size_before: TreeSize,
    size_after: TreeSize,
    changed_leaves: &BTreeMap<u64, Hash>,
) -> Result<(Hash, ChangedNodes), TreeError<R::Error>> {
    check_size(size_after)?;
    check_leaves(size_before, size_after, changed_leaves)?;
    let mut row: Vec<(u64, Hash)> = changed_leaves.iter().map(|(i, hash)| (*i, *hash)).collect();
    let mut changed = ChangedNodes::new();
    for level in 0..63 {
        changed.extend(row.iter().map(|(index, hash)| ((level, *index), *hash)));
        row = parents(reader, level, &row, size_after)?;
        if row.is_empty() {
            break;
        }
    }
    let mut node = |level, index| match changed.binary_search_by_key(&(level, index), |n| n.0) {
        Ok(found) => Ok(changed[found].1),
        Err(_) => stored(reader, level, index),
    };
    let root = range_hash(&mut node, 0..size_after.0)?;
    Ok((root, changed))
}

/// The root of the tree of this size.
///
/// # Errors
/// [`TreeError::MissingNode`] when the reader lacks a node, or the reader's error.
pub fn root<R: NodeReader>(reader: &R, size: TreeSize) -> Result<Hash, TreeError<R::Error>> {
    check_size(size)?;
    range_hash(&mut |level, index| stored(reader, level, index), 0..size.0)
}

/// The inclusion proof of a leaf, leaf to root (RFC 6962 section 2.1.1).
///
/// # Errors
/// [`TreeError::LeafOutOfRange`], [`TreeError::MissingNode`] when the reader lacks a node, or the
/// reader's error.
pub fn inclusion_proof<R: NodeReader>(
    reader: &R,
    index: LeafIndex,
    size: TreeSize,
) -> Result<Vec<Hash>, TreeError<R::Error>> {
    check_size(size)?;
    if index.0 >= size.0 {
        return Err(TreeError::LeafOutOfRange { index, size });
    }
    let mut node = |level, index| stored(reader, level, index);
    let ranges = inclusion_ranges(index.0, size.0).into_iter();
    ranges.map(|range| range_hash(&mut node, range)).collect()
}

fn check_leaves<E: std::error::Error>(
    old: TreeSize,
    new: TreeSize,
    leaves: &BTreeMap<u64, Hash>,
) -> Result<(), TreeError<E>> {
    if old > new {
        return Err(TreeError::SizesOutOfOrder { old, new });
    }
    if let Some((index, _)) = leaves.last_key_value()
        && *index >= new.0
    {
        return Err(TreeError::LeafOutOfRange {
            index: LeafIndex(*index),
            size: new,
        });
    }
    let given = leaves.range(old.0..).count();
    if given as u64 != new.0 - old.0 {
        return Err(TreeError::MissingLeaves { old, new, given });
    }
    Ok(())
}

/// The complete nodes of the next level that have a changed child.
fn parents<R: NodeReader>(
    reader: &R,
    level: u8,
    row: &[(u64, Hash)],
    size: TreeSize,
) -> Result<Vec<(u64, Hash)>, TreeError<R::Error>> {
    let complete = size.0 >> (level + 1);
    let mut above = Vec::with_capacity(row.len() / 2 + 1);
    for children in row.chunk_by(|(left, _), (right, _)| left / 2 == right / 2) {
        let (index, hash) = children[0];
        if index / 2 >= complete {
            break; // The row is sorted: all that follow are at the ragged edge too.
        }
        let parent = match children.get(1) {
            Some((_, right)) => node_hash(&hash, right),
            None if index % 2 == 0 => node_hash(&hash, &stored(reader, level, index + 1)?),
            None => node_hash(&stored(reader, level, index - 1)?, &hash),
        };
        above.push((index / 2, parent));
    }
    Ok(above)
}

fn stored<R: NodeReader>(reader: &R, level: u8, index: u64) -> Result<Hash, TreeError<R::Error>> {
    let node = reader.node(level, index).map_err(TreeError::Reader)?;
    node.ok_or(TreeError::MissingNode { level, index })
}

/// The nodes of a tree in memory: for tools that hold a whole state, and for tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryNodes {
    nodes: BTreeMap<(u8, u64), Hash>,
}

impl Extend<((u8, u64), Hash)> for MemoryNodes {
    fn extend<T: IntoIterator<Item = ((u8, u64), Hash)>>(&mut self, nodes: T) {
        self.nodes.extend(nodes);
    }
}

impl NodeReader for MemoryNodes {
    type Error = Infallible;

    fn node(&self, level: u8, index: u64) -> Result<Option<Hash>, Infallible> {
        Ok(self.nodes.get(&(level, index)).copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::{empty_root, leaf_hash};

    fn leaves(indexes: impl IntoIterator<Item = u64>) -> BTreeMap<u64, Hash> {
        indexes
            .into_iter()
            .map(|n| (n, leaf_hash(&n.to_be_bytes())))
            .collect()
    }

    #[test]
    fn only_the_path_of_a_changed_leaf_is_written() {
        let mut nodes = MemoryNodes::default();
        let (_, rows) = update(&nodes, TreeSize(0), TreeSize(7), &leaves(0..7)).unwrap();
        nodes.extend(rows);
        let change = BTreeMap::from([(2, leaf_hash(b"new"))]);
        let (after, rows) = update(&nodes, TreeSize(7), TreeSize(7), &change).unwrap();
        let keys: Vec<(u8, u64)> = rows.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, [(0, 2), (1, 1), (2, 0)]);
        nodes.extend(rows);
        assert_eq!(root(&nodes, TreeSize(7)), Ok(after));
        // Leaf 6 stands alone at the edge: nothing above it is complete.
        let change = BTreeMap::from([(6, leaf_hash(b"new"))]);
        let (_, rows) = update(&nodes, TreeSize(7), TreeSize(7), &change).unwrap();
        assert_eq!(rows.len(), 1);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let nodes = MemoryNodes::default();
        let run = |old, new, leaves| update(&nodes, TreeSize(old), TreeSize(new), &leaves);
        assert_eq!(run(0, 0, leaves([])), Ok((empty_root(), vec![])));
        let (old, new) = (TreeSize(2), TreeSize(1));
        assert_eq!(
            run(2, 1, leaves([])),
            Err(TreeError::SizesOutOfOrder { old, new })
        );
        let (index, size) = (LeafIndex(2), TreeSize(2));
        assert_eq!(
            run(0, 2, leaves(0..3)),
            Err(TreeError::LeafOutOfRange { index, size })
        );
        let (old, new) = (TreeSize(0), TreeSize(3));
        let error = TreeError::MissingLeaves { old, new, given: 2 };
        assert_eq!(run(0, 3, leaves([0, 2])), Err(error));
        let error = TreeError::MissingNode { level: 0, index: 1 };
        assert_eq!(run(2, 2, leaves([0])), Err(error));
    }
}
