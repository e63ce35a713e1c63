use credlog_ledger::body::Body;
use credlog_ledger::ids::{Height, UnixMillis};
use credlog_ledger::rows::StatusChangeKind;
use credlog_ledger::status::Status;
use credlog_verify::receipt::{CheckOptions, Doubt, MakeError, Receipt, RefusalCode, Wanted, make};
use credlog_verify::{CheckName, DigestSubject, LinkName, Outcome, Question, Summary};

use crate::support::{BOTH, DAY, by_member, change, digest, issuer_id, new_key};
use crate::world::{LATE, REINSTATED, REVOKED, SUPERSEDED, SUSPENDED, VALID, World, issued_at};
use crate::{ANY_AGE, NOW, check, wanted};

fn of_a(number: u64) -> Wanted {
    let mut one = wanted(&[number]);
    one.credentials[0].1 = Some(issuer_id("a"));
    one
}

#[test]
fn each_status_is_proven_with_the_record_that_made_it() {
    let world = World::small();
    for (number, status, kind) in [
        (VALID, Status::Valid, None),
        (
            SUSPENDED,
            Status::Suspended,
            Some(StatusChangeKind::Suspended),
        ),
        (REVOKED, Status::Revoked, Some(StatusChangeKind::Revoked)),
        (
            SUPERSEDED,
            Status::Revoked,
            Some(StatusChangeKind::Superseded { by: digest(5) }),
        ),
        (REINSTATED, Status::Valid, None),
    ] {
        let receipt = world.make(&of_a(number)).unwrap();
        let proven = check(&receipt, &world.trust()).unwrap();
        let [one] = proven.credentials.as_slice() else {
            panic!("{proven:?}");
        };
        assert_eq!((one.digest, one.status), (digest(number), status));
        assert_eq!(one.change.as_ref().map(|change| change.change), kind);
        assert_eq!((one.height, one.time), issued_at(&world, number));
        assert_eq!(one.entry.id, issuer_id("a"));
        assert_eq!(proven.height, world.height());
        assert_eq!(proven.cosigned.len(), 3);
        // Cosigned at +10, +11, +12 and +13 seconds: the third newest of four counts.
        let second = world.ledger.now / 1_000 + 11;
        assert_eq!(proven.as_of, UnixMillis(second * 1_000));
        assert_eq!(proven.doubt, None);
    }
}

#[test]
fn a_verdict_by_receipt_has_checks_links_and_the_words_of_a_node() {
    let world = World::small();
    for (number, summary) in [
        (VALID, Summary::Valid),
        (SUSPENDED, Summary::Suspended),
        (REVOKED, Summary::Revoked),
        (SUPERSEDED, Summary::Superseded),
    ] {
        let receipt = world.make(&of_a(number)).unwrap();
        let proven = check(&receipt, &world.trust()).unwrap();
        let subject = DigestSubject {
            digest: digest(number),
            issuer: Some(issuer_id("a")),
            proof_checked_elsewhere: true,
        };
        let verdict = proven.verdict_of_digest(&subject, NOW).unwrap();
        assert_eq!(verdict.summary, summary, "{verdict:#?}");
        if summary == Summary::Valid {
            let (when, rest) = verdict.headline.split_once(" as far as ").unwrap();
            assert!(
                when.starts_with("The credential was valid as of "),
                "{when}"
            );
            assert!(rest.ends_with("were not checked here."), "{rest}");
        }
        let receipt_check = verdict.check(CheckName::Receipt).unwrap();
        assert_eq!(receipt_check.outcome, Outcome::Yes);
        let currency = verdict.check(CheckName::MemberSetCurrency).unwrap();
        assert_eq!(currency.outcome, Outcome::Unknown);
        let names: Vec<LinkName> = verdict.links.iter().map(|link| link.name).collect();
        assert_eq!(names.contains(&LinkName::StatusRecord), number != VALID);
        assert_eq!(names.first(), Some(&LinkName::Issue));
        assert_eq!(names.last(), Some(&LinkName::Members));
        // Another issuer's credential with the same digest is none of its business.
        let all = check(&world.make(&wanted(&[number])).unwrap(), &world.trust()).unwrap();
        let among = all.verdict_of_digest(&subject, NOW).unwrap();
        let issues = among.links.iter();
        let issues = issues.filter(|link| link.name == LinkName::Issue);
        assert_eq!(issues.count(), 1);
        let mut other = subject.clone();
        other.digest = digest(99);
        assert!(proven.verdict_of_digest(&other, NOW).is_err());
    }
}

/// Members that replace an issuer's keys wait seven days; nobody's clock undoes that afterwards.
#[test]
fn a_cosigner_that_dates_itself_early_brings_back_no_replaced_key() {
    let mut world = World::small();
    let body = Body::ReplaceIssuerKeys {
        issuer: issuer_id("a"),
        change: change(
            vec![new_key("a", "a/second", BOTH)],
            &["a/record"],
            Some(world.ledger.now),
        ),
    };
    world.ledger.seal_one(&by_member(0), body);
    world.ledger.now += 8 * DAY;
    world.ledger.register(1, "z");
    world.take_over();
    for second in [1, world.ledger.now / 1_000 + 10] {
        let attested = world.attested_at(world.height(), second);
        let receipt = make(&world, &attested, &of_a(VALID)).unwrap().0;
        let proven = check(&receipt, &world.trust()).unwrap();
        assert_eq!(proven.as_of, attested.as_of());
        let question = Question {
            digest: digest(VALID),
            issuer: Some(issuer_id("a")),
            at: None,
            positions: Vec::new(),
            now: NOW,
        };
        let facts = proven.facts(&question).unwrap();
        let issuer = &facts.issuers[0];
        assert_eq!(issuer.pending_replacement, None, "signed at {second}");
        assert!(
            issuer
                .keys
                .iter()
                .any(|key| key.compromised_since.is_some())
        );
    }
}

#[test]
fn the_past_is_answered_by_the_newest_seal_not_later() {
    let world = World::changed();
    let times: Vec<u64> = world
        .ledger
        .blocks
        .iter()
        .map(|block| block.seal.time.0)
        .collect();
    let (issued, _) = issued_at(&world, SUSPENDED);
    let mut seen = Vec::new();
    for (height, time) in (1..).zip(&times) {
        for at in [*time, *time + 1, *time + 999] {
            let mut asked = of_a(SUSPENDED);
            asked.at = Some(UnixMillis(at));
            if height < issued.0 {
                let none = world.make(&asked);
                assert!(
                    matches!(none, Err(MakeError::NotAnchored { .. })),
                    "{none:?}"
                );
                continue;
            }
            let receipt = world.make(&asked).unwrap();
            let proven = check(&receipt, &world.trust()).unwrap();
            assert_eq!(proven.seal.height, Height(height));
            assert_eq!(proven.doubt, None);
            let status = proven.credentials[0].status;
            let row = world
                .ledger
                .state()
                .credentials(&digest(SUSPENDED))
                .unwrap()[0]
                .1;
            let chunk = world
                .ledger
                .state()
                .chunk_at(row.list, 0, Height(height))
                .unwrap();
            assert_eq!(status, chunk.status(row.index));
            seen.push(status);
        }
    }
    assert!(seen.contains(&Status::Valid) && seen.contains(&Status::Suspended));
    let before_all = Wanted {
        at: Some(UnixMillis(5)),
        ..of_a(VALID)
    };
    let none = world.make(&before_all);
    assert!(matches!(none, Err(MakeError::NotAnchored { .. })));
}

#[test]
fn a_time_that_is_not_attested_yet_has_no_receipt_and_a_forged_one_is_doubted() {
    let world = World::small();
    let as_of = world.attested().as_of();
    let at = |time: UnixMillis| Wanted {
        at: Some(time),
        ..of_a(VALID)
    };
    let reached = world.make(&at(as_of)).unwrap();
    assert_eq!(check(&reached, &world.trust()).unwrap().doubt, None);
    let beyond = UnixMillis(as_of.0 + 1);
    let none = world.make(&at(beyond));
    assert_eq!(none, Err(MakeError::NotReached { at: beyond, as_of }));
    let forged = Receipt {
        at: Some(beyond),
        ..reached
    };
    let proven = check(&forged, &world.trust()).unwrap();
    assert_eq!(proven.doubt, Some(Doubt::AtNotReached));
}

/// A date in the second in which all was attested was called not reached.
#[test]
fn a_date_before_the_next_seal_is_reached_whatever_the_second() {
    let world = World::small();
    let (height, time) = issued_at(&world, VALID);
    let head = world.height();
    let old = world.attested_at(Height(head.0), time.0 / 1_000 - 4);
    assert!(old.as_of() < time && height < head);
    let past = Wanted {
        at: Some(time),
        ..of_a(VALID)
    };
    let receipt = make(&world, &old, &past).unwrap().0;
    let proven = check(&receipt, &world.trust()).unwrap();
    let subject = DigestSubject {
        digest: digest(VALID),
        issuer: Some(issuer_id("a")),
        proof_checked_elsewhere: true,
    };
    let verdict = proven.verdict_of_digest(&subject, NOW).unwrap();
    assert_eq!(verdict.summary, Summary::Valid, "{verdict:#?}");
}

#[test]
fn the_past_is_no_answer_about_now() {
    let world = World::small();
    let (_, time) = issued_at(&world, REVOKED);
    let past = Wanted {
        at: Some(time),
        ..of_a(REVOKED)
    };
    let receipt = world.make(&past).unwrap();
    assert_eq!(check(&receipt, &world.trust()).unwrap().doubt, None);
    let now = receipt.check(&world.trust(), &ANY_AGE).unwrap_err();
    assert_eq!(now.code, RefusalCode::WrongSeal);
}

#[test]
fn age_is_what_the_verifier_says() {
    let world = World::small();
    let receipt = world.make(&of_a(VALID)).unwrap();
    let as_of = check(&receipt, &world.trust()).unwrap().as_of;
    let doubt = |age: u64, most: Option<u64>| {
        let options = CheckOptions {
            now: UnixMillis(as_of.0 + age),
            at: None,
            age_ms_max: most,
        };
        receipt.check(&world.trust(), &options).unwrap().doubt
    };
    assert_eq!(doubt(600_000, Some(600_000)), None);
    assert_eq!(doubt(600_001, Some(600_000)), Some(Doubt::TooOld));
    assert_eq!(doubt(DAY, None), None);
    let old = CheckOptions {
        now: UnixMillis(as_of.0 + DAY),
        at: None,
        age_ms_max: Some(600_000),
    };
    let proven = receipt.check(&world.trust(), &old).unwrap();
    let subject = DigestSubject {
        digest: digest(VALID),
        issuer: Some(issuer_id("a")),
        proof_checked_elsewhere: true,
    };
    let verdict = proven.verdict_of_digest(&subject, old.now).unwrap();
    assert_eq!(verdict.summary, Summary::Unknown);
}

#[test]
fn one_receipt_about_many_credentials_shares_what_they_share() {
    let world = World::changed();
    let all = [0, 1, 2, 3, 4, 5, 77, LATE, 1_000];
    let (receipt, missing) = make(&world, &world.attested(), &wanted(&all)).unwrap();
    assert_eq!(missing, [digest(1_000)]);
    // Digest 0 was issued by `a` and by `b`.
    assert_eq!(receipt.credentials.len(), all.len());
    let proven = check(&receipt, &world.trust()).unwrap();
    assert_eq!(proven.credentials.len(), all.len());
    assert_eq!(proven.find(&digest(0), None).unwrap().len(), 2);
    let alone: usize = all[..8]
        .iter()
        .map(|n| {
            world
                .make(&wanted(&[*n]))
                .unwrap()
                .to_bytes()
                .unwrap()
                .len()
        })
        .sum();
    assert!(receipt.to_bytes().unwrap().len() * 2 < alone);
    for number in &all[..8] {
        let one = receipt.only(&[digest(*number)]).unwrap();
        assert_eq!(one, world.make(&wanted(&[*number])).unwrap());
    }
    assert_eq!(receipt.only(&[digest(1_000)]), None);
}

#[test]
fn receipts_before_and_after_changes_of_members_follow_from_one_genesis() {
    let mut world = World::small();
    let before = world.make(&of_a(VALID)).unwrap();
    assert!(before.members.is_empty());
    world.change_members();
    let after = world.make(&of_a(LATE)).unwrap();
    assert_eq!(after.members.len(), 2);
    let proven = check(&after, &world.trust()).unwrap();
    assert_eq!(proven.changes.len(), 2);
    let ids: Vec<&str> = proven
        .members
        .members()
        .iter()
        .map(|seat| seat.member.id.as_str())
        .collect();
    assert_eq!(ids, ["m1", "m2", "m3", "m4"]);
    assert_eq!(check(&before, &world.trust()).unwrap().changes, []);
    let checked = before.check(&world.trust(), &ANY_AGE).unwrap();
    assert_eq!(checked.members.members().len(), 4);
}

#[test]
fn what_is_not_on_the_ledger_has_no_receipt() {
    let world = World::small();
    let none = world.make(&wanted(&[12_345]));
    let Err(MakeError::NotAnchored { size, height, .. }) = none else {
        panic!("{none:?}");
    };
    assert_eq!((size, height), (world.attested().size(), world.height()));
    let mut by_other = wanted(&[77]);
    by_other.credentials[0].1 = Some(issuer_id("a"));
    assert!(matches!(
        world.make(&by_other),
        Err(MakeError::NotAnchored { .. })
    ));
    let many = wanted(&vec![1; 1_025]);
    assert_eq!(world.make(&many), Err(MakeError::TooMany { count: 1_025 }));
}
