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
    Case {
        rule: R5,
        code: "nothing-to-cancel",
        make: active_key_cancels,
    },
    Case {
        rule: R5,
        code: "nothing-to-cancel",
        make: cancelled_twice,
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

fn active_key_cancels() -> (TestLedger, Attempt) {
    let mut ledger = pending();
    let cancel = rotate(change(vec![], &[], None));
    let bad = ledger.sign(&by_issuer("a"), cancel.clone());
    let good = ledger.sign(&by_recovery("a"), cancel);
    (ledger, Attempt::new(bad, good))
}

fn cancelled_twice() -> (TestLedger, Attempt) {
    let mut ledger = pending();
    let cancel = rotate(change(vec![], &[], None));
    ledger.seal_one(&by_recovery("a"), cancel.clone());
    let bad = ledger.sign(&by_recovery("a"), cancel);
    let good = rotate(change(vec![new_key("a", "a/3", RECORD)], &[], None));
    let good = ledger.sign(&by_recovery("a"), good);
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
    for added in [vec![], vec![new_key("a", "a/3", RECORD)]] {
        let mut ledger = pending();
        ledger.seal_one(&by_recovery("a"), rotate(change(added, &[], None)));
        ledger.now += 8 * DAY;
        let old = ledger.sign(&by_issuer("a"), Body::Revoke(status_change("a", &[0])));
        let never = by_issuer_key("a", "a/2");
        let never = ledger.sign(&never, Body::Revoke(status_change("a", &[0])));
        assert_eq!(ledger.refusal(&never).code(), "key-not-active");
        ledger.seal(vec![old]);
    }
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

mod assertion_keys {
    //! P-256 and RSA keys sign credentials and nothing else; each key has one form.

    use credlog_ledger::key::{KeyError, KeyKind, PublicKey, possession_statement};
    use p256::ecdsa::signature::Signer as _;
    use ring::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};

    use super::*;
    use crate::support::{ASSERTION, BOTH};

    /// A key made for this test; it guards nothing.
    const RSA: &[u8] = include_bytes!("../golden/rsa-2048.pk8");

    fn multicodec(prefix: [u8; 2], key: &[u8]) -> PublicKey {
        PublicKey::from_multicodec(&[&prefix, key].concat()).unwrap()
    }

    fn statement(key: &PublicKey, role: Role) -> Vec<u8> {
        possession_statement(&origin(), role, issuer_id("a").as_str(), key)
    }

    fn rsa(role: Role) -> ProvenKey {
        let pair = RsaKeyPair::from_pkcs8(RSA).unwrap();
        let key = multicodec([0x85, 0x24], pair.public_key().as_ref());
        let mut possession = vec![0; pair.public().modulus_len()];
        let random = ring::rand::SystemRandom::new();
        pair.sign(
            &RSA_PKCS1_SHA256,
            &random,
            &statement(&key, role),
            &mut possession,
        )
        .unwrap();
        ProvenKey { key, possession }
    }

    fn p256(role: Role) -> ProvenKey {
        let pair = p256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
        let point = pair.verifying_key().to_encoded_point(true);
        let key = multicodec([0x80, 0x24], point.as_bytes());
        let signature: p256::ecdsa::Signature = pair.sign(&statement(&key, role));
        let possession = signature.to_vec();
        ProvenKey { key, possession }
    }

    #[test]
    fn r4_they_are_registered_for_credentials_alone() {
        for (make, kind) in [
            (rsa as fn(Role) -> ProvenKey, KeyKind::Rsa),
            (p256, KeyKind::P256),
        ] {
            let mut ledger = TestLedger::small();
            let mut add = |role, purposes| {
                let proven = make(role);
                let new = credlog_ledger::body::NewKey { proven, purposes };
                ledger.sign(&by_issuer("a"), rotate(change(vec![new], &[], None)))
            };
            let bad = add(Role::RecordAndAssertion, BOTH);
            let forged = add(Role::Record, ASSERTION);
            let good = add(Role::Assertion, ASSERTION);
            let id = make(Role::Assertion).key.id();
            let refused = credlog_ledger::rejection::Rejection::BadKey {
                key: id,
                source: KeyError::NotForRecords { kind },
            };
            assert_eq!(ledger.refusal(&bad), refused);
            assert_eq!(ledger.refusal(&forged).code(), "bad-key");
            ledger.seal(vec![good]);
            let (_, entry) = ledger
                .state()
                .find_issuer(&issuer_id("a"))
                .unwrap()
                .unwrap();
            let key = entry.key(&id).unwrap();
            assert_eq!(key.key.kind(), Ok(kind));
            assert!(!key.purposes.record);
        }
    }

    /// DER of a positive integer with these magnitude bytes, behind `zeros` zero bytes.
    fn integer(zeros: usize, magnitude: &[u8]) -> Vec<u8> {
        element(0x02, &[&vec![0; zeros], magnitude].concat())
    }

    fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
        let length = u16::try_from(contents.len()).unwrap().to_be_bytes();
        let length = match contents.len() {
            0..=0x7f => vec![length[1]],
            0x80..=0xff => vec![0x81, length[1]],
            _ => vec![0x82, length[0], length[1]],
        };
        [&[tag][..], &length, contents].concat()
    }

    fn check_rsa(zeros: usize, modulus: &[u8], exponent: &[u8]) -> bool {
        let body = [integer(zeros, modulus), integer(0, exponent)].concat();
        multicodec([0x85, 0x24], &element(0x30, &body))
            .check()
            .is_ok()
    }

    #[test]
    fn r4_an_rsa_key_has_one_form() {
        let modulus = [0xc1; 256];
        let exponent = [1, 0, 1];
        assert!(check_rsa(1, &modulus, &exponent));
        assert!(!check_rsa(0, &modulus, &exponent), "a negative integer");
        assert!(!check_rsa(2, &modulus, &exponent), "one zero byte too many");
        assert!(!check_rsa(1, &modulus, &[3]));
        assert!(!check_rsa(1, &modulus, &[0, 1, 0, 1]));
        assert!(!check_rsa(1, &modulus[..255], &exponent), "2,040 bits");
        let short = [&[0x7f][..], &[0xc1; 255]].concat();
        assert!(!check_rsa(0, &short, &exponent), "2,047 bits");
        let odd = [&[0x01][..], &[0xc1; 256]].concat();
        assert!(check_rsa(0, &odd, &exponent), "2,049 bits");
        assert!(check_rsa(1, &[0xc1; 1024], &exponent));
        assert!(!check_rsa(
            0,
            &[&[0x01][..], &[0xc1; 1024]].concat(),
            &exponent
        ));
        let mut trailing = rsa(Role::Assertion).key.as_bytes().to_vec();
        trailing.push(0);
        assert!(
            PublicKey::from_multicodec(&trailing)
                .unwrap()
                .check()
                .is_err()
        );
    }

    #[test]
    fn r4_a_p256_key_has_one_form() {
        let good = p256(Role::Assertion).key;
        assert_eq!(good.check(), Ok(KeyKind::P256));
        // SEC1's compact form has the length of the compressed one.
        let mut compact = good.as_bytes().to_vec();
        compact[2] = 0x05;
        assert!(
            PublicKey::from_multicodec(&compact)
                .unwrap()
                .check()
                .is_err()
        );
        let short = &good.as_bytes()[..34];
        assert!(PublicKey::from_multicodec(short).unwrap().check().is_err());
    }
}
