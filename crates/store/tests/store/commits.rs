//! What is committed is answered, now and after reopening.

use credlog_ledger::ids::{Height, LeafIndex};
use credlog_ledger::state::{State, View};
use credlog_store::{Fatal, OpenError, Options, Snapshot, Store, StoreError};
use credlog_tlog::{TreeSize, inclusion_proof, leaf_hash, root_at, verify_inclusion};
use rand::Rng;

use crate::support::{TestLedger, commit};

/// Every row, block, leaf and tile that a snapshot answers is the model's.
pub(crate) fn assert_same(snapshot: &Snapshot<'_>, ledger: &TestLedger) {
    assert_eq!(snapshot.head(), &State(&ledger.state).head().unwrap());
    assert_eq!(snapshot.scan(&[], None, usize::MAX).unwrap(), ledger.rows());
    for executed in &ledger.blocks {
        let height = executed.seal.height;
        assert_eq!(
            snapshot.block(height).unwrap().as_ref(),
            Some(&executed.block)
        );
    }
    let beyond = Height(ledger.blocks.len() as u64 + 1);
    assert_eq!(snapshot.block(beyond).unwrap(), None);
    assert_eq!(snapshot.block(Height(0)).unwrap(), None);
    for (level, index, hashes) in ledger.tiles.iter() {
        let width = u16::try_from(hashes.len()).unwrap();
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
        assert_eq!(snapshot.tile(level, index, width).unwrap(), Some(bytes));
    }
}

#[test]
fn every_block_is_there_after_its_commit_and_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::new(1);
    let mut store = Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap();
    assert_eq!(store.ledger_id(), ledger.id);
    assert_same(&store.snapshot(), &ledger);
    for round in 0..25 {
        let executed = ledger.next_block();
        commit(&store, &executed).unwrap();
        assert_same(&store.snapshot(), &ledger);
        if round % 3 == 0 {
            drop(store);
            store = Store::open(dir.path(), &Options::default()).unwrap();
            assert_same(&store.snapshot(), &ledger);
        }
    }
}

#[test]
fn leaves_bundles_and_proofs_come_from_blocks_and_tiles() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::new(2);
    let store = Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap();
    for _ in 0..150 {
        commit(&store, &ledger.next_block()).unwrap();
    }
    let snapshot = store.snapshot();
    let head = snapshot.head().clone();
    assert!(head.size > 256, "{}", head.size);
    let (size, root) = (head.tree_size(), credlog_tlog::Hash(head.root.0));
    assert_eq!(root_at(&snapshot, size).unwrap(), root);
    let hashes = ledger.blocks.iter().flat_map(|block| &block.leaf_hashes);
    for (index, expected) in (0..).map(LeafIndex).zip(hashes) {
        let leaf = snapshot.leaf(index).unwrap().unwrap();
        assert_eq!(leaf_hash(&leaf), *expected);
        if index.0 % 37 == 0 {
            let proof = inclusion_proof(&snapshot, index, size).unwrap();
            verify_inclusion(&leaf_hash(&leaf), index, size, &proof, &root).unwrap();
        }
    }
    assert_eq!(snapshot.leaf(LeafIndex(head.size)).unwrap(), None);
    let bundle = snapshot.entries(0, 256).unwrap().unwrap();
    let entries = credlog_tlog::decode_bundle_of(&bundle, 256).unwrap();
    for (index, entry) in (0..).map(LeafIndex).zip(entries) {
        assert_eq!(snapshot.leaf(index).unwrap().as_deref(), Some(entry));
    }
    let rest = u16::try_from(head.size % 256).unwrap();
    let index = head.size / 256;
    assert!(snapshot.entries(index, rest).unwrap().is_some());
    assert_eq!(snapshot.entries(index, rest + 1).unwrap(), None);
    assert_eq!(snapshot.entries(0, 0).unwrap(), None);
    assert_eq!(snapshot.tile(0, index, rest + 1).unwrap(), None);
    assert_eq!(snapshot.tile(64, 0, 1).unwrap(), None);
    assert!(root_at(&snapshot, TreeSize(head.size + 1)).is_err());
}

#[test]
fn views_answer_floor_and_scan_like_the_model_for_random_questions() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::new(3);
    let store = Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap();
    for _ in 0..60 {
        commit(&store, &ledger.next_block()).unwrap();
    }
    let snapshot = store.snapshot();
    let keys: Vec<Vec<u8>> = ledger.rows().into_iter().map(|(key, _)| key).collect();
    for _ in 0..5_000 {
        let rng = ledger.rng();
        let mut key = keys[rng.gen_range(0..keys.len())].clone();
        let prefix = key[..rng.gen_range(0..=key.len())].to_vec();
        match rng.gen_range(0..4) {
            0 => key.extend_from_slice(&[0]),
            1 => *key.last_mut().unwrap() ^= rng.r#gen::<u8>(),
            2 => key.truncate(rng.gen_range(0..=key.len())),
            _ => {}
        }
        let limit = [1, 2, 30, usize::MAX][rng.gen_range(0..4)];
        let after = rng.gen_bool(0.5).then_some(key.as_slice());
        let model = &ledger.state;
        assert_eq!(snapshot.row(&key), model.row(&key));
        assert_eq!(
            snapshot.scan(&prefix, after, limit),
            model.scan(&prefix, after, limit)
        );
        // The trait's words: the greatest key with the prefix that is not above `key`.
        let rows = model.scan(&prefix, None, usize::MAX).unwrap();
        let floor = rows.into_iter().rfind(|(found, _)| *found <= key);
        assert_eq!(snapshot.floor(&prefix, &key), Ok(floor));
    }
}

#[test]
fn a_block_that_does_not_follow_is_refused_and_nothing_changes() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::new(4);
    let store = Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap();
    let first = ledger.next_block();
    let second = ledger.next_block();
    assert!(matches!(
        commit(&store, &second),
        Err(Fatal::NotNext { .. })
    ));
    let mut forged = first.clone();
    forged.leaf_hashes[0].0[0] ^= 1;
    assert!(matches!(
        commit(&store, &forged),
        Err(Fatal::Inconsistent { .. })
    ));
    commit(&store, &first).unwrap();
    assert!(matches!(commit(&store, &first), Err(Fatal::NotNext { .. })));
    commit(&store, &second).unwrap();
    assert_same(&store.snapshot(), &ledger);
}

#[test]
fn a_folder_is_one_store_of_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = TestLedger::new(5);
    let options = Options::default();
    let path = dir.path();
    let not_a_store = Store::open(path, &options).unwrap_err();
    assert!(matches!(not_a_store, OpenError::NotAStore { .. }));
    let store = Store::create(path, &ledger.genesis, &options).unwrap();
    let in_use = Store::open(path, &options).unwrap_err();
    assert!(matches!(in_use, OpenError::InUse { .. }), "{in_use}");
    drop(store);
    let not_empty = Store::create(path, &ledger.genesis, &options).unwrap_err();
    assert!(matches!(not_empty, StoreError::NotEmpty { .. }));
    Store::open(path, &options).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let invalid = Store::create(elsewhere.path(), b"{}", &options).unwrap_err();
    assert!(matches!(
        invalid,
        StoreError::Open(OpenError::Genesis { .. })
    ));
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

/// The genesis file comes last. A crash before it must not block the folder for good.
#[test]
fn a_making_that_was_interrupted_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = TestLedger::new(6);
    let options = Options::default();
    let path = dir.path().join("a/b");
    for left in [
        &["watermark", "sled"][..],
        &["watermark.new"],
        &["genesis.new"],
    ] {
        drop(Store::create(&path, &ledger.genesis, &options).unwrap());
        std::fs::remove_file(path.join("genesis.json")).unwrap();
        if !left.contains(&"sled") {
            std::fs::remove_file(path.join("watermark")).unwrap();
            std::fs::write(path.join(left[0]), b"{").unwrap();
        }
        let not_a_store = Store::open(&path, &options).unwrap_err();
        assert!(matches!(not_a_store, OpenError::NotAStore { .. }));
        let store = Store::create(&path, &ledger.genesis, &options).unwrap();
        assert_same(&store.snapshot(), &ledger);
        drop(store);
        std::fs::remove_dir_all(&path).unwrap();
    }
    // What is not the store's own stays, and with it everything.
    drop(Store::create(&path, &ledger.genesis, &options).unwrap());
    std::fs::rename(path.join("genesis.json"), path.join("notes.txt")).unwrap();
    let not_empty = Store::create(&path, &ledger.genesis, &options).unwrap_err();
    assert!(matches!(not_empty, StoreError::NotEmpty { .. }));
    assert!(path.join("notes.txt").exists() && path.join("sled/db").exists());
}
