use credlog_ledger::body::{Action, Body};
use credlog_ledger::certificate::{CertificateError, CommitCertificate};
use credlog_ledger::follow::{FollowError, Follower, MemberChange, SealedCheckpoint};
use credlog_ledger::ids::{Height, Round, ValueId};
use credlog_ledger::member::MemberSet;
use credlog_ledger::seal::Seal;
use credlog_tlog::{
    Checkpoint, Hash, LeafIndex, MemoryTiles, TileAppender, TreeSize, inclusion_proof,
};

use crate::precommit;
use crate::support::{Signer, TestLedger, by_member, key, member, member_id, origin};

/// The steps of a ledger's changes, as a node would serve them, and the ledger.
pub(crate) struct Story {
    pub(crate) ledger: TestLedger,
    pub(crate) steps: Vec<MemberChange>,
    pub(crate) sets: Vec<MemberSet>,
}

/// Founded by four; a fifth joins, one gets new keys, one leaves; records in between.
pub(crate) fn story() -> Story {
    let mut ledger = TestLedger::new(4);
    let mut sets = vec![ledger.state().members().unwrap()];
    ledger.register(0, "a");
    let five = member("m4", 0);
    ledger.govern(Action::AddMember { member: five }, 3);
    sets.push(ledger.state().members().unwrap());
    ledger.register(1, "b");
    let anew = member("m1", 1);
    let proposal = ledger.seal_one(
        &by_member(0),
        Body::Propose {
            action: Action::ReplaceMemberKeys { member: anew },
        },
    );
    for number in [0, 2, 3, 4] {
        ledger.seal_one(&by_member(number), Body::Approve { proposal });
    }
    sets.push(ledger.state().members().unwrap());
    let leaves = Action::RemoveMember {
        member: member_id(0),
        transfer_to: Some(member_id(2)),
    };
    let proposal = ledger.seal_one(&by_member(2), Body::Propose { action: leaves });
    for number in [0, 2, 3] {
        ledger.seal_one(&by_member(number), Body::Approve { proposal });
    }
    let renewed = Signer {
        key: key("m1/1/governance"),
        ..by_member(1)
    };
    ledger.seal_one(&renewed, Body::Approve { proposal });
    sets.push(ledger.state().members().unwrap());
    ledger.register(3, "c");
    let steps = steps(&ledger, &sets);
    Story {
        ledger,
        steps,
        sets,
    }
}

fn steps(ledger: &TestLedger, sets: &[MemberSet]) -> Vec<MemberChange> {
    let mut before = &sets[0];
    let mut steps = Vec::new();
    for at in 0..ledger.blocks.len() {
        let seal = &ledger.blocks[at].seal;
        if let Some(set) = sets.iter().find(|set| set.hash() == Ok(seal.members_hash))
            && set != before
        {
            steps.push(step(ledger, at, before, set));
            before = set;
        }
    }
    assert_eq!(steps.len() + 1, sets.len());
    steps
}

/// The proof for block `at`, decided by all of `deciders`, and the set after it.
fn step(ledger: &TestLedger, at: usize, deciders: &MemberSet, members: &MemberSet) -> MemberChange {
    let block = &ledger.blocks[at];
    let mut appender = TileAppender::new();
    for block in &ledger.blocks[..=at] {
        appender.append_many(block.leaf_hashes.iter().copied());
    }
    let mut tiles = MemoryTiles::default();
    appender
        .take_changed()
        .into_iter()
        .for_each(|tile| tiles.insert(tile));
    let last = LeafIndex(block.size.0 - 1);
    MemberChange {
        sealed: SealedCheckpoint {
            size: block.size,
            root: block.root,
            seal_leaf: block.seal.leaf().unwrap(),
            path: inclusion_proof(&tiles, last, block.size).unwrap(),
        },
        certificate: certify(ledger, at, deciders),
        members: members.clone(),
    }
}

pub(crate) fn certify(ledger: &TestLedger, at: usize, deciders: &MemberSet) -> CommitCertificate {
    let block = &ledger.blocks[at];
    let (height, round, value) = (block.seal.height, Round(1), block.value_id().unwrap());
    let sign = |seat: &credlog_ledger::member::SeatedMember| {
        let id = seat.member.id.as_str();
        // Only m1 ever gets new keys, with its new cosigner number.
        let key = key(&format!("{id}/{}/consensus", seat.cosigner_number));
        precommit(&ledger.id, height, round, &value, (id, &key))
    };
    let signatures = deciders.members().iter().map(sign).collect();
    CommitCertificate::new(height, round, value, signatures).unwrap()
}

#[test]
fn joining_new_keys_and_leaving_are_followed_from_genesis() {
    let Story {
        ledger,
        steps,
        sets,
    } = story();
    let mut follower = Follower::new(&ledger.genesis).unwrap();
    assert_eq!(
        (follower.members(), follower.changed()),
        (&sets[0], Height(0))
    );
    let counts: Vec<usize> = sets.iter().map(|set| set.members().len()).collect();
    assert_eq!(counts, [4, 5, 5, 4]);
    for (step, set) in steps.into_iter().zip(&sets[1..]) {
        let height = step.certificate.height;
        follower.follow(step).unwrap();
        assert_eq!((follower.members(), follower.changed()), (set, height));
    }
    assert_eq!(follower.members(), &ledger.state().members().unwrap());
}

/// A follower that took the first `count` steps.
fn after(story: &Story, count: usize) -> Follower {
    let mut follower = Follower::new(&story.ledger.genesis).unwrap();
    for step in &story.steps[..count] {
        follower.follow(step.clone()).unwrap();
    }
    follower
}

/// The error of a changed step; the follower stays where it stands and takes the good one.
fn refused(story: &Story, count: usize, spoil: impl FnOnce(&mut MemberChange)) -> FollowError {
    let mut follower = after(story, count);
    let mut step = story.steps[count].clone();
    spoil(&mut step);
    assert_ne!(step, story.steps[count]);
    let standing = follower.clone();
    let error = follower.follow(step).unwrap_err();
    assert_eq!(follower, standing);
    follower.follow(story.steps[count].clone()).unwrap();
    error
}

#[test]
fn no_step_can_be_left_out_repeated_or_exchanged() {
    let story = story();
    for (done, next) in [(0, 1), (0, 2), (1, 2)] {
        // The set in force cannot have decided what a later set did: m4 or m1's key is unknown.
        let mut follower = after(&story, done);
        let error = follower.follow(story.steps[next].clone()).unwrap_err();
        assert!(matches!(error, FollowError::Certificate(_)), "{error}");
    }
    for (done, again) in [(1, 0), (2, 0), (2, 1), (3, 2)] {
        let mut follower = after(&story, done);
        let error = follower.follow(story.steps[again].clone()).unwrap_err();
        assert!(matches!(error, FollowError::NotLater { .. }), "{error}");
    }
}

#[test]
fn a_height_without_a_change_is_no_step() {
    let story = story();
    let idle = step(&story.ledger, 0, &story.sets[0], &story.sets[0]);
    let error = after(&story, 0).follow(idle).unwrap_err();
    assert_eq!(error, FollowError::NoChange { height: Height(1) });
}

/// Every byte of the seal is under the root, every byte of the root under the certificate.
#[test]
fn every_field_counts() {
    let story = story();
    for at in 0..story.steps.len() {
        let refused = |spoil: &dyn Fn(&mut MemberChange)| refused(&story, at, spoil);
        let leaf = story.steps[at].sealed.seal_leaf.len();
        for byte in 0..leaf {
            let error = refused(&|step| step.sealed.seal_leaf[byte] ^= 1);
            let found = matches!(error, FollowError::Seal(_) | FollowError::Inclusion { .. });
            assert!(found, "byte {byte}: {error}");
        }
        for hash in 0..story.steps[at].sealed.path.len() {
            let error = refused(&|step| step.sealed.path[hash].0[5] ^= 1);
            assert!(matches!(error, FollowError::Inclusion { .. }));
        }
        let error = refused(&|step| step.sealed.path.push(Hash([0; 32])));
        assert!(matches!(error, FollowError::Inclusion { .. }));
        let error = refused(&|step| step.sealed.size.0 += 1);
        assert!(matches!(
            error,
            FollowError::Inclusion { .. } | FollowError::Certificate(_)
        ));
        let error = refused(&|step| step.sealed.size = TreeSize(0));
        assert_eq!(error, FollowError::EmptyLog);
        let error = refused(&|step| step.sealed.root.0[0] ^= 1);
        assert!(matches!(error, FollowError::Inclusion { .. }));
        let error = refused(&|step| step.certificate.height.0 += 1);
        assert!(matches!(error, FollowError::OtherHeight { .. }));
        let bad = |error| matches!(error, FollowError::Certificate(_));
        assert!(bad(refused(&|step| step.certificate.round.0 += 1)));
        assert!(bad(refused(&|step| step.certificate.value.0[9] ^= 1)));
        for one in 0..story.steps[at].certificate.signatures.len() {
            assert!(bad(refused(
                &|step| step.certificate.signatures[one].signature[40] ^= 1
            )));
        }
        let few = refused(&|step| step.certificate.signatures.truncate(2));
        let few = matches!(
            few,
            FollowError::Certificate(CertificateError::NoQuorum { .. })
        );
        assert!(few);
    }
}

#[test]
fn another_member_list_is_not_the_one_sealed() {
    let story = story();
    for at in 0..story.steps.len() {
        let spoil = |change: &dyn Fn(&mut Vec<credlog_ledger::member::SeatedMember>)| {
            let error = refused(&story, at, |step| {
                let mut seats: Vec<_> = step.members.clone().into();
                change(&mut seats);
                step.members = MemberSet::try_from(seats).unwrap();
            });
            assert!(matches!(error, FollowError::OtherMembers { .. }), "{error}");
        };
        spoil(&|seats| seats.truncate(3));
        spoil(&|seats| seats[0].cosigner_number += 1);
        spoil(&|seats| seats[1].member.name = "Other".parse().unwrap());
        spoil(&|seats| seats[2].member.url = None);
        spoil(&|seats| seats[0].member.addresses.clear());
        spoil(&|seats| {
            let stranger = member(seats[3].member.id.as_str(), 9);
            seats[3].member.keys.consensus = stranger.keys.consensus;
        });
    }
}

/// A whole story of their own by strangers, or the true one under another genesis.
#[test]
fn the_founding_members_are_those_of_genesis() {
    let story = story();
    let mut other = story.ledger.genesis.clone();
    other.time.0 += 1;
    let mut follower = Follower::new(&other).unwrap();
    let error = follower.follow(story.steps[0].clone()).unwrap_err();
    let bad = CertificateError::BadSignature {
        height: story.steps[0].certificate.height,
        member: member_id(0),
    };
    assert_eq!(error, FollowError::Certificate(bad));
    let error = refused(&story, 0, |step| {
        let seal = Seal::from_leaf(&step.sealed.seal_leaf).unwrap();
        let checkpoint =
            Checkpoint::new(origin().as_str(), step.sealed.size, step.sealed.root).unwrap();
        let value = ValueId::of(&checkpoint);
        for one in &mut step.certificate.signatures {
            let stranger = key("stranger");
            let by = (one.member.as_str(), &stranger);
            *one = precommit(&story.ledger.id, seal.height, Round(1), &value, by);
        }
    });
    assert!(matches!(error, FollowError::Certificate(_)));
}
