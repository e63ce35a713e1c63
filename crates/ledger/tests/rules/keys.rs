//! R4 and R5: registering keys, rotating them, recovering.

use credlog_ledger::body::{Action, Body, KeyChange};
use credlog_ledger::key::{ProvenKey, Role};
use credlog_ledger::rejection::Rule::{R4, R5};

use crate::support::{
    ASSERTION, BOTH, DAY, RECORD, TestLedger, accreditation, by_issuer, by_issuer_key, by_member,
    by_recovery, change, issuer_id, key, member, new_key, origin, public, registration,
    status_change,
};
use crate::{Attempt, Case, run};

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: R4,
        code: "bad-key",
        make: possession_for_another_role,
    },
    Case {
        rule: R4,
        code: "bad-key",
        make: possession_of_another_owner,
    },
    Case {
        rule: R4,
        code: "bad-key",
        make: recovery_without_possession,
    },
    Case {
        rule: R4,
        code: "key-registered",
        make: key_of_a_member,
    },
    Case {
        rule: R4,
        code: "key-registered",
        make: own_retired_key,
    },
    Case {
        rule: R4,
        code: "key-registered",
        make: same_key_twice_in_one_record,
    },
    Case {
        rule: R4,
        code: "key-registered",
        make: recovery_key_as_record_key,
    },
    Case {
        rule: R4,
        code: "key-registered",
        make: key_of_a_cancelled_replacement,
    },
    Case {
        rule: R4,
        code: "key-registered",
        make: member_swaps_its_keys,
    },
    Case {
        rule: R4,
        code: "bad-member",
        make: member_without_possession,
    },
    Case {
        rule: R4,
        code: "bad-member",
        make: member_with_one_key_in_two_roles,
    },
    Case {
        rule: R4,
        code: "bad-member",
        make: member_with_nine_addresses,
    },
    Case {
        rule: R4,
        code: "registration-missing",
        make: registration_missing,
    },
    Case {
        rule: R4,
        code: "registration-surplus",
        make: registration_surplus,
    },
    Case {
        rule: R4,
        code: "bad-countersignature",
        make: countersigned_by_another,
    },
    Case {
        rule: R4,
        code: "bad-countersignature",
        make: countersignature_of_another_record,
    },
    Case {
        rule: R5,
        code: "no-record-key",
        make: last_record_key_retired,
    },
    Case {
        rule: R5,
        code: "no-record-key",
        make: first_keys_sign_no_records,
    },
    Case {
        rule: R5,
        code: "no-record-key",
        make: no_record_key_after_the_replacement,
    },
    Case {
        rule: R5,
        code: "no-record-key",
        make: none_left_once_the_pending_takes_effect,
    },
    Case {
        rule: R5,
        code: "needs-recovery-key",
        make: active_key_retires_another,
    },
    Case {
        rule: R5,
        code: "needs-recovery-key",
        make: active_key_states_a_compromise,
    },
    Case {
        rule: R5,
        code: "key-not-there",
        make: unknown_key_retired,
    },
    Case {
        rule: R5,
        code: "key-not-there",
        make: key_retired_twice,
    },
    Case {
        rule: R5,
        code: "compromise-in-future",
        make: compromise_in_future,
    },
    Case {
        rule: R5,
        code: "replacement-pending",
        make: second_replacement,
    },
    Case {
        rule: R5,
        code: "replacement-pending",
        make: active_key_revokes,
    },
    Case {
        rule: R5,
        code: "replacement-pending",
        make: active_key_supersedes,
    },
    Case {
        rule: R5,
        code: "replacement-pending",
        make: active_key_adds,
    },
];

#[test]
fn r4_and_r5_keys() {
    run(CASES);
}

fn rotate(change: KeyChange) -> Body {
    Body::RotateKeys(change)
}

fn replace(change: KeyChange) -> Body {
    let issuer = issuer_id("a");
    Body::ReplaceIssuerKeys { issuer, change }
}

/// Issuer `a` with a second record key `a/2`.
fn two_keys() -> TestLedger {
    let mut ledger = TestLedger::small();
    let add = rotate(change(vec![new_key("a", "a/2", RECORD)], &[], None));
    ledger.seal_one(&by_issuer("a"), add);
    ledger
}

fn possession_for_another_role() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let good = new_key("a", "a/2", BOTH);
    let mut bad = new_key("a", "a/2", RECORD);
    bad.purposes = BOTH;
    let bad = ledger.sign(&by_issuer("a"), rotate(change(vec![bad], &[], None)));
    let good = ledger.sign(&by_issuer("a"), rotate(change(vec![good], &[], None)));
    (ledger, Attempt::new(bad, good))
}

fn possession_of_another_owner() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let mut body = |owner| {
        let key = new_key(owner, "a/2", ASSERTION);
        ledger.sign(&by_issuer("a"), rotate(change(vec![key], &[], None)))
    };
    let attempt = Attempt::new(body("b"), body("a"));
    (ledger, attempt)
}

fn recovery_without_possession() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::new(1);
    let good = ledger.accredit(0, "a", true);
    let mut surplus = registration("a");
    surplus.recovery.possession[0] ^= 1;
    let bad = ledger.accredit_as(0, "a", accreditation("a", Some(surplus)));
    (ledger, Attempt::new(bad, good))
}

/// Issuer `a` tries to add the key with this label; a new key would do.
fn adds(mut ledger: TestLedger, label: &str) -> (TestLedger, Attempt) {
    let signer = by_recovery("a");
    let key = new_key("a", label, RECORD);
    let bad = ledger.sign(&signer, rotate(change(vec![key], &[], None)));
    let key = new_key("a", "a/fresh", RECORD);
    let good = ledger.sign(&signer, rotate(change(vec![key], &[], None)));
    (ledger, Attempt::new(bad, good))
}

fn key_of_a_member() -> (TestLedger, Attempt) {
    adds(TestLedger::small(), "m0/0/node")
}

fn own_retired_key() -> (TestLedger, Attempt) {
    let mut ledger = two_keys();
    ledger.seal_one(&by_issuer("a"), rotate(change(vec![], &["a/record"], None)));
    adds(ledger, "a/record")
}

fn same_key_twice_in_one_record() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::new(1);
    let mut twice = registration("a");
    twice.keys.push(twice.keys[0].clone());
    let bad = ledger.accredit_as(0, "a", accreditation("a", Some(twice)));
    let good = ledger.accredit(0, "a", true);
    (ledger, Attempt::new(bad, good))
}

fn recovery_key_as_record_key() -> (TestLedger, Attempt) {
    adds(TestLedger::small(), "a/recovery")
}

fn key_of_a_cancelled_replacement() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let pending = change(vec![new_key("a", "a/pending", RECORD)], &[], None);
    ledger.seal_one(&by_member(0), replace(pending));
    let cancel = change(vec![new_key("a", "a/2", RECORD)], &[], None);
    ledger.seal_one(&by_recovery("a"), rotate(cancel));
    adds(ledger, "a/pending")
}

fn member_swaps_its_keys() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let mut swapped = member("m0", 1);
    let consensus = key("m0/0/consensus");
    swapped.keys.node = ProvenKey::ed25519(&origin(), Role::Node, "m0", &consensus);
    let mut propose = |member| {
        let action = Action::ReplaceMemberKeys { member };
        ledger.seal_one(&by_member(0), Body::Propose { action })
    };
    let (bad, good) = (propose(swapped), propose(member("m0", 1)));
    let bad = ledger.sign(&by_member(0), Body::Approve { proposal: bad });
    let good = ledger.sign(&by_member(0), Body::Approve { proposal: good });
    (ledger, Attempt::new(bad, good))
}

/// Proposes member `m1` with a defect.
fn proposes(spoil: fn(&mut credlog_ledger::member::Member)) -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::new(1);
    let mut spoiled = member("m1", 0);
    spoil(&mut spoiled);
    let mut propose = |member| {
        let action = Action::AddMember { member };
        ledger.sign(&by_member(0), Body::Propose { action })
    };
    let attempt = Attempt::new(propose(spoiled), propose(member("m1", 0)));
    (ledger, attempt)
}

fn member_without_possession() -> (TestLedger, Attempt) {
    proposes(|member| member.keys.cosigner.possession = member.keys.node.possession.clone())
}

fn member_with_one_key_in_two_roles() -> (TestLedger, Attempt) {
    proposes(|member| {
        let node = key("m1/0/node");
        member.keys.cosigner = ProvenKey::ed25519(&origin(), Role::Cosigner, "m1", &node);
    })
}

fn member_with_nine_addresses() -> (TestLedger, Attempt) {
    proposes(|member| member.addresses = vec![member.addresses[0].clone(); 9])
}

fn registration_missing() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::new(1);
    let bad = ledger.accredit(0, "a", false);
    let good = ledger.accredit(0, "a", true);
    (ledger, Attempt::new(bad, good))
}

fn registration_surplus() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small_with(2, Default::default());
    let bad = ledger.accredit(1, "a", true);
    let good = ledger.accredit(1, "a", false);
    (ledger, Attempt::new(bad, good))
}

fn countersigned_by_another() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small_with(2, Default::default());
    let body = accreditation("a", None);
    let bad = ledger.sign_accredit(&by_member(1), &key("a/record"), body);
    let good = ledger.accredit(1, "a", false);
    (ledger, Attempt::new(bad, good))
}

/// The countersignature of one accreditation does not serve for another, although the
/// member signs both.
fn countersignature_of_another_record() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small_with(2, Default::default());
    let good = ledger.accredit(1, "a", false);
    let bad = ledger.sign(&by_member(1), good.record().body.clone());
    (ledger, Attempt::new(bad, good))
}

fn last_record_key_retired() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let signer = by_issuer("a");
    let only = vec![new_key("a", "a/assertion", ASSERTION)];
    let bad = ledger.sign(&signer, rotate(change(only, &["a/record"], None)));
    let next = vec![new_key("a", "a/2", RECORD)];
    let good = ledger.sign(&signer, rotate(change(next, &["a/record"], None)));
    (ledger, Attempt::new(bad, good))
}

fn first_keys_sign_no_records() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::new(1);
    let mut only = registration("a");
    only.keys = vec![new_key("a", "a/assertion", ASSERTION)];
    let bad = ledger.accredit_as(0, "a", accreditation("a", Some(only)));
    let good = ledger.accredit(0, "a", true);
    (ledger, Attempt::new(bad, good))
}

fn no_record_key_after_the_replacement() -> (TestLedger, Attempt) {
    let mut ledger = TestLedger::small();
    let bad = ledger.sign(&by_member(0), replace(change(vec![], &["a/record"], None)));
    let next = vec![new_key("a", "a/2", RECORD)];
    let good = ledger.sign(&by_member(0), replace(change(next, &["a/record"], None)));
    (ledger, Attempt::new(bad, good))
}

/// A replacement will retire `a/2`; until then `a/record` must stay.
fn none_left_once_the_pending_takes_effect() -> (TestLedger, Attempt) {
    let mut ledger = two_keys();
    ledger.seal_one(&by_member(0), replace(change(vec![], &["a/2"], None)));
    let bad = ledger.sign(&by_issuer("a"), rotate(change(vec![], &["a/record"], None)));
    let other = by_issuer_key("a", "a/2");
    let good = ledger.sign(&other, rotate(change(vec![], &["a/2"], None)));
    (ledger, Attempt::new(bad, good))
}

fn active_key_retires_another() -> (TestLedger, Attempt) {
    let mut ledger = two_keys();
    let body = rotate(change(vec![], &["a/2"], None));
    let bad = ledger.sign(&by_issuer("a"), body.clone());
    let good = ledger.sign(&by_recovery("a"), body);
    (ledger, Attempt::new(bad, good))
}

fn active_key_states_a_compromise() -> (TestLedger, Attempt) {
    let mut ledger = two_keys();
    let since = ledger.now - 500;
    let body = rotate(change(vec![], &["a/record"], Some(since)));
    let bad = ledger.sign(&by_issuer("a"), body.clone());
    let good = ledger.sign(&by_recovery("a"), body);
    (ledger, Attempt::new(bad, good))
}

fn unknown_key_retired() -> (TestLedger, Attempt) {
    let mut ledger = two_keys();
    let bad = ledger.sign(&by_recovery("a"), rotate(change(vec![], &["a/3"], None)));
    let good = ledger.sign(&by_recovery("a"), rotate(change(vec![], &["a/2"], None)));
    (ledger, Attempt::new(bad, good))
}

/// A retired key can be named again only to say since when it was compromised.
fn key_retired_twice() -> (TestLedger, Attempt) {
    let mut ledger = two_keys();
    ledger.seal_one(&by_recovery("a"), rotate(change(vec![], &["a/2"], None)));
    let since = ledger.now - 1;
    let bad = ledger.sign(&by_recovery("a"), rotate(change(vec![], &["a/2"], None)));
    let good = ledger.sign(
        &by_recovery("a"),
        rotate(change(vec![], &["a/2"], Some(since))),
    );
    (ledger, Attempt::new(bad, good))
}

fn compromise_in_future() -> (TestLedger, Attempt) {
    let mut ledger = two_keys();
    let now = ledger.now;
    let mut body = |since| {
        let body = rotate(change(vec![], &["a/2"], Some(since)));
        ledger.sign(&by_recovery("a"), body)
    };
    let attempt = Attempt::new(body(now + 1), body(now));
    (ledger, attempt)
}

/// A replacement of `a/record` by `a/2` is pending.
fn pending() -> TestLedger {
    let mut ledger = TestLedger::small();
    let next = vec![new_key("a", "a/2", RECORD)];
    ledger.seal_one(&by_member(0), replace(change(next, &["a/record"], None)));
    ledger
}

fn second_replacement() -> (TestLedger, Attempt) {
    let mut ledger = pending();
    let next = vec![new_key("a", "a/3", RECORD)];
    let bad = ledger.sign(&by_member(0), replace(change(next.clone(), &[], None)));
    let good = ledger.sign(&by_recovery("a"), rotate(change(next, &[], None)));
    (ledger, Attempt::new(bad, good))
}

fn active_key_revokes() -> (TestLedger, Attempt) {
    let mut ledger = pending();
    let body = Body::Revoke(status_change("a", &[0]));
    let bad = ledger.sign(&by_issuer("a"), body.clone());
    let good = ledger.sign(&by_member(0), body);
    (ledger, Attempt::new(bad, good))
}

fn active_key_supersedes() -> (TestLedger, Attempt) {
    let mut ledger = pending();
    let body = Body::Supersede {
        issuer: issuer_id("a"),
        old: crate::support::digest(0),
        new: crate::support::digest(1),
        reason: credlog_ledger::body::Reason::Superseded,
    };
    let bad = ledger.sign(&by_issuer("a"), body.clone());
    let good = ledger.sign(&by_member(0), body);
    (ledger, Attempt::new(bad, good))
}

/// A stolen key cannot survive its replacement by adding another key meanwhile.
fn active_key_adds() -> (TestLedger, Attempt) {
    let mut ledger = pending();
    let body = rotate(change(vec![new_key("a", "a/3", RECORD)], &[], None));
    let bad = ledger.sign(&by_issuer("a"), body.clone());
    let good = ledger.sign(&by_recovery("a"), body);
    (ledger, Attempt::new(bad, good))
}

#[test]
fn r5_a_replacement_takes_effect_after_seven_days_to_the_millisecond() {
    let mut ledger = pending();
    let sealed = ledger.now - 1_000;
    ledger.now = sealed + 7 * DAY - 1;
    let old = ledger.sign(&by_issuer("a"), Body::Suspend(status_change("a", &[0])));
    let new = by_issuer_key("a", "a/2");
    let early = ledger.sign(&new, Body::Revoke(status_change("a", &[1])));
    assert_eq!(ledger.refusal(&early).code(), "key-not-active");
    assert!(ledger.build(vec![old.clone()]).is_ok());
    ledger.now += 1;
    assert_eq!(ledger.refusal(&old).code(), "key-not-active");
    // Nobody wrote the entry meanwhile: the change is carried out where it is read.
    let number = ledger
        .state()
        .issuer_number(&issuer_id("a"))
        .unwrap()
        .unwrap();
    let entry = ledger.state().issuer(number).unwrap().unwrap();
    assert!(entry.pending.is_some());
    let now = entry.as_of(credlog_ledger::ids::UnixMillis(ledger.now));
    assert!(now.pending.is_none());
    assert_eq!(now.keys.len(), 2);
    ledger.seal(vec![early]);
    // The next record that writes the entry writes the change with it.
    let next = vec![new_key("a", "a/3", RECORD)];
    ledger.seal_one(&new, rotate(change(next, &[], None)));
    let entry = ledger.state().issuer(number).unwrap().unwrap();
    assert!(entry.pending.is_none());
    let effective = credlog_ledger::ids::UnixMillis(sealed + 7 * DAY);
    assert_eq!(entry.keys[0].retired, Some(effective));
    assert_eq!(entry.keys[1].since, effective);
}

#[test]
fn r5_the_recovery_key_cancels_a_replacement() {
    let mut ledger = pending();
    let cancel = change(vec![new_key("a", "a/3", RECORD)], &[], None);
    ledger.seal_one(&by_recovery("a"), rotate(cancel));
    ledger.now += 8 * DAY;
    let old = ledger.sign(&by_issuer("a"), Body::Revoke(status_change("a", &[0])));
    let never = by_issuer_key("a", "a/2");
    let never = ledger.sign(&never, Body::Revoke(status_change("a", &[0])));
    assert_eq!(ledger.refusal(&never).code(), "key-not-active");
    ledger.seal(vec![old]);
}

#[test]
fn r5_an_issuer_can_retire_keys_after_the_cap_came_down() {
    let mut ledger = TestLedger::small();
    let keys = (0..8)
        .map(|n| new_key("a", &format!("a/k{n}"), RECORD))
        .collect();
    ledger.seal_one(&by_issuer("a"), rotate(change(keys, &[], None)));
    let parameter = credlog_ledger::parameters::Parameter::ActiveKeysPerIssuer(2);
    ledger.govern(Action::SetParameter { parameter }, 1);
    let retire = rotate(change(vec![], &["a/k0"], None));
    ledger.seal_one(&by_recovery("a"), retire);
    let add = rotate(change(vec![new_key("a", "a/9", RECORD)], &["a/k1"], None));
    let refused = ledger.sign(&by_recovery("a"), add);
    assert_eq!(ledger.refusal(&refused).code(), "cap-reached");
}

#[test]
fn a_compromise_of_no_key_has_no_form() {
    let body = rotate(change(vec![new_key("a", "a/9", RECORD)], &[], Some(1)));
    assert!(body.check_form().is_err());
    assert_eq!(
        public(&key("x")).check().map(|kind| kind.to_string()),
        Ok("Ed25519".into())
    );
}
