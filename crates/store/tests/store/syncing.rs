//! Blocks that are synced are not flushed one by one: a crash takes some, and no more.

use std::fs;
use std::path::Path;

use credlog_ledger::ids::Height;
use credlog_store::{Options, Store, check};

use crate::commits::assert_same;
use crate::support::{TestLedger, copy_tree, watermark};

fn durable_height(dir: &Path) -> u64 {
    watermark(dir)["height"].as_u64().unwrap()
}

#[test]
fn synced_blocks_are_seen_at_once_and_durable_when_it_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::new(101);
    let store = Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap();
    for round in 1..=3 {
        for _ in 0..20 {
            let executed = ledger.next_block();
            let certificate = ledger.certificate_by(&executed, &[0]);
            store.commit_synced(&executed, &certificate).unwrap();
            assert_eq!(store.snapshot().head().height, executed.seal.height);
            assert!(store.durable().height.0 <= (round - 1) * 20);
            assert_eq!(durable_height(dir.path()), store.durable().height.0);
        }
        assert_same(&store.snapshot(), &ledger);
        store.make_durable().unwrap();
        assert_eq!(store.durable(), store.snapshot().position());
        assert_eq!(durable_height(dir.path()), round * 20);
    }
    // A commit makes all before it durable.
    let synced = ledger.next_block();
    store
        .commit_synced(&synced, &ledger.certificate_by(&synced, &[0]))
        .unwrap();
    let executed = ledger.next_block();
    store
        .commit(&executed, Some(&ledger.certificate_by(&executed, &[0])))
        .unwrap();
    assert_eq!(durable_height(dir.path()), 62);
    drop(store);
    assert_same(
        &Store::open(dir.path(), &Options::default())
            .unwrap()
            .snapshot(),
        &ledger,
    );
    assert!(check(dir.path(), &mut |_| ()).unwrap().is_whole());
}

/// What lies on the disk in the midst of a run, as after a kill: some of its blocks, in order,
/// under a watermark that names none of them.
#[test]
fn a_crash_in_a_run_leaves_a_store_that_opens() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::new(102);
    let store = Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap();
    let mut heights = Vec::new();
    for number in 0..300 {
        let executed = ledger.next_block();
        let certificate = ledger.certificate_by(&executed, &[0]);
        store.commit_synced(&executed, &certificate).unwrap();
        if number % 100 != 99 {
            continue;
        }
        let copy = tempfile::tempdir().unwrap();
        copy_tree(dir.path(), copy.path());
        assert!(check(copy.path(), &mut |_| ()).unwrap().is_whole());
        let durable = store.durable().height;
        let crashed = Store::open(copy.path(), &Options::default()).unwrap();
        let height = crashed.snapshot().head().height;
        assert!(height >= durable && height <= executed.seal.height);
        heights.push((durable.0, height.0));
        for executed in &ledger.blocks[usize::try_from(height.0).unwrap()..] {
            let certificate = ledger.certificate_by(executed, &[0]);
            crashed.commit_synced(executed, &certificate).unwrap();
        }
        assert_same(&crashed.snapshot(), &ledger);
    }
    // A run ends by itself.
    assert!(
        heights.iter().any(|(durable, _)| *durable == 256),
        "{heights:?}"
    );
    assert!(
        heights.iter().any(|(durable, found)| found > durable),
        "{heights:?}"
    );
}

#[test]
fn a_watermark_of_before_a_run_is_found_to_be_old_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::new(103);
    let store = Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap();
    let old = fs::read(dir.path().join("watermark")).unwrap();
    for _ in 0..10 {
        let executed = ledger.next_block();
        store
            .commit_synced(&executed, &ledger.certificate_by(&executed, &[0]))
            .unwrap();
    }
    drop(store);
    let store = Store::open(dir.path(), &Options::default()).unwrap();
    assert_eq!(store.durable().height, Height(10));
    drop(store);
    fs::write(dir.path().join("watermark"), old).unwrap();
    let damaged = Store::open(dir.path(), &Options::default()).unwrap_err();
    assert!(damaged.to_string().contains("old one"), "{damaged}");
}
