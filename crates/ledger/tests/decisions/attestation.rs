use credlog_ledger::attestation::{Attestation, AttestationError, Cosigned};
use credlog_ledger::ids::UnixMillis;
use credlog_ledger::member::{MemberSet, SeatedMember};
use credlog_tlog::{
    Checkpoint, CosignatureSigner, Hash, Note, NoteSignature, NoteSigner, TreeSize,
};
use ed25519_dalek::SigningKey;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::founders;
use crate::support::{key, member, origin};

fn checkpoint() -> Checkpoint {
    Checkpoint::new(origin().as_str(), TreeSize(10), Hash([3; 32])).unwrap()
}

fn cosign_as(name: &str, key: SigningKey, time: u64) -> NoteSignature {
    let cosigner = CosignatureSigner::new(name, key).unwrap();
    cosigner.cosign(&checkpoint(), time)
}

/// By member `m<number>` with its first cosigner key.
fn cosign(number: usize, time: u64) -> NoteSignature {
    let name = format!("{}/m{number}/0", origin());
    cosign_as(&name, key(&format!("m{number}/0/cosigner")), time)
}

fn attest(members: usize, lines: &[NoteSignature]) -> Result<Attestation, AttestationError> {
    Attestation::of(&founders(members), &origin(), &checkpoint(), lines)
}

fn seconds(attestation: &Attestation) -> Vec<(&str, u64)> {
    let all = attestation.cosigned().iter();
    all.map(|one| (one.member.as_str(), one.time_seconds))
        .collect()
}

#[test]
fn as_of_is_the_quorum_th_newest_time() {
    let lines = [cosign(2, 30), cosign(0, 10), cosign(3, 40), cosign(1, 20)];
    let two = attest(4, &lines[..2]).unwrap();
    assert_eq!(
        (two.is_quorum(), two.as_of(), two.quorum()),
        (false, None, 3)
    );
    assert_eq!(seconds(&two), [("m0", 10), ("m2", 30)]);
    let three = attest(4, &lines[..3]).unwrap();
    assert!(three.is_quorum());
    assert_eq!(three.as_of(), Some(UnixMillis(10_000)));
    let four = attest(4, &lines).unwrap();
    assert_eq!(four.as_of(), Some(UnixMillis(20_000)));
    // One liar moves it neither before all honest times nor after them.
    let liar = [cosign(0, u64::MAX), lines[0].clone(), lines[2].clone()];
    assert_eq!(attest(4, &liar).unwrap().as_of(), Some(UnixMillis(30_000)));
    let alone = attest(1, &[cosign(0, u64::MAX)]).unwrap();
    assert_eq!(alone.as_of(), Some(UnixMillis(u64::MAX)));
}

#[test]
fn a_member_counts_once_with_its_newest_time() {
    let lines = [cosign(0, 50), cosign(0, 70), cosign(0, 60), cosign(1, 55)];
    let attestation = attest(3, &lines).unwrap();
    assert_eq!(seconds(&attestation), [("m0", 70), ("m1", 55)]);
    assert!(!attestation.is_quorum());
}

#[test]
fn strangers_do_not_count_and_do_not_disturb() {
    let name = |text: &str| format!("{}/{text}", origin());
    let own = key("m0/0/cosigner");
    let node = NoteSigner::new(origin().as_str(), key("m0/0/node")).unwrap();
    let strangers = [
        node.sign(&checkpoint().body()).unwrap(),
        cosign_as("witness.example", key("witness"), 50),
        cosign_as("witness.example", own.clone(), 50),
        cosign_as(&name("m9/0"), own.clone(), 50),
        cosign_as(&name("m0/1"), own.clone(), 50),
        cosign_as(&name("m0/00"), own.clone(), 50),
        cosign_as(&name("m0"), own.clone(), 50),
        cosign_as(&name("M0/0"), own.clone(), 50),
        cosign_as(&name("m0/0/"), own.clone(), 50),
        cosign_as(&format!("{}m0/0", origin()), own, 50),
        // Under a member's name, but not with the id of its key: nobody's.
        cosign_as(&name("m0/0"), key("m0/1/cosigner"), 50),
    ];
    let attestation = attest(1, &strangers).unwrap();
    assert_eq!(attestation.cosigned(), []);
    let lines = [&strangers[..], &[cosign(0, 40)], &strangers[..]].concat();
    assert_eq!(attest(1, &lines).unwrap().as_of(), Some(UnixMillis(40_000)));
}

#[test]
fn a_bad_cosignature_by_a_member_is_an_error() {
    let other = Checkpoint::new(origin().as_str(), TreeSize(11), Hash([3; 32])).unwrap();
    let name = format!("{}/m1/0", origin());
    let cosigner = CosignatureSigner::new(&name, key("m1/0/cosigner")).unwrap();
    let elsewhere = cosigner.cosign(&other, 50);
    let lines = [cosign(0, 50), cosign(2, 50), cosign(3, 50), elsewhere];
    let bad = AttestationError::BadSignature {
        member: "m1".parse().unwrap(),
    };
    assert_eq!(attest(4, &lines), Err(bad));
    assert!(attest(4, &lines[..3]).unwrap().is_quorum());
}

/// A member's new cosigner key has a new name; the old one attests no more.
#[test]
fn a_replaced_key_is_a_new_cosigner() {
    let seat = |cosigner_number, generation| SeatedMember {
        member: member("m0", generation),
        cosigner_number,
    };
    let replaced = MemberSet::new(vec![seat(1, 1)]);
    let of = |line| Cosigned::by_member(&replaced, &origin(), &checkpoint(), &line).unwrap();
    assert_eq!(of(cosign(0, 50)), None);
    let name = format!("{}/m0/1", origin());
    let found = of(cosign_as(&name, key("m0/1/cosigner"), 50)).unwrap();
    assert_eq!((found.member.as_str(), found.time_seconds), ("m0", 50));
}

proptest! {
    #![proptest_config(crate::cases(60))]

    /// Against a plain count: lines of members and times in any order, through a note.
    #[test]
    fn equals_a_plain_count(lines in vec((0..7usize, 1..100u64), 1..12), members in 1..8usize) {
        let signed = lines.iter().map(|&(number, time)| cosign(number, time)).collect();
        let note = Note::new(&checkpoint().body(), signed).unwrap();
        let note = Note::parse(note.to_string().as_bytes()).unwrap();
        let attestation = attest(members, note.signatures()).unwrap();
        let newest = |of: usize| {
            lines.iter().filter(|(number, _)| *number == of).map(|(_, time)| *time).max()
        };
        let mut times: Vec<u64> = (0..members).filter_map(newest).collect();
        prop_assert_eq!(attestation.cosigned().len(), times.len());
        times.sort_unstable();
        times.reverse();
        // More than two thirds, counted in thirds.
        let quorum = (1..=members).find(|count| 3 * count > 2 * members).unwrap();
        prop_assert_eq!(attestation.quorum(), quorum);
        prop_assert_eq!(attestation.is_quorum(), times.len() >= quorum);
        let as_of = times.get(quorum - 1).map(|seconds| UnixMillis(seconds * 1_000));
        prop_assert_eq!(attestation.as_of(), as_of);
    }
}
