//! R8: revoking, suspending, reinstating, superseding.

use credlog_ledger::body::{Body, Reason};
use credlog_ledger::ids::{RecordId, StatusIndex};
use credlog_ledger::parameters::Parameters;
use credlog_ledger::rejection::Rule::R8;
use credlog_ledger::status::Status;

use crate::support::{
    TestLedger, by_issuer, by_member, digest, digests, issue, issuer_id, status_change,
};
use crate::{Attempt, Case, run};

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: R8,
        code: "unknown-credential",
        make: unknown_credential,
    },
    Case {
        rule: R8,
        code: "unknown-credential",
        make: superseded_by_anothers,
    },
    Case {
        rule: R8,
        code: "not-yours",
        make: member_that_did_not_cover,
    },
    Case {
        rule: R8,
        code: "not-yours",
        make: successor_not_covered,
    },
    Case {
        rule: R8,
        code: "wrong-status",
        make: revoke_twice,
    },
    Case {
        rule: R8,
        code: "wrong-status",
        make: suspend_suspended,
    },
    Case {
        rule: R8,
        code: "wrong-status",
        make: suspend_revoked,
    },
    Case {
        rule: R8,
        code: "wrong-status",
        make: reinstate_valid,
    },
    Case {
        rule: R8,
        code: "wrong-status",
        make: reinstate_revoked,
    },
    Case {
        rule: R8,
        code: "wrong-status",
        make: supersede_revoked,
    },
    Case {
        rule: R8,
        code: "wrong-status",
        make: supersede_by_revoked,
    },
    Case {
        rule: R8,
        code: "wrong-status",
        make: supersede_in_a_cycle,
    },
    Case {
        rule: R8,
        code: "wrong-status",
        make: supersede_twice,
    },
    Case {
        rule: R8,
        code: "other-suspension",
        make: other_suspension,
    },
];

#[test]
fn r8_status() {
    run(CASES);
}

fn revoke(numbers: &[u64]) -> Body {
    Body::Revoke(status_change("a", numbers))
}

fn suspend(numbers: &[u64]) -> Body {
    Body::Suspend(status_change("a", numbers))
}

fn reinstate(suspension: RecordId, numbers: &[u64]) -> Body {
    Body::Reinstate {
        issuer: issuer_id("a"),
        suspension,
        digests: digests(numbers),
        reason: Reason::Other,
    }
}

fn supersede(old: u64, new: u64) -> Body {
    Body::Supersede {
        issuer: issuer_id("a"),
        old: digest(old),
        new: digest(new),
        reason: Reason::Superseded,
    }
}

/// After `done`, body `bad` is refused and `good` passes, all signed by the issuer.
fn issuer_tries(done: &[Body], bad: Body, good: Body) -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    for body in done {
        ledger.seal_one(&by_issuer("a"), body.clone());
    }
    let bad = ledger.sign(&by_issuer("a"), bad);
    let good = ledger.sign(&by_issuer("a"), good);
    (ledger, Attempt::new(bad, good))
}

fn unknown_credential() -> (TestLedger, Attempt) {
    issuer_tries(&[], revoke(&[0, 99]), revoke(&[0, 1]))
}

fn superseded_by_anothers() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    ledger.register(0, "b");
    ledger.seal_one(&by_issuer("b"), Body::OpenStatusList {});
    ledger.seal_one(&by_issuer("b"), issue(1, &[(0, 50)]));
    let bad = ledger.sign(&by_issuer("a"), supersede(0, 50));
    let good = ledger.sign(&by_issuer("a"), supersede(0, 1));
    (ledger, Attempt::new(bad, good))
}

/// Member 0 covered credentials 0 to 3, member 1 covers credential 9.
fn two_accreditors() -> TestLedger {
    let mut ledger = TestLedger::small_with(2, Parameters::default());
    let now = ledger.now;
    ledger.seal_one(&by_member(0), crate::accreditation::withdraw("a", now));
    let second = ledger.accredit(1, "a", false);
    ledger.seal(vec![second]);
    ledger.seal_one(&by_issuer("a"), issue(0, &[(9, 9)]));
    ledger
}

fn member_that_did_not_cover() -> (TestLedger, Attempt) {
    let mut ledger = two_accreditors();
    let bad = ledger.sign(&by_member(1), revoke(&[0]));
    let good = ledger.sign(&by_member(0), revoke(&[0]));
    (ledger, Attempt::new(bad, good))
}

fn successor_not_covered() -> (TestLedger, Attempt) {
    let mut ledger = two_accreditors();
    let bad = ledger.sign(&by_member(0), supersede(0, 9));
    let good = ledger.sign(&by_member(0), supersede(0, 1));
    (ledger, Attempt::new(bad, good))
}

fn revoke_twice() -> (TestLedger, Attempt) {
    issuer_tries(&[revoke(&[0])], revoke(&[0, 1]), revoke(&[1]))
}

fn suspend_suspended() -> (TestLedger, Attempt) {
    issuer_tries(&[suspend(&[0])], suspend(&[0]), suspend(&[1]))
}

fn suspend_revoked() -> (TestLedger, Attempt) {
    issuer_tries(&[revoke(&[0])], suspend(&[0]), suspend(&[1]))
}

/// Credentials 0 and 1 are suspended by one record, which is named.
fn suspended(then: Option<Body>, bad: &[u64], good: &[u64]) -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let suspension = ledger.seal_one(&by_issuer("a"), suspend(&[0, 1]));
    if let Some(body) = then {
        ledger.seal_one(&by_issuer("a"), body);
    }
    let bad = ledger.sign(&by_issuer("a"), reinstate(suspension, bad));
    let good = ledger.sign(&by_issuer("a"), reinstate(suspension, good));
    (ledger, Attempt::new(bad, good))
}

fn reinstate_valid() -> (TestLedger, Attempt) {
    suspended(None, &[0, 2], &[0])
}

fn reinstate_revoked() -> (TestLedger, Attempt) {
    suspended(Some(revoke(&[0])), &[0], &[1])
}

fn supersede_revoked() -> (TestLedger, Attempt) {
    issuer_tries(&[revoke(&[0])], supersede(0, 1), supersede(2, 1))
}

fn supersede_by_revoked() -> (TestLedger, Attempt) {
    issuer_tries(&[revoke(&[0])], supersede(1, 0), supersede(1, 2))
}

fn supersede_in_a_cycle() -> (TestLedger, Attempt) {
    let done = [supersede(0, 1), supersede(1, 2)];
    issuer_tries(&done, supersede(2, 0), supersede(2, 3))
}

fn supersede_twice() -> (TestLedger, Attempt) {
    issuer_tries(&[supersede(0, 1)], supersede(0, 2), supersede(1, 2))
}

fn other_suspension() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let first = ledger.seal_one(&by_issuer("a"), suspend(&[0]));
    ledger.seal_one(&by_issuer("a"), reinstate(first, &[0]));
    let second = ledger.seal_one(&by_issuer("a"), suspend(&[0]));
    let bad = ledger.sign(&by_issuer("a"), reinstate(first, &[0]));
    let good = ledger.sign(&by_issuer("a"), reinstate(second, &[0]));
    (ledger, Attempt::new(bad, good))
}

#[test]
fn r8_a_suspension_stays_recorded_under_a_revocation() {
    let mut ledger = TestLedger::small();
    ledger.seal_one(&by_issuer("a"), suspend(&[0]));
    ledger.seal_one(&by_issuer("a"), revoke(&[0, 1]));
    let chunk = ledger
        .state()
        .chunk(credlog_ledger::ids::ListNumber(0), 0)
        .unwrap();
    assert_eq!(chunk.0[0], 0b0000_0111);
    for index in [0, 1] {
        assert_eq!(chunk.status(StatusIndex(index)), Status::Revoked);
    }
}

#[test]
fn r6_an_issuer_without_accreditation_still_changes_statuses() {
    let mut ledger = TestLedger::small();
    let now = ledger.now;
    ledger.seal_one(&by_member(0), crate::accreditation::withdraw("a", now));
    let suspension = ledger.seal_one(&by_issuer("a"), suspend(&[0, 1]));
    ledger.seal_one(&by_issuer("a"), reinstate(suspension, &[0]));
    ledger.seal_one(&by_issuer("a"), revoke(&[2]));
    // And the member whose accreditation covered the issue does, too.
    ledger.seal_one(&by_member(0), reinstate(suspension, &[1]));
    let key = crate::support::new_key("a", "a/2", crate::support::RECORD);
    let body = Body::RotateKeys(crate::support::change(vec![key], &[], None));
    ledger.seal_one(&by_issuer("a"), body);
}
