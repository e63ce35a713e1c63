//! Random mutations of sled's files: found at open or by check, or harmless; never served.
//!
//! 30 of them, 300 with CREDLOG_TEST_LONG=1.

use std::fs;
use std::path::{Path, PathBuf};

use credlog_ledger::ids::LeafIndex;
use credlog_ledger::state::View;
use credlog_store::{OpenError, Options, Store, check};
use credlog_tlog::leaf_hash;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::support::{TestLedger, commit, copy_tree};

#[derive(Debug, Default)]
struct Tally {
    found_at_open: u32,
    found_by_check: u32,
    harmless: u32,
}

#[test]
fn no_mutation_of_sleds_files_is_served() {
    let long = std::env::var("CREDLOG_TEST_LONG").is_ok_and(|value| value == "1");
    let mutations = if long { 300 } else { 30 };
    let whole = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::new(51);
    let store = Store::create(whole.path(), &ledger.genesis, &Options::default()).unwrap();
    for _ in 0..60 {
        commit(&store, &ledger.next_block()).unwrap();
    }
    drop(store);
    let mut rng = StdRng::seed_from_u64(52);
    let mut tally = Tally::default();
    for number in 0..mutations {
        let dir = tempfile::tempdir().unwrap();
        copy_tree(whole.path(), dir.path());
        let what = mutate(&dir.path().join("sled"), &mut rng);
        judge(
            dir.path(),
            &ledger,
            &format!("mutation {number}, {what}"),
            &mut tally,
        );
    }
    println!("{tally:?}");
    assert!(tally.found_at_open > mutations / 10, "{tally:?}");
}

/// Flips a bit, or cuts a file, of all that sled has.
fn mutate(sled: &Path, rng: &mut StdRng) -> String {
    let mut files = Vec::new();
    list(sled, &mut files);
    files.sort();
    let sizes = files.iter().map(|file| fs::metadata(file).unwrap().len());
    let all: u64 = sizes.clone().sum();
    for _ in 0..10_000 {
        // Files by their size, so that a random byte of all bytes is hit.
        let mut at = rng.gen_range(0..all);
        for (file, size) in files.iter().zip(sizes.clone()) {
            if at >= size {
                at -= size;
                continue;
            }
            let mut bytes = fs::read(file).unwrap();
            let place = usize::try_from(at).unwrap();
            let name = file.strip_prefix(sled).unwrap().display().to_string();
            if rng.gen_bool(0.2) {
                fs::write(file, &bytes[..place]).unwrap();
                return format!("{name} cut to {place} of {size}");
            }
            // The file has long runs of zeros that mean nothing.
            if bytes[place.saturating_sub(8)..=place]
                .iter()
                .all(|byte| *byte == 0)
            {
                break;
            }
            let bit = rng.gen_range(0..8);
            bytes[place] ^= 1 << bit;
            fs::write(file, bytes).unwrap();
            return format!("{name} bit {bit} of byte {place}");
        }
    }
    panic!("no byte to mutate");
}

fn list(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, files);
        } else if fs::metadata(&path).unwrap().len() > 0 {
            files.push(path);
        }
    }
}

fn judge(dir: &Path, ledger: &TestLedger, what: &str, tally: &mut Tally) {
    let whole = check(dir, &mut |_| ()).unwrap().is_whole();
    let store = match Store::open(dir, &Options::default()) {
        Err(OpenError::Damaged { .. }) => {
            assert!(!whole, "{what}: open finds damage, check does not");
            tally.found_at_open += 1;
            return;
        }
        Err(other) => panic!("{what}: {other}"),
        Ok(store) => store,
    };
    let errors = serve(&store, ledger, what);
    assert!(
        errors == 0 || !whole,
        "{what}: {errors} answers fail, check finds nothing"
    );
    match whole {
        true => tally.harmless += 1,
        false => tally.found_by_check += 1,
    }
}

/// Asks for everything: each answer is the right one or an error. Counts the errors.
fn serve(store: &Store, ledger: &TestLedger, what: &str) -> u32 {
    let snapshot = store.snapshot();
    let mut errors = 0;
    match snapshot.scan(&[], None, usize::MAX) {
        Ok(rows) => assert!(rows == ledger.rows(), "{what}: other rows"),
        Err(_) => errors += 1,
    }
    for (key, value) in ledger.rows() {
        match snapshot.row(&key) {
            Ok(found) => assert_eq!(found, Some(value), "{what}: another row"),
            Err(_) => errors += 1,
        }
    }
    for executed in &ledger.blocks {
        match snapshot.block(executed.seal.height) {
            Ok(found) => assert_eq!(found.as_ref(), Some(&executed.block), "{what}"),
            Err(_) => errors += 1,
        }
        for (leaf, hash) in (executed.first_leaf.0..).zip(&executed.leaf_hashes) {
            match snapshot.leaf(LeafIndex(leaf)) {
                Ok(found) => assert_eq!(leaf_hash(&found.unwrap()), *hash, "{what}"),
                Err(_) => errors += 1,
            }
        }
    }
    for (level, index, hashes) in ledger.tiles.iter() {
        let expected: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
        match snapshot.tile(level, index, u16::try_from(hashes.len()).unwrap()) {
            Ok(found) => assert_eq!(found, Some(expected), "{what}"),
            Err(_) => errors += 1,
        }
    }
    errors
}
