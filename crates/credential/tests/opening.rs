//! Whatever somebody was given is opened: every sample, in every form.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it goes wrong"
)]

mod fixtures;

use credlog_credential::bake::{BakeError, bake};
use credlog_credential::{
    Credential, CredentialError, Form, JwsForm, NoRegistry, OpenError, Opened, Outcome,
    Presentation, PresentationError, open, sign_jws, verify_proofs,
};
use serde_json::json;
use time::macros::datetime;

const V2: &str = "https://www.w3.org/ns/credentials/v2";
const SVG: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\"><path/></svg>";

fn credential(content: &[u8], form: Option<Form>) -> Credential {
    match open(content, form) {
        Ok(Opened::Credential(credential)) => *credential,
        other => panic!("{other:?}"),
    }
}

/// The same credential alone and in a PNG and an SVG, each with the form that it is.
fn forms(text: &str, form: Form) -> [(Vec<u8>, Form); 3] {
    let png = fixtures::read("baked/plain.png");
    [
        (text.as_bytes().to_vec(), form),
        (bake(&png, text).unwrap(), Form::Png),
        (bake(SVG.as_bytes(), text).unwrap(), Form::Svg),
    ]
}

#[test]
fn every_sample_is_the_same_credential_in_every_form() {
    for number in 1..=17 {
        let prefix = format!("{number:02}-");
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/samples");
        let mut names = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        let name = names
            .find(|name| name.to_string_lossy().starts_with(&prefix))
            .unwrap();
        let text = fixtures::read(&format!("samples/{}", name.to_string_lossy()));
        let expected = Credential::parse(&text).unwrap();
        for (content, form) in forms(&String::from_utf8(text).unwrap(), Form::Json) {
            for said in [None, Some(form)] {
                let opened = credential(&content, said);
                assert_eq!(opened, expected, "{name:?}, {form}");
                assert_eq!(opened.digest(), expected.digest(), "{name:?}, {form}");
            }
        }
    }
}

#[test]
fn a_jws_is_the_same_credential_in_every_form() {
    let (key, method) = fixtures::key("issuer");
    let document = json!({
        "@context": [V2],
        "type": ["VerifiableCredential"],
        "issuer": method.split('#').next(),
        "credentialSubject": {"id": "did:example:b"},
    });
    for form in [JwsForm::VcJwt, JwsForm::Jwt] {
        let text = sign_jws(document.clone(), &key, &method, form).unwrap();
        let expected = Credential::from_jws(&text).unwrap();
        for (content, form) in forms(&text, Form::Jws) {
            let opened = credential(&content, Some(form));
            assert_eq!(opened, expected, "{form}");
            let report = verify_proofs(&opened, datetime!(2026-11-22 12:00 UTC), &NoRegistry);
            assert_eq!(report.outcome(), Outcome::Valid, "{report:?}");
        }
        assert_eq!(
            credential(format!("\n {text}\n").as_bytes(), None),
            expected
        );
        let envelope = json!({
            "@context": V2,
            "type": "EnvelopedVerifiableCredential",
            "id": format!("data:application/vc+jwt,{text}"),
        });
        assert_eq!(credential(envelope.to_string().as_bytes(), None), expected);
    }
}

#[test]
fn presentations_are_told_from_credentials() {
    let presentation = json!({
        "@context": [V2],
        "type": ["VerifiablePresentation"],
        "verifiableCredential": [
            fixtures::json("samples/01-valid-ob3-eddsa-rdfc-2022.json"),
        ],
    });
    let expected = Presentation::from_json(presentation.clone()).unwrap();
    for (content, form) in forms(&presentation.to_string(), Form::Json) {
        let opened = open(&content, Some(form));
        assert_eq!(opened, Ok(Opened::Presentation(Box::new(expected.clone()))));
    }
    let wrong = json!({"type": ["VerifiablePresentation", "VerifiableCredential"]});
    assert!(matches!(
        open(wrong.to_string().as_bytes(), None),
        Err(OpenError::Presentation(PresentationError::Malformed { .. }))
    ));
    // Four levels more than a credential may have, and not one more.
    let deep = |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    for (levels, is_json) in [(67, true), (68, false)] {
        let error = open(deep(levels).as_bytes(), None).unwrap_err();
        assert!(error.is_too_large(), "{levels}: {error}");
        assert_eq!(
            matches!(error, OpenError::Credential(_)),
            is_json,
            "{error}"
        );
    }
}

#[test]
fn what_is_none_of_it_says_so() {
    for content in [
        &b""[..],
        b"hello",
        b"[{}]",
        b"%PDF-1.7",
        b"\xFF\xD8\xFF\xE0",
    ] {
        assert_eq!(
            open(content, None),
            Err(OpenError::Unrecognized),
            "{content:?}"
        );
    }
    let badge = fixtures::read("samples/01-valid-ob3-eddsa-rdfc-2022.json");
    for said in [Form::Jws, Form::Png, Form::Svg] {
        let other = OpenError::OtherForm {
            said,
            found: Form::Json,
        };
        assert_eq!(open(&badge, Some(said)), Err(other));
    }
    assert!(matches!(
        open(b"[]", Some(Form::Json)),
        Err(OpenError::Credential(_))
    ));
    assert!(matches!(
        open(b"nonsense", Some(Form::Json)),
        Err(OpenError::Json(_))
    ));
    assert!(matches!(open(b"{", None), Err(OpenError::Json(_))));
    assert!(matches!(
        open(b"nonsense", Some(Form::Jws)),
        Err(OpenError::Credential(CredentialError::Jws(_)))
    ));
    assert_eq!(open(b"eyJ\xFF", None), Err(OpenError::NotUtf8));
    assert_eq!(
        open(SVG.as_bytes(), None),
        Err(OpenError::Bake(BakeError::NoCredential))
    );
    let odd = SVG.replace(
        "<path/>",
        "<credential xmlns=\"https://purl.imsglobal.org/ob/v3p0\">hello</credential>",
    );
    assert_eq!(open(odd.as_bytes(), None), Err(OpenError::Unrecognized));
    let big: Vec<u8> = vec![b'{'; 5 << 20];
    assert!(open(&big, None).unwrap_err().is_too_large());
    assert!(matches!(open(b"{}", None), Err(OpenError::Credential(_))));
}
