//! What the conformance suites of W3C Data Integrity v1.0 and its EdDSA and ECDSA cryptosuites
//! assert about verifiers, restated: data-integrity-test-suite-assertion, vc-di-eddsa-test-suite,
//! vc-di-ecdsa-test-suite.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it goes wrong"
)]

mod fixtures;

use credlog_credential::{
    Credential, ExistingProofs, Expected, NoRegistry, Outcome, ProofError, SignOptions, Suite,
    problem, sign, sign_document, verify_document, verify_proofs,
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

/// A credential of both data models, signed with each suite.
fn issued() -> Vec<(Suite, Value)> {
    let mut all = Vec::new();
    for suite in Suite::ALL.iter().copied() {
        let (key, method) = fixtures::key_for(suite, "issuer");
        for unsigned in unsigned(&method) {
            let options = SignOptions::new(suite, method.clone(), NOW);
            all.push((suite, sign(unsigned, &key, &options).unwrap()));
        }
    }
    all
}

fn unsigned(method: &str) -> [Value; 2] {
    let issuer = method.split('#').next().unwrap();
    let subject = json!({"id": "did:example:b"});
    [
        json!({
            "@context": ["https://www.w3.org/ns/credentials/v2"],
            "type": ["VerifiableCredential"],
            "issuer": issuer,
            "credentialSubject": subject,
        }),
        json!({
            "@context": [
                "https://www.w3.org/2018/credentials/v1",
                "https://w3id.org/security/data-integrity/v2",
            ],
            "type": ["VerifiableCredential"],
            "issuer": issuer,
            "issuanceDate": "2026-01-01T00:00:00Z",
            "credentialSubject": subject,
        }),
    ]
}

/// One word, also for what is no credential.
fn outcome(document: &Value) -> Outcome {
    match Credential::from_json(document.clone()) {
        Ok(credential) => verify_proofs(&credential, NOW, &NoRegistry).outcome(),
        Err(_) => Outcome::Invalid,
    }
}

/// A credential whose proof was made with other options than any signer here would take: signed as
/// they stand, so that nothing but the option itself is wrong.
fn with_options(suite: Suite, unsigned: &Value, method: &str, members: &Value) -> Value {
    let mut proof = json!({
        "type": "DataIntegrityProof",
        "cryptosuite": suite.name(),
        "created": "2026-11-22T12:00:00Z",
        "verificationMethod": method,
        "proofPurpose": "assertionMethod",
    });
    for (name, value) in members.as_object().unwrap() {
        match value {
            Value::Null => drop(proof.as_object_mut().unwrap().remove(name)),
            value => proof[name] = value.clone(),
        }
    }
    let hash = |value: &Value| {
        use sha2::Digest;
        sha2::Sha256::digest(credlog_credential::json::jcs(value))
    };
    let mut hashed = proof.clone();
    hashed["@context"] = unsigned["@context"].clone();
    let message = [hash(&hashed), hash(unsigned)].concat();
    let (key, _) = fixtures::key_for(suite, "issuer");
    let signature = match &key {
        credlog_credential::SecretKey::Ed25519(key) => {
            ed25519_dalek::Signer::sign(key, &message).to_vec()
        }
        credlog_credential::SecretKey::P256(key) => {
            let signature: p256::ecdsa::Signature =
                p256::ecdsa::signature::Signer::sign(key, &message);
            signature.to_vec()
        }
        other => panic!("{other:?}"),
    };
    hashed["proofValue"] = format!("z{}", bs58::encode(signature).into_string()).into();
    let mut document = unsigned.clone();
    document["proof"] = hashed;
    document
}

const JCS: [Suite; 2] = [Suite::EDDSA_JCS_2022, Suite::ECDSA_JCS_2019];

#[test]
fn a_valid_credential_verifies() {
    for (suite, document) in issued() {
        assert_eq!(outcome(&document), Outcome::Valid, "{suite:?}");
    }
}

#[test]
fn a_proof_that_is_missing_or_malformed_is_an_error() {
    for (suite, document) in issued() {
        let refused = |change: &dyn Fn(&mut Value)| {
            let mut changed = document.clone();
            change(&mut changed);
            assert_eq!(outcome(&changed), Outcome::Invalid, "{suite:?} {changed}");
        };
        refused(&|document| drop(document.as_object_mut().unwrap().remove("proof")));
        refused(&|document| document["proof"] = Value::Null);
        for name in [
            "type",
            "cryptosuite",
            "verificationMethod",
            "proofPurpose",
            "proofValue",
        ] {
            refused(&|document| drop(document["proof"].as_object_mut().unwrap().remove(name)));
            for value in [Value::Null, json!(7), json!([]), json!({}), json!("")] {
                refused(&|document| document["proof"][name] = value.clone());
            }
        }
        refused(&|document| document["proof"]["proofPurpose"] = "invalidPurpose".into());
        refused(&|document| document["proof"]["proofPurpose"] = "authentication".into());
        refused(&|document| document["proof"]["verificationMethod"] = "did:key:invalidVm".into());
        refused(&|document| document["proof"]["verificationMethod"] = "key-1".into());
        refused(&|document| document["proof"]["id"] = "not a url".into());
        let value = document["proof"]["proofValue"].as_str().unwrap().to_owned();
        // Without its multibase header, with another one, and with more or fewer bytes.
        refused(&|document| document["proof"]["proofValue"] = value[1..].into());
        refused(&|document| document["proof"]["proofValue"] = format!("u{}", &value[1..]).into());
        refused(&|document| document["proof"]["proofValue"] = format!("{value}0").into());
        let bytes = bs58::decode(&value[1..]).into_vec().unwrap();
        for changed in [
            [&bytes[..], &[7; 32]].concat(),
            bytes[..63].to_vec(),
            vec![],
        ] {
            let text = format!("z{}", bs58::encode(changed).into_string());
            refused(&|document| document["proof"]["proofValue"] = text.clone().into());
        }
    }
}

/// Types and suites that are not known here are never valid; they may be good.
#[test]
fn other_types_and_suites_are_not_valid() {
    for (suite, document) in issued() {
        for (name, value) in [
            ("type", "UnknownProofType"),
            ("cryptosuite", "UnknownCryptosuite"),
        ] {
            let mut changed = document.clone();
            changed["proof"][name] = value.into();
            assert_eq!(outcome(&changed), Outcome::Unknown, "{suite:?} {name}");
        }
        // Suites for selective disclosure write their values otherwise.
        let mut changed = document.clone();
        changed["proof"]["cryptosuite"] = "ecdsa-sd-2023".into();
        changed["proof"]["proofValue"] = "u2V0AhVhA".into();
        assert_eq!(outcome(&changed), Outcome::Unknown);
        // Another suite than the one that signed: another canonicalisation, another key.
        for other in Suite::ALL.iter().filter(|other| **other != suite) {
            let mut changed = document.clone();
            changed["proof"]["cryptosuite"] = other.name().into();
            assert_eq!(
                outcome(&changed),
                Outcome::Invalid,
                "{suite:?} as {other:?}"
            );
        }
    }
}

#[test]
fn created_and_expires_are_times() {
    for suite in JCS {
        let (_, method) = fixtures::key_for(suite, "issuer");
        for unsigned in unsigned(&method) {
            let check =
                |members: Value| outcome(&with_options(suite, &unsigned, &method, &members));
            for (created, expected) in [
                (Value::Null, Outcome::Valid),
                (json!("2026-11-22T12:00:00Z"), Outcome::Valid),
                (json!("2026-11-22T13:00:00+01:00"), Outcome::Valid),
                (json!("2026-11-22T12:00:00.123Z"), Outcome::Valid),
                // "Time values that are incorrectly serialized without an offset MUST be
                // interpreted as UTC."
                (json!("2026-11-22T12:00:00"), Outcome::Valid),
                (json!("2025-11-22T12:00:00Z"), Outcome::Valid),
                (json!("invalidDate"), Outcome::Invalid),
                (json!("2026-11-22"), Outcome::Invalid),
                (json!("2026-11-22 12:00:00Z"), Outcome::Invalid),
                (json!(1_700_000_000), Outcome::Invalid),
            ] {
                assert_eq!(check(json!({"created": created})), expected, "{created}");
            }
            for (expires, expected) in [
                ("2026-11-22T12:00:00Z", Outcome::Valid),
                ("2026-11-22T12:00:01", Outcome::Valid),
                ("2026-11-22T11:59:59Z", Outcome::Invalid),
                ("2026-11-22T11:59:59", Outcome::Invalid),
                ("2026-11-22T12:30:00+01:00", Outcome::Invalid),
                ("never", Outcome::Invalid),
            ] {
                assert_eq!(check(json!({"expires": expires})), expected, "{expires}");
            }
        }
    }
}

#[test]
fn other_properties_have_their_forms() {
    for suite in JCS {
        let (_, method) = fixtures::key_for(suite, "issuer");
        let [unsigned, _] = unsigned(&method);
        for (members, expected) in [
            (json!({"nonce": "n"}), Outcome::Valid),
            (json!({"nonce": 7}), Outcome::Invalid),
            (json!({"id": "urn:uuid:1"}), Outcome::Valid),
            (json!({"domain": "a.example"}), Outcome::Valid),
            (
                json!({"domain": ["a.example", "b.example"]}),
                Outcome::Valid,
            ),
            (json!({"domain": 7}), Outcome::Invalid),
            (json!({"domain": ["a.example", 7]}), Outcome::Invalid),
            (json!({"challenge": "c"}), Outcome::Valid),
            (json!({"challenge": ["c"]}), Outcome::Invalid),
            (
                json!({"previousProof": "urn:uuid:missing"}),
                Outcome::Invalid,
            ),
            (
                json!({"previousProof": ["urn:uuid:missing"]}),
                Outcome::Invalid,
            ),
            (json!({"previousProof": 7}), Outcome::Invalid),
            (
                json!({"previousProof": {"id": "urn:uuid:1"}}),
                Outcome::Invalid,
            ),
        ] {
            let document = with_options(suite, &unsigned, &method, &members);
            assert_eq!(outcome(&document), expected, "{members}");
        }
    }
}

/// `options.domain` and `options.challenge` of a verifier.
#[test]
fn a_domain_and_a_challenge_must_match() {
    for suite in Suite::ALL.iter().copied() {
        let (key, method) = fixtures::key_for(suite, "holder");
        let mut options = SignOptions::new(suite, method.clone(), NOW);
        options.proof_purpose = "authentication".into();
        options.challenge = Some("1235abcd6789".into());
        options.domain = Some("domain.example".into());
        let presentation = json!({
            "@context": ["https://www.w3.org/ns/credentials/v2"],
            "type": ["VerifiablePresentation"],
            "holder": method.split('#').next(),
        });
        let signed = sign_document(presentation, &key, &options).unwrap();
        let check = |purpose, challenge, domain| {
            let expected = Expected {
                purpose,
                challenge,
                domain,
            };
            let report = verify_document(&signed, expected, NOW, &NoRegistry);
            report.first_error().map(ProofError::problem_type)
        };
        let (challenge, domain) = (Some("1235abcd6789"), Some("domain.example"));
        assert_eq!(
            check("authentication", challenge, domain),
            None,
            "{suite:?}"
        );
        assert_eq!(check("authentication", None, None), None);
        let wrong = check("authentication", Some("invalid-challenge"), domain);
        assert_eq!(wrong, Some(problem::INVALID_CHALLENGE_ERROR));
        let wrong = check(
            "authentication",
            challenge,
            Some("invalid-vc-domain.example.com"),
        );
        assert_eq!(wrong, Some(problem::INVALID_DOMAIN_ERROR));
        let wrong = check("assertionMethod", challenge, domain);
        assert_eq!(wrong, Some(problem::PROOF_VERIFICATION_ERROR));
    }
    // A proof without them, and one for more domains than the verifier's.
    for suite in JCS {
        let (_, method) = fixtures::key_for(suite, "issuer");
        let [unsigned, _] = unsigned(&method);
        for (members, good) in [
            (json!({}), false),
            (json!({"domain": "a.example"}), true),
            (json!({"domain": ["a.example"]}), true),
            (json!({"domain": ["a.example", "b.example"]}), false),
            (json!({"domain": []}), false),
        ] {
            let document = with_options(suite, &unsigned, &method, &members);
            let expected = Expected {
                purpose: "assertionMethod",
                challenge: None,
                domain: Some("a.example"),
            };
            let report = verify_document(&document, expected, NOW, &NoRegistry);
            assert_eq!(report.outcome() == Outcome::Valid, good, "{members}");
        }
    }
}

#[test]
fn chains_name_one_proof_or_several() {
    for suite in Suite::ALL.iter().copied() {
        let (key, method) = fixtures::key_for(suite, "issuer");
        for unsigned in unsigned(&method) {
            let mut options = SignOptions::new(suite, method.clone(), NOW);
            options.existing = ExistingProofs::Keep;
            let ids = ["urn:uuid:test:first:proof", "urn:uuid:test:second:proof"];
            let mut document = unsigned;
            for id in ids {
                options.id = Some(id.into());
                document = sign(document, &key, &options).unwrap();
            }
            options.id = None;
            for previous in [&ids[..1], &ids[..]] {
                options.previous_proofs = previous.iter().copied().map(str::to_owned).collect();
                let chained = sign(document.clone(), &key, &options).unwrap();
                assert_eq!(outcome(&chained), Outcome::Valid, "{suite:?}");
                for lost in previous {
                    let mut broken = chained.clone();
                    let proofs = broken["proof"].as_array_mut().unwrap();
                    proofs.retain(|proof| proof["id"] != **lost);
                    assert_eq!(outcome(&broken), Outcome::Invalid, "{suite:?} {lost}");
                }
                for wrong in [
                    json!("urn:uuid:none"),
                    json!([ids[0], "urn:uuid:none"]),
                    json!(7),
                ] {
                    let mut broken = chained.clone();
                    let proofs = broken["proof"].as_array_mut().unwrap();
                    proofs.last_mut().unwrap()["previousProof"] = wrong;
                    assert_eq!(outcome(&broken), Outcome::Invalid);
                }
            }
        }
    }
}
