//! The test vectors of W3C Data Integrity EdDSA and ECDSA Cryptosuites v1.0, and every changed form
//! of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it goes wrong"
)]

mod fixtures;

use credlog_credential::{
    Credential, IssuerBinding, Multikey, NoRegistry, Outcome, ProofError, ProofReport, SecretKey,
    SignOptions, Suite, sign, verify_document,
};
use p256::ecdsa::signature::Verifier;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

const SIGNED: [&str; 7] = [
    "ecdsa-jcs-2019-p256/signedJCSECDSAP256.json",
    "eddsa-jcs-2022/signedJCS.json",
    "eddsa-rdfc-2022/signedDataInt.json",
    "proof-set-chain/signedProofSet1.json",
    "proof-set-chain/signedProofSet2.json",
    "proof-set-chain/signedProofChain1.json",
    "proof-set-chain/signedProofChain2.json",
];

fn vector(name: &str) -> Value {
    fixtures::json(&path(name))
}

fn path(name: &str) -> String {
    let algorithm = if name.contains("ecdsa") || name.contains("p256") {
        "ecdsa"
    } else {
        "eddsa"
    };
    format!("vectors/w3c-vc-di-{algorithm}/{name}")
}

fn verify(document: &Value) -> ProofReport {
    verify_document(document, "assertionMethod", NOW, &NoRegistry)
}

#[test]
fn all_proofs_verify_and_none_binds_the_issuer() {
    for name in SIGNED {
        let document = vector(name);
        let report = verify(&document);
        assert_eq!(report.outcome(), Outcome::Valid, "{name}: {report:?}");
        let credential = Credential::from_json(document).unwrap();
        let binding = report.issuer_binding(credential.issuer_id());
        assert_eq!(binding, IssuerBinding::NotBound, "{name}");
        assert_eq!(report.proofs.len(), credential.proofs().len());
    }
}

/// The context of this vector is not built in, but its canonical form is given.
#[test]
fn the_employment_vector_cannot_be_checked_but_its_signature_is_good() {
    let document = vector("eddsa-rdfc-2022/employ/signedDataInt.json");
    let url = "https://w3id.org/citizenship/v4rc1".to_owned();
    let report = verify(&document);
    assert_eq!(report.outcome(), Outcome::Unknown);
    assert_eq!(
        report.first_error(),
        Some(&ProofError::UnknownContext { url })
    );

    let read = |name: &str| {
        fixtures::read(&format!(
            "vectors/w3c-vc-di-eddsa/eddsa-rdfc-2022/employ/{name}"
        ))
    };
    let text = |name: &str| String::from_utf8(read(name)).unwrap().trim().to_owned();
    let options = Sha256::digest(read("proofCanonDataInt.txt"));
    let canonical = Sha256::digest(read("canonDocDataInt.txt"));
    assert_eq!(hex::encode(options), text("proofHashDataInt.txt"));
    assert_eq!(hex::encode(canonical), text("docHashDataInt.txt"));
    let key = vector("keyPair.json")["publicKeyMultibase"]
        .as_str()
        .unwrap()
        .to_owned();
    let key = credlog_credential::multikey::decode(&key)
        .unwrap()
        .ed25519()
        .unwrap();
    let signature = bs58::decode(&text("sigBTC58DataInt.txt")[1..])
        .into_vec()
        .unwrap();
    let signature = ed25519_dalek::Signature::from_slice(&signature).unwrap();
    key.verify_strict(&[options, canonical].concat(), &signature)
        .unwrap();
}

/// The published signatures are over the published hashes, and the hashes come out here too.
#[test]
fn ecdsa_signatures_equal_those_of_the_vectors() {
    let pair = vector("p256KeyPair.json");
    let key: Multikey = pair["publicKeyMultibase"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    for (folder, suite, ending) in [
        ("ecdsa-jcs-2019-p256", "ecdsa-jcs-2019", "JCSECDSAP256"),
        ("ecdsa-rdfc-2019-p256", "ecdsa-rdfc-2019", "ECDSAP256"),
    ] {
        let text = |name: &str| {
            let path = path(&format!("{folder}/{name}{ending}.txt"));
            String::from_utf8(fixtures::read(&path)).unwrap()
        };
        let hashes = hex::decode(text("combinedHash")).unwrap();
        let signature = bs58::decode(&text("sigBTC58")[1..]).into_vec().unwrap();
        let signature = p256::ecdsa::Signature::from_slice(&signature).unwrap();
        key.p256().unwrap().verify(&hashes, &signature).unwrap();

        // Both sign the same document, and proofs that differ in the suite alone.
        let mut signed = vector("ecdsa-jcs-2019-p256/signedJCSECDSAP256.json");
        signed["proof"]["cryptosuite"] = suite.into();
        signed["proof"]["proofValue"] = text("sigBTC58").into();
        let report = verify(&signed);
        assert_eq!(report.outcome(), Outcome::Valid, "{folder}: {report:?}");
    }
}

/// ECDSA is deterministic as RFC 6979 has it, so the same key gives the published signature.
#[test]
fn an_ecdsa_signature_that_is_made_here_is_the_published_one() {
    let pair = vector("p256KeyPair.json");
    let (public, secret) = (&pair["publicKeyMultibase"], &pair["secretKeyMultibase"]);
    let secret = bs58::decode(&secret.as_str().unwrap()[1..])
        .into_vec()
        .unwrap();
    let secret = SecretKey::from(p256::ecdsa::SigningKey::from_slice(&secret[2..]).unwrap());
    assert_eq!(secret.public().to_string(), *public);
    let mut unsigned = vector("ecdsa-jcs-2019-p256/signedJCSECDSAP256.json");
    let proof = unsigned.as_object_mut().unwrap().remove("proof").unwrap();
    let method = proof["verificationMethod"].as_str().unwrap();
    let created = datetime!(2023-02-24 23:36:38 UTC);
    let options = SignOptions::new(Suite::ECDSA_RDFC_2019, method, created);
    let signed = sign(unsigned, &secret, &options).unwrap();
    let published = fixtures::read(&path("ecdsa-rdfc-2019-p256/sigBTC58ECDSAP256.txt"));
    let published = String::from_utf8(published).unwrap();
    assert_eq!(signed["proof"]["proofValue"], published);
}

#[test]
fn a_proof_by_a_key_on_p384_cannot_be_checked() {
    let report = verify(&vector("ecdsa-jcs-2019-p384/signedJCSECDSAP384.json"));
    assert_eq!(report.outcome(), Outcome::Unknown);
    let error = report.first_error().unwrap();
    assert!(matches!(error, ProofError::UnusableKey(_)), "{error:?}");
}

/// Every path to a string or number inside of a document.
fn leaves(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                leaves(value, &format!("{path}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, &format!("{path}/{index}"), found);
            }
        }
        Value::String(_) | Value::Number(_) => found.push(path.to_owned()),
        Value::Null | Value::Bool(_) => {}
    }
}

/// Several ways to change one leaf.
fn changed(leaf: &Value) -> Vec<Value> {
    match leaf {
        Value::String(text) => {
            let mut last = text.clone();
            let replaced = if last.pop() == Some('A') { 'B' } else { 'A' };
            last.push(replaced);
            vec![
                json!(last),
                json!(format!("{text}x")),
                json!(""),
                json!("x"),
                json!([]),
                json!(7),
            ]
        }
        Value::Number(number) => vec![json!(number.as_f64().unwrap() + 1.0), json!("7"), json!(0)],
        other => panic!("{other} is no leaf"),
    }
}

#[test]
fn no_changed_leaf_passes() {
    let samples = [
        "samples/01-valid-ob3-eddsa-rdfc-2022.json",
        "samples/03-valid-ob3-eddsa-jcs-2022.json",
        "samples/status-list-suspension.json",
    ];
    let vectors = SIGNED.map(path);
    let mut forms = 0;
    for name in samples.into_iter().map(str::to_owned).chain(vectors) {
        let document = fixtures::json(&name);
        let mut paths = Vec::new();
        leaves(&document, "", &mut paths);
        for path in paths {
            for value in changed(document.pointer(&path).unwrap()) {
                let mut changed = document.clone();
                *changed.pointer_mut(&path).unwrap() = value.clone();
                if changed == document {
                    continue;
                }
                let report = verify(&changed);
                assert_ne!(report.outcome(), Outcome::Valid, "{name}{path} = {value}");
                forms += 1;
            }
        }
    }
    assert!(forms > 1_000, "{forms}");
}

#[test]
fn no_removed_or_added_member_passes() {
    for name in SIGNED {
        let document = vector(name);
        let members = document.as_object().unwrap();
        for removed in members.keys() {
            let mut changed = document.clone();
            changed.as_object_mut().unwrap().remove(removed);
            assert_ne!(
                verify(&changed).outcome(),
                Outcome::Valid,
                "{name} without {removed}"
            );
        }
        for (added, value) in [
            ("added", json!("x")),
            ("two words", json!("x")),
            ("validUntil", json!("2099-01-01T00:00:00Z")),
            ("https://a.example/x", json!({})),
            (
                "credentialStatus",
                json!({"type": "BitstringStatusListEntry"}),
            ),
        ] {
            let mut changed = document.clone();
            changed[added] = value;
            assert_ne!(
                verify(&changed).outcome(),
                Outcome::Valid,
                "{name} with {added}"
            );
        }
    }
}

#[test]
fn a_chain_does_not_survive_the_loss_or_change_of_a_link() {
    let chain = vector("proof-set-chain/signedProofChain2.json");
    let links = chain["proof"].as_array().unwrap().clone();
    assert_eq!(links.len(), 4);
    // The last link is needed by no other; each of the others is.
    for lost in 0..3 {
        let mut changed = chain.clone();
        let lost_id = changed["proof"].as_array_mut().unwrap().remove(lost)["id"].clone();
        let report = verify(&changed);
        assert_eq!(report.outcome(), Outcome::Invalid);
        let missing = ProofError::PreviousProofMissing {
            id: lost_id.as_str().unwrap().into(),
        };
        let missed =
            |proof: &credlog_credential::ProofResult| proof.result.as_ref().err() == Some(&missing);
        assert!(report.proofs.iter().any(missed), "{lost}: {report:?}");
    }
    // Exchanged signatures, and exchanged ids.
    for (a, b) in [(0, 1), (1, 2), (2, 3)] {
        for property in ["proofValue", "id"] {
            let mut changed = chain.clone();
            let proofs = changed["proof"].as_array_mut().unwrap();
            let (first, second) = (proofs[a][property].take(), proofs[b][property].take());
            for (proof, value) in [(a, second), (b, first)] {
                match value {
                    Value::Null => drop(proofs[proof].as_object_mut().unwrap().remove(property)),
                    value => proofs[proof][property] = value,
                }
            }
            assert_eq!(
                verify(&changed).outcome(),
                Outcome::Invalid,
                "{a} {b} {property}"
            );
        }
    }
    // A bad link spoils all that stand on it, though their own signatures stay what they were.
    let mut changed = chain.clone();
    changed["proof"][0]["created"] = json!("2023-02-24T23:36:39Z");
    let report = verify(&changed);
    let good: Vec<_> = report
        .proofs
        .iter()
        .map(|proof| proof.result.is_ok())
        .collect();
    assert_eq!(good, [false, true, false, false]);
    let id = links[2]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        report.proofs[3].result,
        Err(ProofError::PreviousProofInvalid { id })
    );
    // Two proofs with one id.
    let mut changed = chain.clone();
    let twin = links[0].clone();
    changed["proof"].as_array_mut().unwrap().push(twin);
    assert_eq!(verify(&changed).outcome(), Outcome::Invalid);
    // The order of the array means nothing: links name each other.
    let mut changed = chain;
    changed["proof"].as_array_mut().unwrap().reverse();
    assert_eq!(verify(&changed).outcome(), Outcome::Valid);
}
