//! Each summary, and which comes first when several match.

use credlog_ledger::body::{Body, Issue};
use credlog_ledger::ids::Digest;
use credlog_verify::{CheckName, DigestOnly, Outcome, Summary};
use serde_json::json;

use crate::ledger::{Ledger, check, did, digest_of, made, made_by, outcome, time};

const ISSUED: &str = "2026-11-10T10:00:00Z";
const CHANGED: &str = "2026-11-20T10:00:00Z";

fn issued(id: u32) -> (Ledger, credlog_credential::Credential, Digest) {
    let mut ledger = Ledger::with_university();
    let credential = made(id);
    let digest = digest_of(&credential);
    ledger.issue(ISSUED, digest);
    (ledger, credential, digest)
}

#[test]
fn valid() {
    let (ledger, credential, _) = issued(1);
    let verdict = ledger.verdict(&credential);
    assert_eq!(verdict.summary, Summary::Valid, "{verdict:#?}");
    assert_eq!(verdict.exit_code(), 0);
    assert_eq!(verdict.headline, "The credential is valid.");
    assert!(
        verdict
            .checks
            .iter()
            .all(|check| check.outcome == Outcome::Yes)
    );
    let anchored = check(&verdict, CheckName::Anchored);
    assert_eq!(anchored.evidence.time, Some(time(ISSUED)));
    assert_eq!(
        anchored.reason,
        "It was issued on this ledger on 10 November 2026 at 10:00:00 UTC."
    );
    let key = &check(&verdict, CheckName::Issuer).evidence.key;
    assert_eq!(
        key.as_ref().unwrap().to_string(),
        did("university A").as_str()[8..]
    );
}

#[test]
fn revoked_suspended_reinstated_superseded() {
    let (mut ledger, credential, digest) = issued(1);
    let suspension = ledger.suspend(CHANGED, digest);
    let verdict = ledger.verdict(&credential);
    assert_eq!(verdict.summary, Summary::Suspended);
    assert_eq!(
        verdict.headline,
        "Suspended since 20 November 2026 at 10:00:00 UTC, by University A (reason: misconduct)."
    );
    ledger.reinstate("2026-11-21T10:00:00Z", digest, suspension);
    assert_eq!(ledger.verdict(&credential).summary, Summary::Valid);

    let better = digest_of(&made(2));
    ledger.issue("2026-11-22T10:00:00Z", better);
    ledger.supersede("2026-11-23T10:00:00Z", digest, better);
    let verdict = ledger.verdict(&credential);
    assert_eq!(verdict.summary, Summary::Superseded);
    let evidence = &check(&verdict, CheckName::Status).evidence;
    assert_eq!(evidence.superseded_by, Some(better));
    assert_eq!(ledger.verdict(&made(2)).summary, Summary::Valid);

    let record = ledger.revoke("2026-11-24T10:00:00Z", better);
    let verdict = ledger.verdict(&made(2));
    assert_eq!(verdict.summary, Summary::Revoked);
    assert_eq!(verdict.exit_code(), 1);
    assert_eq!(
        check(&verdict, CheckName::Status).evidence.record_id,
        Some(record)
    );
}

#[test]
fn validity_of_the_credential_and_of_its_issue_record_both_count() {
    for (own, record, expected) in [
        (
            json!({"validFrom": "2027-01-01T00:00:00Z"}),
            (None, None),
            Summary::NotYetValid,
        ),
        (
            json!({"validUntil": "2026-11-30T00:00:00Z"}),
            (None, None),
            Summary::Expired,
        ),
        // Both bounds belong to the validity.
        (
            json!({"validFrom": "2026-12-01T00:00:00Z"}),
            (None, None),
            Summary::Valid,
        ),
        (
            json!({"validUntil": "2026-12-01T00:00:00Z"}),
            (None, None),
            Summary::Valid,
        ),
        (
            json!({}),
            (Some("2027-01-01T00:00:00Z"), None),
            Summary::NotYetValid,
        ),
        (
            json!({}),
            (None, Some("2026-11-30T00:00:00Z")),
            Summary::Expired,
        ),
        // The narrower one counts.
        (
            json!({"validUntil": "2030-01-01T00:00:00Z"}),
            (None, Some("2026-11-30T00:00:00Z")),
            Summary::Expired,
        ),
    ] {
        let mut ledger = Ledger::with_university();
        let credential = made_by(&did("university A"), "university A", 1, &own);
        let Body::Issue(mut issue) = ledger.issue_body(0, digest_of(&credential)) else {
            panic!("an Issue body is needed");
        };
        issue = Issue {
            valid_from: record.0.map(|from| time(from).into()),
            valid_until: record.1.map(|until| time(until).into()),
            ..issue
        };
        ledger.university(ISSUED, Body::Issue(issue));
        let verdict = ledger.verdict(&credential);
        assert_eq!(verdict.summary, expected, "{own} {record:?}");
    }
}

#[test]
fn not_anchored() {
    let ledger = Ledger::with_university();
    let verdict = ledger.verdict(&made(1));
    assert_eq!(verdict.summary, Summary::NotAnchored);
    assert_eq!(verdict.exit_code(), 2);
    assert_eq!(
        verdict.headline,
        "The signature is good, but it is not on this ledger (test.example/credlog)."
    );
    assert_eq!(outcome(&verdict, CheckName::Issuer), Outcome::Yes);
    assert_eq!(outcome(&verdict, CheckName::Status), Outcome::Unknown);

    let stranger = made_by(&did("impostor X"), "impostor X", 1, &json!({}));
    let verdict = ledger.verdict(&stranger);
    assert_eq!(verdict.summary, Summary::NotAnchored);
    assert_eq!(outcome(&verdict, CheckName::Issuer), Outcome::Unknown);
    assert_eq!(outcome(&verdict, CheckName::AccreditationNow), Outcome::No);
}

#[test]
fn nobody_can_squat_the_digest_of_another() {
    let mut ledger = Ledger::with_university();
    ledger.accredit("2026-11-03T00:00:00Z", &did("impostor X"), "impostor X");
    let credential = made(1);
    let squat = ledger.issue_body(1, digest_of(&credential));
    ledger.by_issuer(
        "2026-11-09T00:00:00Z",
        &did("impostor X"),
        "impostor X",
        squat,
    );
    let verdict = ledger.verdict(&credential);
    assert_eq!(verdict.summary, Summary::NotAnchored);

    ledger.issue(ISSUED, digest_of(&credential));
    let verdict = ledger.verdict(&credential);
    assert_eq!(verdict.summary, Summary::Valid);
    assert_eq!(
        check(&verdict, CheckName::Anchored).evidence.time,
        Some(time(ISSUED))
    );
    // A digest alone does not say whose issue is meant; its issuer does.
    let how = DigestOnly::ProofCheckedElsewhere;
    let verdict = ledger.digest_verdict(digest_of(&credential), None, how);
    assert_eq!(outcome(&verdict, CheckName::Anchored), Outcome::Unknown);
    assert_eq!(verdict.summary, Summary::Unknown);
    let verdict = ledger.digest_verdict(digest_of(&credential), Some(did("university A")), how);
    assert_eq!(verdict.summary, Summary::Valid);
}

#[test]
fn a_digest_alone_is_valid_only_for_those_who_checked_the_proof() {
    let (mut ledger, _, digest) = issued(1);
    let verdict = ledger.digest_verdict(digest, None, DigestOnly::ProofUnchecked);
    assert_eq!(verdict.summary, Summary::Unknown);
    let elsewhere = DigestOnly::ProofCheckedElsewhere;
    let verdict = ledger.digest_verdict(digest, Some(did("university A")), elsewhere);
    assert_eq!(verdict.summary, Summary::Valid);
    assert_eq!(outcome(&verdict, CheckName::Proof), Outcome::Unknown);
    ledger.revoke(CHANGED, digest);
    for how in [
        DigestOnly::ProofUnchecked,
        DigestOnly::ProofCheckedElsewhere,
    ] {
        let verdict = ledger.digest_verdict(digest, None, how);
        assert_eq!(verdict.summary, Summary::Revoked);
    }
    let nothing = Digest([7; 32]);
    let verdict = ledger.digest_verdict(nothing, None, DigestOnly::ProofUnchecked);
    assert_eq!(verdict.summary, Summary::NotAnchored);
}

#[test]
fn the_first_that_matches_counts() {
    // Expired and then revoked, suspended or superseded: those come first.
    let expired = json!({"validUntil": "2026-11-15T00:00:00Z"});
    let credential = made_by(&did("university A"), "university A", 1, &expired);
    let digest = digest_of(&credential);
    let mut ledger = Ledger::with_university();
    ledger.issue(ISSUED, digest);
    assert_eq!(ledger.verdict(&credential).summary, Summary::Expired);
    ledger.suspend(CHANGED, digest);
    assert_eq!(ledger.verdict(&credential).summary, Summary::Suspended);
    ledger.revoke("2026-11-21T00:00:00Z", digest);
    assert_eq!(ledger.verdict(&credential).summary, Summary::Revoked);

    // Changed after signing, and on the ledger in that form, and revoked: invalid.
    let mut changed = made(2).into_document();
    changed["credentialSubject"]["id"] = json!("did:example:thief");
    let changed = crate::ledger::credential(changed);
    ledger.issue("2026-11-22T00:00:00Z", digest_of(&changed));
    ledger.revoke("2026-11-23T00:00:00Z", digest_of(&changed));
    let verdict = ledger.verdict(&changed);
    assert_eq!(verdict.summary, Summary::Invalid);
    assert_eq!(outcome(&verdict, CheckName::Proof), Outcome::No);

    // Expired and not on this ledger: expired.
    let other = made_by(&did("university A"), "university A", 3, &expired);
    assert_eq!(ledger.verdict(&other).summary, Summary::Expired);
}
