use serde_json::json;

use super::*;

const PAYLOAD: &str = r#"{"iss":"joe"}"#;

fn jws(header: &str, payload: &str) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!(
        "{}.{}.{}",
        encode(header),
        encode(payload),
        encode("signature")
    )
}

fn with_header(header: &Value) -> Result<Jws, JwsError> {
    Jws::parse(&jws(&header.to_string(), PAYLOAD))
}

#[test]
fn three_parts_of_base64url_without_padding_are_read() {
    let text = jws(r#"{"alg":"ES256","kid":"k"}"#, PAYLOAD);
    let read = Jws::parse(&text).unwrap();
    assert_eq!((read.alg(), read.kid()), ("ES256", Some("k")));
    assert_eq!(read.payload()["iss"], "joe");
    assert_eq!(read.signature(), b"signature");
    assert_eq!(read.as_str(), text);
    let input = text.rsplit_once('.').unwrap().0;
    assert_eq!(read.signing_input(), input.as_bytes());
}

#[test]
fn anything_else_is_refused() {
    let good = jws(r#"{"alg":"ES256"}"#, PAYLOAD);
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!("{good}")
    };
    for (text, reason) in [
        (String::new(), JwsError::NotCompact),
        (format!("{header}.{payload}"), JwsError::NotCompact),
        (format!("{good}.{signature}"), JwsError::NotCompact),
        (
            format!(" {good}"),
            JwsError::NotBase64Url { part: "header" },
        ),
        (
            format!("{good}\n"),
            JwsError::NotBase64Url { part: "signature" },
        ),
        (
            format!("{good}="),
            JwsError::NotBase64Url { part: "signature" },
        ),
        (
            format!("{header}.{payload}=.{signature}"),
            JwsError::NotBase64Url { part: "payload" },
        ),
        (
            format!("{header}..{signature}"),
            Jws::parse(&jws(r#"{"alg":"ES256"}"#, "")).unwrap_err(),
        ),
        (jws("[]", PAYLOAD), JwsError::NotAnObject { part: "header" }),
        (
            jws(r#"{"alg":"ES256"}"#, "7"),
            JwsError::NotAnObject { part: "payload" },
        ),
    ] {
        assert_eq!(Jws::parse(&text).unwrap_err(), reason, "{text}");
    }
    for text in [
        jws(r#"{"alg":"ES256","alg":"none"}"#, PAYLOAD),
        jws(r#"{"alg":"ES256"}"#, r#"{"iss":"a","iss":"b"}"#),
        jws(r#"{"alg":"ES256"}"#, r#"{"exp":9007199254740993}"#),
        jws(r#"{"alg":"ES256"} {}"#, PAYLOAD),
    ] {
        let refused = Jws::parse(&text).unwrap_err();
        assert!(matches!(refused, JwsError::Json { .. }), "{refused:?}");
        assert_eq!(refused.problem_type(), problem::PARSING_ERROR);
    }
    // One signature has one text: bits behind the last byte are zero.
    assert!(Jws::parse(&format!("{header}.{payload}.AA")).is_ok());
    assert!(Jws::parse(&format!("{header}.{payload}.AB")).is_err());
}

#[test]
fn what_is_too_long_is_not_looked_at() {
    let long = "A".repeat(Jws::BYTES_MAX + 1);
    assert!(Jws::parse(&long).unwrap_err().is_too_large());
    let filler = "x".repeat(16 << 10);
    let refused = Jws::parse(&jws(
        &format!(r#"{{"alg":"ES256","x":"{filler}"}}"#),
        PAYLOAD,
    ));
    assert!(refused.unwrap_err().is_too_large());
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(65), "]".repeat(65));
    let refused = Jws::parse(&jws(r#"{"alg":"ES256"}"#, &deep));
    assert!(refused.unwrap_err().is_too_large());
    let signature = "A".repeat(SIGNATURE_CHARS_MAX + 1);
    let good = jws(r#"{"alg":"ES256"}"#, PAYLOAD);
    let text = format!("{}.{signature}", good.rsplit_once('.').unwrap().0);
    assert!(Jws::parse(&text).is_err());
}

#[test]
fn headers_that_mean_more_than_is_read_are_refused() {
    for header in [
        json!({}),
        json!({"alg": 7}),
        json!({"alg": ""}),
        json!({"alg": "ES256", "crit": ["exp"], "exp": 1}),
        json!({"alg": "ES256", "crit": []}),
        json!({"alg": "ES256", "b64": false}),
        json!({"alg": "ES256", "kid": 1}),
        json!({"alg": "ES256", "kid": "x".repeat(4_097)}),
        json!({"alg": "ES256", "iss": ["joe"]}),
        json!({"alg": "ES256", "jwk": {}}),
        json!({"alg": "ES256", "jwk": {"kty": "oct", "k": "AA"}}),
    ] {
        let refused = with_header(&header).unwrap_err();
        assert_eq!(
            refused.problem_type(),
            problem::MALFORMED_VALUE_ERROR,
            "{header}"
        );
    }
    for alg in ["none", "NONE", "HS256", "HS512"] {
        let refused = with_header(&json!({"alg": alg})).unwrap_err();
        assert_eq!(refused, JwsError::Unsigned { alg: alg.into() });
        assert_eq!(
            refused.problem_type(),
            problem::CRYPTOGRAPHIC_SECURITY_ERROR
        );
    }
    // What is not known here can be read, but not checked; URLs are never followed.
    for header in [
        json!({"alg": "ES384"}),
        json!({"alg": "ES256", "jwk": {"kty": "EC", "crv": "P-384"}}),
        json!({"alg": "ES256", "jku": "https://evil.example/", "x5u": "https://evil.example/"}),
    ] {
        assert!(with_header(&header).is_ok(), "{header}");
    }
}

#[test]
fn typ_and_cty_say_what_the_payload_is() {
    let check = |typ: Value, cty: Value| {
        let mut header = json!({"alg": "ES256", "typ": typ, "cty": cty});
        let object = header.as_object_mut().unwrap();
        object.retain(|_, value| !value.is_null());
        let jws = with_header(&header).unwrap();
        let is = |content| jws.check_content(content).is_ok();
        (is(Content::Credential), is(Content::Presentation))
    };
    let null = || Value::Null;
    for typ in ["JWT", "jwt", "application/jwt"] {
        assert_eq!(check(typ.into(), null()), (true, true), "{typ}");
    }
    assert_eq!(check(null(), null()), (true, true));
    for typ in [
        "vc+jwt",
        "application/vc+jwt",
        "VC+JWT",
        "vc+ld+jwt",
        "vc-ld+jwt",
        "vc+ld+json+jwt",
    ] {
        assert_eq!(check(typ.into(), null()), (true, false), "{typ}");
        let typ = typ.to_ascii_lowercase().replacen("vc", "vp", 1);
        assert_eq!(check(typ.clone().into(), null()), (false, true), "{typ}");
    }
    assert_eq!(check("vc+jwt".into(), "vc".into()), (true, false));
    assert_eq!(check("JWT".into(), "application/vp".into()), (false, true));
    for typ in [
        "vc+sd-jwt",
        "dpop+jwt",
        "at+jwt",
        "vc+cose",
        "vct+jwt",
        "openid4vci-proof+jwt",
    ] {
        assert_eq!(check(typ.into(), null()), (false, false), "{typ}");
    }
    assert_eq!(check(null(), "JWT".into()), (false, false));
}
