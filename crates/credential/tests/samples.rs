//! The samples that a foreign library signed: each gets exactly what samples/README.md says.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it goes wrong"
)]

mod fixtures;

use credlog_credential::{
    Credential, IssuerBinding, NoRegistry, Outcome, ProofError, ProofReport, StatusError,
    StatusListCredential, StatusResult, Validity, VerifiedStatusList, check_status, problem,
    verify_proofs,
};
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);
const UNIVERSITY_A: &str = "did:key:z6MkrLuTEDM5hr4H9JVnhjoRxuXQmJ88ReNE6fpw9471PaAA";

fn sample(name: &str) -> Credential {
    Credential::parse(&fixtures::read(&format!("samples/{name}.json"))).unwrap()
}

fn verify(credential: &Credential) -> ProofReport {
    verify_proofs(credential, NOW, &NoRegistry)
}

fn lists() -> Vec<VerifiedStatusList> {
    ["revocation", "suspension"]
        .map(|purpose| {
            let text = fixtures::read(&format!("samples/status-list-{purpose}.json"));
            let list = StatusListCredential::parse(&text).unwrap();
            assert_eq!(list.ttl_ms(), Some(300_000));
            list.verify(NOW, &NoRegistry).unwrap()
        })
        .into()
}

fn status(credential: &Credential) -> Vec<Result<StatusResult, StatusError>> {
    let issuer = credential.issuer_id();
    let check = |entry| check_status(entry, &lists(), |list_issuer| list_issuer == issuer);
    credential.status().iter().map(check).collect()
}

fn set_purposes(credential: &Credential) -> Vec<String> {
    let known = status(credential).into_iter().map(Result::unwrap);
    known
        .filter(StatusResult::is_set)
        .map(|status| status.purpose)
        .collect()
}

fn assert_good(credential: &Credential) {
    let report = verify(credential);
    assert_eq!(report.outcome(), Outcome::Valid, "{report:?}");
    assert_eq!(report.issuer_binding(UNIVERSITY_A), IssuerBinding::Bound);
    assert_eq!(credential.issuer_id(), UNIVERSITY_A);
}

fn only_error(credential: &Credential) -> ProofError {
    let report = verify(credential);
    assert_eq!(
        report.issuer_binding(credential.issuer_id()),
        IssuerBinding::NotBound
    );
    report
        .proofs
        .into_iter()
        .next()
        .unwrap()
        .result
        .unwrap_err()
}

#[test]
fn good_samples_verify_and_name_their_issuer() {
    for name in [
        "01-valid-ob3-eddsa-rdfc-2022",
        "02-valid-vc2-eddsa-jcs-2022",
        "03-valid-ob3-eddsa-jcs-2022",
        "17-jcs-unknown-context",
    ] {
        let credential = sample(name);
        assert_good(&credential);
        assert_eq!(credential.validity(NOW), Validity::InPeriod, "{name}");
    }
    for name in [
        "01-valid-ob3-eddsa-rdfc-2022",
        "03-valid-ob3-eddsa-jcs-2022",
    ] {
        let statuses = status(&sample(name));
        assert_eq!(statuses.len(), 2);
        assert!(set_purposes(&sample(name)).is_empty());
    }
}

#[test]
fn tampered_and_forged_samples_are_invalid_signatures() {
    for name in [
        "04-tampered-ob3-rdfc",
        "05-tampered-vc2-jcs",
        "09-wrong-key-claims-A",
    ] {
        let error = only_error(&sample(name));
        assert_eq!(error, ProofError::InvalidSignature, "{name}");
        assert_eq!(error.problem_type(), problem::CRYPTOGRAPHIC_SECURITY_ERROR);
        assert_eq!(verify(&sample(name)).outcome(), Outcome::Invalid);
    }
}

#[test]
fn periods_are_read_beside_good_proofs() {
    let expired = sample("06-expired");
    assert_good(&expired);
    let valid_until = datetime!(2025-01-01 00:00 UTC);
    assert_eq!(expired.validity(NOW), Validity::Expired { valid_until });
    let future = sample("07-future-validFrom");
    assert_good(&future);
    let valid_from = datetime!(2040-01-01 00:00 UTC);
    assert_eq!(future.validity(NOW), Validity::NotYetValid { valid_from });
}

#[test]
fn a_good_proof_by_somebody_else_does_not_bind_the_issuer() {
    let credential = sample("08-wrong-key-other-controller");
    let report = verify(&credential);
    assert_eq!(report.outcome(), Outcome::Valid);
    assert_eq!(credential.issuer_id(), UNIVERSITY_A);
    assert_eq!(report.issuer_binding(UNIVERSITY_A), IssuerBinding::NotBound);
}

#[test]
fn malformed_proofs_name_the_property() {
    for (name, expected) in [
        ("10-malformed-proofValue", "proofValue"),
        (
            "11-malformed-proof-no-verificationMethod",
            "verificationMethod",
        ),
    ] {
        let error = only_error(&sample(name));
        let named =
            matches!(&error, ProofError::Malformed { property, .. } if *property == expected);
        assert!(named, "{name}: {error:?}");
        assert_eq!(verify(&sample(name)).outcome(), Outcome::Invalid);
    }
}

#[test]
fn an_unknown_context_cannot_be_checked() {
    let credential = sample("12-unknown-context");
    let url = "https://unknown.example/contexts/v9".to_owned();
    assert_eq!(only_error(&credential), ProofError::UnknownContext { url });
    assert_eq!(verify(&credential).outcome(), Outcome::Unknown);
}

#[test]
fn an_added_term_that_no_context_defines_is_data_loss() {
    let error = only_error(&sample("13-undefined-term-added-rdfc"));
    assert!(matches!(error, ProofError::DataLoss { .. }), "{error:?}");
    assert_eq!(error.problem_type(), problem::DATA_LOSS_DETECTION_ERROR);
    assert_eq!(
        verify(&sample("13-undefined-term-added-rdfc")).outcome(),
        Outcome::Invalid
    );
}

#[test]
fn set_bits_are_found_in_lists_that_are_handed_over() {
    let revoked = sample("14-revoked");
    assert_good(&revoked);
    assert_eq!(set_purposes(&revoked), ["revocation"]);
    let suspended = sample("15-suspended");
    assert_good(&suspended);
    assert_eq!(set_purposes(&suspended), ["suspension"]);
    let without_lists = check_status(&revoked.status()[0], &[], |_| true).unwrap_err();
    assert_eq!(
        without_lists.problem_type(),
        problem::STATUS_RETRIEVAL_ERROR
    );
}

#[test]
fn an_index_behind_the_list_is_a_range_error() {
    let credential = sample("16-status-index-out-of-range");
    assert_good(&credential);
    let errors: Vec<_> = status(&credential)
        .into_iter()
        .filter_map(Result::err)
        .collect();
    let expected = StatusError::IndexOutOfRange {
        index: 131_072,
        positions: 131_072,
    };
    assert_eq!(errors, [expected]);
    assert_eq!(errors[0].problem_type(), problem::RANGE_ERROR);
}

#[test]
fn a_changed_or_foreign_status_list_is_no_status_list() {
    let text = fixtures::read("samples/status-list-revocation.json");
    let list: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let verify = |list: &serde_json::Value| {
        let list = StatusListCredential::parse(list.to_string().as_bytes());
        list.and_then(|list| list.verify(NOW, &NoRegistry))
    };
    assert!(verify(&list).is_ok());

    // The bits of a list that revokes nobody, under the genuine proof.
    let mut cleared = list.clone();
    let empty = credlog_credential::status::Bitstring::new(131_072)
        .unwrap()
        .encode();
    cleared["credentialSubject"]["encodedList"] = empty.into();
    let error = verify(&cleared).unwrap_err();
    assert_eq!(error, StatusError::ListProof(ProofError::InvalidSignature));
    assert_eq!(error.problem_type(), problem::STATUS_VERIFICATION_ERROR);

    let mut unsigned = cleared.clone();
    unsigned.as_object_mut().unwrap().remove("proof");
    assert_eq!(verify(&unsigned).unwrap_err(), StatusError::ListUnsigned);

    // The same bits in University A's name, signed by somebody else.
    let (key, method) = fixtures::key("impostor");
    let options = credlog_credential::SignOptions::new(
        credlog_credential::Suite::EDDSA_JCS_2022,
        method.clone(),
        NOW,
    );
    let forged = credlog_credential::sign(unsigned.clone(), &key, &options).unwrap();
    let error = verify(&forged).unwrap_err();
    assert_eq!(
        error,
        StatusError::ListIssuerNotBound {
            issuer: UNIVERSITY_A.into()
        }
    );

    // In the impostor's own name it is a genuine list, of nobody whom the issuer trusts.
    unsigned["issuer"] = method.split('#').next().unwrap().into();
    let own = credlog_credential::sign(unsigned, &key, &options).unwrap();
    let own = verify(&own).unwrap();
    let revoked = sample("14-revoked");
    let status = check_status(&revoked.status()[0], &[own], |issuer| {
        issuer == UNIVERSITY_A
    });
    let error = status.unwrap_err();
    assert!(matches!(error, StatusError::UntrustedIssuer { .. }));
    assert_eq!(error.problem_type(), problem::STATUS_VERIFICATION_ERROR);
}

#[test]
fn a_summary_shows_what_the_credential_claims() {
    let summary = sample("01-valid-ob3-eddsa-rdfc-2022").summary();
    assert_eq!(summary.name.as_deref(), Some("Applied Statistics, 5 ECTS"));
    assert_eq!(summary.issuer_id, UNIVERSITY_A);
    assert_eq!(summary.issuer_name.as_deref(), Some("University A"));
    let achievement = "https://university-a.example/achievements/stat-5";
    assert_eq!(summary.achievement_id.as_deref(), Some(achievement));
    assert_eq!(
        summary.achievement_name.as_deref(),
        Some("Applied Statistics")
    );
    assert_eq!(summary.valid_from, Some(datetime!(2026-11-01 00:00 UTC)));
    assert_eq!(summary.valid_until, Some(datetime!(2036-11-01 00:00 UTC)));
    assert_eq!(
        summary.types,
        ["VerifiableCredential", "OpenBadgeCredential"]
    );
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["valid_from"], "2026-11-01T00:00:00Z");
}
