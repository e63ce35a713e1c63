//! Roots, tiles and proofs against `ct-merkle` and `tlog_tiles`.

use crate::cases;
use credlog_tlog::{
    Frontier, Hash, LeafIndex, MemoryTiles, ProofError, TileAppender, TileLevel, TileReader,
    TreeSize, consistency_proof, inclusion_proof, leaf_hash, root_at, tiles_of_tree,
    verify_consistency, verify_inclusion,
};
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash, mem_backed_tree::MemoryBackedTree};
use proptest::prelude::*;
use sha2_11::Sha256;
use std::sync::LazyLock;
use tlog_tiles as oracle;

/// Sizes where tiles and levels begin and end.
const SIZES: [u64; 8] = [1, 255, 256, 257, 65_535, 65_536, 65_537, 70_000];

/// The log of the tests: 70,000 leaves, in tiles of this crate and in the oracle's own storage.
static LOG: LazyLock<(MemoryTiles, OracleLog)> = LazyLock::new(|| {
    let (mut appender, mut tiles) = (TileAppender::new(), MemoryTiles::default());
    appender.append_many((0..70_000).map(|n| leaf_hash(&entry(n))));
    tiles.extend(appender.take_changed());
    (tiles, OracleLog::of(70_000))
});

fn entry(n: u64) -> Vec<u8> {
    format!("entry {n}").into_bytes()
}

struct OracleLog(Vec<oracle::Hash>);

impl OracleLog {
    fn of(size: u64) -> Self {
        let mut log = Self(Vec::new());
        for n in 0..size {
            let hashes = oracle::stored_hashes(n, &entry(n), &log).unwrap();
            log.0.extend(hashes);
        }
        log
    }

    fn root(&self, size: u64) -> Hash {
        Hash(oracle::tree_hash(size, self).unwrap().0)
    }
}

impl oracle::HashReader for OracleLog {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<oracle::Hash>, oracle::Error> {
        Ok(indexes
            .iter()
            .map(|index| self.0[usize::try_from(*index).unwrap()])
            .collect())
    }
}

fn to_oracle(hashes: &[Hash]) -> Vec<oracle::Hash> {
    hashes.iter().map(|hash| oracle::Hash(hash.0)).collect()
}

fn flat(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

fn ct_root(root: &Hash, size: u64) -> RootHash<Sha256> {
    RootHash::new(root.0.into(), size)
}

/// Verdicts on an inclusion proof: this crate's, `tlog_tiles`' and `ct-merkle`'s.
fn included(leaf: u64, index: u64, size: u64, proof: &[Hash], root: &Hash) -> [bool; 3] {
    let leaf_hash = leaf_hash(&entry(leaf));
    let (theirs, root_hash) = (to_oracle(proof), oracle::Hash(root.0));
    let ct_proof = InclusionProof::<Sha256>::from_bytes(flat(proof));
    [
        verify_inclusion(&leaf_hash, LeafIndex(index), TreeSize(size), proof, root).is_ok(),
        oracle::check_record(&theirs, size, root_hash, index, oracle::Hash(leaf_hash.0)).is_ok(),
        ct_root(root, size)
            .verify_inclusion(&entry(leaf), index, &ct_proof)
            .is_ok(),
    ]
}

/// Verdicts on a consistency proof: this crate's, `tlog_tiles`' and `ct-merkle`'s.
fn consistent(old: (u64, Hash), new: (u64, Hash), proof: &[Hash]) -> [bool; 3] {
    let theirs = to_oracle(proof);
    let (old_hash, new_hash) = (oracle::Hash(old.1.0), oracle::Hash(new.1.0));
    let ct_proof = ConsistencyProof::<Sha256>::try_from_bytes(flat(proof)).unwrap();
    let (old_size, new_size) = (TreeSize(old.0), TreeSize(new.0));
    [
        verify_consistency(old_size, &old.1, new_size, &new.1, proof).is_ok(),
        oracle::check_tree(&theirs, new.0, new_hash, old.0, old_hash).is_ok(),
        ct_root(&new.1, new.0)
            .verify_consistency(&ct_root(&old.1, old.0), &ct_proof)
            .is_ok(),
    ]
}

/// Every proof that differs from this one in a bit, by one hash, or in the order of two.
fn mutations(proof: &[Hash], bit: usize) -> Vec<Vec<Hash>> {
    let mut all = vec![[proof, &[leaf_hash(b"surplus")]].concat()];
    for place in 0..proof.len() {
        let mut flipped = proof.to_vec();
        flipped[place].0[bit / 8 % 32] ^= 1 << (bit % 8);
        let mut dropped = proof.to_vec();
        dropped.remove(place);
        let mut doubled = proof.to_vec();
        doubled.insert(place, proof[place]);
        all.extend([flipped, dropped, doubled]);
        if place + 1 < proof.len() && proof[place] != proof[place + 1] {
            let mut swapped = proof.to_vec();
            swapped.swap(place, place + 1);
            all.push(swapped);
        }
    }
    all
}

#[test]
fn tile_bytes_and_paths_equal_the_oracles() {
    let (_, log) = &*LOG;
    let (mut appender, mut tiles) = (TileAppender::new(), MemoryTiles::default());
    for size in SIZES {
        // A few leaves at a time, as blocks do.
        while appender.size().0 < size {
            let next = appender.size().0;
            let block = next..size.min(next + 1 + next % 1_000);
            appender.append_many(block.map(|n| leaf_hash(&entry(n))));
            tiles.extend(appender.take_changed());
        }
        assert_eq!(appender.root(), log.root(size));
        let mut ours = Vec::new();
        for path in tiles_of_tree(TreeSize(size)) {
            let TileLevel::Hash(level) = path.level() else {
                continue;
            };
            let (index, width) = (path.index(), path.width());
            let tile = oracle::Tile::new(8, level, index, u32::from(width), false);
            let bytes = flat(&tiles.hashes(level, index, width).unwrap());
            assert_eq!(bytes, tile.read_data(log).unwrap(), "{path} of {size}");
            ours.push(format!("{path}"));
        }
        let theirs = oracle::Tile::new_tiles(8, 0, size);
        let theirs: Vec<_> = theirs
            .iter()
            .map(|t| t.path().replacen("/8/", "/", 1))
            .collect();
        assert_eq!(ours, theirs, "tiles of {size}");
        // No tile is kept that the tree does not have, nor one wider than it has.
        assert_eq!(tiles.iter().count(), ours.len());
        let widest = tiles
            .iter()
            .map(|(_, _, hashes)| hashes.len())
            .sum::<usize>();
        let expected = tiles_of_tree(TreeSize(size)).filter(|p| p.level() != TileLevel::Entries);
        assert_eq!(
            widest,
            expected.map(|p| usize::from(p.width())).sum::<usize>()
        );
    }
}

#[test]
fn every_small_tree_and_proof_equals_the_oracles() {
    let (tiles, log) = &*LOG;
    let mut frontier = Frontier::new();
    let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
    for size in 1..=130u64 {
        frontier.append(leaf_hash(&entry(size - 1)));
        tree.push(entry(size - 1));
        let root = frontier.root();
        assert_eq!(root.0[..], tree.root().as_bytes()[..]);
        assert_eq!(root, root_at(tiles, TreeSize(size)).unwrap());
        assert_eq!(frontier, Frontier::recover(tiles, TreeSize(size)).unwrap());
        for index in 0..size {
            let proof = inclusion_proof(tiles, LeafIndex(index), TreeSize(size)).unwrap();
            let theirs = tree.prove_inclusion(usize::try_from(index).unwrap());
            assert_eq!(flat(&proof), theirs.as_bytes());
            assert_eq!(included(index, index, size, &proof, &root), [true; 3]);
        }
        for old in 1..=size {
            let proof = consistency_proof(tiles, TreeSize(old), TreeSize(size)).unwrap();
            let theirs = tree.prove_consistency(usize::try_from(size - old).unwrap());
            assert_eq!(flat(&proof), theirs.as_bytes());
            assert_eq!(
                consistent((old, log.root(old)), (size, root), &proof),
                [true; 3]
            );
        }
    }
}

/// Sizes up to 70,000, often at the edges of tiles.
fn size() -> impl Strategy<Value = u64> {
    let edge =
        (1..=273u64, 0..3u64).prop_map(|(tile, offset)| (tile * 256 + offset - 1).min(70_000));
    prop_oneof![
        1..=70_000u64,
        edge,
        1..=600u64,
        prop::sample::select(&SIZES[..])
    ]
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn inclusion_in_a_large_log(size in size(), seed: u64, bit in 0..256usize, other in size()) {
        let (tiles, log) = &*LOG;
        let (index, root) = (seed % size, log.root(size));
        let proof = inclusion_proof(tiles, LeafIndex(index), TreeSize(size)).unwrap();
        prop_assert_eq!(to_oracle(&proof), oracle::prove_record(size, index, log).unwrap());
        prop_assert_eq!(root_at(tiles, TreeSize(size)).unwrap(), root);
        prop_assert_eq!(included(index, index, size, &proof, &root), [true; 3]);
        for changed in mutations(&proof, bit) {
            prop_assert_eq!(included(index, index, size, &changed, &root), [false; 3]);
        }
        // Another leaf, root or index never passes; another size only where all three agree.
        let wrong = (index + 1) % size;
        if wrong != index {
            prop_assert_eq!(included(wrong, index, size, &proof, &root), [false; 3]);
            prop_assert_eq!(included(index, wrong, size, &proof, &root), [false; 3]);
        }
        let mut flipped = root;
        flipped.0[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(included(index, index, size, &proof, &flipped), [false; 3]);
        let verdicts = included(index, index, other, &proof, &root);
        prop_assert!(verdicts == [true; 3] || verdicts == [false; 3], "{:?}", verdicts);
    }

    #[test]
    fn consistency_in_a_large_log(a in size(), b in size(), bit in 0..256usize, other in size()) {
        let (tiles, log) = &*LOG;
        let (old, new) = (a.min(b), a.max(b));
        let (old_root, new_root) = (log.root(old), log.root(new));
        let proof = consistency_proof(tiles, TreeSize(old), TreeSize(new)).unwrap();
        prop_assert_eq!(to_oracle(&proof), oracle::prove_tree(new, old, log).unwrap());
        prop_assert_eq!(consistent((old, old_root), (new, new_root), &proof), [true; 3]);
        for changed in mutations(&proof, bit) {
            let verdicts = consistent((old, old_root), (new, new_root), &changed);
            prop_assert_eq!(verdicts, [false; 3]);
        }
        let mut flipped = old_root;
        flipped.0[bit / 8] ^= 1 << (bit % 8);
        let verdicts = consistent((old, flipped), (new, new_root), &proof);
        prop_assert_eq!(verdicts, [false; 3]);
        let mut flipped = new_root;
        flipped.0[bit / 8] ^= 1 << (bit % 8);
        let verdicts = consistent((old, old_root), (new, flipped), &proof);
        prop_assert_eq!(verdicts, [false; 3]);
        let verdicts = consistent((other.min(new), old_root), (new, new_root), &proof);
        prop_assert!(verdicts == [true; 3] || verdicts == [false; 3], "{:?}", verdicts);
    }

    #[test]
    fn appending_in_blocks_is_appending_one_by_one(
        start in 0..70_000u64,
        blocks in prop::collection::vec(0..700u64, 1..6),
    ) {
        let (tiles, log) = &*LOG;
        let mut appender = TileAppender::open(tiles, TreeSize(start)).unwrap();
        let mut frontier = Frontier::recover(tiles, TreeSize(start)).unwrap();
        prop_assert_eq!(appender.frontier(), &frontier);
        for length in blocks {
            let next = appender.size().0;
            let leaves = (next..(next + length).min(70_000)).map(|n| leaf_hash(&entry(n)));
            appender.append_many(leaves.clone());
            frontier.append_many(leaves);
            prop_assert_eq!(appender.frontier(), &frontier);
            prop_assert_eq!(appender.root(), log.root(appender.size().0));
            for tile in appender.take_changed() {
                // What is handed out is the beginning of the tile in the whole log.
                let path = tile.path().unwrap();
                prop_assert!(path.is_within(appender.size()));
                let whole = tiles.hashes(tile.level, tile.index, path.width()).unwrap();
                prop_assert_eq!(&tile.hashes, &whole);
                let end = (tile.index * 256 + u64::from(path.width())) << (8 * tile.level);
                prop_assert!(end > next, "{} did not change", path);
            }
        }
    }
}

/// A flipped bit must be reported as the wrong root, a missing hash as the wrong length.
#[test]
fn a_bad_proof_says_what_is_wrong() {
    let (tiles, log) = &*LOG;
    let (index, size, root) = (LeafIndex(4_711), TreeSize(70_000), log.root(70_000));
    let leaf = leaf_hash(&entry(4_711));
    let mut proof = inclusion_proof(tiles, index, size).unwrap();
    let verify = |proof: &[Hash]| verify_inclusion(&leaf, index, size, proof, &root);
    assert_eq!(verify(&proof), Ok(()));
    proof[3].0[0] ^= 1;
    assert!(matches!(
        verify(&proof),
        Err(ProofError::RootMismatch { .. })
    ));
    let (expected, found) = (proof.len(), proof.len() - 1);
    assert_eq!(
        verify(&proof[1..]),
        Err(ProofError::Length { expected, found })
    );
    proof.push(root);
    let found = proof.len();
    assert_eq!(verify(&proof), Err(ProofError::Length { expected, found }));
}
