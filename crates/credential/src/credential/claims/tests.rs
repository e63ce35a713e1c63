use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use time::macros::datetime;

use super::*;
use crate::context::CREDENTIALS_V2;
use crate::credential::{Credential, DataModel};

fn v2() -> Value {
    json!({
        "@context": [CREDENTIALS_V2],
        "id": "urn:uuid:1",
        "type": ["VerifiableCredential"],
        "issuer": {"id": "did:example:a", "name": "A"},
        "validFrom": "2026-01-01T00:00:00.5Z",
        "validUntil": "2027-01-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:b"},
    })
}

/// 2026-01-01 and 2027-01-01.
const FROM: i64 = 1_767_225_600;
const UNTIL: i64 = 1_798_761_600;

fn read(typ: &str, payload: &Value) -> Result<Credential, CredentialError> {
    let encode = |text: String| URL_SAFE_NO_PAD.encode(text);
    let header = encode(json!({"alg": "ES256", "typ": typ}).to_string());
    Credential::from_jws(&format!("{header}.{}.AA", encode(payload.to_string())))
}

fn with(mut base: Value, members: Value) -> Value {
    let Value::Object(members) = members else {
        panic!("{members}")
    };
    for (name, value) in members {
        base[name] = value;
    }
    base
}

#[test]
fn a_payload_that_is_the_credential_is_read_without_the_claims() {
    for typ in ["vc+jwt", "JWT"] {
        let claims = json!({
            "iss": "did:example:a", "jti": "urn:uuid:1", "sub": "did:example:b",
            "nbf": FROM, "exp": UNTIL, "iat": FROM, "aud": "x", "cnf": {}, "nonce": "n",
        });
        let credential = read(typ, &with(v2(), claims)).unwrap();
        assert_eq!(credential.document(), &v2());
        assert!(credential.is_secured() && credential.proofs().is_empty());
        assert_eq!(
            credential.valid_until(),
            Some(datetime!(2027-01-01 00:00 UTC))
        );
        // Half a second after nbf.
        assert_eq!(
            credential.valid_from(),
            Some(datetime!(2026-01-01 00:00:00.5 UTC))
        );
    }
}

#[test]
fn claims_stand_for_what_the_claim_vc_leaves_out() {
    let payload = json!({
        "iss": "did:example:a", "jti": "urn:uuid:1", "sub": "did:example:b",
        "nbf": FROM, "exp": UNTIL,
        "vc": {
            "@context": [CREDENTIALS_V1],
            "type": ["VerifiableCredential"],
            "credentialSubject": {"degree": "BSc"},
        },
    });
    let credential = read("JWT", &payload).unwrap();
    assert_eq!(credential.model(), DataModel::V1_1);
    assert_eq!(credential.issuer_id(), "did:example:a");
    assert_eq!(credential.id(), Some("urn:uuid:1"));
    assert_eq!(
        credential.document()["credentialSubject"]["id"],
        "did:example:b"
    );
    assert_eq!(
        credential.document()["issuanceDate"],
        "2026-01-01T00:00:00Z"
    );
    assert_eq!(
        credential.valid_until(),
        Some(datetime!(2027-01-01 00:00 UTC))
    );

    let mut by_iat = payload.clone();
    by_iat["iat"] = by_iat["nbf"].take();
    by_iat.as_object_mut().unwrap().remove("nbf");
    assert!(read("JWT", &by_iat).unwrap().valid_from().is_some());

    // Nothing is put to what a proof inside has signed.
    let mut with_proof = payload.clone();
    with_proof["vc"]["proof"] = json!({"type": "DataIntegrityProof"});
    assert!(read("JWT", &with_proof).is_err());
    // An issuer without id gets it.
    let mut profile = payload;
    profile["vc"]["issuer"] = json!({"name": "A"});
    assert_eq!(read("JWT", &profile).unwrap().issuer_id(), "did:example:a");
}

#[test]
fn contradictions_are_errors() {
    let claim = |typ: &str, members: Value| match read(typ, &with(v2(), members)) {
        Err(CredentialError::Claim { claim, .. }) => claim,
        other => panic!("{other:?}"),
    };
    for typ in ["vc+jwt", "JWT"] {
        assert_eq!(claim(typ, json!({"iss": "did:example:c"})), "iss");
        assert_eq!(claim(typ, json!({"iss": {"id": "did:example:a"}})), "iss");
        assert_eq!(claim(typ, json!({"jti": "urn:uuid:2"})), "jti");
        assert_eq!(claim(typ, json!({"sub": "did:example:a"})), "sub");
        assert_eq!(claim(typ, json!({"nbf": "2026-01-01T00:00:00Z"})), "nbf");
        assert_eq!(claim(typ, json!({"exp": -1e14})), "exp");
        assert_eq!(claim(typ, json!({"exp": UNTIL, "iat": UNTIL + 1})), "exp");
        assert_eq!(claim(typ, json!({"vc": v2()})), "vc");
        assert_eq!(claim(typ, json!({"vp": {}})), "vp");
    }
    assert_eq!(claim("JWT", json!({"nbf": FROM + 1})), "nbf");
    assert_eq!(claim("JWT", json!({"exp": UNTIL - 1})), "exp");
    let nested = read("vc+jwt", &json!({"vc": v2()}));
    assert!(matches!(
        nested,
        Err(CredentialError::Claim { claim: "vc", .. })
    ));
    assert!(read("JWT", &json!({"vc": v2()})).is_ok());
    assert!(read("vp+jwt", &v2()).is_err());
}

/// The claims of a `vc+jwt` are about the signature; what both allow counts.
#[test]
fn the_narrower_period_counts() {
    let members = json!({"nbf": FROM + 60, "exp": UNTIL - 60});
    let credential = read("vc+jwt", &with(v2(), members)).unwrap();
    assert_eq!(
        credential.valid_from(),
        Some(datetime!(2026-01-01 00:01 UTC))
    );
    assert_eq!(
        credential.valid_until(),
        Some(datetime!(2026-12-31 23:59 UTC))
    );
    let members = json!({"nbf": FROM - 60, "exp": UNTIL + 60});
    let credential = read("vc+jwt", &with(v2(), members)).unwrap();
    assert_eq!(
        credential.valid_until(),
        Some(datetime!(2027-01-01 00:00 UTC))
    );
    let empty = read("vc+jwt", &with(v2(), json!({"exp": FROM - 60})));
    assert!(
        matches!(empty, Err(CredentialError::EmptyPeriod { .. })),
        "{empty:?}"
    );
}

#[test]
fn one_of_several_subjects_is_meant() {
    let mut many = v2();
    many["credentialSubject"] = json!([{"id": "did:example:b"}, {"id": "did:example:c"}]);
    assert!(read("JWT", &with(many.clone(), json!({"sub": "did:example:c"}))).is_ok());
    assert!(read("JWT", &with(many, json!({"sub": "did:example:d"}))).is_err());
    let mut nobody = v2();
    nobody["credentialSubject"] = json!({"name": "B"});
    assert!(read("JWT", &with(nobody, json!({"sub": "did:example:d"}))).is_ok());
}

#[test]
fn envelopes_and_strings_are_opened() {
    let jws = read("vc+jwt", &v2()).unwrap().into_secured();
    let text = jws.as_str().unwrap();
    let envelope = |media_type: &str| {
        Credential::from_json(json!({
            "@context": CREDENTIALS_V2,
            "id": format!("data:{media_type},{text}"),
            "type": "EnvelopedVerifiableCredential",
        }))
    };
    let opened = envelope("application/vc+jwt").unwrap();
    assert_eq!(opened.digest(), crate::digest_jws(text));
    assert_eq!(opened.id(), Some("urn:uuid:1"));
    assert_eq!(Credential::from_json(jws.clone()).unwrap(), opened);
    assert_eq!(
        Credential::from_jws(&format!("{text}\r\n")).unwrap(),
        opened
    );
    let unsupported = envelope("application/vc+sd-jwt");
    assert!(matches!(
        unsupported,
        Err(CredentialError::UnsupportedEnvelope { .. })
    ));
    assert!(envelope("application/vc+jwt;base64").is_err());
    for envelope in [
        json!({"type": "EnvelopedVerifiableCredential", "@context": [], "id": "urn:x:y"}),
        json!({"type": "EnvelopedVerifiableCredential", "id": "data:application/vc+jwt,x"}),
        json!({
            "@context": CREDENTIALS_V2,
            "type": ["EnvelopedVerifiableCredential", "VerifiableCredential"],
            "id": format!("data:application/vc+jwt,{text}"),
        }),
    ] {
        assert!(
            Credential::from_json(envelope.clone()).is_err(),
            "{envelope}"
        );
    }
    // An envelope is no credential for a JWS to hold.
    let nested = json!({
        "@context": CREDENTIALS_V2,
        "type": "EnvelopedVerifiableCredential",
        "id": format!("data:application/vc+jwt,{text}"),
    });
    assert!(read("vc+jwt", &nested).is_err());
}
