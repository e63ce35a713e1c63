//! Verification of proofs, with nothing but the arguments.

use crate::hash::{Hash, HashError, LeafIndex, TreeSize, empty_root, node_hash};
use std::fmt;
use thiserror::Error;

/// The most hashes of a proof in text: more than any proof over a tree that this crate builds has
/// (C2SP tlog-witness).
pub const PROOF_HASHES_MAX: usize = 63;

/// Checks that the leaf stands at `index` in the tree of `size` leaves with this `root`.
///
/// `proof` goes from the leaf to the root (RFC 6962 section 2.1.1). It binds the index and the
/// size only together with a root that was itself bound to that size, as a checkpoint does.
///
/// # Errors
/// [`ProofError`] when the index is outside the tree, the proof is not of the one length that
/// fits, or it leads to another root.
pub fn verify_inclusion(
    leaf_hash: &Hash,
    index: LeafIndex,
    size: TreeSize,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index.0 >= size.0 {
        return Err(ProofError::LeafOutOfRange { index, size });
    }
    let (inner, border) = lengths(index.0, size.0);
    check_length(proof, inner + border)?;
    let seed = climb_inner(*leaf_hash, &proof[..inner], index.0);
    let computed = climb_border(seed, &proof[inner..]);
    if computed != *root {
        return Err(ProofError::RootMismatch {
            computed,
            expected: *root,
        });
    }
    Ok(())
}

/// Checks that the tree of `old_size` leaves is a prefix of the tree of `new_size` leaves.
///
/// The proof is that of RFC 6962 section 2.1.2. It is empty when the sizes are equal (the roots
/// must be too) and when the older tree is empty (its root must be [`empty_root`]).
///
/// # Errors
/// [`ProofError`] when the sizes are in the wrong order, the proof is not of the one length that
/// fits, or it leads to another older or newer root.
pub fn verify_consistency(
    old_size: TreeSize,
    old_root: &Hash,
    new_size: TreeSize,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::SizesOutOfOrder {
            old: old_size,
            new: new_size,
        });
    }
    if old_size.0 == 0 || old_size == new_size {
        check_length(proof, 0)?;
        if old_size.0 == 0 {
            check_old_root(empty_root(), old_root)?;
        }
        if old_size == new_size && old_root != new_root {
            return Err(ProofError::RootMismatch {
                computed: *old_root,
                expected: *new_root,
            });
        }
        return Ok(());
    }
    verify_growth(old_size.0, old_root, new_size.0, new_root, proof)
}

/// The case `0 < old < new`: one seed, climbed once within the older tree, once within the newer.
fn verify_growth(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    // The seed is the largest complete subtree that ends at the older tree's last leaf. When it is
    // the older tree itself, the proof leaves it out.
    let level = old.trailing_zeros();
    let (inner, border) = lengths(old - 1, new);
    let inner = inner - level as usize;
    let given = usize::from(!old.is_power_of_two());
    check_length(proof, given + inner + border)?;
    let seed = if given == 1 { proof[0] } else { *old_root };
    let (inner_path, border_path) = proof[given..].split_at(inner);
    let position = (old - 1) >> level;

    let lefts = inner_path
        .iter()
        .enumerate()
        .filter(|(height, _)| position >> height & 1 == 1);
    let older = lefts.fold(seed, |right, (_, left)| node_hash(left, &right));
    check_old_root(climb_border(older, border_path), old_root)?;

    let newer = climb_inner(seed, inner_path, position);
    let computed = climb_border(newer, border_path);
    if computed != *new_root {
        return Err(ProofError::RootMismatch {
            computed,
            expected: *new_root,
        });
    }
    Ok(())
}

/// How a path from leaf `index` splits in a tree of `size > index` leaves: the steps up to where
/// it meets the tree's right edge, and the left siblings that it collects along that edge.
fn lengths(index: u64, size: u64) -> (usize, usize) {
    let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
    let border = index.checked_shr(inner).unwrap_or(0).count_ones();
    (inner as usize, border as usize)
}

fn climb_inner(seed: Hash, path: &[Hash], position: u64) -> Hash {
    path.iter()
        .enumerate()
        .fold(seed, |node, (height, sibling)| {
            if position >> height & 1 == 0 {
                node_hash(&node, sibling)
            } else {
                node_hash(sibling, &node)
            }
        })
}

fn climb_border(seed: Hash, path: &[Hash]) -> Hash {
    path.iter()
        .fold(seed, |right, left| node_hash(left, &right))
}

/// Reads the hashes of a proof, in base64, a line each.
pub(crate) fn read_hashes<'a>(
    lines: impl Iterator<Item = &'a str>,
) -> Result<Vec<Hash>, HashLinesError> {
    let mut hashes = Vec::new();
    for (number, line) in lines.enumerate() {
        if number == PROOF_HASHES_MAX {
            return Err(HashLinesError::TooMany);
        }
        let hash = Hash::from_base64(line);
        hashes.push(hash.map_err(|source| HashLinesError::Hash { number, source })?);
    }
    Ok(hashes)
}

/// Writes what [`read_hashes`] reads, each line with its newline.
pub(crate) fn write_hashes(f: &mut fmt::Formatter<'_>, hashes: &[Hash]) -> fmt::Result {
    hashes
        .iter()
        .try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))
}

fn check_length(proof: &[Hash], expected: usize) -> Result<(), ProofError> {
    if proof.len() != expected {
        return Err(ProofError::Length {
            expected,
            found: proof.len(),
        });
    }
    Ok(())
}

fn check_old_root(computed: Hash, expected: &Hash) -> Result<(), ProofError> {
    if computed != *expected {
        return Err(ProofError::OldRootMismatch {
            computed,
            expected: *expected,
        });
    }
    Ok(())
}

/// Why lines are not the hashes of a proof.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HashLinesError {
    /// More hashes than any proof has.
    #[error("a proof has at most {PROOF_HASHES_MAX} hashes")]
    TooMany,
    /// A line is no hash.
    #[error("hash {number} of the proof (from 0) is malformed: {source}")]
    Hash {
        /// Which of the lines, from 0.
        number: usize,
        /// What is wrong with it.
        source: HashError,
    },
}

/// Why a proof does not show what it claims.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The leaf is outside the tree.
    #[error("leaf {index} is not in a tree of {size} leaves")]
    LeafOutOfRange {
        /// The index claimed.
        index: LeafIndex,
        /// The size of the tree.
        size: TreeSize,
    },
    /// The older tree is the larger one.
    #[error("the older tree has {old} leaves, more than the newer with {new}")]
    SizesOutOfOrder {
        /// Size of the older tree.
        old: TreeSize,
        /// Size of the newer tree.
        new: TreeSize,
    },
    /// The proof has too few or too many hashes for its index and sizes.
    #[error("the proof has {found} hashes, for this position it must have {expected}")]
    Length {
        /// The one length that fits.
        expected: usize,
        /// The length of the proof.
        found: usize,
    },
    /// The proof leads to another root than that of the tree.
    #[error("the proof leads to root {computed}, the tree's root is {expected}")]
    RootMismatch {
        /// What the proof leads to.
        computed: Hash,
        /// The root that was given.
        expected: Hash,
    },
    /// The proof leads to another root than that of the older tree.
    #[error("the proof leads to older root {computed}, the older tree's root is {expected}")]
    OldRootMismatch {
        /// What the proof leads to.
        computed: Hash,
        /// The root that was given.
        expected: Hash,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf_hash;

    #[test]
    fn a_tree_of_one_leaf_needs_no_path() {
        let leaf = leaf_hash(b"only");
        let verify =
            |index, size| verify_inclusion(&leaf, LeafIndex(index), TreeSize(size), &[], &leaf);
        assert_eq!(verify(0, 1), Ok(()));
        assert_eq!(
            verify(0, 2),
            Err(ProofError::Length {
                expected: 1,
                found: 0
            })
        );
        assert!(matches!(
            verify(1, 1),
            Err(ProofError::LeafOutOfRange { .. })
        ));
        assert!(matches!(
            verify(0, 0),
            Err(ProofError::LeafOutOfRange { .. })
        ));
    }

    #[test]
    fn extreme_sizes_do_not_overflow() {
        let hash = leaf_hash(b"x");
        for (index, size) in [(0, u64::MAX), (u64::MAX - 1, u64::MAX), (1 << 63, u64::MAX)] {
            for length in 0..70 {
                let proof = vec![hash; length];
                let result =
                    verify_inclusion(&hash, LeafIndex(index), TreeSize(size), &proof, &hash);
                assert!(result.is_err());
                let old = TreeSize(index.max(1));
                assert!(verify_consistency(old, &hash, TreeSize(size), &hash, &proof).is_err());
            }
        }
    }

    #[test]
    fn consistency_with_the_empty_tree_and_with_itself() {
        let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
        let verify = |old, old_root: &Hash, new, new_root: &Hash, proof: &[Hash]| {
            verify_consistency(TreeSize(old), old_root, TreeSize(new), new_root, proof)
        };
        assert_eq!(verify(0, &empty_root(), 5, &a, &[]), Ok(()));
        assert!(matches!(
            verify(0, &a, 5, &a, &[]),
            Err(ProofError::OldRootMismatch { .. })
        ));
        assert!(matches!(
            verify(0, &empty_root(), 5, &a, &[a]),
            Err(ProofError::Length { .. })
        ));
        assert!(matches!(
            verify(0, &empty_root(), 0, &a, &[]),
            Err(ProofError::RootMismatch { .. })
        ));
        assert_eq!(verify(5, &a, 5, &a, &[]), Ok(()));
        assert!(matches!(
            verify(5, &a, 5, &b, &[]),
            Err(ProofError::RootMismatch { .. })
        ));
        assert!(matches!(
            verify(6, &a, 5, &a, &[]),
            Err(ProofError::SizesOutOfOrder { .. })
        ));
    }
}
