//! Frozen vectors: what the ledger signs and serves must not change by accident.
//!
//! `golden/make.py` computed them from the specifications, apart from this crate; the paths are
//! written by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use credlog_tlog::{
    AddCheckpoint, Checkpoint, CosignatureSigner, Frontier, Hash, LeafIndex, MemoryTiles, Note,
    NoteSigner, Policy, PolicyError, SignatureKind, TileAppender, TileLevel, TilePath, TileReader,
    TlogProof, TreeSize, VerifierKey, consistency_proof, empty_root, inclusion_proof, leaf_hash,
    node_hash, tiles_of_tree, verify_consistency, verify_inclusion,
};
use ed25519_dalek::SigningKey;
use sha2_11::{Digest as _, Sha256};

const TREE: &str = include_str!("golden/tree.txt");
const TILES: &str = include_str!("golden/tiles.txt");
const PATHS: &str = include_str!("golden/paths.txt");
const NOTES: &str = include_str!("golden/notes.txt");
const MESSAGES: &str = include_str!("golden/messages.txt");

/// The time in the golden cosignature.
const COSIGNED_AT: u64 = 1_790_000_000;

/// The fields of the lines that begin with this word; there must be some.
fn vectors<'a>(file: &'a str, word: &str) -> Vec<Vec<&'a str>> {
    let lines = file.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let found: Vec<_> = lines
        .filter(|f| f[0] == word)
        .map(|f| f[1..].to_vec())
        .collect();
    assert!(!found.is_empty(), "no vector {word}");
    found
}

fn bytes(hex_or_dash: &str) -> Vec<u8> {
    hex::decode(hex_or_dash.trim_start_matches('-')).unwrap()
}

fn hash(hex: &str) -> Hash {
    Hash::from_hex(hex).unwrap()
}

fn proof(list: &str) -> Vec<Hash> {
    list.split(',')
        .filter(|item| *item != "-")
        .map(hash)
        .collect()
}

fn text(hex: &str) -> String {
    String::from_utf8(bytes(hex)).unwrap()
}

#[test]
fn leaves_nodes_and_roots() {
    let leaves = vectors(TREE, "leaf");
    for fields in &leaves {
        assert_eq!(leaf_hash(&bytes(fields[0])), hash(fields[1]));
    }
    for fields in vectors(TREE, "node") {
        assert_eq!(
            node_hash(&hash(fields[0]), &hash(fields[1])),
            hash(fields[2])
        );
    }
    let mut frontier = Frontier::new();
    for (fields, leaf) in vectors(TREE, "root").iter().zip(0..) {
        assert_eq!(
            (frontier.size(), frontier.root()),
            (TreeSize(leaf), hash(fields[1]))
        );
        if let Some(next) = leaves.get(usize::try_from(leaf).unwrap()) {
            frontier.append(hash(next[1]));
        }
    }
    assert_eq!(frontier.size(), TreeSize(8));
    assert_eq!(empty_root(), hash(vectors(TREE, "root")[0][1]));
}

#[test]
fn proofs() {
    let leaves: Vec<Hash> = vectors(TREE, "leaf")
        .iter()
        .map(|fields| hash(fields[1]))
        .collect();
    let roots: Vec<Hash> = vectors(TREE, "root")
        .iter()
        .map(|fields| hash(fields[1]))
        .collect();
    let mut appender = TileAppender::new();
    appender.append_many(leaves.iter().copied());
    let mut tiles = MemoryTiles::default();
    tiles.extend(appender.take_changed());
    for fields in vectors(TREE, "inclusion") {
        let (index, size): (usize, usize) =
            (fields[0].parse().unwrap(), fields[1].parse().unwrap());
        let at = (LeafIndex(index as u64), TreeSize(size as u64));
        let golden = proof(fields[2]);
        assert_eq!(inclusion_proof(&tiles, at.0, at.1).unwrap(), golden);
        verify_inclusion(&leaves[index], at.0, at.1, &golden, &roots[size]).unwrap();
    }
    for fields in vectors(TREE, "consistency") {
        let (old, new): (usize, usize) = (fields[0].parse().unwrap(), fields[1].parse().unwrap());
        let sizes = (TreeSize(old as u64), TreeSize(new as u64));
        let golden = proof(fields[2]);
        assert_eq!(consistency_proof(&tiles, sizes.0, sizes.1).unwrap(), golden);
        verify_consistency(sizes.0, &roots[old], sizes.1, &roots[new], &golden).unwrap();
    }
}

#[test]
fn tiles_of_the_sizes_where_levels_begin() {
    let mut appender = TileAppender::new();
    let mut tiles = MemoryTiles::default();
    for fields in vectors(TILES, "tiles") {
        let size = TreeSize(fields[0].parse().unwrap());
        let leaves = appender.size().0..size.0;
        appender.append_many(leaves.map(|n| leaf_hash(n.to_string().as_bytes())));
        tiles.extend(appender.take_changed());
        assert_eq!(appender.root(), hash(fields[1]), "root of {size}");
        let mut digest = Sha256::new();
        for path in tiles_of_tree(size) {
            let TileLevel::Hash(level) = path.level() else {
                continue;
            };
            digest.update(format!("{path}\n"));
            for hash in tiles.hashes(level, path.index(), path.width()).unwrap() {
                digest.update(hash.0);
            }
        }
        assert_eq!(hex::encode(digest.finalize()), fields[2], "tiles of {size}");
    }
    assert_eq!(appender.size(), TreeSize(70_000));
}

#[test]
fn paths() {
    for line in PATHS.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let level = match fields[0] {
            "entries" => TileLevel::Entries,
            number => TileLevel::Hash(number.parse().unwrap()),
        };
        let (index, width) = (fields[1].parse().unwrap(), fields[2].parse().unwrap());
        let path = TilePath::new(level, index, width).unwrap();
        assert_eq!(path.to_string(), fields[3]);
        assert_eq!(fields[3].parse(), Ok(path));
    }
}

#[test]
fn checkpoint_keys_and_signatures() {
    let fields = &vectors(NOTES, "checkpoint")[0];
    let size = TreeSize(fields[1].parse().unwrap());
    let checkpoint = Checkpoint::new(fields[0], size, hash(fields[2])).unwrap();
    let body = text(fields[3]);
    assert_eq!(checkpoint.body(), body);
    assert_eq!(Checkpoint::parse(&body), Ok(checkpoint.clone()));

    let mut keys = Vec::new();
    let mut signatures = Vec::new();
    for (key, line) in vectors(NOTES, "key").iter().zip(vectors(NOTES, "line")) {
        let seed = SigningKey::from_bytes(&[key[1].parse().unwrap(); 32]);
        let (verifier, signature) = match key[0] {
            "1" => {
                let signer = NoteSigner::new(key[2], seed).unwrap();
                (signer.verifier_key().clone(), signer.sign(&body).unwrap())
            }
            _ => {
                let signer = CosignatureSigner::new(key[2], seed).unwrap();
                (
                    signer.verifier_key().clone(),
                    signer.cosign(&checkpoint, COSIGNED_AT),
                )
            }
        };
        assert_eq!(verifier.id().to_string(), key[3]);
        assert_eq!(verifier.to_string(), key[4]);
        assert_eq!(key[4].parse::<VerifierKey>(), Ok(verifier.clone()));
        assert_eq!(format!("{signature}\n"), text(line[1]));
        keys.push(verifier);
        signatures.push(signature);
    }

    let encoded = text(vectors(NOTES, "note")[0][0]);
    let note = Note::parse(encoded.as_bytes()).unwrap();
    assert_eq!(note, Note::new(&body, signatures).unwrap());
    assert_eq!(note.to_string(), encoded);
    let verified = note.verify(&keys).unwrap();
    let kinds: Vec<_> = verified.iter().map(|v| (v.kind, v.time)).collect();
    let cosigned = (SignatureKind::CosignatureV1, Some(COSIGNED_AT));
    assert_eq!(kinds, [(SignatureKind::Ed25519, None), cosigned]);
    assert!(
        encoded.contains(line_of_the_documentation()),
        "the crate's documentation shows this note"
    );
}

/// A file of an inclusion proof shows its leaf and no other, and its policy accepts it.
#[test]
fn files_of_inclusion_proofs() {
    let leaves = vectors(TREE, "leaf");
    let policy: Policy = text(vectors(MESSAGES, "policy")[0][0]).parse().unwrap();
    for fields in vectors(MESSAGES, "tlog-proof") {
        let (index, size): (usize, u64) = (fields[0].parse().unwrap(), fields[1].parse().unwrap());
        let encoded = text(fields[3]);
        let proof = TlogProof::parse(encoded.as_bytes()).unwrap();
        assert_eq!(proof.to_string(), encoded);
        assert_eq!(proof.index(), LeafIndex(index as u64));
        assert_eq!(proof.checkpoint().size(), TreeSize(size));
        assert_eq!(proof.extra(), bytes(fields[2]));
        for (place, leaf) in leaves.iter().enumerate() {
            let shown = proof.verify_inclusion(&hash(leaf[1]));
            assert_eq!(shown.is_ok(), place == index, "{place} of {size}");
        }
        assert_eq!(policy.accept(proof.note()).as_ref(), Ok(proof.checkpoint()));
    }
}

#[test]
fn requests_to_witnesses() {
    let roots = vectors(TREE, "root");
    let root_of = |size: TreeSize| hash(roots[usize::try_from(size.0).unwrap()][1]);
    for fields in vectors(MESSAGES, "add-checkpoint") {
        let old = TreeSize(fields[0].parse().unwrap());
        let new = TreeSize(fields[1].parse().unwrap());
        let encoded = text(fields[2]);
        let request = AddCheckpoint::parse(encoded.as_bytes()).unwrap();
        assert_eq!(request.to_string(), encoded);
        assert_eq!((request.old(), request.checkpoint().size()), (old, new));
        let (root, proof) = (request.checkpoint().root(), request.proof());
        assert_eq!(
            verify_consistency(old, &root_of(old), new, &root, proof),
            Ok(())
        );
    }
}

#[test]
fn a_policy_of_members() {
    let encoded = text(vectors(MESSAGES, "policy")[0][0]);
    let policy: Policy = encoded.parse().unwrap();
    assert_eq!(policy.to_string(), encoded);
    assert_eq!((policy.logs().len(), policy.witnesses().len()), (2, 4));
    assert_eq!(policy.groups()[0].threshold, 3);
    // Three of four are asked for, and three have cosigned: with one line less it is refused.
    let proof = text(vectors(MESSAGES, "tlog-proof")[0][3]);
    let without_last = &proof[..=proof.trim_end().rfind('\n').unwrap()];
    let note = TlogProof::parse(without_last.as_bytes()).unwrap();
    let quorum = "members".to_owned();
    assert_eq!(
        policy.accept(note.note()),
        Err(PolicyError::NoQuorum { quorum })
    );
}

/// The first signature line that the documentation of the crate shows.
fn line_of_the_documentation() -> &'static str {
    let source = include_str!("../src/lib.rs");
    let line = source
        .lines()
        .find(|line| line.starts_with("//! — "))
        .unwrap();
    line.strip_prefix("//! ").unwrap()
}
