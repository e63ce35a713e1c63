//! R0: the envelope of a record.

use credlog_ledger::body::Body;
use credlog_ledger::ids::{LedgerId, UnixMillis};
use credlog_ledger::record::{EXPIRY_MILLIS_MAX, EncodedRecord, Record};
use credlog_ledger::rejection::Rule::R0;

use crate::support::{
    ASSERTION, TestLedger, by_issuer, by_issuer_key, by_member, by_recovery, change, issue,
    new_key, status_change,
};
use crate::{Attempt, Case, run};

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: R0,
        code: "wrong-ledger",
        make: wrong_ledger,
    },
    Case {
        rule: R0,
        code: "expired",
        make: expired,
    },
    Case {
        rule: R0,
        code: "expires-too-late",
        make: expires_too_late,
    },
    Case {
        rule: R0,
        code: "duplicate",
        make: duplicate,
    },
    Case {
        rule: R0,
        code: "duplicate",
        make: duplicate_within_a_block,
    },
    Case {
        rule: R0,
        code: "unknown-author",
        make: unknown_member,
    },
    Case {
        rule: R0,
        code: "unknown-author",
        make: unknown_issuer,
    },
    Case {
        rule: R0,
        code: "key-not-active",
        make: key_of_another,
    },
    Case {
        rule: R0,
        code: "key-not-active",
        make: retired_key,
    },
    Case {
        rule: R0,
        code: "key-not-active",
        make: retired_in_the_same_block,
    },
    Case {
        rule: R0,
        code: "key-not-active",
        make: assertion_key,
    },
    Case {
        rule: R0,
        code: "key-not-active",
        make: recovery_key_signs_only_rotations,
    },
    Case {
        rule: R0,
        code: "key-not-active",
        make: consensus_key,
    },
    Case {
        rule: R0,
        code: "bad-signature",
        make: bad_signature,
    },
    Case {
        rule: R0,
        code: "wrong-author",
        make: member_issues,
    },
    Case {
        rule: R0,
        code: "wrong-author",
        make: issuer_proposes,
    },
    Case {
        rule: R0,
        code: "wrong-author",
        make: issuer_revokes_of_another,
    },
];

#[test]
fn r0_envelope() {
    run(CASES);
}

fn open() -> Body {
    Body::OpenStatusList {}
}

/// A ledger whose issuer `a` has opened nothing yet.
fn registered() -> TestLedger {
    let mut ledger = TestLedger::new(1);
    ledger.register(0, "a");
    ledger
}

fn wrong_ledger() -> (TestLedger, Attempt) {
    let mut ledger = registered();
    let good = ledger.sign(&by_issuer("a"), open());
    let signer = by_issuer("a");
    let other = LedgerId([7; 32]);
    let (nonce, expires) = (ledger.next_nonce(), ledger.expires());
    let bad = Record::sign(other, signer.id, nonce, expires, open(), &signer.key).unwrap();
    (
        ledger,
        Attempt::new(EncodedRecord::new(&bad).unwrap(), good),
    )
}

fn expired() -> (TestLedger, Attempt) {
    let mut ledger = registered();
    let now = ledger.now;
    let bad = ledger.sign_until(&by_issuer("a"), open(), UnixMillis(now - 1));
    let good = ledger.sign_until(&by_issuer("a"), open(), UnixMillis(now));
    (ledger, Attempt::new(bad, good))
}

fn expires_too_late() -> (TestLedger, Attempt) {
    let mut ledger = registered();
    let latest = ledger.now + EXPIRY_MILLIS_MAX;
    let bad = ledger.sign_until(&by_issuer("a"), open(), UnixMillis(latest + 1));
    let good = ledger.sign_until(&by_issuer("a"), open(), UnixMillis(latest));
    (ledger, Attempt::new(bad, good))
}

fn duplicate() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let bad = ledger.sign(&by_issuer("a"), issue(0, &[(9, 9)]));
    ledger.seal(vec![bad.clone()]);
    let good = ledger.sign(&by_issuer("a"), issue(0, &[(10, 10)]));
    (ledger, Attempt::new(bad, good))
}

fn duplicate_within_a_block() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let record = ledger.sign(&by_issuer("a"), issue(0, &[(9, 9)]));
    (ledger, Attempt::after(vec![record.clone()], &record))
}

fn unknown_member() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let body = Body::Suspend(status_change("a", &[0]));
    let bad = ledger.sign(&by_member(1), body.clone());
    let good = ledger.sign(&by_member(0), body);
    (ledger, Attempt::new(bad, good))
}

fn unknown_issuer() -> (TestLedger, Attempt) {
    let mut ledger = registered();
    let bad = ledger.sign(&by_issuer("b"), open());
    let good = ledger.sign(&by_issuer("a"), open());
    (ledger, Attempt::new(bad, good))
}

fn key_of_another() -> (TestLedger, Attempt) {
    let mut ledger = registered();
    ledger.register(0, "b");
    let bad = ledger.sign(&by_issuer_key("a", "b/record"), open());
    let good = ledger.sign(&by_issuer("a"), open());
    (ledger, Attempt::new(bad, good))
}

/// Issuer `a` has moved from its first key to key `a/2`.
fn rotation() -> Body {
    let key = new_key("a", "a/2", crate::support::RECORD);
    Body::RotateKeys(change(vec![key], &["a/record"], None))
}

fn retired_key() -> (TestLedger, Attempt) {
    let mut ledger = registered();
    ledger.seal_one(&by_issuer("a"), rotation());
    let bad = ledger.sign(&by_issuer("a"), open());
    let good = ledger.sign(&by_issuer_key("a", "a/2"), open());
    (ledger, Attempt::new(bad, good))
}

fn retired_in_the_same_block() -> (TestLedger, Attempt) {
    let mut ledger = registered();
    let rotation = ledger.sign(&by_issuer("a"), rotation());
    let record = ledger.sign(&by_issuer("a"), open());
    (ledger, Attempt::after(vec![rotation], &record))
}

fn assertion_key() -> (TestLedger, Attempt) {
    let mut ledger = registered();
    let key = new_key("a", "a/assertion", ASSERTION);
    ledger.seal_one(
        &by_issuer("a"),
        Body::RotateKeys(change(vec![key], &[], None)),
    );
    let bad = ledger.sign(&by_issuer_key("a", "a/assertion"), open());
    let good = ledger.sign(&by_issuer("a"), open());
    (ledger, Attempt::new(bad, good))
}

fn recovery_key_signs_only_rotations() -> (TestLedger, Attempt) {
    let mut ledger = registered();
    let bad = ledger.sign(&by_recovery("a"), open());
    let good = ledger.sign(&by_recovery("a"), rotation());
    (ledger, Attempt::new(bad, good))
}

fn consensus_key() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let body = Body::Suspend(status_change("a", &[0]));
    let mut signer = by_member(0);
    let good = ledger.sign(&signer, body.clone());
    signer.key = crate::support::key("m0/0/consensus");
    let bad = ledger.sign(&signer, body);
    (ledger, Attempt::new(bad, good))
}

fn bad_signature() -> (TestLedger, Attempt) {
    let mut ledger = registered();
    let good = ledger.sign(&by_issuer("a"), open());
    let mut record = good.record().clone();
    record.signature[3] ^= 1;
    (
        ledger,
        Attempt::new(EncodedRecord::new(&record).unwrap(), good),
    )
}

fn member_issues() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let bad = ledger.sign(&by_member(0), issue(0, &[(9, 9)]));
    let good = ledger.sign(&by_issuer("a"), issue(0, &[(9, 9)]));
    (ledger, Attempt::new(bad, good))
}

fn issuer_proposes() -> (TestLedger, Attempt) {
    let mut ledger = registered();
    let parameter = credlog_ledger::parameters::Parameter::RecordsPerBlock(5);
    let action = credlog_ledger::body::Action::SetParameter { parameter };
    let bad = ledger.sign(
        &by_issuer("a"),
        Body::Propose {
            action: action.clone(),
        },
    );
    let good = ledger.sign(&by_member(0), Body::Propose { action });
    (ledger, Attempt::new(bad, good))
}

fn issuer_revokes_of_another() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    ledger.register(0, "b");
    let body = Body::Revoke(status_change("a", &[0]));
    let bad = ledger.sign(&by_issuer("b"), body.clone());
    let good = ledger.sign(&by_issuer("a"), body);
    (ledger, Attempt::new(bad, good))
}
