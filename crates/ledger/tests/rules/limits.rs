//! R10: caps and parameters.

use credlog_ledger::body::{Action, Body, Scope};
use credlog_ledger::ids::AchievementId;
use credlog_ledger::parameters::{Parameter, Parameters};
use credlog_ledger::rejection::Rule::R10;

use crate::support::{
    RECORD, TestLedger, accreditation, by_issuer, by_member, by_recovery, change, issue, issuer_id,
    member, new_key,
};
use crate::{Attempt, Case, run};

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: R10,
        code: "parameter-out-of-range",
        make: parameter_too_large,
    },
    Case {
        rule: R10,
        code: "parameter-out-of-range",
        make: parameter_zero,
    },
    Case {
        rule: R10,
        code: "list-not-half-used",
        make: list_not_half_used,
    },
    Case {
        rule: R10,
        code: "cap-reached",
        make: issuers_per_member,
    },
    Case {
        rule: R10,
        code: "cap-reached",
        make: issuers_per_member_with_a_late_withdrawal,
    },
    Case {
        rule: R10,
        code: "cap-reached",
        make: issuers_by_transfer,
    },
    Case {
        rule: R10,
        code: "cap-reached",
        make: achievements_per_issuer,
    },
    Case {
        rule: R10,
        code: "cap-reached",
        make: active_keys_per_issuer,
    },
    Case {
        rule: R10,
        code: "cap-reached",
        make: active_keys_at_registration,
    },
    Case {
        rule: R10,
        code: "cap-reached",
        make: active_keys_after_a_replacement,
    },
    Case {
        rule: R10,
        code: "cap-reached",
        make: open_proposals_per_member,
    },
    Case {
        rule: R10,
        code: "cap-reached",
        make: registry_entry_by_scope,
    },
    Case {
        rule: R10,
        code: "cap-reached",
        make: registry_entry_keeps_a_reserve,
    },
    Case {
        rule: R10,
        code: "cap-reached",
        make: members,
    },
];

#[test]
fn r10_limits() {
    run(CASES);
}

fn set(parameter: Parameter) -> Body {
    let action = Action::SetParameter { parameter };
    Body::Propose { action }
}

fn proposes(bad: Parameter, good: Parameter) -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let bad = ledger.sign(&by_member(0), set(bad));
    let good = ledger.sign(&by_member(0), set(good));
    (ledger, Attempt::new(bad, good))
}

fn parameter_too_large() -> (TestLedger, Attempt) {
    let parameter = Parameter::RecordsPerBlock;
    proposes(parameter(10_001), parameter(10_000))
}

fn parameter_zero() -> (TestLedger, Attempt) {
    let parameter = Parameter::MinBlockIntervalMs;
    proposes(parameter(0), parameter(1))
}

fn list_not_half_used() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    // Four positions are used; one is missing to the half.
    let mut next = 4;
    while next < 65_535 {
        let mut records = Vec::new();
        for _ in 0..20 {
            let end = (next + 1024).min(65_535);
            let items: Vec<_> = (next..end).map(|n| (n, u64::from(n))).collect();
            next = end;
            if !items.is_empty() {
                records.push(ledger.sign(&by_issuer("a"), issue(0, &items)));
            }
        }
        ledger.seal(records);
    }
    let bad = ledger.sign(&by_issuer("a"), Body::OpenStatusList {});
    let last = ledger.sign(&by_issuer("a"), issue(0, &[(70_000, 70_000)]));
    let attempt = Attempt {
        before: Vec::new(),
        good: bad.clone(),
        bad,
        before_good: Some(vec![last]),
    };
    (ledger, attempt)
}

fn capped(parameters: Parameters) -> TestLedger {
    TestLedger::small_with(2, parameters)
}

fn one_issuer_each() -> TestLedger {
    capped(Parameters {
        issuers_per_member: 1,
        ..Parameters::default()
    })
}

fn issuers_per_member() -> (TestLedger, Attempt) {
    let mut ledger = one_issuer_each();
    let bad = ledger.accredit(0, "b", true);
    let good = ledger.accredit(1, "b", true);
    (ledger, Attempt::new(bad, good))
}

/// A withdrawal for later does not make room: the accreditation is still in force.
fn issuers_per_member_with_a_late_withdrawal() -> (TestLedger, Attempt) {
    let mut ledger = one_issuer_each();
    let late = crate::accreditation::withdraw("a", u64::MAX);
    ledger.seal_one(&by_member(0), late);
    let bad = ledger.accredit(0, "b", true);
    let now = ledger.now;
    let at_once = ledger.sign(&by_member(0), crate::accreditation::withdraw("a", now));
    let attempt = Attempt {
        before: Vec::new(),
        good: bad.clone(),
        bad,
        before_good: Some(vec![at_once]),
    };
    (ledger, attempt)
}

fn issuers_by_transfer() -> (TestLedger, Attempt) {
    let mut ledger = one_issuer_each();
    ledger.register(1, "b");
    let action = Action::TransferAccreditations {
        from: crate::support::member_id(0),
        to: crate::support::member_id(1),
    };
    let proposal = ledger.govern(action, 1);
    let bad = ledger.sign(&by_member(1), Body::Approve { proposal });
    let now = ledger.now;
    let room = ledger.sign(&by_member(1), crate::accreditation::withdraw("b", now));
    let attempt = Attempt {
        before: Vec::new(),
        good: bad.clone(),
        bad,
        before_good: Some(vec![room]),
    };
    (ledger, attempt)
}

fn achievements_per_issuer() -> (TestLedger, Attempt) {
    let mut ledger = capped(Parameters {
        achievements_per_issuer: 1,
        ..Parameters::default()
    });
    ledger.register(0, "b");
    ledger.seal_one(&by_issuer("a"), crate::issue::define("x"));
    let bad = ledger.sign(&by_issuer("a"), crate::issue::define("y"));
    let good = ledger.sign(&by_issuer("b"), crate::issue::define("y"));
    (ledger, Attempt::new(bad, good))
}

fn two_keys_each() -> TestLedger {
    capped(Parameters {
        active_keys_per_issuer: 2,
        ..Parameters::default()
    })
}

fn keys(labels: &[&str]) -> Vec<credlog_ledger::body::NewKey> {
    labels
        .iter()
        .map(|label| new_key("a", label, RECORD))
        .collect()
}

fn active_keys_per_issuer() -> (TestLedger, Attempt) {
    let mut ledger = two_keys_each();
    let signer = by_issuer("a");
    let bad = Body::RotateKeys(change(keys(&["a/2", "a/3"]), &[], None));
    let good = Body::RotateKeys(change(keys(&["a/2", "a/3"]), &["a/record"], None));
    let (bad, good) = (ledger.sign(&signer, bad), ledger.sign(&signer, good));
    (ledger, Attempt::new(bad, good))
}

fn active_keys_at_registration() -> (TestLedger, Attempt) {
    let mut ledger = two_keys_each();
    let mut with = |count: usize| {
        let mut registration = crate::support::registration("b");
        let more = (1..count).map(|n| new_key("b", &format!("b/{n}"), RECORD));
        registration.keys.extend(more);
        ledger.accredit_as(0, "b", accreditation("b", Some(registration)))
    };
    let attempt = Attempt::new(with(3), with(2));
    (ledger, attempt)
}

fn active_keys_after_a_replacement() -> (TestLedger, Attempt) {
    let mut ledger = two_keys_each();
    let mut replace = |labels: &[&str]| {
        let body = Body::ReplaceIssuerKeys {
            issuer: issuer_id("a"),
            change: change(keys(labels), &[], None),
        };
        ledger.sign(&by_member(0), body)
    };
    let attempt = Attempt::new(replace(&["a/2", "a/3"]), replace(&["a/2"]));
    (ledger, attempt)
}

fn open_proposals_per_member() -> (TestLedger, Attempt) {
    let mut ledger = capped(Parameters {
        open_proposals_per_member: 2,
        ..Parameters::default()
    });
    let body = set(Parameter::RecordsPerBlock(7));
    let first = ledger.seal_one(&by_member(0), body.clone());
    ledger.seal_one(&by_member(0), body.clone());
    let bad = ledger.sign(&by_member(0), body);
    let retract = ledger.sign(&by_member(0), Body::Retract { record: first });
    let attempt = Attempt {
        before: Vec::new(),
        good: bad.clone(),
        bad,
        before_good: Some(vec![retract]),
    };
    (ledger, attempt)
}

fn scope(count: usize) -> Scope {
    let ids = (0..count).map(|n| format!("urn:{n:0>96}").parse::<AchievementId>().unwrap());
    Scope::Achievements(ids.collect())
}

fn amend(count: usize) -> Body {
    Body::AmendAccreditation {
        issuer: issuer_id("a"),
        scope: scope(count),
        until: None,
    }
}

fn registry_entry_by_scope() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let bad = ledger.sign(&by_member(0), amend(120));
    let good = ledger.sign(&by_member(0), amend(100));
    (ledger, Attempt::new(bad, good))
}

/// Active keys cannot fill the entry so far that the recovery key has no room.
fn registry_entry_keeps_a_reserve() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let full = (90..120).rev().find(|&count| {
        let record = ledger.sign(&by_member(0), amend(count));
        ledger.build(vec![record]).is_ok()
    });
    ledger.seal_one(&by_member(0), amend(full.unwrap()));
    let body = Body::RotateKeys(change(keys(&["a/2", "a/3"]), &[], None));
    let bad = ledger.sign(&by_issuer("a"), body.clone());
    let good = ledger.sign(&by_recovery("a"), body);
    (ledger, Attempt::new(bad, good))
}

fn members() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::with(100, Parameters::default());
    let add = |id: &str| Action::AddMember {
        member: member(id, 0),
    };
    let remove = Action::RemoveMember {
        member: crate::support::member_id(99),
        transfer_to: None,
    };
    // 67 of 100 are more than two thirds; the last approval is the one in question.
    let proposal = ledger.seal_one(&by_member(0), Body::Propose { action: add("new") });
    let other = ledger.seal_one(&by_member(0), Body::Propose { action: remove });
    for number in 0..66 {
        let records = [proposal, other]
            .map(|proposal| ledger.sign(&by_member(number), Body::Approve { proposal }));
        ledger.seal(records.to_vec());
    }
    let bad = ledger.sign(&by_member(66), Body::Approve { proposal });
    let good = ledger.sign(&by_member(66), Body::Approve { proposal: other });
    (ledger, Attempt::new(bad, good))
}

/// Whoever fills an entry, and however far the cap comes down: what ends or retires passes.
#[test]
fn r10_a_full_entry_can_still_be_taken_down() {
    let mut ledger = TestLedger::small();
    let add = Body::RotateKeys(change(keys(&["a/2", "a/3"]), &[], None));
    ledger.seal_one(&by_issuer("a"), add);
    ledger.seal_one(&by_member(0), amend(100));
    let parameter = Parameter::RegistryEntryBytes(4_096);
    ledger.govern(Action::SetParameter { parameter }, 1);
    let more = Body::RotateKeys(change(keys(&["a/4"]), &[], None));
    let by_key = ledger.sign(&by_issuer("a"), more.clone());
    assert_eq!(ledger.refusal(&by_key).code(), "cap-reached");
    // A stolen key that is the only one cannot be retired without another in its place.
    ledger.seal_one(&by_recovery("a"), more);
    // A member's grant can be made smaller, not larger.
    let larger = ledger.sign(&by_member(0), amend(101));
    assert_eq!(ledger.refusal(&larger).code(), "cap-reached");
    ledger.seal_one(&by_member(0), amend(99));
    let retire = Body::RotateKeys(change(vec![], &["a/2"], None));
    ledger.seal_one(&by_recovery("a"), retire);
    let now = ledger.now;
    ledger.seal_one(&by_member(0), crate::accreditation::withdraw("a", now));
}

/// An accreditor could once fill an issuer's entry for good with the keys of a replacement.
#[test]
fn r10_a_replacement_leaves_the_reserve_to_the_recovery_key() {
    let mut ledger = TestLedger::small();
    let full = (90..120).rev().find(|&count| {
        let record = ledger.sign(&by_member(0), amend(count));
        ledger.build(vec![record]).is_ok()
    });
    ledger.seal_one(&by_member(0), amend(full.unwrap()));
    let more = change(keys(&["a/2", "a/3"]), &["a/record"], None);
    let replace = Body::ReplaceIssuerKeys {
        issuer: issuer_id("a"),
        change: more.clone(),
    };
    let replace = ledger.sign(&by_member(0), replace);
    assert_eq!(ledger.refusal(&replace).code(), "cap-reached");
    ledger.seal_one(&by_recovery("a"), Body::RotateKeys(more));
}
