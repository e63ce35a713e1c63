use super::*;

/// RFC 8037 appendix A.2.
const ED25519: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

/// RFC 7515 appendix A.3.1, without the private member.
const P256: &str = r#"{"kty":"EC","crv":"P-256",
    "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

/// RFC 7515 appendix A.2.1, without the private members.
const RSA: &str = r#"{"kty":"RSA",
    "n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    "e":"AQAB"}"#;

fn parse(jwk: &str) -> Value {
    serde_json::from_str(jwk).unwrap()
}

#[test]
fn keys_of_the_rfcs_come_back() {
    for (jwk, kind) in [(ED25519, "Ed25519"), (P256, "P-256"), (RSA, "RSA")] {
        let jwk = parse(jwk);
        let key = Multikey::from_jwk(&jwk).unwrap();
        assert_eq!(key.kind(), kind);
        assert_eq!(key.to_jwk().unwrap(), jwk);
        assert_eq!(key.to_string().parse(), Ok(key));
    }
    // The first key of RFC 8032, whose bytes are known.
    let key = Multikey::from_jwk(&parse(ED25519)).unwrap();
    let bytes = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    assert_eq!(hex::encode(key.ed25519().unwrap().as_bytes()), bytes);
}

/// The P-256 test vectors of the did:key method specification (section "P-256").
#[test]
fn did_keys_of_the_did_key_specification_come_back() {
    for (did, x, y) in [
        (
            "did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169",
            "fyNYMN0976ci7xqiSdag3buk-ZCwgXU4kz9XNkBlNUI",
            "hW2ojTNfH7Jbi8--CJUo3OCbH3y5n91g-IMA9MLMbTU",
        ),
        (
            "did:key:zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv",
            "igrFmi0whuihKnj9R3Om1SoMph72wUGeFaBbzG2vzns",
            "efsX5b10x8yjyrj4ny3pGfLcY7Xby1KzgqOdqnsrJIM",
        ),
    ] {
        let jwk = json!({"kty": "EC", "crv": "P-256", "x": x, "y": y});
        let key = Multikey::from_jwk(&jwk).unwrap();
        assert_eq!(key.did_key(), did);
        let decoded: Multikey = did.strip_prefix("did:key:").unwrap().parse().unwrap();
        assert_eq!(decoded.to_jwk().unwrap(), jwk);
    }
}

#[test]
fn anything_but_a_public_key_for_signatures_is_refused() {
    let changed = |jwk: &str, member: &str, value: Value| {
        let mut jwk = parse(jwk);
        match value {
            Value::Null => drop(jwk.as_object_mut().unwrap().remove(member)),
            value => jwk[member] = value,
        }
        Multikey::from_jwk(&jwk)
    };
    for (jwk, member, value) in [
        (
            ED25519,
            "d",
            json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"),
        ),
        (ED25519, "x", Value::Null),
        (ED25519, "x", json!(7)),
        (
            ED25519,
            "x",
            json!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR"),
        ),
        (
            ED25519,
            "x",
            json!("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="),
        ),
        (ED25519, "alg", json!("ES256")),
        (ED25519, "use", json!("enc")),
        (ED25519, "key_ops", json!(["sign"])),
        (P256, "alg", json!("ES256K")),
        (
            P256,
            "y",
            json!("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5aA"),
        ),
        (RSA, "alg", json!("PS256")),
        (RSA, "n", json!("AQAB")),
        (RSA, "n", json!("A".repeat(1_401))),
    ] {
        let refused = changed(jwk, member, value.clone());
        assert!(refused.is_err(), "{member} = {value}: {refused:?}");
        assert!(!refused.unwrap_err().is_unknown());
    }
    for (jwk, member, value) in [
        (ED25519, "alg", json!("EdDSA")),
        (P256, "use", json!("sig")),
        (RSA, "key_ops", json!(["verify"])),
        (RSA, "kid", json!("key-1")),
    ] {
        assert!(changed(jwk, member, value).is_ok(), "{member}");
    }
    for (jwk, member, value) in [
        (ED25519, "crv", json!("X25519")),
        (P256, "crv", json!("P-384")),
        (RSA, "kty", json!("AKP")),
    ] {
        let unknown = changed(jwk, member, value).unwrap_err();
        assert!(unknown.is_unknown(), "{unknown}");
    }
}

/// The identity has an encoding that is a valid point and checks signatures of anything.
#[test]
fn weak_points_are_refused() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let x = URL_SAFE_NO_PAD.encode(identity);
    let refused = Multikey::from_jwk(&json!({"kty": "OKP", "crv": "Ed25519", "x": x}));
    assert_eq!(refused, Err(JwkError::Key(MultikeyError::WeakEd25519)));
}
