//! For any facts and findings: valid only if everything that has to hold is known to hold.

use credlog_credential::AchievementClaims;
use credlog_ledger::ids::Digest;
use credlog_ledger::ids::RecordId;
use credlog_verify::{
    CheckName, CredentialSummary, Outcome, Presented, ProofFinding, SigningKey, StatusListFinding,
    Subject, Summary, Time, Unread, judge,
};
use proptest::prelude::*;

use crate::ledger::{Ledger, NOW, check_consistent, did, digest_of, made, public, time};

/// What a status is, in the naive model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naive {
    Good,
    Suspended,
    Revoked,
}

fn cases() -> ProptestConfig {
    let long = std::env::var("CREDLOG_TEST_LONG").is_ok();
    ProptestConfig::with_cases(if long { 2_000 } else { 100 })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        4 => Just(Outcome::Yes),
        1 => Just(Outcome::No),
        1 => Just(Outcome::Unknown)
    ]
}

fn key() -> impl Strategy<Value = SigningKey> {
    let named = |name: &str, controller: Option<&str>| SigningKey {
        multikey: public(&crate::ledger::key(name)).to_string(),
        controller: controller.map(|name| did(name).to_string()),
    };
    prop_oneof![
        4 => Just(named("university A", Some("university A"))),
        1 => Just(named("impostor X", Some("impostor X"))),
        1 => Just(named("impostor X", None)),
        1 => Just(named("university A", None)),
    ]
}

fn finding() -> impl Strategy<Value = StatusListFinding> {
    let purpose = prop_oneof![Just("revocation"), Just("suspension"), Just("message")];
    let set = prop_oneof![
        4 => Just(Ok(false)),
        1 => Just(Ok(true)),
        1 => Just(Err(Unread {
            why: "it was not handed over.".to_owned(),
            problem: "https://www.w3.org/ns/credentials/status-list#STATUS_RETRIEVAL_ERROR",
        }))
    ];
    (purpose, set).prop_map(|(purpose, set)| StatusListFinding {
        list: "https://lists.example/1".to_owned(),
        purpose: purpose.to_owned(),
        set,
        list_time: None,
    })
}

fn date() -> impl Strategy<Value = Option<Time>> {
    prop_oneof![
        4 => Just(None),
        1 => (1_u32..=30).prop_map(|day| Some(time(&format!("2026-11-{day:02}T12:00:00Z")))),
    ]
}

fn presented(digest: Digest) -> impl Strategy<Value = Presented> {
    (
        outcome(),
        proptest::collection::vec(key(), 0..3),
        prop_oneof![9 => Just("university A"), 1 => Just("impostor X")],
        (date(), date()),
        proptest::collection::vec(finding(), 0..3),
    )
        .prop_map(
            move |(outcome, keys, issuer, validity, status_lists)| Presented {
                digest,
                issuer: did(issuer).to_string(),
                achievements: AchievementClaims::default(),
                proof: ProofFinding {
                    outcome,
                    reason: "As found.".to_owned(),
                    keys,
                },
                valid_from: validity.0,
                valid_until: validity.1,
                status_lists,
                summary: CredentialSummary::default(),
            },
        )
}

/// Changes one status a day from 2 November 12:00 on, as far as the rules allow; gives the
/// naive status after each day.
fn run(ledger: &mut Ledger, digest: Digest, changes: &[Naive]) -> Vec<Naive> {
    let mut status = Naive::Good;
    let mut suspension: Option<RecordId> = None;
    let mut statuses = Vec::new();
    for (day, wanted) in (4..).zip(changes) {
        let at = format!("2026-11-{day:02}T12:00:00Z");
        match (status, wanted) {
            (Naive::Good, Naive::Suspended) => {
                suspension = Some(ledger.suspend(&at, digest));
                status = Naive::Suspended;
            }
            (Naive::Suspended, Naive::Good) => {
                ledger.reinstate(&at, digest, suspension.unwrap());
                status = Naive::Good;
            }
            (Naive::Good | Naive::Suspended, Naive::Revoked) => {
                ledger.revoke(&at, digest);
                status = Naive::Revoked;
            }
            _ => {}
        }
        statuses.push(status);
    }
    statuses
}

fn naive() -> impl Strategy<Value = Naive> {
    prop_oneof![
        5 => Just(Naive::Good),
        5 => Just(Naive::Suspended),
        1 => Just(Naive::Revoked)
    ]
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn valid_only_if_everything_that_has_to_hold_is_known(
        presented in presented(digest_of(&made(1))),
        issue in any::<bool>(),
        changes in proptest::collection::vec(naive(), 0..4),
        at in date(),
    ) {
        let mut ledger = Ledger::with_university();
        if issue {
            ledger.issue("2026-11-03T12:00:00Z", presented.digest);
            run(&mut ledger, presented.digest, &changes);
        }
        let at = at.map(|at| at.to_string());
        let mut facts = ledger.facts(&made(1), at.as_deref(), NOW);
        facts.issuer = None;
        let subject = Subject::Credential(presented.clone());
        let verdict = judge(&subject, &facts, time(NOW).into()).unwrap();
        check_consistent(&verdict);
        let mandatory = verdict
            .checks
            .iter()
            .filter(|check| check.name != CheckName::AccreditationNow);
        let all_yes = mandatory.clone().all(|check| check.outcome == Outcome::Yes);
        prop_assert_eq!(verdict.summary == Summary::Valid, all_yes);
        // Seven checks are always there; the eighth if the credential names a list.
        prop_assert_eq!(mandatory.count(), 6 + usize::from(!presented.status_lists.is_empty()));
        if verdict.summary == Summary::Valid {
            prop_assert!(issue && presented.proof.outcome == Outcome::Yes);
            let university = public(&crate::ledger::key("university A")).to_string();
            prop_assert!(presented.proof.keys.iter().any(|key| key.multikey == university));
            let lists_allow = presented.status_lists.iter().all(|one| {
                one.set == Ok(false) || (one.purpose == "message" && one.set == Ok(true))
            });
            prop_assert!(lists_allow);
        }
    }

    #[test]
    fn the_status_of_every_date_is_that_of_a_naive_history(
        changes in proptest::collection::vec(naive(), 1..8),
    ) {
        let credential = made(1);
        let digest = digest_of(&credential);
        let mut ledger = Ledger::with_university();
        ledger.issue("2026-11-03T12:00:00Z", digest);
        let statuses = run(&mut ledger, digest, &changes);
        // The log has to reach the last date.
        ledger.issue("2026-11-28T12:00:00Z", digest_of(&made(2)));
        for (day, status) in (4..).zip(statuses) {
            let expected = match status {
                Naive::Good => Summary::Valid,
                Naive::Suspended => Summary::Suspended,
                Naive::Revoked => Summary::Revoked,
            };
            for hour in ["12:00:00", "23:00:00"] {
                let verdict = ledger.verdict_at(&credential, &format!("2026-11-{day:02}T{hour}Z"));
                prop_assert_eq!(verdict.summary, expected);
            }
        }
    }
}
