//! What is signed here verifies here, and nothing is signed that a verifier would refuse.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it goes wrong"
)]

mod fixtures;

use credlog_credential::{
    Credential, ExistingProofs, IssuerBinding, NoRegistry, Outcome, ProofError, ResolvedKey,
    SignError, SignOptions, Suite, problem, sign, verify_proofs,
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

fn did(method: &str) -> &str {
    method.split('#').next().unwrap()
}

/// An unsigned badge by the holder of a verification method.
fn unsigned(method: &str) -> Value {
    let mut document = fixtures::json("samples/01-valid-ob3-eddsa-rdfc-2022.json");
    document.as_object_mut().unwrap().remove("proof");
    document["issuer"]["id"] = did(method).into();
    document
}

fn verify(document: &Value) -> credlog_credential::ProofReport {
    verify_proofs(
        &Credential::from_json(document.clone()).unwrap(),
        NOW,
        &NoRegistry,
    )
}

#[test]
fn each_suite_signs_what_it_verifies() {
    for suite in Suite::ALL.iter().copied() {
        let (key, method) = fixtures::key_for(suite, "issuer");
        for method in [method.as_str(), did(&method)] {
            let options = SignOptions::new(suite, method, NOW);
            let signed = sign(unsigned(method), &key, &options).unwrap();
            let report = verify(&signed);
            assert_eq!(report.outcome(), Outcome::Valid, "{suite:?}: {report:?}");
            assert_eq!(report.issuer_binding(did(method)), IssuerBinding::Bound);
            assert_eq!(report.proofs[0].created, Some(NOW));
            let mut changed = signed.clone();
            changed["name"] = "Applied Statistics, 50 ECTS".into();
            let error = verify(&changed).first_error().cloned();
            assert_eq!(error, Some(ProofError::InvalidSignature));
        }
    }
}

/// Ed25519 is deterministic, so the same key and document give the published proof.
#[test]
fn signatures_equal_those_of_the_w3c_vectors_and_of_a_foreign_library() {
    let seed = fixtures::json("vectors/w3c-vc-di-eddsa/keyPair.json");
    let seed = seed["privateKeyMultibase"].as_str().unwrap();
    let seed = bs58::decode(&seed[1..]).into_vec().unwrap();
    let w3c = ed25519_dalek::SigningKey::from_bytes(seed[2..].try_into().unwrap()).into();
    let (university_a, _) = fixtures::key("eval-vc university A");
    for (name, key) in [
        (
            "vectors/w3c-vc-di-eddsa/eddsa-jcs-2022/signedJCS.json",
            &w3c,
        ),
        (
            "vectors/w3c-vc-di-eddsa/eddsa-rdfc-2022/signedDataInt.json",
            &w3c,
        ),
        ("samples/01-valid-ob3-eddsa-rdfc-2022.json", &university_a),
        ("samples/02-valid-vc2-eddsa-jcs-2022.json", &university_a),
        ("samples/03-valid-ob3-eddsa-jcs-2022.json", &university_a),
        ("samples/status-list-revocation.json", &university_a),
    ] {
        let signed = fixtures::json(name);
        let mut document = signed.clone();
        let proof = document.as_object_mut().unwrap().remove("proof").unwrap();
        let text = |property: &str| proof[property].as_str().unwrap();
        let created = text("created");
        let created =
            OffsetDateTime::parse(created, &time::format_description::well_known::Rfc3339);
        let suite = Suite::named(text("cryptosuite")).unwrap();
        let options = SignOptions::new(suite, text("verificationMethod"), created.unwrap());
        assert_eq!(sign(document, key, &options).unwrap(), signed, "{name}");
    }
}

#[test]
fn sets_and_chains_of_all_suites_verify_together() {
    let (issuer, issuer_method) = fixtures::key("issuer");
    let mut document = unsigned(&issuer_method);
    let mut options = SignOptions::new(Suite::EDDSA_RDFC_2022, issuer_method.clone(), NOW);
    options.id = Some("urn:uuid:0f6f2a4d-0000-4000-8000-000000000001".into());
    document = sign(document, &issuer, &options).unwrap();
    let again = sign(document.clone(), &issuer, &options);
    assert_eq!(again, Err(SignError::AlreadySigned));
    options.existing = ExistingProofs::Keep;
    let same_id = sign(document.clone(), &issuer, &options);
    assert!(
        matches!(same_id, Err(SignError::Option { option: "id", .. })),
        "{same_id:?}"
    );

    let mut previous = options.id.clone().unwrap();
    for (number, suite) in Suite::ALL.iter().copied().enumerate() {
        let (notary, notary_method) = fixtures::key_for(suite, "notary");
        let mut link = SignOptions::new(suite, notary_method, NOW);
        link.existing = ExistingProofs::Keep;
        link.previous_proofs = vec![previous];
        link.expires = Some(NOW + time::Duration::DAY);
        link.id = Some(format!("urn:uuid:0f6f2a4d-0000-4000-8000-1{number:011}"));
        previous = link.id.clone().unwrap();
        document = sign(document, &notary, &link).unwrap();
    }
    let report = verify(&document);
    assert_eq!(report.outcome(), Outcome::Valid, "{report:?}");
    assert_eq!(report.proofs.len(), 1 + Suite::ALL.len());
    assert_eq!(
        report.issuer_binding(did(&issuer_method)),
        IssuerBinding::Bound
    );

    let (notary, notary_method) = fixtures::key("notary");
    let mut missing = SignOptions::new(Suite::EDDSA_JCS_2022, notary_method, NOW);
    missing.existing = ExistingProofs::Keep;
    missing.previous_proofs = vec!["urn:uuid:none".into()];
    let id = "urn:uuid:none".to_owned();
    let refused = sign(document, &notary, &missing);
    assert_eq!(
        refused,
        Err(SignError::Document(ProofError::PreviousProofMissing { id }))
    );
}

#[test]
fn what_a_verifier_would_refuse_is_not_signed() {
    let (key, method) = fixtures::key("issuer");
    let rdfc = SignOptions::new(Suite::EDDSA_RDFC_2022, method.clone(), NOW);
    let mut undefined = unsigned(&method);
    undefined["credentialSubject"]["undefined"] = "x".into();
    let error = sign(undefined, &key, &rdfc).unwrap_err();
    assert_eq!(error.problem_type(), problem::DATA_LOSS_DETECTION_ERROR);

    let mut unknown = unsigned(&method);
    unknown["@context"][1] = "https://unknown.example/v9".into();
    let error = sign(unknown.clone(), &key, &rdfc).unwrap_err();
    assert!(
        matches!(
            error,
            SignError::Document(ProofError::UnknownContext { .. })
        ),
        "{error:?}"
    );
    let jcs = SignOptions::new(Suite::EDDSA_JCS_2022, method.clone(), NOW);
    assert!(sign(unknown, &key, &jcs).is_ok());

    let refused = sign(json!({"name": "no credential"}), &key, &rdfc);
    assert!(matches!(refused, Err(SignError::Credential(_))));
    let (other, _) = fixtures::key("somebody else");
    let refused = sign(unsigned(&method), &other, &rdfc);
    assert!(matches!(refused, Err(SignError::KeyMismatch { .. })));
    let (p256, _) = fixtures::key_p256("issuer");
    let refused = sign(unsigned(&method), &p256, &rdfc);
    assert!(matches!(refused, Err(SignError::SuiteMismatch { .. })));
    let wrong = SignOptions::new(Suite::EDDSA_RDFC_2022, "key-1", NOW);
    let refused = sign(unsigned(&method), &key, &wrong);
    assert!(matches!(
        refused,
        Err(SignError::Option {
            option: "verification_method",
            ..
        })
    ));
}

#[test]
fn proofs_for_something_else_or_out_of_time_do_not_count() {
    for suite in Suite::ALL.iter().copied() {
        let (key, method) = fixtures::key_for(suite, "issuer");
        let error_of = |options: &SignOptions| {
            let signed = sign(unsigned(&method), &key, options).unwrap();
            verify(&signed).first_error().cloned()
        };
        let mut options = SignOptions::new(suite, method.clone(), NOW);
        options.expires = Some(NOW);
        assert_eq!(error_of(&options), None);
        options.expires = Some(NOW - time::Duration::SECOND);
        let expires = NOW - time::Duration::SECOND;
        assert_eq!(error_of(&options), Some(ProofError::Expired { expires }));
        let mut options = SignOptions::new(suite, method.clone(), NOW);
        options.proof_purpose = "authentication".into();
        assert_eq!(
            error_of(&options),
            Some(ProofError::WrongPurpose {
                purpose: "authentication".into(),
                expected: "assertionMethod".into()
            })
        );
    }
}

#[test]
fn a_registry_supplies_keys_and_their_controllers() {
    let (key, method) = fixtures::key("issuer");
    let web = "did:web:university-a.example";
    let mut document = unsigned(&method);
    document["issuer"]["id"] = web.into();
    let options = SignOptions::new(Suite::EDDSA_RDFC_2022, format!("{web}#key-1"), NOW);
    let signed = sign(document, &key, &options).unwrap();
    let credential = Credential::from_json(signed).unwrap();

    let report = verify_proofs(&credential, NOW, &NoRegistry);
    assert_eq!(report.outcome(), Outcome::Unknown);
    assert_eq!(report.issuer_binding(web), IssuerBinding::NotBound);

    let registry = |asked: &str| {
        let multikey = method.rsplit('#').next().unwrap().to_owned();
        (asked == format!("{web}#key-1")).then(|| ResolvedKey {
            controller: web.to_owned(),
            multikey,
        })
    };
    let report = verify_proofs(&credential, NOW, &registry);
    assert_eq!(report.outcome(), Outcome::Valid);
    assert_eq!(report.issuer_binding(web), IssuerBinding::Bound);

    let weak = |_: &str| {
        let multikey = credlog_credential::multikey::encode_ed25519(&[0; 32]);
        Some(ResolvedKey {
            controller: web.to_owned(),
            multikey,
        })
    };
    let report = verify_proofs(&credential, NOW, &weak);
    assert!(matches!(
        report.first_error(),
        Some(ProofError::UnusableKey(_))
    ));
}

#[test]
fn a_url_that_carries_its_key_verifies_without_binding_anybody() {
    let (key, method) = fixtures::key("issuer");
    let url = "https://university-a.example/issuers/1";
    let multikey = method.rsplit('#').next().unwrap();
    let mut document = unsigned(&method);
    document["issuer"]["id"] = url.into();
    let options = SignOptions::new(Suite::EDDSA_RDFC_2022, format!("{url}#{multikey}"), NOW);
    let report = verify(&sign(document, &key, &options).unwrap());
    assert_eq!(report.outcome(), Outcome::Valid);
    assert_eq!(report.issuer_binding(url), IssuerBinding::Unknown);
}

#[test]
fn a_vc_1_1_badge_signs_and_verifies() {
    let (key, method) = fixtures::key("issuer");
    for integrity in ["v1", "v2"] {
        let document = json!({
            "@context": [
                "https://www.w3.org/2018/credentials/v1",
                "https://purl.imsglobal.org/spec/ob/v3p0/context.json",
                format!("https://w3id.org/security/data-integrity/{integrity}"),
            ],
            "id": "urn:uuid:7b0d6c1e-5b5e-4c58-9a3b-0f6f2a4d9b01",
            "type": ["VerifiableCredential", "OpenBadgeCredential"],
            "issuer": {"id": did(&method), "type": ["Profile"], "name": "University A"},
            "issuanceDate": "2026-11-01T00:00:00Z",
            "expirationDate": "2036-11-01T00:00:00Z",
            "name": "Applied Statistics",
            "credentialSubject": {
                "type": ["AchievementSubject"],
                "achievement": {
                    "id": "https://university-a.example/achievements/stat-5",
                    "type": ["Achievement"],
                    "name": "Applied Statistics",
                    "description": "Short course.",
                    "criteria": {"narrative": "Pass the test."}
                }
            }
        });
        let options = SignOptions::new(Suite::EDDSA_RDFC_2022, method.clone(), NOW);
        let signed = sign(document, &key, &options).unwrap();
        assert_eq!(verify(&signed).outcome(), Outcome::Valid, "{integrity}");
        let mut extended = signed;
        extended["expirationDate"] = "2099-11-01T00:00:00Z".into();
        assert_eq!(verify(&extended).outcome(), Outcome::Invalid);
    }
}
