//! Keys out of DID documents: which count, for what and until when.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it goes wrong"
)]

mod fixtures;

use credlog_credential::did::{DidDocument, Documents, KeyState, PublishedKey};
use credlog_credential::{
    Credential, IssuerBinding, JwsForm, KeySource, Multikey, NoRegistry, Outcome, ProofError,
    ProofReport, ResolvedKey, SignOptions, Suite, WithDocuments, sign, sign_jws, verify_document,
    verify_proofs,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);
const DID: &str = "did:web:university-a.example";

fn badge() -> Value {
    let mut document = fixtures::json("samples/01-valid-ob3-eddsa-rdfc-2022.json");
    document.as_object_mut().unwrap().remove("proof");
    document["issuer"]["id"] = DID.into();
    document
}

/// A badge that names a method of the document as its key.
fn signed(suite: Suite, method: &str) -> Credential {
    let (key, _) = fixtures::key_for(suite, "issuer");
    let options = SignOptions::new(suite, method, NOW);
    Credential::from_json(sign(badge(), &key, &options).unwrap()).unwrap()
}

fn method(id: &str, key: &Multikey) -> Value {
    json!({
        "id": id, "type": "Multikey", "controller": DID, "publicKeyMultibase": key.to_string(),
    })
}

fn documents(json: &Value) -> Documents {
    Documents::new([DidDocument::from_json(json).unwrap()]).unwrap()
}

fn verify(credential: &Credential, json: &Value) -> ProofReport {
    let keys = WithDocuments {
        registry: &NoRegistry,
        documents: &documents(json),
    };
    verify_proofs(credential, NOW, &keys)
}

#[test]
fn each_way_to_write_a_key_is_read() {
    for suite in Suite::ALL.iter().copied() {
        let key = fixtures::key_for(suite, "issuer").0.public();
        let credential = signed(suite, &format!("{DID}#key-1"));
        let with = |member: &str, value: Value, kind: &str| {
            let mut method = json!({"id": "#key-1", "type": kind, "controller": DID});
            method[member] = value;
            method
        };
        let multibase = || Value::from(key.to_string());
        let mut methods = vec![
            with("publicKeyMultibase", multibase(), "Multikey"),
            with("publicKeyJwk", key.to_jwk().unwrap(), "JsonWebKey"),
            with("publicKeyJwk", key.to_jwk().unwrap(), "JsonWebKey2020"),
        ];
        if key.kind() == "Ed25519" {
            let kind = "Ed25519VerificationKey2020";
            methods.push(with("publicKeyMultibase", multibase(), kind));
        }
        for method in methods {
            let full = format!("{DID}#key-1");
            for document in [
                json!({"id": DID, "verificationMethod": [method], "assertionMethod": ["#key-1"]}),
                json!({"id": DID, "verificationMethod": method, "assertionMethod": full}),
                json!({"id": DID, "assertionMethod": [method]}),
            ] {
                let report = verify(&credential, &document);
                assert_eq!(report.outcome(), Outcome::Valid, "{document}: {report:?}");
                assert_eq!(report.issuer_binding(DID), IssuerBinding::Bound);
                let found = report.proofs[0].key.clone().unwrap();
                assert_eq!(found.source, KeySource::DidDocument);
            }
        }
    }
}

#[test]
fn a_jws_finds_its_key_in_a_document() {
    for (key, _) in [fixtures::key("issuer"), fixtures::key_p256("issuer")] {
        let kid = format!("{DID}#key-1");
        let jws = sign_jws(badge(), &key, &kid, JwsForm::VcJwt).unwrap();
        let credential = Credential::from_jws(&jws).unwrap();
        let document = json!({"id": DID, "assertionMethod": [method("#key-1", &key.public())]});
        let report = verify(&credential, &document);
        assert_eq!(report.outcome(), Outcome::Valid, "{report:?}");
        assert_eq!(report.issuer_binding(DID), IssuerBinding::Bound);
        let other = json!({"id": DID, "assertionMethod": [method("#key-2", &key.public())]});
        assert_eq!(verify(&credential, &other).outcome(), Outcome::Unknown);
    }
}

/// What a document says against a key counts; what it does not say is not known.
#[test]
fn a_key_counts_only_for_what_the_document_lists_it_for() {
    let suite = Suite::EDDSA_JCS_2022;
    let key = fixtures::key("issuer").0.public();
    let credential = signed(suite, &format!("{DID}#key-1"));
    let good = method("#key-1", &key);
    let changed = |name: &str, value: Value| {
        let mut method = good.clone();
        method[name] = value;
        json!({"id": DID, "assertionMethod": [method]})
    };
    let error_of = |document: &Value| {
        let report = verify(&credential, document);
        report.first_error().cloned().unwrap()
    };
    for document in [
        json!({"id": DID, "verificationMethod": [good]}),
        json!({"id": DID, "authentication": [good]}),
        json!({"id": DID, "keyAgreement": [good]}),
        json!({"id": DID, "verificationMethod": [good], "assertionMethod": ["#key-2"]}),
    ] {
        let error = error_of(&document);
        let unlisted = document.get("keyAgreement").is_some();
        let expected = match error {
            ProofError::UnresolvableMethod { .. } => unlisted,
            ProofError::NotForPurpose { .. } => !unlisted,
            _ => false,
        };
        assert!(expected, "{document}: {error}");
        assert_eq!(error.is_unknown(), unlisted);
    }
    let error = error_of(&changed("controller", "did:web:other.example".into()));
    assert!(
        matches!(error, ProofError::WrongController { .. }),
        "{error}"
    );
    assert!(!error.is_unknown());
    for (name, value, is_good) in [
        ("expires", "2026-11-22T12:00:00Z", false),
        ("revoked", "2026-11-22T11:59:59Z", false),
        ("revoked", "2020-01-01T00:00:00", false),
        ("expires", "2026-11-22T12:00:01Z", true),
    ] {
        let report = verify(&credential, &changed(name, value.into()));
        assert_eq!(
            report.outcome() == Outcome::Valid,
            is_good,
            "{name} {value}"
        );
        let ended = matches!(report.first_error(), Some(ProofError::EndedMethod { .. }));
        assert_eq!(ended, !is_good);
    }
    let other = fixtures::key("other").0.public();
    let error = error_of(&changed("publicKeyMultibase", other.to_string().into()));
    assert_eq!(error, ProofError::InvalidSignature);
    let error = error_of(&changed("publicKeyMultibase", "zO".into()));
    assert!(!error.is_unknown(), "{error}");
    let error = error_of(&changed("publicKeyJwk", other.to_jwk().unwrap()));
    assert!(matches!(error, ProofError::Malformed { .. }), "{error}");
    for unknown in [
        changed("type", "EcdsaSecp256k1VerificationKey2019".into()),
        changed(
            "publicKeyMultibase",
            "z82LkuBieyGShVBhvtE2zoiD6Kma4tJGFtkAhxR5pfkp5QPw4LutoYWhvQCnGjdVn14kujQ".into(),
        ),
    ] {
        let error = error_of(&unknown);
        assert!(error.is_unknown(), "{error}");
    }
}

#[test]
fn purposes_do_not_stand_for_each_other() {
    let (key, _) = fixtures::key("holder");
    let mut options = SignOptions::new(Suite::EDDSA_JCS_2022, format!("{DID}#key-1"), NOW);
    options.proof_purpose = "authentication".into();
    let signed = sign(badge(), &key, &options).unwrap();
    for (relationship, outcome) in [
        ("authentication", Outcome::Valid),
        ("assertionMethod", Outcome::Invalid),
    ] {
        let document = json!({"id": DID, relationship: [method("#key-1", &key.public())]});
        let keys = WithDocuments {
            registry: &NoRegistry,
            documents: &documents(&document),
        };
        let report = verify_document(&signed, "authentication", NOW, &keys);
        assert_eq!(report.outcome(), outcome, "{relationship}: {report:?}");
    }
}

/// A document speaks for its own identifier, and none speaks for a key.
#[test]
fn no_document_speaks_for_another() {
    let suite = Suite::EDDSA_JCS_2022;
    let key = fixtures::key("issuer").0.public();
    let id = format!("{DID}#key-1");
    let foreign = json!({
        "id": "did:web:evil.example",
        "assertionMethod": [{
            "id": id, "type": "Multikey", "controller": "did:web:evil.example",
            "publicKeyMultibase": key.to_string(),
        }],
    });
    let report = verify(&signed(suite, &id), &foreign);
    assert_eq!(report.outcome(), Outcome::Unknown);

    let (_, victim) = fixtures::key("victim");
    let did = victim.split('#').next().unwrap();
    let about_a_key = json!({
        "id": did,
        "assertionMethod": [{
            "id": victim, "type": "Multikey", "controller": did,
            "publicKeyMultibase": key.to_string(),
        }],
    });
    let mut forged = signed(suite, &id).into_document();
    forged["proof"]["verificationMethod"] = victim.clone().into();
    let report = verify(&Credential::from_json(forged).unwrap(), &about_a_key);
    assert_eq!(
        report.proofs[0].key.as_ref().unwrap().source,
        KeySource::DidKey
    );
    assert_eq!(report.outcome(), Outcome::Invalid);
}

#[test]
fn the_registry_is_asked_before_the_documents() {
    let suite = Suite::EDDSA_JCS_2022;
    let (key, other) = (
        fixtures::key("issuer").0.public(),
        fixtures::key("other").0.public(),
    );
    let credential = signed(suite, &format!("{DID}#key-1"));
    let wrong = json!({"id": DID, "assertionMethod": [method("#key-1", &other)]});
    let registry = |_: &str| {
        Some(ResolvedKey {
            controller: DID.into(),
            multikey: key.to_string(),
        })
    };
    let keys = WithDocuments {
        registry: &registry,
        documents: &documents(&wrong),
    };
    let report = verify_proofs(&credential, NOW, &keys);
    assert_eq!(report.outcome(), Outcome::Valid);
    assert_eq!(
        report.proofs[0].key.as_ref().unwrap().source,
        KeySource::Registry
    );
}

/// A controlled identifier document need not be about a DID.
#[test]
fn documents_about_urls_are_read() {
    let url = "https://university-a.example/issuers/1";
    let suite = Suite::ECDSA_RDFC_2019;
    let (key, _) = fixtures::key_for(suite, "issuer");
    let mut unsigned = badge();
    unsigned["issuer"]["id"] = url.into();
    for fragment in ["key-1".to_owned(), key.public().to_string()] {
        let id = format!("{url}#{fragment}");
        let signed = sign(
            unsigned.clone(),
            &key,
            &SignOptions::new(suite, id.clone(), NOW),
        );
        let document = json!({
            "id": url,
            "assertionMethod": [{
                "id": id, "type": "Multikey", "controller": url,
                "publicKeyMultibase": key.public().to_string(),
            }],
        });
        let report = verify(&Credential::from_json(signed.unwrap()).unwrap(), &document);
        assert_eq!(
            report.issuer_binding(url),
            IssuerBinding::Bound,
            "{report:?}"
        );
    }
}

/// Credentials outlive the keys that signed them, but not a key in other hands.
#[test]
fn a_published_document_says_which_keys_count() {
    let rsa = fixtures::json("vectors/rfc-jose/vectors.json")["vectors"][0]["jwk"].take();
    let rsa = Multikey::from_jwk(&rsa).unwrap();
    let (ed25519, p256) = (fixtures::key("issuer").0, fixtures::key_p256("issuer").0);
    let since = NOW - time::Duration::DAY;
    let published = |key: &Multikey, state| PublishedKey {
        key: key.clone(),
        state,
    };
    let document = |state| {
        let keys = [
            published(&ed25519.public(), KeyState::Active),
            published(&p256.public(), state),
            published(&rsa, KeyState::Active),
        ];
        DidDocument::new(DID, keys).unwrap().to_json().unwrap()
    };
    let golden: Value = serde_json::from_str(include_str!("golden/did.json")).unwrap();
    assert_eq!(document(KeyState::Compromised { since }), golden);
    let of = |suite| {
        let (key, _) = fixtures::key_for(suite, "issuer");
        signed(suite, &format!("{DID}#{}", key.public()))
    };
    for (state, outcome) in [
        (KeyState::Active, Outcome::Valid),
        (KeyState::Retired, Outcome::Valid),
        (KeyState::Compromised { since }, Outcome::Invalid),
    ] {
        let document = document(state);
        let report = verify(&of(Suite::ECDSA_RDFC_2019), &document);
        assert_eq!(report.outcome(), outcome, "{report:?}");
        assert_eq!(
            verify(&of(Suite::EDDSA_RDFC_2022), &document).outcome(),
            Outcome::Valid
        );
        let read = DidDocument::from_json(&document).unwrap();
        assert_eq!(read.to_json().unwrap(), document);
    }
    let twice = [0, 1].map(|_| published(&rsa, KeyState::Active));
    assert!(DidDocument::new(DID, twice).is_err());
    let weak = published(&Multikey::Ed25519([0; 32]), KeyState::Active);
    assert!(DidDocument::new(DID, [weak]).is_err());
    assert!(DidDocument::new("university-a.example", []).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn any_json_is_a_document_or_refused(
        id in "(did:web:[a-z]{0,3}|#)?[a-z#:]{0,4}",
        kind in "(Multikey|JsonWebKey|x)?",
        controller in "(did:web:[a-z]{0,2})?",
        key in "z?[1-9A-Za-z]{0,50}",
    ) {
        let method = json!({
            "id": id, "type": kind, "controller": controller, "publicKeyMultibase": key,
        });
        let document = json!({"id": id, "verificationMethod": [method], "assertionMethod": id});
        if let Ok(read) = DidDocument::from_json(&document) {
            prop_assert_eq!(read.id(), &id);
        }
    }
}
