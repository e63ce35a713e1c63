//! Random mutations of a store's files: found at open or by check, or harmless; never served.
//!
//! 30 of sled's and 60 of those beside it, ten times as many with CREDLOG_TEST_LONG=1.

use std::fs;
use std::path::{Path, PathBuf};

use credlog_ledger::ids::{Height, KeyId, LeafIndex, Round};
use credlog_ledger::state::View;
use credlog_store::{
    Ballot, Cosigned, Cosigner, FirstKeys, KeyFileError, OpenError, Options, Snapshot, Store,
    Undecided, check,
};
use credlog_tlog::leaf_hash;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::support::{TestLedger, commit, copy_tree};
use crate::testimony::{cosignatures, equivocation};

#[derive(Debug, Default)]
struct Tally {
    found_at_open: u32,
    found_by_check: u32,
    harmless: u32,
}

fn times(mutations: u32) -> u32 {
    let long = std::env::var("CREDLOG_TEST_LONG").is_ok_and(|value| value == "1");
    if long { 10 * mutations } else { mutations }
}

const KEYS: FirstKeys = FirstKeys {
    consensus: KeyId([1; 16]),
    cosigner: KeyId([2; 16]),
};
const BLOCKS: usize = 60;
/// Members whose cosignatures are kept.
const COSIGNERS: u8 = 3;

fn last_cosigned(ledger: &TestLedger) -> Cosigned {
    let executed = &ledger.blocks[BLOCKS - 1];
    Cosigned {
        size: executed.size.0,
        root: executed.root.into(),
        time: 99,
    }
}

/// The blocks that are kept undecided.
fn undecided(ledger: &TestLedger) -> Vec<Undecided> {
    let blocks = ledger
        .blocks
        .iter()
        .zip(0..3)
        .map(|(executed, round)| Undecided {
            height: Height(BLOCKS as u64 + 1),
            round: Round(round),
            value: executed.value_id().unwrap(),
            metadata: vec![7; 10],
            block: executed.block.as_slice().into(),
        });
    blocks.collect()
}

/// A closed store with something of everything.
fn whole(seed: u64) -> (tempfile::TempDir, TestLedger) {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::of_members(seed, 4);
    let options = Options::default();
    let store = Store::create_for(dir.path(), &ledger.genesis, &options, Some(&KEYS)).unwrap();
    for block in 0..BLOCKS {
        if block + 1 == BLOCKS {
            // What sled loses after the newest block, no watermark tells: docs/architecture.md.
            for height in 1..10 {
                let evidence = equivocation(&ledger, 2, height, 4);
                store.put_evidence(&evidence).unwrap();
            }
        }
        commit(&store, &ledger.next_block()).unwrap();
        let cosigned = cosignatures(&ledger, block, COSIGNERS, 10);
        store.put_cosignatures(&cosigned).unwrap();
    }
    for block in undecided(&ledger) {
        store.put_undecided(&block).unwrap();
    }
    let mut ballot = Ballot::open(&store, KEYS.consensus, false).unwrap();
    let started = Height(BLOCKS as u64 + 1);
    (1..=started.0).for_each(|height| ballot.start(Height(height)).unwrap());
    let mut cosigner = Cosigner::open(&store, KEYS.cosigner, false).unwrap();
    let last = last_cosigned(&ledger);
    let earlier = Cosigned { time: 98, ..last };
    cosigner.note(earlier).unwrap();
    cosigner.note(last).unwrap();
    (dir, ledger)
}

#[test]
fn no_mutation_of_the_files_beside_sled_is_served() {
    let (whole, ledger) = whole(53);
    let mut rng = StdRng::seed_from_u64(54);
    let (mut lost, mut left_out) = (0, 0);
    let votes = format!("votes/{}/started", KEYS.consensus);
    let cosigner = format!("cosigner/{}/last", KEYS.cosigner);
    for number in 0..times(60) {
        let dir = tempfile::tempdir().unwrap();
        copy_tree(whole.path(), dir.path());
        let names = ["watermark", "undecided", &votes, &cosigner];
        let path = dir.path().join(names[number as usize % names.len()]);
        let mut files = vec![path];
        let what = mutate_one_of(dir.path(), &mut files, &mut rng);
        let what = format!("mutation {number}, {what}");
        let store = match Store::open(dir.path(), &Options::default()) {
            Ok(store) => store,
            Err(OpenError::Damaged { .. }) if what.contains("watermark") => continue,
            Err(other) => panic!("{what}: {other}"),
        };
        assert_eq!(serve(&store, &ledger, &what), 0);
        match Ballot::open(&store, KEYS.consensus, false) {
            Ok(ballot) => assert_eq!(ballot.started(), Height(BLOCKS as u64 + 1), "{what}"),
            Err(KeyFileError::Lost { .. }) => lost += 1,
            Err(other) => panic!("{what}: {other}"),
        }
        match Cosigner::open(&store, KEYS.cosigner, false) {
            Ok(cosigner) => assert_eq!(cosigner.last(), Some(last_cosigned(&ledger)), "{what}"),
            Err(KeyFileError::Lost { .. }) => lost += 1,
            Err(other) => panic!("{what}: {other}"),
        }
        let blocks = undecided(&ledger);
        let found = store.undecided(blocks[0].height).unwrap();
        assert!(found.iter().all(|block| blocks.contains(block)), "{what}");
        left_out += blocks.len() - found.len();
    }
    println!("{lost} lost, {left_out} left out");
    assert!(lost > 2 && left_out > 2, "{lost} {left_out}");
}

#[test]
fn no_mutation_of_sleds_files_is_served() {
    let mutations = times(30);
    let (whole, ledger) = whole(51);
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
    mutate_one_of(sled, &mut files, rng)
}

fn mutate_one_of(folder: &Path, files: &mut [PathBuf], rng: &mut StdRng) -> String {
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
            let name = file.strip_prefix(folder).unwrap().display().to_string();
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
    errors += serve_testimony(&snapshot, ledger, what);
    let evidence = (1..10).map(|height| equivocation(ledger, 2, height, 4));
    assert!(evidence.eq(store.evidence()), "{what}: other evidence");
    for (level, index, hashes) in ledger.tiles.iter() {
        let expected: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
        match snapshot.tile(level, index, u16::try_from(hashes.len()).unwrap()) {
            Ok(found) => assert_eq!(found, Some(expected), "{what}"),
            Err(_) => errors += 1,
        }
    }
    errors
}

fn serve_testimony(snapshot: &Snapshot<'_>, ledger: &TestLedger, what: &str) -> u32 {
    let mut errors = 0;
    for (block, executed) in ledger.blocks.iter().enumerate() {
        let certificate = ledger.certificate_by(executed, &[0, 1, 2, 3]);
        match snapshot.certificate(executed.seal.height) {
            Ok(found) => assert_eq!(found, Some(certificate), "{what}"),
            Err(_) => errors += 1,
        }
        match snapshot.cosignatures(executed.size.0) {
            Ok(found) => {
                let expected = cosignatures(ledger, block, COSIGNERS, 10);
                // Those of the newest block came after it.
                let is_newest = block + 1 == ledger.blocks.len();
                if !(is_newest && found.is_none()) {
                    assert_eq!(found, Some(expected), "{what}");
                }
            }
            Err(_) => errors += 1,
        }
    }
    errors
}
