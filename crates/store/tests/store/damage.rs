//! Damage that sled itself does not notice: rows changed, lost or put back; watermarks of
//! another time; and what check, scrub and rebuild make of it.

use std::fs;
use std::path::{Path, PathBuf};

use credlog_ledger::ids::Height;
use credlog_ledger::state::View;
use credlog_store::{
    Fatal, OpenError, Options, RebuildOptions, Scrub, Scrubbed, Store, StoreError, check, rebuild,
};

use crate::commits::assert_same;
use crate::support::{TestLedger, commit, copy_tree, watermark};

const ROW: u8 = 1;
const PAGE: u8 = 2;
const BLOCK: u8 = 3;
const TILE: u8 = 4;

/// A closed store of `blocks` blocks, and its model.
fn closed(seed: u64, blocks: usize) -> (tempfile::TempDir, TestLedger) {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::new(seed);
    let store = Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap();
    for _ in 0..blocks {
        commit(&store, &ledger.next_block()).unwrap();
    }
    drop(store);
    (dir, ledger)
}

fn open(dir: &Path) -> Result<Store, OpenError> {
    Store::open(dir, &Options::default())
}

/// Works on the cells of a closed store behind its back.
pub(crate) fn with_cells<T>(dir: &Path, work: impl FnOnce(&sled::Db) -> T) -> T {
    // The store that was closed before may still be letting go of the file.
    let config = sled::Config::new()
        .path(dir.join("sled"))
        .segment_size(128 << 10)
        .flush_every_ms(None);
    let db = (0..100).find_map(|_| {
        let open = config.open();
        if open.is_err() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        open.ok()
    });
    let db = db.unwrap();
    let result = work(&db);
    db.flush().unwrap();
    result
}

fn keys(db: &sled::Db, kind: u8) -> Vec<sled::IVec> {
    db.scan_prefix([kind]).keys().map(Result::unwrap).collect()
}

/// A value with the check that the store would give it (specified in the crate's `cell`).
fn sealed(key: &[u8], value: &[u8]) -> Vec<u8> {
    let length = u32::try_from(key.len()).unwrap().to_be_bytes();
    let hash = blake3::hash(&[&length, key, value].concat());
    [value, &hash.as_bytes()[..8]].concat()
}

fn assert_quarantined(dir: &Path, expected: &str) -> PathBuf {
    match open(dir) {
        Err(OpenError::Damaged {
            what, quarantine, ..
        }) => {
            assert!(what.contains(expected), "{what}");
            assert!(!dir.join("sled").exists() && !dir.join("watermark").exists());
            assert!(dir.join("genesis.json").exists());
            let again = open(dir).unwrap_err();
            assert!(
                matches!(&again, OpenError::NoData { quarantine: Some(path), .. }
                    if *path == quarantine),
                "{again}"
            );
            quarantine
        }
        other => panic!("{expected}: {other:?}"),
    }
}

#[test]
fn a_changed_row_is_found_whatever_its_check_says() {
    for kind in [ROW, PAGE] {
        for with_check in [false, true] {
            let (dir, _) = closed(31, 12);
            with_cells(dir.path(), |db| {
                let keys = keys(db, kind);
                let key = &keys[keys.len() / 2];
                let mut cell = db.get(key).unwrap().unwrap().to_vec();
                let at = cell.len() - 9;
                cell[at] ^= 1;
                if with_check {
                    cell = sealed(key, &cell[..=at]);
                }
                db.insert(key, cell).unwrap();
            });
            assert!(!check(dir.path(), &mut |_| ()).unwrap().is_whole());
            let expected = if with_check { "digest" } else { "garbled" };
            assert_quarantined(dir.path(), expected);
        }
    }
}

#[test]
fn a_lost_cell_of_each_kind_is_found() {
    for (kind, expected) in [
        (ROW, "digest"),
        (PAGE, "digest"),
        (TILE, "tile"),
        (BLOCK, "block"),
    ] {
        let (dir, ledger) = closed(32, 12);
        with_cells(dir.path(), |db| {
            let keys = keys(db, kind);
            db.remove(&keys[keys.len() - 1]).unwrap();
        });
        let report = check(dir.path(), &mut |_| ()).unwrap();
        assert!(!report.is_whole(), "{kind}");
        assert_quarantined(dir.path(), expected);
        let rebuilt = rebuild(dir.path(), &RebuildOptions::default(), &mut |_| ());
        if kind == BLOCK {
            let lost = rebuilt.unwrap_err();
            assert!(
                matches!(
                    lost,
                    StoreError::LogLost {
                        whole: Height(11),
                        ..
                    }
                ),
                "{lost}"
            );
            continue;
        }
        let rebuilt = rebuilt.unwrap();
        assert_eq!(rebuilt.position.height, Height(12));
        assert!(!rebuilt.state_differed && rebuilt.lost.is_none());
        let store = open(dir.path()).unwrap();
        assert_same(&store.snapshot(), &ledger);
    }
}

#[test]
fn a_cell_in_anothers_place_is_found() {
    let (dir, _) = closed(33, 12);
    with_cells(dir.path(), |db| {
        let keys = keys(db, ROW);
        let other = db.get(&keys[7]).unwrap().unwrap();
        db.insert(&keys[8], other).unwrap();
    });
    assert_quarantined(dir.path(), "garbled");
}

#[test]
fn an_old_block_is_not_served_when_it_is_damaged_or_lost() {
    // Part 0 is the table of the block's parts.
    for (part, lose) in [(0, false), (0, true), (1, false), (1, true)] {
        let (dir, ledger) = closed(34, 30);
        with_cells(dir.path(), |db| {
            let mut keys = keys(db, BLOCK).into_iter();
            let place = [&5_u64.to_be_bytes()[..], &u16::to_be_bytes(part)].concat();
            let key = &keys.find(|key| key[1..] == place).unwrap();
            if lose {
                db.remove(key).unwrap();
            } else {
                let mut cell = db.get(key).unwrap().unwrap().to_vec();
                let middle = cell.len() / 2;
                cell[middle] ^= 0x10;
                db.insert(key, cell).unwrap();
            }
        });
        let report = check(dir.path(), &mut |_| ()).unwrap();
        assert!(report.findings[0].place.contains("height 5"), "{report:?}");
        assert_eq!(report.height, Height(4));
        // Beyond what open looks at; but never served, and the scrub finds it.
        let store = open(dir.path()).unwrap();
        let snapshot = store.snapshot();
        assert!(snapshot.block(Height(5)).is_err());
        assert_eq!(
            snapshot.block(Height(6)).unwrap().as_ref(),
            Some(&ledger.blocks[5].block)
        );
        let damaged_leaf = ledger.blocks[4].first_leaf;
        assert!(snapshot.leaf(damaged_leaf).is_err());
        let mut scrub = Scrub::default();
        let found = (0..1_000).find_map(|_| store.scrub_step(&mut scrub, 10).err());
        let named = match (part, lose) {
            (0, true) => "29 of 30",
            _ => "height 5",
        };
        let found = found.unwrap().to_string();
        assert!(found.contains(named), "part {part}: {found}");
    }
}

#[test]
fn the_scrub_passes_over_a_whole_store_while_it_grows() {
    let (dir, mut ledger) = closed(35, 30);
    let store = open(dir.path()).unwrap();
    let mut scrub = Scrub::default();
    let mut whole = Vec::new();
    for _ in 0..60 {
        commit(&store, &ledger.next_block()).unwrap();
        for _ in 0..5 {
            match store.scrub_step(&mut scrub, 60).unwrap() {
                Scrubbed::Part { cells } => assert!(cells <= 60),
                Scrubbed::Whole { height } => whole.push(height.0),
                Scrubbed::Outrun { height } => panic!("outrun at {height}"),
            }
        }
    }
    assert!(whole.len() > 1 && whole[0] == 31, "{whole:?}");
}

/// A pass under load would keep all that was overwritten since it began. It goes over to the
/// newest state instead, and still finds what is lost, by the digest of that state.
#[test]
fn a_scrub_that_is_outrun_goes_on_with_the_newest_state() {
    for lose in [false, true] {
        let (dir, mut ledger) = closed(41, 60);
        if lose {
            with_cells(dir.path(), |db| db.remove(&keys(db, BLOCK)[4]).unwrap());
        }
        let store = open(dir.path()).unwrap();
        let mut scrub = Scrub::with_overwritten_max(20_000);
        let (mut outrun, mut whole, mut found) = (0, 0, String::new());
        for _ in 0..80 {
            commit(&store, &ledger.next_block()).unwrap();
            for _ in 0..6 {
                match store.scrub_step(&mut scrub, 60) {
                    Ok(Scrubbed::Part { .. }) => {}
                    Ok(Scrubbed::Whole { .. }) => whole += 1,
                    Ok(Scrubbed::Outrun { height }) => {
                        assert_eq!(height, store.snapshot().head().height);
                        outrun += 1;
                    }
                    Err(error) => found = error.to_string(),
                }
            }
        }
        assert!(outrun > 2, "{outrun}");
        match lose {
            false => assert!(whole > 1 && found.is_empty(), "{whole} {found}"),
            true => assert!(whole == 0 && found.contains("blocks are there"), "{found}"),
        }
    }
}

/// Between its two moves, putting data aside leaves the watermark behind: the second
/// quarantine then has nothing to build from, and the first has.
#[test]
fn a_crash_while_data_is_put_aside_loses_nothing() {
    let (dir, ledger) = closed(42, 8);
    let first = dir.path().join("quarantine-100");
    fs::create_dir(&first).unwrap();
    fs::rename(dir.path().join("sled"), first.join("sled")).unwrap();
    let Err(OpenError::Damaged { quarantine, .. }) = open(dir.path()) else {
        panic!("opened without data");
    };
    assert!(!quarantine.join("sled").exists());
    let no_data = open(dir.path()).unwrap_err();
    assert!(
        matches!(&no_data, OpenError::NoData { quarantine: Some(path), .. } if *path == first),
        "{no_data}"
    );
    let report = rebuild(dir.path(), &RebuildOptions::default(), &mut |_| ()).unwrap();
    assert_eq!(report.source, first);
    assert_eq!(report.committed, Some(Height(8)));
    assert_same(&open(dir.path()).unwrap().snapshot(), &ledger);
    // An older watermark says nothing of a younger sled: that it is lost is not hidden.
    let second = dir.path().join("quarantine-9999999999");
    fs::create_dir(&second).unwrap();
    fs::rename(dir.path().join("sled"), second.join("sled")).unwrap();
    fs::remove_file(dir.path().join("watermark")).unwrap();
    let report = rebuild(dir.path(), &RebuildOptions::default(), &mut |_| ()).unwrap();
    assert_eq!((report.source, report.committed), (second, Some(Height(8))));
}

#[test]
fn parts_of_a_tile_have_their_own_hashes() {
    let (dir, _) = closed(43, 60);
    with_cells(dir.path(), |db| {
        let keys = keys(db, TILE);
        let parts = |part| {
            let key = keys.iter().find(|key| key[1] == 0 && key[10] == part);
            let cell = db.get(key.unwrap()).unwrap().unwrap();
            (key.unwrap().clone(), cell[..cell.len() - 8].to_vec())
        };
        // The first part hands a hash to the second.
        let ((first, mut one), (second, two)) = (parts(0), parts(1));
        let moved = one.split_off(one.len() - 32);
        db.insert(&first, sealed(&first, &one)).unwrap();
        let two = [moved, two].concat();
        db.insert(&second, sealed(&second, &two)).unwrap();
    });
    assert!(!check(dir.path(), &mut |_| ()).unwrap().is_whole());
    assert_quarantined(dir.path(), "tile 0 of level 0 is damaged");
}

#[test]
fn a_crash_between_sled_and_watermark_is_repaired() {
    let (dir, mut ledger) = closed(36, 10);
    let watermark = fs::read(dir.path().join("watermark")).unwrap();
    let store = open(dir.path()).unwrap();
    commit(&store, &ledger.next_block()).unwrap();
    drop(store);
    let newer = fs::read(dir.path().join("watermark")).unwrap();
    fs::write(dir.path().join("watermark"), &watermark).unwrap();
    assert!(check(dir.path(), &mut |_| ()).unwrap().is_whole());
    let store = open(dir.path()).unwrap();
    assert_same(&store.snapshot(), &ledger);
    assert_eq!(fs::read(dir.path().join("watermark")).unwrap(), newer);
    // Two blocks ahead is no crash: the watermark is an old one.
    commit(&store, &ledger.next_block()).unwrap();
    drop(store);
    fs::write(dir.path().join("watermark"), &watermark).unwrap();
    assert_quarantined(dir.path(), "old one");
}

#[test]
fn an_older_sled_under_a_newer_watermark_is_loss() {
    let (dir, mut ledger) = closed(37, 10);
    let older = tempfile::tempdir().unwrap();
    copy_tree(&dir.path().join("sled"), &older.path().join("sled"));
    let store = open(dir.path()).unwrap();
    commit(&store, &ledger.next_block()).unwrap();
    drop(store);
    fs::remove_dir_all(dir.path().join("sled")).unwrap();
    copy_tree(&older.path().join("sled"), &dir.path().join("sled"));
    let report = check(dir.path(), &mut |_| ()).unwrap();
    assert!(
        report.findings[0].what.contains("height 11 was durable"),
        "{report:?}"
    );
    let quarantine = assert_quarantined(dir.path(), "lost");
    // Rebuilding does not hide the loss, unless told to.
    let lost = rebuild(dir.path(), &RebuildOptions::default(), &mut |_| ()).unwrap_err();
    assert!(
        matches!(
            lost,
            StoreError::LogLost {
                whole: Height(10),
                committed: Some(Height(11)),
                ..
            }
        ),
        "{lost}"
    );
    assert!(quarantine.join("sled").exists() && !dir.path().join("sled").exists());
    let accept = RebuildOptions {
        accept_loss: true,
        ..RebuildOptions::default()
    };
    let report = rebuild(dir.path(), &accept, &mut |_| ()).unwrap();
    assert_eq!(
        (report.position.height, report.committed),
        (Height(10), Some(Height(11)))
    );
    assert!(report.lost.is_some());
    assert_eq!(
        open(dir.path()).unwrap().snapshot().head().height,
        Height(10)
    );
}

#[test]
fn a_missing_or_damaged_watermark_and_a_missing_sled_are_damage() {
    let (dir, _) = closed(38, 5);
    let change = |name: &str, work: &dyn Fn(&Path)| {
        let copy = tempfile::tempdir().unwrap();
        copy_tree(dir.path(), copy.path());
        work(&copy.path().join(name));
        copy
    };
    let copy = change("watermark", &|path| fs::remove_file(path).unwrap());
    assert_quarantined(copy.path(), "watermark file is missing");
    let copy = change("watermark", &|path| fs::write(path, b"{}").unwrap());
    assert_quarantined(copy.path(), "watermark is damaged");
    let copy = change("sled", &|path| fs::remove_dir_all(path).unwrap());
    assert!(!check(copy.path(), &mut |_| ()).unwrap().is_whole());
    let damaged = open(copy.path()).unwrap_err();
    assert!(matches!(damaged, OpenError::Damaged { .. }), "{damaged}");
    let other = TestLedger::with_origin(38, "another.example/log").genesis;
    let copy = change("genesis.json", &|path| fs::write(path, &other).unwrap());
    assert_quarantined(copy.path(), "another ledger");
}

#[test]
fn check_and_rebuild_of_a_whole_store_change_nothing() {
    let (dir, ledger) = closed(39, 40);
    let before = watermark(dir.path());
    let mut steps = 0;
    let report = check(dir.path(), &mut |_| steps += 1).unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(report.height, Height(40));
    assert_eq!(report.rows, ledger.rows().len() as u64);
    assert_eq!(report.tiles, ledger.tiles.iter().count() as u64);
    assert!(steps > 40);
    let report = rebuild(dir.path(), &RebuildOptions::default(), &mut |_| ()).unwrap();
    assert_eq!(watermark(dir.path()), before);
    assert!(report.old.unwrap().join("sled").exists());
    let store = open(dir.path()).unwrap();
    assert_same(&store.snapshot(), &ledger);
    let in_use = check(dir.path(), &mut |_| ()).unwrap_err();
    assert!(matches!(in_use, StoreError::Open(OpenError::InUse { .. })));
    let mut names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    names.retain(|entry| {
        !entry
            .file_name()
            .to_string_lossy()
            .starts_with("quarantine-")
    });
    assert_eq!(names.len(), 4, "no temporary folder remains");
}

#[test]
fn after_a_failed_commit_the_store_stops_and_readers_keep_the_old_state() {
    let outer = tempfile::tempdir().unwrap();
    let (dir, moved) = (outer.path().join("store"), outer.path().join("moved"));
    let mut ledger = TestLedger::new(40);
    let store = Store::create(&dir, &ledger.genesis, &Options::default()).unwrap();
    commit(&store, &ledger.next_block()).unwrap();
    let rows = ledger.rows();
    // The watermark cannot be written: nothing may be acknowledged or shown.
    fs::rename(&dir, &moved).unwrap();
    let (failed, next) = (ledger.next_block(), ledger.next_block());
    assert!(matches!(
        commit(&store, &failed),
        Err(Fatal::Storage { .. })
    ));
    assert_eq!(store.snapshot().head().height, Height(1));
    assert_eq!(store.snapshot().scan(&[], None, usize::MAX).unwrap(), rows);
    fs::rename(&moved, &dir).unwrap();
    assert!(matches!(
        commit(&store, &failed),
        Err(Fatal::Stopped { .. })
    ));
    assert!(matches!(commit(&store, &next), Err(Fatal::Stopped { .. })));
    drop(store);
    // Opening again finds out what became of it.
    let store = open(&dir).unwrap();
    commit(&store, &next).unwrap();
    assert_same(&store.snapshot(), &ledger);
}
