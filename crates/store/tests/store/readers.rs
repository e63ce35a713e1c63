//! Readers beside the writer: each sees one committed and durable state.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, RwLock};

use credlog_ledger::ids::Height;
use credlog_ledger::state::{State, View};
use credlog_store::{Options, Snapshot, StateDigest, Store};

use crate::commits::assert_same;
use crate::support::{TestLedger, commit, watermark};

fn digest_of(rows: &[(Vec<u8>, Vec<u8>)]) -> StateDigest {
    let mut digest = StateDigest::default();
    rows.iter().for_each(|(key, value)| digest.add(key, value));
    digest
}

/// All rows in one answer; in many answers of a few rows; and each row by its own key.
fn read_everything(snapshot: &Snapshot<'_>) -> StateDigest {
    let rows = snapshot.scan(&[], None, usize::MAX).unwrap();
    let mut paged = Vec::new();
    while let Some(page) = Some(
        snapshot
            .scan(
                &[],
                paged.last().map(|(k, _): &(Vec<u8>, _)| k.as_slice()),
                7,
            )
            .unwrap(),
    ) && !page.is_empty()
    {
        paged.extend(page);
    }
    assert_eq!(paged, rows);
    for (key, value) in rows.iter().step_by(5) {
        assert_eq!(snapshot.row(key).unwrap().as_ref(), Some(value));
        let floor = snapshot.floor(&key[..1], key).unwrap();
        assert_eq!(floor.as_ref(), Some(&(key.clone(), value.clone())));
    }
    digest_of(&rows)
}

fn durable_height(store: &Store) -> u64 {
    watermark(store.dir())["height"].as_u64().unwrap()
}

#[test]
fn readers_beside_the_writer_see_whole_and_durable_states_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::new(21);
    let store = Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap();
    // The model's digest of every height, known before the store can show it.
    let digests = RwLock::new(HashMap::from([(0, digest_of(&ledger.rows()))]));
    let (done, seen) = (AtomicBool::new(false), Mutex::new(HashMap::new()));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let snapshot = store.snapshot();
                    let height = snapshot.head().height.0;
                    assert!(
                        durable_height(&store) >= height,
                        "shown before it was durable"
                    );
                    let expected = digests.read().unwrap()[&height];
                    assert_eq!(read_everything(&snapshot), expected, "height {height}");
                    assert_eq!(snapshot.position().state, expected);
                    assert_eq!(State(&snapshot).head().unwrap(), *snapshot.head());
                    assert_eq!(snapshot.block(Height(height + 1)).unwrap(), None);
                    *seen.lock().unwrap().entry(height).or_insert(0) += 1;
                }
            });
        }
        for _ in 0..60 {
            let executed = ledger.next_block();
            let digest = digest_of(&ledger.rows());
            let height = executed.seal.height.0;
            digests.write().unwrap().insert(height, digest);
            commit(&store, &executed).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(
        seen.lock().unwrap().len() > 5,
        "the readers saw few heights"
    );
    assert_same(&store.snapshot(), &ledger);
}

#[test]
fn a_snapshot_stays_what_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::new(22);
    let store = Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap();
    let mut kept = Vec::new();
    for round in 0..40 {
        if round % 4 == 0 {
            kept.push((store.snapshot(), ledger.rows()));
        }
        commit(&store, &ledger.next_block()).unwrap();
    }
    for (snapshot, rows) in &kept {
        let height = snapshot.head().height;
        assert_eq!(read_everything(snapshot), digest_of(rows), "{height}");
        assert_eq!(snapshot.block(height.next()).unwrap(), None);
        let root = credlog_tlog::root_at(snapshot, snapshot.head().tree_size()).unwrap();
        assert_eq!(root.0, snapshot.head().root.0);
    }
}
