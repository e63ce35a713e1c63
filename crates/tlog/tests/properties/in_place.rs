//! Trees that change in place, against `ct-merkle` trees built anew after each change.

use crate::cases;
use credlog_tlog::mutable::{MemoryNodes, NodeReader, inclusion_proof, root, update};
use credlog_tlog::{Hash, LeafIndex, TreeSize, leaf_hash, verify_inclusion};
use ct_merkle::{InclusionProof, mem_backed_tree::MemoryBackedTree};
use proptest::prelude::*;
use sha2_11::Sha256;
use std::cell::Cell;
use std::collections::BTreeMap;

/// One change: so many leaves are appended, and these are replaced (modulo the size).
type Change = (u64, Vec<u64>);

fn change() -> impl Strategy<Value = Change> {
    (
        prop_oneof![0..3u64, 0..80u64],
        prop::collection::vec(any::<u64>(), 0..12),
    )
}

/// Counts what is read.
struct Counting<'a>(&'a MemoryNodes, Cell<usize>);

impl NodeReader for Counting<'_> {
    type Error = std::convert::Infallible;

    fn node(&self, level: u8, index: u64) -> Result<Option<Hash>, Self::Error> {
        self.1.set(self.1.get() + 1);
        self.0.node(level, index)
    }
}

/// Every complete subtree, level by level, computed without the crate's tree code.
fn all_nodes(leaves: &[Vec<u8>]) -> MemoryNodes {
    let mut nodes = MemoryNodes::default();
    let mut width = 1;
    let mut level = 0;
    while width <= leaves.len() {
        for (index, part) in (0..).zip(leaves.chunks_exact(width)) {
            let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
            part.iter().for_each(|leaf| tree.push(leaf.clone()));
            let hash = Hash::try_from(&tree.root().as_bytes()[..]).unwrap();
            nodes.extend([((level, index), hash)]);
        }
        width *= 2;
        level += 1;
    }
    nodes
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn any_history_of_changes_equals_the_tree_built_anew(
        history in prop::collection::vec(change(), 1..8),
    ) {
        let mut nodes = MemoryNodes::default();
        let mut leaves: Vec<Vec<u8>> = Vec::new();
        for (step, (appended, replaced)) in history.into_iter().enumerate() {
            let before = leaves.len();
            leaves.extend((0..appended).map(|n| format!("{step}: new {n}").into_bytes()));
            let mut changed: BTreeMap<u64, Hash> = BTreeMap::new();
            for number in replaced {
                if !leaves.is_empty() {
                    let index = number % leaves.len() as u64;
                    let leaf = &mut leaves[usize::try_from(index).unwrap()];
                    *leaf = format!("{step}: replaced {number}").into_bytes();
                    changed.insert(index, leaf_hash(leaf));
                }
            }
            for (index, leaf) in (0..).zip(&leaves).skip(before) {
                changed.insert(index, leaf_hash(leaf));
            }
            let (old, size) = (TreeSize(before as u64), TreeSize(leaves.len() as u64));
            let counting = Counting(&nodes, Cell::new(0));
            let (after, rows) = update(&counting, old, size, &changed).unwrap();
            let levels = usize::try_from(u64::BITS - size.0.leading_zeros()).unwrap();
            prop_assert!(counting.1.get() <= (changed.len() + 1) * levels);
            prop_assert!(rows.len() <= changed.len() * levels);
            prop_assert!(rows.is_sorted_by(|a, b| a.0 < b.0), "rows are ordered and distinct");
            nodes.extend(rows);
            prop_assert_eq!(root(&nodes, size).unwrap(), after);
        }
        check_whole_tree(&nodes, &leaves)?;
    }
}

fn check_whole_tree(nodes: &MemoryNodes, leaves: &[Vec<u8>]) -> Result<(), TestCaseError> {
    prop_assert_eq!(nodes, &all_nodes(leaves));
    let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    leaves.iter().for_each(|leaf| tree.push(leaf.clone()));
    let size = TreeSize(leaves.len() as u64);
    let root = root(nodes, size).unwrap();
    prop_assert_eq!(root.0.to_vec(), tree.root().as_bytes().to_vec());
    for (index, leaf) in (0..).zip(leaves) {
        let mut proof = inclusion_proof(nodes, LeafIndex(index), size).unwrap();
        let theirs = InclusionProof::<Sha256>::from_bytes(proof.iter().flat_map(|h| h.0).collect());
        prop_assert!(tree.root().verify_inclusion(leaf, index, &theirs).is_ok());
        let verify = |proof: &[Hash]| {
            verify_inclusion(&leaf_hash(leaf), LeafIndex(index), size, proof, &root).is_ok()
        };
        prop_assert!(verify(&proof));
        if let Some(hash) = proof.last_mut() {
            hash.0[31] ^= 0x80;
            prop_assert!(!verify(&proof));
        }
    }
    Ok(())
}
