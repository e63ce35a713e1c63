//! Certificates, cosignatures and evidence: kept, answered, found when damaged, and kept by a
//! rebuild.

use std::path::Path;

use credlog_ledger::certificate::CommitCertificate;
use credlog_ledger::evidence::{Equivocation, SignedVote};
use credlog_ledger::ids::{Height, MemberId, Round, ValueId};
use credlog_ledger::key::PublicKey;
use credlog_ledger::vote::{VoteKind, vote_message};
use credlog_store::{
    COSIGNATURES_MAX, Cosignatures, EVIDENCE_MAX, Fatal, OpenError, Options, RebuildOptions, Scrub,
    Scrubbed, Store, TestimonyError, check, rebuild,
};
use credlog_tlog::CosignatureSigner;
use ed25519_dalek::Signer;

use crate::damage::with_cells;
use crate::support::{TestLedger, commit, member_id, member_key};

const CERTIFICATE: u8 = 6;
const COSIGNATURES: u8 = 7;
const EVIDENCE: u8 = 9;

fn open(dir: &Path) -> Store {
    Store::open(dir, &Options::default()).unwrap()
}

/// The cosignatures of the first `count` members under the checkpoint after a block.
pub(crate) fn cosignatures(
    ledger: &TestLedger,
    block: usize,
    count: u8,
    time: u64,
) -> Cosignatures {
    let executed = &ledger.blocks[block];
    let checkpoint = executed.checkpoint().unwrap();
    let lines = (0..count).map(|number| {
        let name = format!("{}/{}/0", executed.origin, member_id(number));
        let cosigner = CosignatureSigner::new(&name, member_key(number, 3)).unwrap();
        cosigner.cosign(&checkpoint, time)
    });
    Cosignatures {
        size: executed.size.0,
        attested: count >= 3,
        lines: lines.collect(),
    }
}

/// Two precommits of a member for different values.
pub(crate) fn equivocation(ledger: &TestLedger, member: u8, height: u64, seed: u8) -> Equivocation {
    let key = member_key(member, 2);
    let position = (Height(height), Round(0));
    let votes = [0, 1].map(|n| {
        let value = Some(ValueId([seed.wrapping_add(n); 32]));
        let kind = VoteKind::Precommit;
        let message = vote_message(&ledger.id, kind, position.0, position.1, value.as_ref());
        SignedVote {
            value,
            signature: key.sign(&message).to_bytes(),
        }
    });
    let public = PublicKey::ed25519(key.verifying_key().as_bytes());
    let member: MemberId = member_id(member).parse().unwrap();
    Equivocation::votes(member, public, VoteKind::Precommit, position, votes).unwrap()
}

#[test]
fn every_height_has_its_certificate_which_grows_and_never_changes_its_value() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::of_members(91, 4);
    let store = Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap();
    let mut full = Vec::new();
    for _ in 0..5 {
        let executed = ledger.next_block();
        let three = ledger.certificate_by(&executed, &[0, 1, 2]);
        let snapshot = store.snapshot();
        store.commit(&executed, Some(&three)).unwrap();
        let height = executed.seal.height;
        assert_eq!(snapshot.certificate(height).unwrap(), None);
        assert_eq!(
            store.snapshot().certificate(height).unwrap(),
            Some(three.clone())
        );
        assert!(!store.finalize(height, &three).unwrap());
        assert!(
            store
                .finalize(height, &ledger.certificate_by(&executed, &[1, 2, 3]))
                .unwrap()
        );
        full.push(ledger.certificate_by(&executed, &[0, 1, 2, 3]));
    }
    let same = |store: &Store| {
        let snapshot = store.snapshot();
        assert_eq!(snapshot.certificate(Height(0)).unwrap(), None);
        assert_eq!(snapshot.certificate(Height(6)).unwrap(), None);
        for certificate in &full {
            let found = snapshot.certificate(certificate.height).unwrap();
            assert_eq!(found.as_ref(), Some(certificate));
        }
    };
    same(&store);
    let ahead = CommitCertificate {
        height: Height(6),
        ..full[4].clone()
    };
    let early = store.finalize(Height(6), &ahead).unwrap_err();
    assert!(
        matches!(early, TestimonyError::NotCommitted { .. }),
        "{early}"
    );
    let other = CommitCertificate {
        value: full[0].value,
        ..full[4].clone()
    };
    let other_value = store.finalize(Height(5), &other).unwrap_err();
    assert!(
        matches!(other_value, TestimonyError::OtherValue { .. }),
        "{other_value}"
    );
    let next = ledger.next_block();
    let foreign = store.commit(&next, Some(&full[4])).unwrap_err();
    assert!(matches!(foreign, Fatal::Inconsistent { .. }), "{foreign}");
    store.make_durable().unwrap();
    drop(store);
    same(&open(dir.path()));
    let report = check(dir.path(), &mut |_| ()).unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!((report.certificates, report.certificates_missing), (5, 0));
}

#[test]
fn a_certificate_that_is_not_known_is_filled_in() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::of_members(92, 4);
    let store = Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap();
    let executed = ledger.next_block();
    store.commit(&executed, None).unwrap();
    assert_eq!(store.snapshot().certificate(Height(1)).unwrap(), None);
    drop(store);
    let report = check(dir.path(), &mut |_| ()).unwrap();
    assert!(
        report.is_whole() && report.certificates_missing == 1,
        "{report:?}"
    );
    let report = rebuild(dir.path(), &RebuildOptions::default(), &mut |_| ()).unwrap();
    assert_eq!(report.certificates_missing, 1);
    let store = open(dir.path());
    let certificate = ledger.certificate_by(&executed, &[0, 2, 3]);
    assert!(store.finalize(Height(1), &certificate).unwrap());
    assert_eq!(
        store.snapshot().certificate(Height(1)).unwrap(),
        Some(certificate)
    );
}

#[test]
fn cosignatures_are_kept_for_each_checkpoint_and_the_newest_attested_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::of_members(93, 4);
    let store = Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap();
    assert_eq!(store.snapshot().newest_attested().unwrap(), None);
    let mut kept = Vec::new();
    for block in 0..6 {
        commit(&store, &ledger.next_block()).unwrap();
        let count = [4, 1, 3, 2, 3, 2][block];
        store
            .put_cosignatures(&cosignatures(&ledger, block, 1, 50))
            .unwrap();
        let set = cosignatures(&ledger, block, count, 100 + block as u64);
        store.put_cosignatures(&set).unwrap();
        kept.push(set);
    }
    let same = |store: &Store| {
        let snapshot = store.snapshot();
        for set in &kept {
            assert_eq!(snapshot.cosignatures(set.size).unwrap().as_ref(), Some(set));
        }
        assert_eq!(snapshot.newest_attested().unwrap().as_ref(), Some(&kept[4]));
        assert_eq!(snapshot.cosignatures(kept[0].size + 1).unwrap(), None);
    };
    same(&store);
    let no_checkpoint = Cosignatures {
        size: kept[0].size + 1,
        ..kept[0].clone()
    };
    let refused = store.put_cosignatures(&no_checkpoint).unwrap_err();
    assert!(
        matches!(refused, TestimonyError::NoCheckpoint { .. }),
        "{refused}"
    );
    let fewer = cosignatures(&ledger, 2, 1, 500);
    let refused = store.put_cosignatures(&fewer).unwrap_err();
    assert!(
        matches!(refused, TestimonyError::Attested { .. }),
        "{refused}"
    );
    let many = Cosignatures {
        lines: vec![kept[0].lines[0].clone(); COSIGNATURES_MAX + 1],
        ..kept[0].clone()
    };
    let refused = store.put_cosignatures(&many).unwrap_err();
    assert!(
        matches!(refused, TestimonyError::TooMany { .. }),
        "{refused}"
    );
    // What comes after a state is not seen from there.
    let before = store.snapshot();
    commit(&store, &ledger.next_block()).unwrap();
    let newer = cosignatures(&ledger, 6, 4, 200);
    store.put_cosignatures(&newer).unwrap();
    assert_eq!(before.newest_attested().unwrap().as_ref(), Some(&kept[4]));
    assert_eq!(before.cosignatures(newer.size).unwrap(), None);
    assert_eq!(store.snapshot().newest_attested().unwrap(), Some(newer));
    drop(before);
    let same_and_newer = |store: &Store| {
        let snapshot = store.snapshot();
        for set in &kept {
            assert_eq!(snapshot.cosignatures(set.size).unwrap().as_ref(), Some(set));
        }
    };
    store.make_durable().unwrap();
    drop(store);
    same_and_newer(&open(dir.path()));
    let report = check(dir.path(), &mut |_| ()).unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(report.cosignatures, 4 + 1 + 3 + 2 + 3 + 2 + 4);
}

#[test]
fn evidence_is_bounded_and_one_member_pushes_out_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = TestLedger::of_members(94, 4);
    let store = Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap();
    let first = equivocation(&ledger, 1, 1, 5);
    assert!(store.put_evidence(&first).unwrap());
    assert!(!store.put_evidence(&first).unwrap());
    let newer = equivocation(&ledger, 1, 1, 6);
    assert!(store.put_evidence(&newer).unwrap());
    assert_eq!(store.evidence(), std::slice::from_ref(&newer));
    for height in 1..=EVIDENCE_MAX as u64 + 3 {
        assert!(
            store
                .put_evidence(&equivocation(&ledger, 2, height, 5))
                .unwrap()
        );
    }
    let all = store.evidence();
    assert_eq!(all.len(), EVIDENCE_MAX);
    assert_eq!(all[0], newer);
    assert_eq!(all[1].conflict.height(), Height(5));
    drop(store);
    assert_eq!(open(dir.path()).evidence(), all);
}

/// A store with all of it.
fn witnessed(seed: u64) -> (tempfile::TempDir, TestLedger) {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::of_members(seed, 4);
    let store = Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap();
    for block in 0..8 {
        commit(&store, &ledger.next_block()).unwrap();
        let count = [4, 1, 3, 2][block % 4];
        store
            .put_cosignatures(&cosignatures(&ledger, block, count, 100))
            .unwrap();
    }
    for height in [3, 8] {
        store
            .put_evidence(&equivocation(&ledger, 1, height, 9))
            .unwrap();
    }
    store.make_durable().unwrap();
    (dir, ledger)
}

#[test]
fn lost_changed_and_forged_testimony_is_found_and_the_rest_is_kept() {
    for kind in [CERTIFICATE, COSIGNATURES, EVIDENCE] {
        for lose in [false, true] {
            let (dir, _) = witnessed(95);
            with_cells(dir.path(), |db| {
                let keys = db.scan_prefix([kind]).keys();
                let key = keys.map(Result::unwrap).nth(1).unwrap();
                match lose {
                    true => drop(db.remove(key).unwrap()),
                    false => {
                        let mut cell = db.get(&key).unwrap().unwrap().to_vec();
                        cell[20] ^= 1;
                        db.insert(key, cell).unwrap();
                    }
                }
            });
            let report = check(dir.path(), &mut |_| ()).unwrap();
            assert!(!report.is_whole(), "{kind} {lose}");
            let damaged = Store::open(dir.path(), &Options::default()).unwrap_err();
            assert!(matches!(damaged, OpenError::Damaged { .. }), "{damaged}");
            let report = rebuild(dir.path(), &RebuildOptions::default(), &mut |_| ()).unwrap();
            assert_eq!(report.position.height, Height(8));
            assert_eq!(report.certificates_missing, u64::from(kind == CERTIFICATE));
            // A lost cell of the others tells nothing: their count is not known.
            let garbled = |of: u8| u64::from(kind == of && !lose);
            assert_eq!(report.cosignatures_lost, garbled(COSIGNATURES));
            assert_eq!(report.evidence_lost, garbled(EVIDENCE));
            assert!(check(dir.path(), &mut |_| ()).unwrap().is_whole());
            let store = open(dir.path());
            assert_eq!(store.evidence().len(), if kind == EVIDENCE { 1 } else { 2 });
            let snapshot = store.snapshot();
            let certificates = (1..=8).map(|height| snapshot.certificate(Height(height)));
            let known = certificates.filter(|found| found.as_ref().unwrap().is_some());
            assert_eq!(known.count(), if kind == CERTIFICATE { 7 } else { 8 });
        }
    }
}

#[test]
fn a_rebuild_keeps_all_testimony() {
    let (dir, ledger) = witnessed(96);
    let read = || {
        let store = open(dir.path());
        let snapshot = store.snapshot();
        let certificates = (1..=8).map(|height| snapshot.certificate(Height(height)).unwrap());
        let sizes = ledger.blocks.iter().map(|block| block.size.0);
        let cosignatures = sizes.map(|size| snapshot.cosignatures(size).unwrap());
        let newest = snapshot.newest_attested().unwrap();
        let all: (Vec<_>, Vec<_>) = (certificates.collect(), cosignatures.collect());
        (all, newest, store.evidence())
    };
    let before = read();
    assert!(before.0.0.iter().all(Option::is_some) && before.0.1.iter().all(Option::is_some));
    let report = rebuild(dir.path(), &RebuildOptions::default(), &mut |_| ()).unwrap();
    let lost = [
        report.certificates_missing,
        report.cosignatures_lost,
        report.evidence_lost,
    ];
    assert_eq!(lost, [0; 3]);
    assert_eq!(read(), before);
}

/// What a member never signed is found, whatever the checks of the cells say.
#[test]
fn forged_testimony_is_found_by_check() {
    let dir = tempfile::tempdir().unwrap();
    let mut ledger = TestLedger::of_members(97, 4);
    let store = Store::create(dir.path(), &ledger.genesis, &Options::default()).unwrap();
    let executed = ledger.next_block();
    let mut certificate = ledger.certificate_by(&executed, &[0, 1, 2]);
    certificate.signatures[1].signature[5] ^= 1;
    store.commit(&executed, Some(&certificate)).unwrap();
    commit(&store, &ledger.next_block()).unwrap();
    let of_other = Cosignatures {
        size: ledger.blocks[1].size.0,
        ..cosignatures(&ledger, 0, 3, 100)
    };
    store.put_cosignatures(&of_other).unwrap();
    let mut evidence = equivocation(&ledger, 1, 2, 3);
    evidence.member = member_id(2).parse().unwrap();
    store.put_evidence(&evidence).unwrap();
    drop(store);
    let report = check(dir.path(), &mut |_| ()).unwrap();
    let places: Vec<_> = report
        .findings
        .iter()
        .map(|one| one.place.as_str())
        .collect();
    assert_eq!(places.len(), 3, "{report:?}");
    assert!(
        places[0].starts_with("the certificate of height 1"),
        "{places:?}"
    );
    assert!(
        places[1].starts_with("the cosignatures of size"),
        "{places:?}"
    );
    assert!(places[2].starts_with("evidence 0"), "{places:?}");
}

#[test]
fn the_scrub_reads_testimony_while_it_grows() {
    let (dir, mut ledger) = witnessed(98);
    let store = open(dir.path());
    let (mut scrub, mut whole) = (Scrub::default(), 0);
    for block in 8..40 {
        let executed = ledger.next_block();
        store
            .commit(
                &executed,
                Some(&ledger.certificate_by(&executed, &[0, 1, 2])),
            )
            .unwrap();
        store
            .finalize(
                executed.seal.height,
                &ledger.certificate_by(&executed, &[3]),
            )
            .unwrap();
        store
            .put_cosignatures(&cosignatures(&ledger, block, 3, 7))
            .unwrap();
        for _ in 0..4 {
            match store.scrub_step(&mut scrub, 60).unwrap() {
                Scrubbed::Whole { .. } => whole += 1,
                Scrubbed::Part { .. } => {}
                Scrubbed::Outrun { height } => panic!("outrun at {height}"),
            }
        }
    }
    assert!(whole > 1, "{whole}");
    drop(store);
    with_cells(dir.path(), |db| {
        // Put back what an earlier certificate was: its check holds, its digest does not.
        let keys: Vec<_> = db
            .scan_prefix([CERTIFICATE])
            .keys()
            .map(Result::unwrap)
            .collect();
        db.remove(&keys[3]).unwrap();
    });
    let damaged = Store::open(dir.path(), &Options::default()).unwrap_err();
    assert!(damaged.to_string().contains("certificates"), "{damaged}");
}
