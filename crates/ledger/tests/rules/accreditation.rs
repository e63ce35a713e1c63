//! R6: who accredits whom, from when, until when.

use credlog_ledger::body::{Action, Body, Reason, Scope};
use credlog_ledger::ids::UnixMillis;
use credlog_ledger::parameters::Parameters;
use credlog_ledger::rejection::Rule::R6;

use crate::support::{
    DAY, RECORD, TestLedger, accreditation, by_issuer, by_member, change, digests, issue,
    issuer_id, member_id, new_key, status_change,
};
use crate::{Attempt, Case, run};

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: R6,
        code: "unknown-issuer",
        make: amend_unknown,
    },
    Case {
        rule: R6,
        code: "unknown-issuer",
        make: withdraw_unknown,
    },
    Case {
        rule: R6,
        code: "unknown-issuer",
        make: replace_keys_of_unknown,
    },
    Case {
        rule: R6,
        code: "accredited-already",
        make: accredit_twice,
    },
    Case {
        rule: R6,
        code: "accredited-already",
        make: accredit_twice_in_a_block,
    },
    Case {
        rule: R6,
        code: "not-accreditor",
        make: amend_of_another_member,
    },
    Case {
        rule: R6,
        code: "not-accreditor",
        make: withdraw_of_another_member,
    },
    Case {
        rule: R6,
        code: "not-accreditor",
        make: amend_after_the_end,
    },
    Case {
        rule: R6,
        code: "not-accreditor",
        make: withdraw_twice,
    },
    Case {
        rule: R6,
        code: "not-accreditor",
        make: replace_keys_without_accreditation,
    },
    Case {
        rule: R6,
        code: "withdrawn-already",
        make: withdrawal_put_off,
    },
    Case {
        rule: R6,
        code: "withdrawn-already",
        make: governance_decision_put_off,
    },
    Case {
        rule: R6,
        code: "time-in-past",
        make: until_in_past,
    },
    Case {
        rule: R6,
        code: "time-in-past",
        make: amended_until_in_past,
    },
];

#[test]
fn r6_accreditation() {
    run(CASES);
}

pub(crate) fn withdraw(issuer: &str, from: u64) -> Body {
    Body::WithdrawAccreditation {
        issuer: issuer_id(issuer),
        from: UnixMillis(from),
        reason: Reason::Other,
    }
}

fn amend(issuer: &str, until: Option<u64>) -> Body {
    Body::AmendAccreditation {
        issuer: issuer_id(issuer),
        scope: Scope::All,
        until: until.map(UnixMillis),
    }
}

fn two_members() -> TestLedger {
    TestLedger::small_with(2, Parameters::default())
}

/// The same body for an unknown issuer and for `a`.
fn about(body: fn(&str, u64) -> Body) -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let now = ledger.now;
    let bad = ledger.sign(&by_member(0), body("b", now));
    let good = ledger.sign(&by_member(0), body("a", now));
    (ledger, Attempt::new(bad, good))
}

fn amend_unknown() -> (TestLedger, Attempt) {
    about(|issuer, _| amend(issuer, None))
}

fn withdraw_unknown() -> (TestLedger, Attempt) {
    about(withdraw)
}

fn replacement(issuer: &str) -> Body {
    Body::ReplaceIssuerKeys {
        issuer: issuer_id(issuer),
        change: change(vec![new_key(issuer, "new", RECORD)], &[], None),
    }
}

fn replace_keys_of_unknown() -> (TestLedger, Attempt) {
    about(|issuer, _| replacement(issuer))
}

fn accredit_twice() -> (TestLedger, Attempt) {
    let mut ledger = two_members();
    let bad = ledger.accredit(0, "a", false);
    let good = ledger.accredit(1, "a", false);
    (ledger, Attempt::new(bad, good))
}

fn accredit_twice_in_a_block() -> (TestLedger, Attempt) {
    let mut ledger = two_members();
    let before = vec![ledger.accredit(1, "a", false)];
    let record = ledger.accredit(1, "a", false);
    (ledger, Attempt::after(before, &record))
}

/// The same body by member 1, who accredits nobody, and by member 0.
fn by_both(body: fn(u64) -> Body) -> (TestLedger, Attempt) {
    let mut ledger = two_members();
    let now = ledger.now;
    let bad = ledger.sign(&by_member(1), body(now));
    let good = ledger.sign(&by_member(0), body(now));
    (ledger, Attempt::new(bad, good))
}

fn amend_of_another_member() -> (TestLedger, Attempt) {
    by_both(|_| amend("a", None))
}

fn withdraw_of_another_member() -> (TestLedger, Attempt) {
    by_both(|now| withdraw("a", now))
}

fn replace_keys_without_accreditation() -> (TestLedger, Attempt) {
    by_both(|_| replacement("a"))
}

fn amend_after_the_end() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let end = ledger.now + DAY;
    ledger.seal_one(&by_member(0), amend("a", Some(end)));
    ledger.now = end;
    let bad = ledger.sign(&by_member(0), amend("a", None));
    let good = ledger.accredit(0, "a", false);
    (ledger, Attempt::new(bad, good))
}

fn withdraw_twice() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let now = ledger.now;
    ledger.seal_one(&by_member(0), withdraw("a", now));
    let now = ledger.now;
    let bad = ledger.sign(&by_member(0), withdraw("a", now));
    let good = ledger.accredit(0, "a", false);
    (ledger, Attempt::new(bad, good))
}

fn withdrawal_put_off() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let from = ledger.now + DAY;
    ledger.seal_one(&by_member(0), withdraw("a", from));
    let bad = ledger.sign(&by_member(0), withdraw("a", from));
    let good = ledger.sign(&by_member(0), withdraw("a", from - 1));
    (ledger, Attempt::new(bad, good))
}

fn governance_decision_put_off() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let from = ledger.now + DAY;
    let action = Action::WithdrawAccreditation {
        member: member_id(0),
        issuer: issuer_id("a"),
        from: UnixMillis(from),
        reason: Reason::Other,
    };
    ledger.govern(action, 1);
    let bad = ledger.sign(&by_member(0), withdraw("a", u64::MAX));
    let good = ledger.sign(&by_member(0), withdraw("a", from - 1));
    (ledger, Attempt::new(bad, good))
}

fn until_in_past() -> (TestLedger, Attempt) {
    let mut ledger = two_members();
    let mut until = |time| {
        let mut body = accreditation("a", None);
        body.until = Some(UnixMillis(time));
        ledger.accredit_as(1, "a", body)
    };
    let now = FOUNDING_PLUS_BLOCKS;
    let attempt = Attempt::new(until(now), until(now + 1));
    assert_eq!(ledger.now, now);
    (ledger, attempt)
}

/// Time of the next seal of [`two_members`].
const FOUNDING_PLUS_BLOCKS: u64 = crate::support::FOUNDED + 4_000;

fn amended_until_in_past() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let now = ledger.now;
    let bad = ledger.sign(&by_member(0), amend("a", Some(now)));
    let good = ledger.sign(&by_member(0), amend("a", Some(now + 1)));
    (ledger, Attempt::new(bad, good))
}

/// Nobody knows the seal's time beforehand. Once an earlier time was refused: "at once" could
/// not be said, and governance's withdrawal failed when the last approval came late.
#[test]
fn r6_a_withdrawal_from_the_past_begins_at_the_seal() {
    for by_governance in [false, true] {
        let mut ledger = TestLedger::small();
        let before = ledger.now - 1;
        if by_governance {
            let action = Action::WithdrawAccreditation {
                member: crate::support::member_id(0),
                issuer: issuer_id("a"),
                from: UnixMillis(before),
                reason: Reason::Other,
            };
            ledger.govern(action, 1);
        } else {
            ledger.seal_one(&by_member(0), withdraw("a", 0));
        }
        let head = ledger.state().head().unwrap();
        let (_, entry) = ledger
            .state()
            .find_issuer(&issuer_id("a"))
            .unwrap()
            .unwrap();
        let withdrawn = entry.accreditations[0].withdrawn.unwrap();
        assert_eq!(withdrawn.from, head.time);
        let issue = ledger.sign(&by_issuer("a"), crate::support::issue(0, &[(9, 9)]));
        assert_eq!(ledger.refusal(&issue).code(), "not-accredited");
        // Its place is free again.
        let again = ledger.accredit(0, "a", false);
        ledger.seal(vec![again]);
    }
}

#[test]
fn r6_a_withdrawal_begins_at_its_time_to_the_millisecond() {
    let mut ledger = TestLedger::small();
    let from = ledger.now + DAY;
    ledger.seal_one(&by_member(0), withdraw("a", from));
    ledger.now = from - 1;
    let record = ledger.sign(&by_issuer("a"), issue(0, &[(9, 9)]));
    assert!(ledger.build(vec![record.clone()]).is_ok());
    ledger.now = from;
    assert_eq!(ledger.refusal(&record).code(), "not-accredited");
}

fn places(ledger: &TestLedger, member: usize) -> u32 {
    let row = ledger.state().member_row(&member_id(member)).unwrap();
    row.unwrap().accreditations
}

/// A withdrawal for later, and an end that came by itself, keep their place (R10) until
/// they are withdrawn at once; every place is given back once.
#[test]
fn r6_places_are_given_back_exactly_once() {
    let mut ledger = TestLedger::small();
    assert_eq!(places(&ledger, 0), 1);
    let from = ledger.now + DAY;
    ledger.seal_one(&by_member(0), withdraw("a", from));
    assert_eq!(places(&ledger, 0), 1, "still in force");
    ledger.now = from;
    let registry = ledger.state().head().unwrap().registry_root;
    ledger.seal_one(&by_member(0), withdraw("a", from));
    assert_eq!(places(&ledger, 0), 0);
    let after = ledger.state().head().unwrap().registry_root;
    assert_eq!(after, registry, "the withdrawal stands as it was");
    let again = ledger.accredit(0, "a", false);
    ledger.seal(vec![again]);
    assert_eq!(places(&ledger, 0), 1);
    let end = ledger.now + DAY;
    ledger.seal_one(&by_member(0), amend("a", Some(end)));
    ledger.now = end;
    let again = ledger.accredit(0, "a", false);
    ledger.seal(vec![again]);
    assert_eq!(places(&ledger, 0), 1, "the place was kept");
    let now = ledger.now;
    ledger.seal_one(&by_member(0), withdraw("a", now));
    assert_eq!(places(&ledger, 0), 0);
}

/// Without an accreditation an issuer still answers for what it issued: it can revoke,
/// suspend, reinstate, supersede and rotate its keys.
#[test]
fn r6_an_issuer_without_accreditation_still_ends_what_it_issued() {
    let mut ledger = TestLedger::small();
    let now = ledger.now;
    ledger.seal_one(&by_member(0), withdraw("a", now));
    let suspend = Body::Suspend(status_change("a", &[0]));
    let suspension = ledger.seal_one(&by_issuer("a"), suspend);
    let [old, new]: [_; 2] = digests(&[1, 2]).try_into().unwrap();
    let bodies = [
        Body::Reinstate {
            issuer: issuer_id("a"),
            suspension,
            digests: digests(&[0]),
            reason: Reason::Other,
        },
        Body::Supersede {
            issuer: issuer_id("a"),
            old,
            new,
            reason: Reason::Superseded,
        },
        Body::Revoke(status_change("a", &[0])),
        Body::RotateKeys(change(vec![new_key("a", "second", RECORD)], &[], None)),
    ];
    for body in bodies {
        ledger.seal_one(&by_issuer("a"), body);
    }
}
