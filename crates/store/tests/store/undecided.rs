//! Undecided blocks: there when they were acknowledged, left out when they are damaged.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use credlog_ledger::ids::{Height, Round, ValueId};
use credlog_store::{Options, Store, UNDECIDED_METADATA_BYTES_MAX, Undecided, UndecidedError};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

use crate::support::{TestLedger, commit};

fn block(height: u64, round: u32, number: u64, length: usize) -> Undecided {
    let mut bytes = vec![0; length];
    StdRng::seed_from_u64(number).fill_bytes(&mut bytes);
    Undecided {
        height: Height(height),
        round: Round(round),
        value: ValueId(*blake3::hash(&number.to_be_bytes()).as_bytes()),
        metadata: format!("{height}/{round}").into_bytes(),
        block: Arc::from(bytes),
    }
}

fn create(dir: &Path, ledger: &TestLedger) -> Store {
    Store::create(dir, &ledger.genesis, &Options::default()).unwrap()
}

fn open(dir: &Path) -> Store {
    Store::open(dir, &Options::default()).unwrap()
}

#[test]
fn what_was_put_is_there_until_its_height_is_decided() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::new(81);
    let mut store = create(dir.path(), &ledger);
    assert_eq!(store.undecided(Height(1)).unwrap(), []);
    for height in 1..12 {
        let mut blocks = Vec::new();
        for round in 0..4 {
            let lengths = [0, 1, 5_000, 700_000];
            let at = usize::try_from((height + u64::from(round)) % 4).unwrap();
            let length = lengths[at];
            let new = block(height, round, height * 10 + u64::from(round), length);
            store.put_undecided(&new).unwrap();
            store.put_undecided(&new).unwrap();
            blocks.push(new);
        }
        // The first value comes again, in a round of its own, and without its bytes twice.
        let before = fs::metadata(dir.path().join("undecided")).unwrap().len();
        let again = Undecided {
            round: Round(9),
            ..blocks[0].clone()
        };
        store.put_undecided(&again).unwrap();
        let after = fs::metadata(dir.path().join("undecided")).unwrap().len();
        assert!(after - before <= 4_096);
        blocks.push(again.clone());
        assert_eq!(store.undecided(Height(height)).unwrap(), blocks);
        drop(store);
        store = open(dir.path());
        assert_eq!(store.undecided(Height(height)).unwrap(), blocks);
        commit(&store, &ledger.next_block()).unwrap();
        assert_eq!(store.undecided(Height(height)).unwrap(), []);
        let late = store.put_undecided(&again).unwrap_err();
        assert!(matches!(late, UndecidedError::Decided { .. }), "{late}");
    }
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.undecided(Height(12)).unwrap(), []);
    assert!(fs::metadata(dir.path().join("undecided")).unwrap().len() <= 4 << 20);
}

/// A height that goes on for very long must not end for want of room: a block that is not
/// kept gets no vote.
#[test]
fn a_height_has_bounded_room_and_old_values_make_some() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(dir.path(), &TestLedger::new(82));
    let mebibyte = |round: u32, number| block(1, round, number, 1 << 20);
    for round in 0..100 {
        store.put_undecided(&mebibyte(round, round.into())).unwrap();
        // A value that is proposed again and again stays.
        let again = Undecided {
            round: Round(round),
            ..mebibyte(3, 3)
        };
        if round >= 3 {
            store.put_undecided(&again).unwrap();
        }
    }
    let size = fs::metadata(dir.path().join("undecided")).unwrap().len();
    assert!(size <= 64 << 20, "{size}");
    let values = |store: &Store| {
        let found = store.undecided(Height(1)).unwrap();
        let mut values: Vec<_> = found.iter().map(|block| block.value).collect();
        values.sort();
        values.dedup();
        values
    };
    let mut expected: Vec<_> = (40..100)
        .chain([3])
        .map(|n| block(1, 0, n, 0).value)
        .collect();
    expected.sort();
    let kept = values(&store);
    assert!(expected.iter().filter(|value| kept.contains(value)).count() >= 58);
    assert!(
        kept.contains(&block(1, 0, 3, 0).value) && kept.len() <= 63,
        "{}",
        kept.len()
    );
    let long = Undecided {
        metadata: vec![0; UNDECIDED_METADATA_BYTES_MAX + 1],
        ..block(1, 0, 300, 1)
    };
    let long = store.put_undecided(&long).unwrap_err();
    assert!(matches!(long, UndecidedError::TooLong { .. }), "{long}");
}

/// A torn or damaged entry is left out, and nothing else.
#[test]
fn no_damage_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(dir.path(), &TestLedger::new(83));
    let blocks: Vec<_> = (0..12)
        .map(|n| block(1, n, n.into(), 3_000 * n as usize))
        .collect();
    for block in &blocks {
        store.put_undecided(block).unwrap();
    }
    drop(store);
    let path = dir.path().join("undecided");
    let whole = fs::read(&path).unwrap();
    let mut rng = StdRng::seed_from_u64(84);
    let mut left_out = 0;
    for number in 0..60 {
        let mut bytes = whole.clone();
        let at = rng.gen_range(0..bytes.len());
        match number % 3 {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 1 << rng.gen_range(0..8),
            _ => rng.fill_bytes(&mut bytes[at..(at + 5_000).min(whole.len())]),
        }
        fs::write(&path, &bytes).unwrap();
        let store = open(dir.path());
        let found = store.undecided(Height(1)).unwrap();
        assert!(found.iter().all(|one| blocks.contains(one)), "{number}");
        left_out += usize::from(found.len() < blocks.len());
        if number % 3 == 1 && at >= 4_096 {
            assert!(found.len() + 1 >= blocks.len(), "{number}");
        }
        // And it goes on.
        store.put_undecided(&block(1, 99, 99, 10_000)).unwrap();
        assert_eq!(store.undecided(Height(1)).unwrap().len(), found.len() + 1);
    }
    assert!(left_out > 30, "{left_out}");
}

/// A proposer chooses the bytes of its block. They must never be read as an entry, not even
/// when the entry around them was written over in part.
#[test]
fn bytes_of_a_block_that_look_like_an_entry_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::new(85);
    // An entry as another node has it, at the place where it would stand here.
    let forger = create(other.path(), &ledger);
    forger.put_undecided(&block(2, 0, 1, 100)).unwrap();
    let entry = fs::read(other.path().join("undecided")).unwrap()[4_096..].to_vec();
    let store = create(dir.path(), &ledger);
    let mut crafted = block(1, 0, 2, 0);
    let mut bytes = vec![0; 100_000];
    // At every place of the block at which an entry could begin.
    let head = 48 + 49 + crafted.metadata.len();
    for place in (1..20).map(|step| step * 4_096 - head) {
        bytes[place..place + entry.len().min(4_096)]
            .copy_from_slice(&entry[..4_096.min(entry.len())]);
    }
    crafted.block = Arc::from(bytes);
    store.put_undecided(&crafted).unwrap();
    commit(&store, &ledger.next_block()).unwrap();
    let real = block(2, 0, 3, 10);
    store.put_undecided(&real).unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.undecided(Height(2)).unwrap(), [real]);
}
