//! Presentations: who hands credentials over, to whom and now.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it goes wrong"
)]

mod fixtures;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credlog_credential::{
    Challenge, Credential, JwsForm, Limits, NoRegistry, Outcome, Presentation, PresentationError,
    ProofError, ProofReport, ResolvedKey, SecretKey, SignOptions, Suite, sign, sign_jws,
    sign_presentation, sign_presentation_jws, verify_presentation, verify_proofs,
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);
const V2: &str = "https://www.w3.org/ns/credentials/v2";
const V1: &str = "https://www.w3.org/2018/credentials/v1";
const ASKED: Challenge<'_> = Challenge {
    challenge: Some("1f44d55f-f161-4938-a659-f8026467f126"),
    domain: Some("employer.example"),
};

/// A key of the kind that a suite takes, its did:key and its verification method.
fn key(suite: Suite) -> (SecretKey, String, String) {
    let secret: SecretKey = if suite.name().starts_with("ecdsa") {
        p256::ecdsa::SigningKey::from_slice(&[7; 32])
            .unwrap()
            .into()
    } else {
        ed25519_dalek::SigningKey::from_bytes(&[7; 32]).into()
    };
    let multikey = secret.public().to_string();
    let did = format!("did:key:{multikey}");
    (secret, did.clone(), format!("{did}#{multikey}"))
}

fn badge() -> Value {
    fixtures::json("samples/01-valid-ob3-eddsa-rdfc-2022.json")
}

/// A signed credential of the older data model.
fn older() -> Value {
    let suite = Suite::EDDSA_RDFC_2022;
    let (secret, did, method) = key(suite);
    let document = json!({
        "@context": [V1, "https://w3id.org/security/data-integrity/v2"],
        "type": ["VerifiableCredential"],
        "issuer": did,
        "issuanceDate": "2020-01-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:b"},
    });
    sign(document, &secret, &SignOptions::new(suite, method, NOW)).unwrap()
}

fn unsigned(base: &str, holder: impl Into<Value>) -> Value {
    let (context, inside) = if base == V1 {
        let integrity = "https://w3id.org/security/data-integrity/v2";
        (vec![V1, integrity], vec![older(), older()])
    } else {
        let other = fixtures::json("samples/03-valid-ob3-eddsa-jcs-2022.json");
        (vec![V2], vec![badge(), other])
    };
    json!({
        "@context": context,
        "id": "urn:uuid:0f6f2a4d-0000-4000-8000-000000000001",
        "type": ["VerifiablePresentation"],
        "holder": holder.into(),
        "verifiableCredential": inside,
    })
}

fn signed(suite: Suite, document: Value, change: impl FnOnce(&mut SignOptions)) -> Value {
    let (secret, _, method) = key(suite);
    let mut options = SignOptions::new(suite, method, NOW);
    options.challenge = ASKED.challenge.map(str::to_owned);
    options.domain = ASKED.domain.map(str::to_owned);
    change(&mut options);
    let presentation = Presentation::from_json(document).unwrap();
    sign_presentation(&presentation, &secret, &options).unwrap()
}

fn verify(document: &Value) -> ProofReport {
    let presentation = Presentation::from_json(document.clone()).unwrap();
    verify_presentation(&presentation, &ASKED, NOW, &NoRegistry)
}

#[test]
fn every_suite_signs_a_presentation_of_either_data_model() {
    for suite in Suite::ALL.iter().copied() {
        let (_, did, _) = key(suite);
        for (base, holder) in [(V2, json!(did)), (V1, json!({"id": did}))] {
            let document = signed(suite, unsigned(base, holder), |_| {});
            let report = verify(&document);
            assert_eq!(
                report.outcome(),
                Outcome::Valid,
                "{suite:?}, {base}: {report:?}"
            );
            assert_eq!(report.proofs[0].purpose.as_deref(), Some("authentication"));

            let presentation = Presentation::parse(document.to_string().as_bytes()).unwrap();
            assert!(presentation.is_secured());
            assert_eq!(presentation.holder(), Some(did.as_str()));
            for credential in presentation.credentials() {
                let report = verify_proofs(credential.as_ref().unwrap(), NOW, &NoRegistry);
                assert_eq!(report.outcome(), Outcome::Valid, "{report:?}");
            }
            // Whatever is inside is signed, whoever is named is signed.
            for (pointer, value) in [
                (
                    "/verifiableCredential/1/credentialSubject/id",
                    "did:example:other",
                ),
                (
                    "/verifiableCredential/0/proof/created",
                    "2020-01-01T00:00:00Z",
                ),
                ("/id", "urn:uuid:0f6f2a4d-0000-4000-8000-000000000002"),
            ] {
                let mut changed = document.clone();
                *changed.pointer_mut(pointer).unwrap() = value.into();
                assert_eq!(
                    verify(&changed).first_error(),
                    Some(&ProofError::InvalidSignature),
                    "{suite:?}, {base}, {pointer}"
                );
            }
        }
    }
}

#[test]
fn another_purpose_challenge_or_domain_does_not_count() {
    let suite = Suite::EDDSA_JCS_2022;
    let (_, did, _) = key(suite);
    let of = |change: fn(&mut SignOptions)| {
        let report = verify(&signed(suite, unsigned(V2, json!(did)), change));
        report.first_error().cloned()
    };
    assert_eq!(of(|_| {}), None);
    assert!(matches!(
        of(|options| options.challenge = Some("yesterday".into())),
        Some(ProofError::WrongChallenge { .. })
    ));
    assert!(matches!(
        of(|options| options.challenge = None),
        Some(ProofError::WrongChallenge { .. })
    ));
    assert!(matches!(
        of(|options| options.domain = Some("other.example".into())),
        Some(ProofError::WrongDomain { .. })
    ));
    assert!(matches!(
        of(|options| options.domain = None),
        Some(ProofError::WrongDomain { .. })
    ));
    // A proof that was made to assert something is no answer to a challenge.
    let (secret, _, method) = key(suite);
    let options = SignOptions::new(suite, method, NOW);
    let asserted =
        credlog_credential::sign_document(unsigned(V2, json!(did)), &secret, &options).unwrap();
    let report = verify(&asserted);
    assert!(matches!(
        report.first_error(),
        Some(ProofError::WrongPurpose { .. })
    ));
    // Who asks for nothing is satisfied by a proof for somebody else.
    let document = signed(suite, unsigned(V2, json!(did)), |_| {});
    let presentation = Presentation::from_json(document).unwrap();
    let report = verify_presentation(&presentation, &Challenge::default(), NOW, &NoRegistry);
    assert_eq!(report.outcome(), Outcome::Valid, "{report:?}");
}

#[test]
fn the_holder_must_control_the_key() {
    let suite = Suite::EDDSA_RDFC_2022;
    let stolen = signed(suite, unsigned(V2, json!("did:example:somebody")), |_| {});
    let report = verify(&stolen);
    assert_eq!(report.outcome(), Outcome::Invalid);
    assert!(matches!(
        report.first_error(),
        Some(ProofError::WrongHolder { .. })
    ));
    // Of this method nobody knows who controls its key.
    let holder = "https://holder.example/me";
    let unknown = signed(suite, unsigned(V2, json!(holder)), |options| {
        let (_, multikey) = options.verification_method.split_once('#').unwrap();
        options.verification_method = format!("{holder}#{multikey}");
    });
    assert_eq!(verify(&unknown).outcome(), Outcome::Unknown);
    // Whoever knows it may say so.
    let registry = |method: &str| {
        Some(ResolvedKey {
            controller: holder.to_owned(),
            multikey: method.split_once('#')?.1.to_owned(),
        })
    };
    let presentation = Presentation::from_json(unknown).unwrap();
    let report = verify_presentation(&presentation, &ASKED, NOW, &registry);
    assert_eq!(report.outcome(), Outcome::Valid, "{report:?}");
    // Without a name, the key alone speaks.
    let mut nameless = unsigned(V2, json!("did:example:a"));
    nameless.as_object_mut().unwrap().remove("holder");
    let report = verify(&signed(suite, nameless, |_| {}));
    assert_eq!(report.outcome(), Outcome::Valid, "{report:?}");
}

#[test]
fn a_container_without_proof_shows_its_credentials_and_no_holder() {
    let presentation = Presentation::from_json(unsigned(V2, json!("did:example:a"))).unwrap();
    assert!(!presentation.is_secured());
    assert_eq!(presentation.credentials().len(), 2);
    let report = verify_presentation(&presentation, &ASKED, NOW, &NoRegistry);
    assert!(report.proofs.is_empty());
}

#[test]
fn one_bad_credential_does_not_hide_the_others() {
    let mut document = unsigned(V2, json!("did:example:a"));
    document["verifiableCredential"] = json!([{"type": "VerifiableCredential"}, 7, badge()]);
    let presentation = Presentation::from_json(document.clone()).unwrap();
    let read: Vec<bool> = presentation
        .credentials()
        .iter()
        .map(Result::is_ok)
        .collect();
    assert_eq!(read, [false, false, true]);
    document["verifiableCredential"] = badge();
    let presentation = Presentation::from_json(document).unwrap();
    let expected = Credential::from_json(badge()).unwrap();
    assert_eq!(presentation.into_credentials(), [Ok(expected)]);
}

#[test]
fn what_is_malformed_or_too_large_is_named() {
    let with = |property: &str, value: Value| {
        let mut document = unsigned(V2, json!("did:example:a"));
        document[property] = value;
        Presentation::from_json(document).map(drop)
    };
    for (property, value) in [
        ("@context", json!(["https://a.example/"])),
        ("type", json!("VerifiableCredential")),
        ("id", json!("no URL")),
        ("id", json!(["urn:a:b"])),
        ("holder", json!("somebody")),
        ("holder", json!({"name": "somebody"})),
        ("holder", json!(["did:example:a"])),
        ("proof", json!("z")),
        ("proof", json!([{}, 1])),
    ] {
        match with(property, value.clone()) {
            Err(PresentationError::Malformed {
                property: named, ..
            }) => {
                assert_eq!(named, property);
            }
            other => panic!("{property} = {value}: {other:?}"),
        }
    }
    assert_eq!(
        Presentation::parse(b"[]").map(drop),
        Err(PresentationError::NotAnObject)
    );
    let many = with("verifiableCredential", json!(vec![json!({}); 101])).unwrap_err();
    assert!(many.is_too_large(), "{many}");
    assert!(with("verifiableCredential", json!(vec![json!({}); 100])).is_ok());
    let long = "x".repeat(Presentation::LIMITS.bytes_max);
    assert!(with("name", long.into()).unwrap_err().is_too_large());

    // A credential has inside of a presentation the room that it has alone.
    let mut deep = json!(1);
    for _ in 0..Limits::DEFAULT.depth_max - 1 {
        deep = json!([deep]);
    }
    let mut document = unsigned(V2, json!("did:example:a"));
    document["verifiableCredential"][0]["extra"] = deep;
    let text = document.to_string();
    let presentation = Presentation::parse(text.as_bytes()).unwrap();
    assert!(presentation.credentials()[0].is_ok());
    document["verifiableCredential"][0]["extra"] =
        json!([document["verifiableCredential"][0]["extra"]]);
    let presentation = Presentation::parse(document.to_string().as_bytes()).unwrap();
    let error = presentation.credentials()[0].clone().unwrap_err();
    assert!(error.is_too_large(), "{error}");
}

/// A presentation as a JWS of either data model, with a credential that is itself a JWS.
fn jws(suite: Suite, base: &str, asked: &Challenge<'_>) -> String {
    let (secret, did, method) = key(suite);
    let mut document = unsigned(base, did.as_str());
    if base == V2 {
        let credential = json!({
            "@context": [V2],
            "type": ["VerifiableCredential"],
            "issuer": did,
            "credentialSubject": {"id": did},
        });
        let signed = sign_jws(credential, &secret, &method, JwsForm::VcJwt).unwrap();
        document["verifiableCredential"] = json!([{
            "@context": V2,
            "type": "EnvelopedVerifiableCredential",
            "id": format!("data:application/vc+jwt,{signed}"),
        }, signed]);
    }
    let presentation = Presentation::from_json(document).unwrap();
    sign_presentation_jws(&presentation, &secret, &method, asked).unwrap()
}

#[test]
fn a_presentation_as_a_jws_is_held_to_the_same() {
    for suite in [Suite::EDDSA_JCS_2022, Suite::ECDSA_JCS_2019] {
        for base in [V2, V1] {
            let text = jws(suite, base, &ASKED);
            let presentation = Presentation::from_jws(&text).unwrap();
            assert_eq!(presentation.jws().unwrap().as_str(), text);
            assert!(presentation.is_secured());
            assert_eq!(presentation.holder(), Some(key(suite).1.as_str()));
            for credential in presentation.credentials() {
                let report = verify_proofs(credential.as_ref().unwrap(), NOW, &NoRegistry);
                assert_eq!(report.outcome(), Outcome::Valid, "{report:?}");
            }
            let verify = |text: &str, asked: &Challenge<'_>| {
                let presentation = Presentation::from_jws(text).unwrap();
                let report = verify_presentation(&presentation, asked, NOW, &NoRegistry);
                report.first_error().cloned()
            };
            assert_eq!(verify(&text, &ASKED), None, "{suite:?}, {base}");
            let other = Challenge {
                challenge: Some("another"),
                ..ASKED
            };
            assert!(matches!(
                verify(&text, &other),
                Some(ProofError::WrongChallenge { .. })
            ));
            let other = Challenge {
                domain: Some("other.example"),
                ..ASKED
            };
            assert!(matches!(
                verify(&text, &other),
                Some(ProofError::WrongDomain { .. })
            ));
            // The signature of another presentation.
            let (input, _) = text.rsplit_once('.').unwrap();
            let again = jws(suite, base, &Challenge::default());
            let (_, signature) = again.rsplit_once('.').unwrap();
            assert_eq!(
                verify(&format!("{input}.{signature}"), &ASKED),
                Some(ProofError::InvalidSignature)
            );
            // Inside of an envelope it is the same presentation.
            let envelope = json!({
                "@context": V2,
                "type": "EnvelopedVerifiablePresentation",
                "id": format!("data:application/vp+jwt,{text}"),
            });
            assert_eq!(Presentation::from_json(envelope), Ok(presentation));
        }
    }
}

/// A JWS with a payload of somebody's own making, signed by the holder of [`key`].
fn payload(payload: &Value) -> Result<Presentation, PresentationError> {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = encode(&json!({"alg": "EdDSA", "kid": key(Suite::EDDSA_JCS_2022).2}));
    let input = format!("{header}.{}", encode(payload));
    let signing = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let signature = ed25519_dalek::Signer::sign(&signing, input.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(signature.to_bytes());
    Presentation::from_jws(&format!("{input}.{signature}"))
}

#[test]
fn claims_of_a_jwt_may_not_contradict_the_presentation() {
    let (_, did, _) = key(Suite::EDDSA_JCS_2022);
    let inner = unsigned(V1, did.as_str());
    let verify = |claims: &Value| {
        let presentation = payload(claims)?;
        let asked = Challenge::default();
        Ok(verify_presentation(&presentation, &asked, NOW, &NoRegistry)
            .first_error()
            .cloned())
    };
    let seconds = NOW.unix_timestamp();
    assert_eq!(
        verify(&json!({"vp": inner, "iss": did, "exp": seconds})),
        Ok(None)
    );
    let expired = verify(&json!({"vp": inner, "iss": did, "exp": seconds - 1}));
    assert!(
        matches!(expired, Ok(Some(ProofError::Expired { .. }))),
        "{expired:?}"
    );
    for claims in [
        json!({"vp": inner, "nbf": seconds + 1}),
        json!({"vp": inner, "nbf": "tomorrow"}),
    ] {
        let refused = verify(&claims);
        assert!(
            matches!(refused, Ok(Some(ProofError::Malformed { .. }))),
            "{refused:?}"
        );
    }
    for claims in [
        json!({"vp": inner, "iss": "did:example:other"}),
        json!({"vp": inner, "jti": "urn:other"}),
        json!({"vp": inner, "iss": 7}),
        json!({"vp": [inner]}),
        json!({"iss": did}),
    ] {
        let refused = verify(&claims);
        assert!(
            matches!(refused, Err(PresentationError::Malformed { .. })),
            "{claims}: {refused:?}"
        );
    }
    // Without a name in the presentation, the JWT's issuer is the holder.
    let mut nameless = inner;
    nameless.as_object_mut().unwrap().remove("holder");
    assert_eq!(verify(&json!({"vp": nameless, "iss": did})), Ok(None));
    let stolen = verify(&json!({"vp": nameless, "iss": "did:example:other"}));
    assert!(
        matches!(stolen, Ok(Some(ProofError::WrongHolder { .. }))),
        "{stolen:?}"
    );
    assert_eq!(verify(&json!({"vp": nameless})), Ok(None));
}
