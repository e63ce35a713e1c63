//! Comprehensive Learner Records: credentials of credentials.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it goes wrong"
)]

mod fixtures;

use credlog_credential::{Credential, NoRegistry, Outcome, ProofError, verify_proofs};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

fn record() -> Value {
    fixtures::json("vectors/1edtech-clr/signed.json")
}

/// The canonical form of every part is that of the specification, or the signatures would not
/// verify: the record's, and that of the badge in it.
#[test]
fn the_example_of_the_specification_verifies() {
    let badge = record()["credentialSubject"]["verifiableCredential"][0].clone();
    for document in [record(), badge] {
        let credential = Credential::from_json(document).unwrap();
        let report = verify_proofs(&credential, NOW, &NoRegistry);
        assert_eq!(report.outcome(), Outcome::Valid, "{report:?}");
    }
}

#[test]
fn a_record_covers_what_is_inside_of_it() {
    for (pointer, value) in [
        (
            "/credentialSubject/association/0/targetId",
            "urn:uuid:other",
        ),
        ("/credentialSubject/achievement/1/name", "Achievement 3"),
        (
            "/credentialSubject/verifiableCredential/0/name",
            "Another Degree",
        ),
        (
            "/credentialSubject/verifiableCredential/0/proof/0/created",
            "2011-01-01T19:23:24Z",
        ),
    ] {
        let mut document = record();
        *document.pointer_mut(pointer).unwrap() = json!(value);
        let credential = Credential::from_json(document).unwrap();
        let report = verify_proofs(&credential, NOW, &NoRegistry);
        assert_eq!(
            report.first_error(),
            Some(&ProofError::InvalidSignature),
            "{pointer}"
        );
    }
}

#[test]
fn each_credential_of_a_record_is_judged_by_itself() {
    let nested = Credential::from_json(record()).unwrap().nested();
    let [Ok(badge)] = &nested[..] else {
        panic!("{nested:?}");
    };
    assert_eq!(
        badge.id(),
        Some("urn:uuid:91537dba-56cb-11ec-bf63-0242ac130002")
    );
    assert!(badge.nested().is_empty());

    let mut document = record();
    let badge = badge.document().clone();
    document["credentialSubject"]["verifiableCredential"] = json!([badge, 7, {"type": "x"}]);
    let subject = document["credentialSubject"].clone();
    document["credentialSubject"] = json!([subject, subject]);
    let nested = Credential::from_json(document).unwrap().nested();
    let read: Vec<bool> = nested.iter().map(Result::is_ok).collect();
    assert_eq!(read, [true, false, false, true, false, false]);
}
