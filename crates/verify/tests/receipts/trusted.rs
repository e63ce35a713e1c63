use credlog_ledger::ids::{Height, UnixMillis};
use credlog_tlog::TreeSize;
use credlog_verify::receipt::{
    CheckOptions, Doubt, MakeError, Receipt, RefusalCode, Trust, Wanted, make,
};

use crate::world::{LATE, VALID, World};
use crate::{check, refused, wanted};

fn size_of(trust: &Trust) -> TreeSize {
    trust.newest().unwrap().size
}

/// The trust file as it is written and read again.
fn kept(trust: &Trust) -> Trust {
    let again = Trust::parse(&trust.to_bytes().unwrap()).unwrap();
    assert_eq!(&again, trust);
    again
}

#[test]
fn trust_begins_at_the_first_receipt_and_advances_by_consistency_alone() {
    let mut world = World::small();
    let first = check(&world.make(&wanted(&[VALID])).unwrap(), &world.trust()).unwrap();
    assert!(!first.members_known);
    let trust = kept(&first.trust.unwrap());
    assert_eq!(trust.newest().unwrap().height, first.height);
    world.change_members();
    // Good without a proof of consistency, but nothing to advance by.
    let plain = world.make(&wanted(&[LATE])).unwrap();
    let proven = check(&plain, &trust).unwrap();
    assert_eq!((proven.doubt, proven.trust), (None, None));
    assert!(proven.members_known);
    let asked = Wanted {
        trusted: Some(size_of(&trust)),
        ..wanted(&[LATE])
    };
    let shown = check(&world.make(&asked).unwrap(), &trust).unwrap();
    let advanced = kept(&shown.trust.unwrap());
    assert_eq!(size_of(&advanced), world.attested().size());
    // From the trust file on there is nothing left to follow.
    let since = Wanted {
        since: advanced.newest().unwrap().height,
        ..wanted(&[LATE])
    };
    let short = world.make(&since).unwrap();
    assert!(short.members.is_empty());
    assert_eq!(check(&short, &advanced).unwrap().doubt, None);
    assert_eq!(refused(&short, &trust), RefusalCode::Members);
    assert_eq!(refused(&short, &world.trust()), RefusalCode::Members);
}

#[test]
fn a_receipt_older_than_the_trust_file_needs_consistency() {
    let mut world = World::small();
    // Cosigned while it was the newest.
    let old = world.attested_at(world.height(), world.ledger.now / 1_000 - 2);
    let before = make(&world, &old, &wanted(&[VALID])).unwrap().0;
    world.change_members();
    let newest = check(&world.make(&wanted(&[LATE])).unwrap(), &world.trust()).unwrap();
    let trust = newest.trust.unwrap();
    let proven = check(&before, &trust).unwrap();
    assert_eq!(proven.doubt, Some(Doubt::OlderThanTrust));
    let asked = Wanted {
        trusted: Some(size_of(&trust)),
        ..wanted(&[VALID])
    };
    let shown = make(&world, &old, &asked).unwrap().0;
    let proven = check(&shown, &trust).unwrap();
    assert_eq!((proven.doubt, proven.trust), (None, None));
    // Former members that sign the old checkpoint today do not make it new: by itself it is as
    // old as its seal.
    assert_eq!(proven.as_of, old.as_of().min(proven.seal.time));
    let late = world.attested_at(old.height(), 9_000_000_000);
    let shown = make(&world, &late, &asked).unwrap().0;
    let proven = check(&shown, &trust).unwrap();
    assert_eq!(proven.as_of, proven.seal.time);
    let none = Wanted {
        trusted: Some(TreeSize(size_of(&trust).0 - 1)),
        ..asked
    };
    let none = make(&world, &old, &none).map(|_| ());
    assert!(
        matches!(none, Err(MakeError::NoSuchCheckpoint { .. })),
        "{none:?}"
    );
}

/// The members of the newest checkpoint, of whom a quorum is honest, signed an older one when it was
/// the newest.
#[test]
fn an_older_receipt_of_the_same_members_is_as_old_as_they_say() {
    let mut world = World::small();
    let old = world.attested_at(world.height(), world.ledger.now / 1_000 - 2);
    let late = world.attested_at(world.height(), 9_000_000_000);
    world.issue_late(50, 500);
    let newest = check(&world.make(&wanted(&[50])).unwrap(), &world.trust()).unwrap();
    let trust = newest.trust.unwrap();
    let asked = Wanted {
        trusted: Some(size_of(&trust)),
        ..wanted(&[VALID])
    };
    let latest = UnixMillis(trust.newest().unwrap().time.0 - 1);
    for (attested, as_of) in [(old.clone(), old.as_of()), (late, latest)] {
        let shown = make(&world, &attested, &asked).unwrap().0;
        assert_eq!(check(&shown, &trust).unwrap().as_of, as_of);
    }
}

/// An invention could say anything about any date.
#[test]
fn what_is_older_than_the_trust_file_is_unknown_whatever_the_date() {
    let mut world = World::small();
    let old = world.attested_at(world.height(), 9_000_000_000);
    world.issue_late(50, 500);
    let newest = check(&world.make(&wanted(&[50])).unwrap(), &world.trust()).unwrap();
    let at = UnixMillis(8_000_000_000_000);
    let dated = Wanted {
        at: Some(at),
        ..wanted(&[VALID])
    };
    let receipt = make(&world, &old, &dated).unwrap().0;
    let options = CheckOptions {
        now: at,
        at: Some(at),
        age_ms_max: None,
    };
    let proven = receipt.check(&newest.trust.unwrap(), &options).unwrap();
    assert_eq!(proven.doubt, Some(Doubt::OlderThanTrust));
}

/// The same founders tell two stories.
#[test]
fn another_history_is_a_fork() {
    let mut one = World::small();
    let mut other = World::small();
    one.issue_late(50, 500);
    other.issue_late(51, 500);
    let trust = check(&one.make(&wanted(&[VALID])).unwrap(), &one.trust()).unwrap();
    let trust = trust.trust.unwrap();
    let fork = other.make(&wanted(&[VALID])).unwrap();
    assert_eq!(refused(&fork, &trust), RefusalCode::Fork);
    // A larger one that proves to continue itself, not what is trusted.
    let size = size_of(&trust);
    other.issue_late(52, 501);
    let asked = Wanted {
        trusted: Some(size),
        ..wanted(&[VALID])
    };
    let fork = other.make(&asked).unwrap();
    assert_eq!(refused(&fork, &trust), RefusalCode::Fork);
    // And a smaller one that is shown to be of a history of that size.
    let old = other.attested_at(Height(other.height().0 - 2), 1_800_000_000);
    let fork = make(&other, &old, &asked).unwrap().0;
    assert_eq!(refused(&fork, &trust), RefusalCode::Fork);
}

/// Members that were removed go on alone: whoever has seen the change is not taken in.
#[test]
fn former_members_convince_only_who_has_genesis_alone() {
    let mut honest = World::small();
    let mut former = World::small();
    honest.change_members();
    for number in 60..80 {
        former.issue_late(number, u32::try_from(number).unwrap() * 10);
    }
    let story = former.make(&wanted(&[60])).unwrap();
    let alone = check(&story, &honest.trust()).unwrap();
    assert!(!alone.members_known);
    let newest = check(&honest.make(&wanted(&[LATE])).unwrap(), &honest.trust()).unwrap();
    let trust = newest.trust.unwrap();
    assert!(former.attested().size() > size_of(&trust));
    assert_eq!(refused(&story, &trust), RefusalCode::Members);
}

#[test]
fn trust_files_are_read_strictly() {
    let world = World::small();
    let proven = check(&world.make(&wanted(&[VALID])).unwrap(), &world.trust()).unwrap();
    let bytes = proven.trust.unwrap().to_bytes().unwrap();
    let text = String::from_utf8(bytes).unwrap();
    for (from, to) in [
        ("credlog/trust/v1", "credlog/trust/v2"),
        ("\"height\"", "\"hight\""),
        ("\"asOf\"", "\"more\": 1, \"asOf\""),
        ("{", ""),
    ] {
        let wrong = text.replacen(from, to, 1);
        assert_ne!(wrong, text);
        assert!(Trust::parse(wrong.as_bytes()).is_err(), "{to}");
    }
    assert!(Trust::parse(b"").is_err());
    let other = World::changed().ledger.genesis;
    let mut another = other.clone();
    another.time = UnixMillis(other.time.0 + 1);
    let trust = world.trust();
    assert!(trust.check_genesis(&other).is_ok());
    assert!(trust.check_genesis(&another).is_err());
    let receipt: Receipt = world.make(&wanted(&[VALID])).unwrap();
    let stranger = Trust::found(another).unwrap();
    assert_eq!(refused(&receipt, &stranger), RefusalCode::OtherLedger);
}
