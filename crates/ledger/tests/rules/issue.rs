//! R7: issuing.

use credlog_ledger::body::{Achievement, Body, Scope};
use credlog_ledger::ids::{Digest, UnixMillis};
use credlog_ledger::parameters::Parameters;
use credlog_ledger::rejection::Rule::R7;

use crate::support::{
    DAY, TestLedger, accreditation, achievement, by_issuer, by_member, digest, issue, issue_of,
    issuer_id,
};
use crate::{Attempt, Case, run};

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: R7,
        code: "not-accredited",
        make: out_of_scope,
    },
    Case {
        rule: R7,
        code: "not-accredited",
        make: without_achievement,
    },
    Case {
        rule: R7,
        code: "not-accredited",
        make: after_the_end,
    },
    Case {
        rule: R7,
        code: "not-accredited",
        make: withdrawn_in_the_same_block,
    },
    Case {
        rule: R7,
        code: "not-accredited",
        make: definition_without_accreditation,
    },
    Case {
        rule: R7,
        code: "not-accredited",
        make: list_without_accreditation,
    },
    Case {
        rule: R7,
        code: "not-your-list",
        make: list_of_another,
    },
    Case {
        rule: R7,
        code: "not-your-list",
        make: list_that_is_not_there,
    },
    Case {
        rule: R7,
        code: "index-taken",
        make: index_taken,
    },
    Case {
        rule: R7,
        code: "index-taken",
        make: index_taken_in_the_same_block,
    },
    Case {
        rule: R7,
        code: "digest-taken",
        make: digest_taken,
    },
    Case {
        rule: R7,
        code: "digest-taken",
        make: digest_taken_in_the_same_block,
    },
    Case {
        rule: R7,
        code: "achievement-taken",
        make: achievement_taken,
    },
];

#[test]
fn r7_issuing() {
    run(CASES);
}

/// Issuer `b` may award achievement `x` only; it has opened list 1.
fn scoped() -> TestLedger {
    let mut ledger = TestLedger::small();
    let mut body = accreditation("b", Some(crate::support::registration("b")));
    body.scope = Scope::Achievements(vec![achievement("w"), achievement("x")]);
    let record = ledger.accredit_as(0, "b", body);
    ledger.seal(vec![record]);
    ledger.seal_one(&by_issuer("b"), Body::OpenStatusList {});
    ledger
}

fn out_of_scope() -> (TestLedger, Attempt) {
    let mut ledger = scoped();
    let mut body = |name| {
        let body = issue_of(Some(achievement(name)), 1, &[(0, 9)]);
        ledger.sign(&by_issuer("b"), body)
    };
    let attempt = Attempt::new(body("y"), body("x"));
    (ledger, attempt)
}

fn without_achievement() -> (TestLedger, Attempt) {
    let mut ledger = scoped();
    let bad = ledger.sign(&by_issuer("b"), issue(1, &[(0, 9)]));
    let body = issue_of(Some(achievement("w")), 1, &[(0, 9)]);
    let good = ledger.sign(&by_issuer("b"), body);
    (ledger, Attempt::new(bad, good))
}

fn after_the_end() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let end = ledger.now + DAY;
    let body = Body::AmendAccreditation {
        issuer: issuer_id("a"),
        scope: Scope::All,
        until: Some(UnixMillis(end)),
    };
    ledger.seal_one(&by_member(0), body);
    ledger.register(0, "b");
    ledger.seal_one(&by_issuer("b"), Body::OpenStatusList {});
    ledger.now = end;
    let bad = ledger.sign(&by_issuer("a"), issue(0, &[(9, 9)]));
    let good = ledger.sign(&by_issuer("b"), issue(1, &[(9, 9)]));
    (ledger, Attempt::new(bad, good))
}

fn withdrawn_in_the_same_block() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let now = ledger.now;
    let body = crate::accreditation::withdraw("a", now);
    let before = vec![ledger.sign(&by_member(0), body)];
    let record = ledger.sign(&by_issuer("a"), issue(0, &[(9, 9)]));
    (ledger, Attempt::after(before, &record))
}

/// Nothing may grow in the name of an issuer that nobody accredits any more.
fn definition_without_accreditation() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let before = vec![ledger.sign(
        &by_member(0),
        crate::accreditation::withdraw("a", ledger.now),
    )];
    let record = ledger.sign(&by_issuer("a"), define("x"));
    (ledger, Attempt::after(before, &record))
}

fn list_without_accreditation() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    ledger.register(0, "b");
    let before = vec![ledger.sign(
        &by_member(0),
        crate::accreditation::withdraw("b", ledger.now),
    )];
    let record = ledger.sign(&by_issuer("b"), Body::OpenStatusList {});
    (ledger, Attempt::after(before, &record))
}

fn list_of_another() -> (TestLedger, Attempt) {
    let mut ledger = scoped();
    let bad = ledger.sign(&by_issuer("a"), issue(1, &[(9, 9)]));
    let good = ledger.sign(&by_issuer("a"), issue(0, &[(9, 9)]));
    (ledger, Attempt::new(bad, good))
}

fn list_that_is_not_there() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let bad = ledger.sign(&by_issuer("a"), issue(u64::MAX, &[(9, 9)]));
    let good = ledger.sign(&by_issuer("a"), issue(0, &[(9, 9)]));
    (ledger, Attempt::new(bad, good))
}

fn index_taken() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let bad = ledger.sign(&by_issuer("a"), issue(0, &[(3, 8), (9, 9)]));
    let good = ledger.sign(&by_issuer("a"), issue(0, &[(4, 8), (9, 9)]));
    (ledger, Attempt::new(bad, good))
}

fn index_taken_in_the_same_block() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let before = vec![ledger.sign(&by_issuer("a"), issue(0, &[(8, 8)]))];
    let record = ledger.sign(&by_issuer("a"), issue(0, &[(8, 9)]));
    (ledger, Attempt::after(before, &record))
}

fn digest_taken() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let bad = ledger.sign(&by_issuer("a"), issue(0, &[(8, 8), (9, 3)]));
    let good = ledger.sign(&by_issuer("a"), issue(0, &[(8, 8), (9, 9)]));
    (ledger, Attempt::new(bad, good))
}

fn digest_taken_in_the_same_block() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let before = vec![ledger.sign(&by_issuer("a"), issue(0, &[(8, 8)]))];
    let record = ledger.sign(&by_issuer("a"), issue(0, &[(9, 8)]));
    (ledger, Attempt::after(before, &record))
}

pub(crate) fn define(name: &str) -> Body {
    Body::DefineAchievement(Achievement {
        id: achievement(name),
        definition: Digest([1; 32]),
        name: name.parse().unwrap(),
        alignments: vec![achievement("aligned")],
        prerequisites: vec![],
    })
}

fn achievement_taken() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    ledger.seal_one(&by_issuer("a"), define("x"));
    let bad = ledger.sign(&by_issuer("a"), define("x"));
    let good = ledger.sign(&by_issuer("a"), define("y"));
    (ledger, Attempt::new(bad, good))
}

#[test]
fn r7_nobody_squats_anothers_digest_or_achievement() {
    let mut ledger = TestLedger::small_with(1, Parameters::default());
    ledger.register(0, "b");
    ledger.seal_one(&by_issuer("b"), Body::OpenStatusList {});
    ledger.seal_one(&by_issuer("b"), issue(1, &[(77, 0)]));
    ledger.seal_one(&by_issuer("a"), define("x"));
    ledger.seal_one(&by_issuer("b"), define("x"));
    let found = ledger.state().credentials(&digest(0)).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].1.index.0, 0);
    assert_eq!(found[1].1.index.0, 77);
}

#[test]
fn r7_the_covering_accreditation_is_recorded() {
    let mut ledger = TestLedger::small_with(2, Parameters::default());
    let second = ledger.accredit(1, "a", false);
    ledger.seal(vec![second]);
    let now = ledger.now;
    ledger.seal_one(&by_member(0), crate::accreditation::withdraw("a", now));
    ledger.seal_one(&by_issuer("a"), issue(0, &[(9, 9)]));
    let state = ledger.state();
    let number = state.issuer_number(&issuer_id("a")).unwrap().unwrap();
    for (credential, place) in [(0, 0), (9, 1)] {
        let row = state
            .credential(&digest(credential), number)
            .unwrap()
            .unwrap();
        let issue = state.issue(row.leaf).unwrap().unwrap();
        assert_eq!(issue.accreditation, place);
    }
}

/// A page of achievements reads itself alone, and the pages together are the whole list.
#[test]
fn r7_achievements_come_in_pages() {
    let mut ledger = TestLedger::small();
    let names: Vec<String> = (0..23).map(|number| format!("x{number}")).collect();
    for name in &names {
        ledger.seal_one(&by_issuer("a"), define(name));
    }
    ledger.register(0, "b");
    ledger.seal_one(&by_issuer("b"), define("of-another-issuer"));
    let state = ledger.state();
    let number = state.issuer_number(&issuer_id("a")).unwrap().unwrap();
    let mut expected: Vec<_> = names.iter().map(|name| achievement(name)).collect();
    expected.sort_by_key(|id| *blake3::hash(id.as_str().as_bytes()).as_bytes());
    for limit in [1, 5, 22, 23, 24] {
        let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let (page, next) = state.achievements(number, after, limit).unwrap();
            assert!(page.len() <= limit);
            found.extend(page.into_iter().map(|achievement| achievement.id));
            pages += 1;
            match next {
                Some(_) => after = next,
                None => break,
            }
        }
        assert_eq!(found, expected, "{limit}");
        assert_eq!(pages, 23 / limit + 1);
    }
    let beyond = state.achievements(number, Some(u64::MAX), 5).unwrap();
    assert_eq!(beyond, (vec![], None));
}
