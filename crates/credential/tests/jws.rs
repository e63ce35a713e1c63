//! Credentials as compact JWS: what is signed here and elsewhere verifies, and nothing else does.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it goes wrong"
)]

mod fixtures;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credlog_credential::did::{DidDocument, Documents};
use credlog_credential::{
    Candidates, Credential, CredentialError, Expected, IssuerBinding, Jws, JwsForm, KeyResolver,
    KeySource, Multikey, NoRegistry, Outcome, ProofError, ProofReport, ResolvedKey, SecretKey,
    SignError, SignOptions, Suite, WithDocuments, digest_jws, problem, sign, sign_jws, verify_jws,
    verify_proofs,
};
use proptest::prelude::*;
use ring::rsa::{KeyPair, KeyPairComponents, PublicKeyComponents};
use ring::signature::RSA_PKCS1_SHA256;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

fn did(method: &str) -> &str {
    method.split('#').next().unwrap()
}

fn badge(issuer: &str) -> Value {
    let mut document = fixtures::json("samples/01-valid-ob3-eddsa-rdfc-2022.json");
    document.as_object_mut().unwrap().remove("proof");
    document["issuer"]["id"] = issuer.into();
    document
}

fn badge_1_1(issuer: &str) -> Value {
    json!({
        "@context": [
            "https://www.w3.org/2018/credentials/v1",
            "https://purl.imsglobal.org/spec/ob/v3p0/context.json",
        ],
        "id": "urn:uuid:7b0d6c1e-5b5e-4c58-9a3b-0f6f2a4d9b01",
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "issuer": {"id": issuer, "type": ["Profile"], "name": "University A"},
        "issuanceDate": "2026-11-01T00:00:00Z",
        "expirationDate": "2036-11-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:b", "type": ["AchievementSubject"]},
    })
}

fn keys() -> [(&'static str, SecretKey, String); 2] {
    let ((ed25519, a), (p256, b)) = (fixtures::key("issuer"), fixtures::key_p256("issuer"));
    [("EdDSA", ed25519, a), ("ES256", p256, b)]
}

fn verify(jws: &str, keys: &dyn KeyResolver) -> ProofReport {
    verify_proofs(&Credential::from_jws(jws).unwrap(), NOW, keys)
}

/// A JWS with any header, by any key or none.
fn forged(header: &Value, payload: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", encode(header), encode(payload));
    let signature = sign(input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The signature of a key over anything: `sign_jws` makes only what verifies.
fn signed_by(key: &SecretKey) -> impl Fn(&[u8]) -> Vec<u8> {
    move |input| match key {
        SecretKey::Ed25519(key) => ed25519_dalek::Signer::sign(key, input).to_vec(),
        SecretKey::P256(key) => {
            let signature: p256::ecdsa::Signature =
                p256::ecdsa::signature::Signer::sign(key, input);
            signature.to_vec()
        }
        other => panic!("{other:?}"),
    }
}

fn bytes(jwk: &Value, member: &str) -> Vec<u8> {
    let text = jwk[member].as_str().unwrap();
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// The RSA key of RFC 7515 appendix A.2.
fn rsa() -> (Multikey, KeyPair) {
    let vectors = fixtures::json("vectors/rfc-jose/vectors.json");
    let jwk = &vectors["rsaPrivateKey"];
    let part = |member| bytes(jwk, member);
    let pair = KeyPair::from_components(&KeyPairComponents {
        public_key: PublicKeyComponents {
            n: part("n"),
            e: part("e"),
        },
        d: part("d"),
        p: part("p"),
        q: part("q"),
        dP: part("dp"),
        dQ: part("dq"),
        qInv: part("qi"),
    });
    let public = Multikey::from_jwk(&vectors["vectors"][0]["jwk"]).unwrap();
    (public, pair.unwrap())
}

fn signed_by_rsa(pair: &KeyPair) -> impl Fn(&[u8]) -> Vec<u8> {
    move |input| {
        let mut signature = vec![0; pair.public().modulus_len()];
        let random = ring::rand::SystemRandom::new();
        pair.sign(&RSA_PKCS1_SHA256, &random, input, &mut signature)
            .unwrap();
        signature
    }
}

fn registered(controller: &str, key: &Multikey) -> impl Fn(&str) -> Option<ResolvedKey> + use<> {
    let method = format!("{controller}#key-1");
    let key = ResolvedKey {
        controller: controller.to_owned(),
        multikey: key.to_string(),
    };
    move |asked| (asked == method).then(|| key.clone())
}

#[test]
fn the_signatures_of_rfc_7515_are_good() {
    let vectors = fixtures::json("vectors/rfc-jose/vectors.json");
    for vector in vectors["vectors"].as_array().unwrap() {
        let jws = Jws::parse(vector["jws"].as_str().unwrap()).unwrap();
        let key = Multikey::from_jwk(&vector["jwk"]).unwrap();
        let registry = |_: &str| {
            Some(ResolvedKey {
                controller: "joe".into(),
                multikey: key.to_string(),
            })
        };
        let result = verify_jws(&jws, "urn:joe", "assertionMethod", NOW, &registry);
        assert_eq!(result.result, Ok(()), "{}", vector["source"]);
        assert_eq!(result.cryptosuite.as_deref(), Some(jws.alg()));
    }
}

/// RS256 with the key in the header, as Open Badges v3.0 prints it.
#[test]
fn the_example_of_open_badges_verifies() {
    let text = fixtures::read("vectors/1edtech-ob/basic.jwt");
    let text = String::from_utf8(text).unwrap();
    let credential = Credential::from_jws(&text).unwrap();
    assert_eq!(credential.digest(), digest_jws(text.trim_end()));
    assert_eq!(credential.document()["name"], "Teamwork Badge");
    assert!(credential.document().get("iss").is_none());
    let report = verify_proofs(&credential, NOW, &NoRegistry);
    assert_eq!(report.outcome(), Outcome::Valid, "{report:?}");
    let binding = report.issuer_binding(credential.issuer_id());
    assert_eq!(binding, IssuerBinding::Unknown);
    let found = report.proofs[0].key.clone().unwrap();
    assert_eq!(found.source, KeySource::JwsHeader);
    // The issuer's own document may have the key, under whatever name.
    let key: Multikey = found.multikey.parse().unwrap();
    let issuer = credential.issuer_id();
    let document = json!({
        "id": issuer,
        "assertionMethod": [{
            "id": "#key-0", "type": "JsonWebKey", "controller": issuer,
            "publicKeyJwk": key.to_jwk().unwrap(),
        }],
    });
    let document = DidDocument::from_json(&document).unwrap();
    let keys = WithDocuments {
        registry: &NoRegistry,
        documents: &Documents::new([document]).unwrap(),
    };
    let report = verify_proofs(&credential, NOW, &keys);
    assert_eq!(report.issuer_binding(issuer), IssuerBinding::Bound);
}

#[test]
fn each_key_and_form_signs_what_verifies() {
    for (alg, key, method) in keys() {
        for (form, document) in [
            (JwsForm::VcJwt, badge(did(&method))),
            (JwsForm::Jwt, badge(did(&method))),
            (JwsForm::Jwt, badge_1_1(did(&method))),
        ] {
            let jws = sign_jws(document.clone(), &key, &method, form).unwrap();
            let credential = Credential::from_jws(&jws).unwrap();
            assert_eq!(credential.document(), &document);
            assert_eq!(credential.digest(), digest_jws(&jws));
            let report = verify_proofs(&credential, NOW, &NoRegistry);
            assert_eq!(
                report.outcome(),
                Outcome::Valid,
                "{alg} {form:?}: {report:?}"
            );
            assert_eq!(report.issuer_binding(did(&method)), IssuerBinding::Bound);
            let [proof] = &report.proofs[..] else {
                panic!("{report:?}")
            };
            assert_eq!(proof.cryptosuite.as_deref(), Some(alg));
            assert_eq!(proof.verification_method.as_deref(), Some(method.as_str()));
        }
    }
}

#[test]
fn what_would_not_be_read_is_not_signed() {
    let (key, method) = fixtures::key("issuer");
    let (_, other) = fixtures::key("other");
    let unsigned = || badge(did(&method));
    let refused = sign_jws(unsigned(), &key, &other, JwsForm::VcJwt);
    assert!(
        matches!(refused, Err(SignError::KeyMismatch { .. })),
        "{refused:?}"
    );
    let refused = sign_jws(unsigned(), &key, "key-1", JwsForm::VcJwt);
    assert!(
        matches!(refused, Err(SignError::Option { .. })),
        "{refused:?}"
    );
    let refused = sign_jws(badge_1_1(did(&method)), &key, &method, JwsForm::VcJwt);
    assert!(
        matches!(refused, Err(SignError::Option { .. })),
        "{refused:?}"
    );
    let jws = sign_jws(unsigned(), &key, &method, JwsForm::VcJwt).unwrap();
    let again = sign_jws(jws.clone().into(), &key, &method, JwsForm::VcJwt);
    assert_eq!(again, Err(SignError::AlreadySigned));
    let options = SignOptions::new(Suite::EDDSA_JCS_2022, method.clone(), NOW);
    assert_eq!(
        sign(jws.into(), &key, &options),
        Err(SignError::AlreadySigned)
    );
}

/// Each algorithm takes its own kind of key and no other, whatever a header says.
#[test]
fn algorithms_are_not_confused() {
    let (rsa_key, pair) = rsa();
    let [(_, ed25519, _), (_, p256, _)] = keys();
    let issuer = "did:web:university-a.example";
    type Signer<'a> = Box<dyn Fn(&[u8]) -> Vec<u8> + 'a>;
    let signers: [(&str, Multikey, Signer<'_>); 3] = [
        ("EdDSA", ed25519.public(), Box::new(signed_by(&ed25519))),
        ("ES256", p256.public(), Box::new(signed_by(&p256))),
        ("RS256", rsa_key, Box::new(signed_by_rsa(&pair))),
    ];
    for (own, key, sign) in &signers {
        let registry = registered(issuer, key);
        for alg in ["EdDSA", "ES256", "RS256"] {
            let header = json!({"alg": alg, "kid": "#key-1", "typ": "vc+jwt"});
            let jws = forged(&header, &badge(issuer), sign);
            let report = verify(&jws, &registry);
            let good = alg == *own;
            assert_eq!(report.outcome() == Outcome::Valid, good, "{own} as {alg}");
            let error = report.first_error();
            assert_eq!(matches!(error, Some(ProofError::UnusableKey(_))), !good);
        }
    }
    for alg in ["none", "HS256"] {
        let public = signers[2].1.to_string();
        let header = json!({"alg": alg, "kid": "#key-1"});
        let jws = forged(&header, &badge(issuer), |_| public.into_bytes());
        let error = Credential::from_jws(&jws).unwrap_err();
        assert_eq!(error.problem_type(), problem::CRYPTOGRAPHIC_SECURITY_ERROR);
    }
    // What is not known here cannot be checked.
    let header = json!({"alg": "PS256", "kid": "#key-1"});
    let jws = forged(&header, &badge(issuer), &signers[2].2);
    let report = verify(&jws, &registered(issuer, &signers[2].1));
    assert_eq!(report.outcome(), Outcome::Unknown);
}

/// Anyone can write a key into a header next to the name of a university.
#[test]
fn a_key_in_the_header_proves_possession_only() {
    let issuer = "did:web:university-a.example";
    for (alg, key, method) in keys() {
        let jwk = key.public().to_jwk().unwrap();
        let header = json!({"alg": alg, "jwk": jwk});
        let jws = forged(&header, &badge(issuer), signed_by(&key));
        let report = verify(&jws, &NoRegistry);
        assert_eq!(report.outcome(), Outcome::Valid, "{report:?}");
        assert_eq!(report.issuer_binding(issuer), IssuerBinding::Unknown);
        let found = report.proofs[0].key.clone().unwrap();
        assert_eq!(
            (found.controller, found.source),
            (None, KeySource::JwsHeader)
        );

        // A registry may know the key, by its name or as one of several.
        let public = key.public();
        let named = |asked: &str| {
            (asked == format!("{issuer}#{public}")).then(|| ResolvedKey {
                controller: issuer.into(),
                multikey: public.to_string(),
            })
        };
        assert_eq!(
            verify(&jws, &named).issuer_binding(issuer),
            IssuerBinding::Bound
        );
        let several = AnyOf(issuer, vec![fixtures::key("x").0.public(), key.public()]);
        assert_eq!(
            verify(&jws, &several).issuer_binding(issuer),
            IssuerBinding::Bound
        );
        let others = AnyOf(issuer, vec![fixtures::key("x").0.public()]);
        assert_eq!(
            verify(&jws, &others).issuer_binding(issuer),
            IssuerBinding::Unknown
        );

        // An issuer that is the key.
        let jws = forged(&header, &badge(did(&method)), signed_by(&key));
        let report = verify(&jws, &NoRegistry);
        assert_eq!(report.issuer_binding(did(&method)), IssuerBinding::Bound);
        // An issuer that is another key, and a kid that names another.
        let (_, stranger) = fixtures::key("stranger");
        let jws = forged(&header, &badge(did(&stranger)), signed_by(&key));
        assert_eq!(verify(&jws, &NoRegistry).outcome(), Outcome::Invalid);
        let header = json!({"alg": alg, "jwk": jwk, "kid": stranger});
        let jws = forged(&header, &badge(issuer), signed_by(&key));
        assert_eq!(verify(&jws, &NoRegistry).outcome(), Outcome::Invalid);
    }
}

/// Any of the keys may be meant by any method of an issuer.
struct AnyOf(&'static str, Vec<Multikey>);

impl KeyResolver for AnyOf {
    fn resolve(&self, _verification_method: &str) -> Option<ResolvedKey> {
        None
    }

    fn candidates(&self, verification_method: &str) -> Option<Candidates> {
        verification_method.starts_with(self.0).then(|| Candidates {
            controller: self.0.into(),
            keys: self.1.clone(),
        })
    }
}

#[test]
fn keys_are_found_by_kid_or_issuer() {
    let issuer = "did:web:university-a.example";
    for (alg, key, method) in keys() {
        let jwk = URL_SAFE_NO_PAD.encode(key.public().to_jwk().unwrap().to_string());
        let did_jwk = format!("did:jwk:{jwk}");
        let several = AnyOf(issuer, vec![fixtures::key("x").0.public(), key.public()]);
        let public = registered(issuer, &key.public());
        let none: &dyn KeyResolver = &NoRegistry;
        let cases: [(Value, &str, &dyn KeyResolver); 8] = [
            (json!({"alg": alg}), did(&method), none),
            (json!({"alg": alg, "kid": "key-1"}), did(&method), none),
            (
                json!({"alg": alg, "kid": format!("{did_jwk}#0")}),
                &did_jwk,
                none,
            ),
            (json!({"alg": alg}), &did_jwk, none),
            (json!({"alg": alg, "kid": "key-1"}), issuer, &public),
            (json!({"alg": alg, "kid": "#key-1"}), issuer, &public),
            (
                json!({"alg": alg, "kid": format!("{issuer}#key-1")}),
                issuer,
                &public,
            ),
            (json!({"alg": alg}), issuer, &several),
        ];
        for (header, issuer, keys) in cases {
            let jws = forged(&header, &badge(issuer), signed_by(&key));
            let report = verify(&jws, keys);
            assert_eq!(report.outcome(), Outcome::Valid, "{header}: {report:?}");
            assert_eq!(
                report.issuer_binding(issuer),
                IssuerBinding::Bound,
                "{header}"
            );
        }
        let header = json!({"alg": alg, "kid": "https://university-a.example/keys/1"});
        let jws = forged(&header, &badge(issuer), signed_by(&key));
        let report = verify(&jws, &NoRegistry);
        let error = report.first_error().unwrap();
        assert!(
            matches!(error, ProofError::UnresolvableMethod { .. }),
            "{error}"
        );
        // Another's key speaks for that other.
        let header = json!({"alg": alg, "kid": method});
        let jws = forged(&header, &badge(issuer), signed_by(&key));
        let report = verify(&jws, &NoRegistry);
        assert_eq!(report.outcome(), Outcome::Valid);
        assert_eq!(report.issuer_binding(issuer), IssuerBinding::NotBound);
    }
}

/// Both ways of securing count, and one that is bad spoils the other.
#[test]
fn a_proof_inside_of_a_jws_is_checked_as_well() {
    let (key, method) = fixtures::key("issuer");
    let (notary, notary_method) = fixtures::key_p256("notary");
    for (suite, base) in [
        (Suite::ECDSA_RDFC_2019, badge(did(&method))),
        (Suite::ECDSA_JCS_2019, badge_1_1(did(&method))),
    ] {
        let options = SignOptions::new(suite, notary_method.clone(), NOW);
        let inside = sign(base, &notary, &options).unwrap();
        let payload = |inside: &Value| {
            let mut payload = json!({"vc": inside});
            if inside["@context"][0].as_str().unwrap().ends_with("v2") {
                payload = inside.clone();
            }
            payload["iss"] = did(&method).into();
            payload
        };
        let header = json!({"alg": "EdDSA", "kid": method, "typ": "JWT"});
        let jws = forged(&header, &payload(&inside), signed_by(&key));
        let report = verify(&jws, &NoRegistry);
        assert_eq!(report.outcome(), Outcome::Valid, "{report:?}");
        assert_eq!(report.proofs.len(), 2);
        assert_eq!(report.issuer_binding(did(&method)), IssuerBinding::Bound);

        let mut changed = inside.clone();
        changed["proof"]["created"] = "2026-11-22T11:00:00Z".into();
        let jws = forged(&header, &payload(&changed), signed_by(&key));
        assert_eq!(verify(&jws, &NoRegistry).outcome(), Outcome::Invalid);
        let jws = forged(&header, &payload(&inside), signed_by(&notary));
        assert_eq!(verify(&jws, &NoRegistry).outcome(), Outcome::Invalid);
    }
}

#[test]
fn a_nonce_and_an_audience_are_what_challenge_and_domain_are() {
    let (key, method) = fixtures::key("holder");
    let payload = json!({"nonce": "n-1", "aud": ["https://employer.example", "x"]});
    let header = json!({"alg": "EdDSA", "kid": method, "typ": "vp+jwt"});
    let jws = Jws::parse(&forged(&header, &payload, signed_by(&key))).unwrap();
    let check = |challenge: Option<&str>, domain: Option<&str>| {
        let expected = Expected {
            purpose: "authentication",
            challenge,
            domain,
        };
        verify_jws(&jws, did(&method), expected, NOW, &NoRegistry).result
    };
    assert_eq!(check(None, None), Ok(()));
    assert_eq!(check(Some("n-1"), Some("https://employer.example")), Ok(()));
    let wrong = check(Some("n-2"), None);
    assert!(
        matches!(wrong, Err(ProofError::WrongChallenge { .. })),
        "{wrong:?}"
    );
    let wrong = check(Some("n-1"), Some("https://other.example"));
    assert!(
        matches!(wrong, Err(ProofError::WrongDomain { .. })),
        "{wrong:?}"
    );
}

#[test]
fn dates_of_claims_are_dates_of_the_credential() {
    let (key, method) = fixtures::key("issuer");
    let header = json!({"alg": "EdDSA", "kid": method, "typ": "vc+jwt"});
    let mut payload = badge(did(&method));
    payload["exp"] = (NOW - time::Duration::DAY).unix_timestamp().into();
    let jws = forged(&header, &payload, signed_by(&key));
    // Expired, which says nothing against the signature.
    assert_eq!(verify(&jws, &NoRegistry).outcome(), Outcome::Valid);
    let credential = Credential::from_jws(&jws).unwrap();
    assert_eq!(credential.valid_until(), Some(NOW - time::Duration::DAY));
}

/// The text of this JWS, its digest and its good signature must never change.
#[test]
fn the_text_of_a_jws_is_frozen() {
    let (key, method) = fixtures::key("issuer");
    let document = badge_1_1(did(&method));
    let jws = sign_jws(document, &key, &method, JwsForm::Jwt).unwrap();
    let golden = include_str!("golden/vc11.jwt");
    assert_eq!(jws, golden.trim_end());
    let digest = Credential::from_jws(golden).unwrap().digest();
    let frozen = "8da9afc5edb1985cf3b64b23d9c939dc1349e9cf99cd9e52740ca85c2174a515";
    assert_eq!(digest.to_string(), frozen);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn no_changed_character_passes(at: prop::sample::Index, to in "[A-Za-z0-9_.-]", p256: bool) {
        let (_, key, method) = keys().into_iter().nth(usize::from(p256)).unwrap();
        let jws = sign_jws(badge(did(&method)), &key, &method, JwsForm::VcJwt).unwrap();
        let at = at.index(jws.len());
        let mut changed = jws.clone();
        changed.replace_range(at..=at, &to);
        prop_assume!(changed != jws);
        let accepted = Credential::from_jws(&changed).is_ok_and(|credential| {
            let report = verify_proofs(&credential, NOW, &NoRegistry);
            report.outcome() == Outcome::Valid
        });
        prop_assert!(!accepted, "{changed}");
    }

    #[test]
    fn any_text_is_a_jws_or_refused(text in "[A-Za-z0-9_.-]{0,80}", json in "[\\[\\]{}\":,a-z0-9]{0,40}") {
        drop(Credential::from_jws(&text));
        let encoded = URL_SAFE_NO_PAD.encode(&json);
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#);
        for jws in [
            format!("{header}.{encoded}.AA"),
            format!("{encoded}.{header}.AA"),
        ] {
            if let Ok(credential) = Credential::from_jws(&jws) {
                prop_assert!(credential.is_secured());
            }
        }
    }
}

#[test]
fn a_deep_or_large_jws_is_refused_by_its_size() {
    let (key, method) = fixtures::key("issuer");
    let header = json!({"alg": "EdDSA", "kid": method});
    let mut large = badge(did(&method));
    large["name"] = "x".repeat(1 << 20).into();
    let mut deep = badge(did(&method));
    deep["name"] = (0..64).fold(json!(1), |inner, _| json!([inner]));
    for payload in [large, deep] {
        let error = Credential::from_jws(&forged(&header, &payload, signed_by(&key))).unwrap_err();
        assert!(error.is_too_large(), "{error}");
    }
    let error = Credential::from_jws("e30.e30.e30").unwrap_err();
    assert!(matches!(error, CredentialError::Jws(_)));
}
