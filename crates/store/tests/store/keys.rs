//! What keys have signed: never forgotten, and what is lost is said to be.

use std::fs;
use std::path::{Path, PathBuf};

use credlog_ledger::ids::{Height, KeyId, Root};
use credlog_store::{
    Ballot, BallotError, Cosigned, Cosigner, CosignerError, FirstKeys, KeyFileError, OpenError,
    Options, Standing, Store, Waiting,
};

use crate::support::{TestLedger, commit, copy_tree};

const KEYS: FirstKeys = FirstKeys {
    consensus: KeyId([1; 16]),
    cosigner: KeyId([2; 16]),
};

fn create(dir: &Path, ledger: &TestLedger) -> Store {
    Store::create_for(dir, &ledger.genesis, &Options::default(), Some(&KEYS)).unwrap()
}

fn resyncing() -> Options {
    Options {
        resync_from_peers: true,
        ..Options::default()
    }
}

fn ballot_file(dir: &Path, name: &str) -> PathBuf {
    dir.join("votes")
        .join(KEYS.consensus.to_string())
        .join(name)
}

/// The engine's log of a height.
fn write_wal(dir: &Path, height: u64) {
    let head = [&1u32.to_be_bytes()[..], &height.to_be_bytes()].concat();
    fs::write(ballot_file(dir, "consensus.wal"), head).unwrap();
}

fn cosigned(size: u64, root: u8, time: u64) -> Cosigned {
    let root = Root([root; 32]);
    Cosigned { size, root, time }
}

#[test]
fn a_key_never_cosigns_what_contradicts_its_last_cosignature() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(dir.path(), &TestLedger::new(71));
    let open = || Cosigner::open(&store, KEYS.cosigner, false).unwrap();
    let mut cosigner = open();
    assert_eq!(cosigner.last(), None);
    let refuse = |cosigner: &mut Cosigner, next: Cosigned| cosigner.note(next).unwrap_err();
    for (next, path) in [
        (cosigned(10, 1, 100), "first"),
        (cosigned(10, 1, 100), "the same again"),
        (cosigned(10, 1, 160), "renewed"),
        (cosigned(12, 2, 160), "larger in one second"),
        (cosigned(20, 3, 161), "larger"),
    ] {
        cosigner.note(next).unwrap();
        assert_eq!(open().last(), Some(next), "{path}");
    }
    assert!(matches!(
        refuse(&mut cosigner, cosigned(19, 3, 162)),
        CosignerError::Smaller { size: 19, last: 20 }
    ));
    assert!(matches!(
        refuse(&mut cosigner, cosigned(20, 4, 162)),
        CosignerError::OtherRoot { size: 20, .. }
    ));
    assert!(matches!(
        refuse(&mut cosigner, cosigned(21, 4, 160)),
        CosignerError::Earlier {
            time: 160,
            last: 161
        }
    ));
    assert_eq!(open().last(), Some(cosigned(20, 3, 161)));
}

#[test]
fn a_cosignature_that_may_be_on_the_disk_counts_as_made() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(dir.path(), &TestLedger::new(72));
    let mut cosigner = Cosigner::open(&store, KEYS.cosigner, false).unwrap();
    let (path, away) = (dir.path().join("cosigner"), dir.path().join("away"));
    fs::rename(&path, &away).unwrap();
    let failed = cosigner.note(cosigned(10, 1, 100)).unwrap_err();
    assert!(matches!(
        failed,
        CosignerError::File(KeyFileError::Io { .. })
    ));
    fs::rename(&away, &path).unwrap();
    cosigner.note(cosigned(10, 2, 100)).unwrap_err();
    cosigner.note(cosigned(10, 1, 100)).unwrap();
    let again = Cosigner::open(&store, KEYS.cosigner, false).unwrap();
    assert_eq!(again.last(), Some(cosigned(10, 1, 100)));
}

#[test]
fn a_key_that_votes_elsewhere_is_disowned_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(dir.path(), &TestLedger::new(78));
    let mut ballot = Ballot::open(&store, KEYS.consensus, false).unwrap();
    ballot.start(Height(4)).unwrap();
    assert_eq!(
        (ballot.key(), ballot.opened_at()),
        (KEYS.consensus, Height(0))
    );
    let again = Ballot::open(&store, KEYS.consensus, false).unwrap();
    assert_eq!(again.opened_at(), Height(4));
    let expected = KeyFileError::UsedElsewhere {
        key: KEYS.consensus,
        height: Height(4),
    };
    assert_eq!(ballot.disown(Height(4)), Ok(expected.clone()));
    for new_key in [false, true] {
        let refused = Ballot::open(&store, KEYS.consensus, new_key).unwrap_err();
        assert_eq!(refused, expected);
    }
}

#[test]
fn consensus_never_starts_at_an_earlier_height() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(dir.path(), &TestLedger::new(73));
    let mut ballot = Ballot::open(&store, KEYS.consensus, false).unwrap();
    assert_eq!(ballot.started(), Height(0));
    for height in [1, 1, 2, 9] {
        ballot.start(Height(height)).unwrap();
        let again = Ballot::open(&store, KEYS.consensus, false).unwrap();
        assert_eq!(again.started(), Height(height));
    }
    let earlier = ballot.start(Height(8)).unwrap_err();
    assert!(matches!(earlier, BallotError::Earlier { .. }), "{earlier}");
}

/// Whatever bit flips, and wherever a file ends: the newest value, or lost; never an older one.
#[test]
fn no_damage_brings_back_what_a_key_had_signed_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(dir.path(), &TestLedger::new(74));
    let mut ballot = Ballot::open(&store, KEYS.consensus, false).unwrap();
    let mut cosigner = Cosigner::open(&store, KEYS.cosigner, false).unwrap();
    for height in 1..6 {
        ballot.start(Height(height)).unwrap();
        cosigner.note(cosigned(height, 7, 100 + height)).unwrap();
    }
    let started = ballot_file(dir.path(), "started");
    let last = dir.path().join("cosigner").join(KEYS.cosigner.to_string());
    let mut lost = 0;
    let mut judge = |path: &Path, what: &str| {
        let found = match path.ends_with("started") {
            true => Ballot::open(&store, KEYS.consensus, false)
                .map(|ballot| assert_eq!(ballot.started(), Height(5), "{what}")),
            false => Cosigner::open(&store, KEYS.cosigner, false)
                .map(|cosigner| assert_eq!(cosigner.last(), Some(cosigned(5, 7, 105)), "{what}")),
        };
        if let Err(error) = found {
            assert!(
                matches!(error, KeyFileError::Lost { .. }),
                "{what}: {error}"
            );
            lost += 1;
        }
    };
    for path in [started, last.join("last")] {
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).filter(|at| at % 2_048 < 200) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            fs::write(&path, &flipped).unwrap();
            judge(&path, &format!("bit of byte {at}"));
        }
        for length in [0, 1, 100, 2_048, 4_096, 8_191] {
            fs::write(&path, &whole[..length]).unwrap();
            judge(&path, &format!("cut to {length}"));
        }
        fs::write(&path, &whole).unwrap();
    }
    // What is cut is lost, what has one bit flipped is not.
    assert_eq!(lost, 12);
}

#[test]
fn files_of_a_key_are_made_once() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = TestLedger::new(75);
    let store = create(dir.path(), &ledger);
    let other = KeyId([9; 16]);
    // A key that the ledger knows and that has no files here has lost them.
    let lost = Ballot::open(&store, other, false).unwrap_err();
    assert!(matches!(lost, KeyFileError::Lost { .. }), "{lost}");
    assert!(lost.to_string().contains("replace the key"), "{lost}");
    let lost = Cosigner::open(&store, other, false).unwrap_err();
    assert!(matches!(lost, KeyFileError::Lost { .. }), "{lost}");
    // A new one gets them, and keeps them.
    Ballot::open(&store, other, true)
        .unwrap()
        .start(Height(3))
        .unwrap();
    assert_eq!(
        Ballot::open(&store, other, true).unwrap().started(),
        Height(3)
    );
    assert_eq!(
        Ballot::open(&store, other, false).unwrap().started(),
        Height(3)
    );
    // A folder without its file is no new one.
    fs::remove_file(ballot_file(dir.path(), "started")).unwrap();
    let lost = Ballot::open(&store, KEYS.consensus, true).unwrap_err();
    assert!(matches!(lost, KeyFileError::Lost { .. }), "{lost}");
    // Neither a store made again in the folder forgets them.
    drop(store);
    fs::remove_file(dir.path().join("genesis.json")).unwrap();
    let keys = FirstKeys {
        consensus: other,
        ..KEYS
    };
    let options = Options::default();
    let store = Store::create_for(dir.path(), &ledger.genesis, &options, Some(&keys)).unwrap();
    assert_eq!(
        Ballot::open(&store, other, false).unwrap().started(),
        Height(3)
    );
}

#[test]
fn a_lost_or_foreign_log_of_the_engine_takes_the_vote_until_its_height_is_decided() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::of_members(76, 4);
    let store = create(dir.path(), &ledger);
    let mut ballot = Ballot::open(&store, KEYS.consensus, false).unwrap();
    let wal = ballot_file(dir.path(), "consensus.wal");
    let votes = Standing::Votes { wal: wal.clone() };
    assert_eq!(ballot.standing(&store).unwrap(), votes);
    write_wal(dir.path(), 1);
    ballot.start(Height(1)).unwrap();
    assert_eq!(ballot.standing(&store).unwrap(), votes);
    // One that was not cleared yet when the node ended is not a later one.
    write_wal(dir.path(), 0);
    assert_eq!(ballot.standing(&store).unwrap(), votes);
    let waits = Standing::Waits {
        until: Height(1),
        why: Waiting::LostLog,
    };
    for damage in [
        Some(&[][..]),
        Some(&[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2]),
        None,
    ] {
        match damage {
            Some(bytes) => fs::write(&wal, bytes).unwrap(),
            None => fs::remove_file(&wal).unwrap(),
        }
        assert_eq!(ballot.standing(&store).unwrap(), waits, "{damage:?}");
    }
    commit(&store, &ledger.next_block()).unwrap();
    assert_eq!(ballot.standing(&store).unwrap(), votes);
}

#[test]
fn a_sole_member_waits_for_nobody_but_its_own_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(dir.path(), &TestLedger::new(77));
    let mut ballot = Ballot::open(&store, KEYS.consensus, false).unwrap();
    ballot.start(Height(1)).unwrap();
    assert!(matches!(
        ballot.standing(&store).unwrap(),
        Standing::Votes { .. }
    ));
}

#[test]
fn a_member_of_a_consortium_is_made_anew_and_votes_when_it_has_caught_up() {
    for damage in [
        "sled lost",
        "sled cut",
        "watermark lost",
        "put aside before",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = TestLedger::of_members(78, 4);
        let store = create(dir.path(), &ledger);
        let mut ballot = Ballot::open(&store, KEYS.consensus, false).unwrap();
        let mut cosigner = Cosigner::open(&store, KEYS.cosigner, false).unwrap();
        for _ in 0..6 {
            commit(&store, &ledger.next_block()).unwrap();
        }
        write_wal(dir.path(), 7);
        ballot.start(Height(7)).unwrap();
        let last = cosigned(store.snapshot().head().size, 7, 5);
        cosigner.note(last).unwrap();
        drop(store);
        lose(dir.path(), damage);
        let store = Store::open(dir.path(), &resyncing()).unwrap();
        let resync = store.resync().unwrap();
        assert_eq!(resync.until, Height(7), "{damage}");
        if damage != "sled lost" {
            assert!(resync.quarantine.unwrap().join("sled").exists(), "{damage}");
        }
        assert_eq!(store.snapshot().head().height, Height(0));
        drop(store);
        // What the node has signed is known, across restarts too.
        let store = Store::open(dir.path(), &resyncing()).unwrap();
        let ballot = Ballot::open(&store, KEYS.consensus, false).unwrap();
        let waits = Standing::Waits {
            until: Height(7),
            why: Waiting::Behind,
        };
        assert_eq!(ballot.standing(&store).unwrap(), waits, "{damage}");
        let cosigner = Cosigner::open(&store, KEYS.cosigner, false).unwrap();
        assert_eq!(cosigner.last(), Some(last));
        // Whether a key is new is not known yet.
        let early = Ballot::open(&store, KeyId([8; 16]), true).unwrap_err();
        assert!(matches!(early, KeyFileError::NotCaughtUp { .. }), "{early}");
        ledger.next_block();
        for executed in &ledger.blocks {
            assert!(matches!(
                ballot.standing(&store).unwrap(),
                Standing::Waits { .. }
            ));
            commit(&store, executed).unwrap();
        }
        assert_eq!(store.resync(), None);
        assert!(!dir.path().join("resync").exists());
        assert!(matches!(
            ballot.standing(&store).unwrap(),
            Standing::Votes { .. }
        ));
        Ballot::open(&store, KeyId([8; 16]), true).unwrap();
    }
}

fn lose(dir: &Path, damage: &str) {
    match damage {
        "sled lost" => {
            fs::remove_dir_all(dir.join("sled")).unwrap();
            fs::remove_file(dir.join("watermark")).unwrap();
        }
        "sled cut" => {
            let db = dir.join("sled/db");
            let bytes = fs::read(&db).unwrap();
            fs::write(&db, &bytes[..bytes.len() / 3]).unwrap();
        }
        "watermark lost" => fs::remove_file(dir.join("watermark")).unwrap(),
        _ => {
            fs::write(dir.join("watermark"), b"{}").unwrap();
            let damaged = Store::open(dir, &Options::default()).unwrap_err();
            assert!(matches!(damaged, OpenError::Damaged { .. }), "{damaged}");
        }
    }
}

/// A crash in any step of making the store anew begins it again.
#[test]
fn making_anew_that_was_interrupted_begins_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::of_members(79, 4);
    let store = create(dir.path(), &ledger);
    for _ in 0..3 {
        commit(&store, &ledger.next_block()).unwrap();
    }
    drop(store);
    fs::remove_file(dir.path().join("watermark")).unwrap();
    drop(Store::open(dir.path(), &resyncing()).unwrap());
    for left in ["nothing", "sled", "sled and a torn watermark"] {
        let copy = tempfile::tempdir().unwrap();
        copy_tree(dir.path(), copy.path());
        fs::remove_file(copy.path().join("watermark")).unwrap();
        match left {
            "nothing" => fs::remove_dir_all(copy.path().join("sled")).unwrap(),
            "sled" => {}
            _ => fs::write(copy.path().join("watermark"), b"{").unwrap(),
        }
        let store = Store::open(copy.path(), &resyncing()).unwrap();
        assert!(store.resync().is_some() || store.snapshot().head().height == Height(0));
        for executed in &ledger.blocks {
            commit(&store, executed).unwrap();
        }
        assert_eq!(store.snapshot().head().height, Height(3), "{left}");
    }
}
