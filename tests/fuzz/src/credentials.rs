//! The decoders of what strangers hand over: credentials in every form.
//!
//! Mutations of bytes would hardly get past a checksum or base64, so where a form has these they
//! are made afterwards.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use credlog_api::VerifyRequest;
use credlog_credential::bake::{bake, unbake};
use credlog_credential::did::{DidDocument, Documents};
use credlog_credential::json::{Limits, jcs, parse_strict};
use credlog_credential::{
    Challenge, Credential, Form, Jws, JwsForm, NoRegistry, Opened, Presentation, SecretKey,
    StatusListCredential, open, sign_jws, verify_presentation, verify_proofs,
};
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::targets::{Target, target};

macro_rules! fixture {
    ($path:literal) => {
        include_bytes!(concat!("../../../crates/credential/tests/fixtures/", $path)).as_slice()
    };
}

const RDFC: &[u8] = fixture!("samples/01-valid-ob3-eddsa-rdfc-2022.json");
const JCS: &[u8] = fixture!("samples/03-valid-ob3-eddsa-jcs-2022.json");
const RECORD: &[u8] = fixture!("vectors/1edtech-clr/signed.json");
const STATUS_LIST: &[u8] = fixture!("samples/status-list-revocation.json");
const PNG: &[u8] = fixture!("baked/plain.png");
const PNG_COMPRESSED: &[u8] = fixture!("baked/compressed.png");
const SVG: &[u8] = fixture!("baked/spec.svg");
const SVG_ENTITIES: &[u8] = fixture!("baked/entities.svg");

const DID_DOCUMENT: &[u8] = br##"{"@context":["https://www.w3.org/ns/did/v1"],
    "id":"did:web:a.example","verificationMethod":[{"id":"#key-1","type":"Multikey",
    "controller":"did:web:a.example",
    "publicKeyMultibase":"z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"},
    {"id":"did:web:a.example#key-2","type":"JsonWebKey2020","controller":"did:web:a.example",
    "publicKeyJwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}],
    "assertionMethod":["#key-1","did:web:a.example#key-2"],"authentication":["#key-1"]}"##;

const V2: &str = "https://www.w3.org/ns/credentials/v2";

/// Every target.
pub(crate) fn all() -> anyhow::Result<Vec<Target>> {
    let jws = jws()?;
    let presentation = presentation()?.to_string().into_bytes();
    let mut images = vec![PNG, PNG_COMPRESSED].into_iter().map(<[u8]>::to_vec);
    let pngs: Vec<Vec<u8>> = images.by_ref().chain([bake(PNG, &jws)?]).collect();
    let svgs = vec![SVG.to_vec(), SVG_ENTITIES.to_vec(), bake(SVG, &jws)?];
    let any = [
        RDFC.to_vec(),
        jws.clone().into_bytes(),
        presentation.clone(),
    ];
    let any = any.into_iter().chain(pngs.clone()).chain(svgs.clone());
    Ok(vec![
        target("JSON", vec![JCS.to_vec()], |bytes| {
            if let Ok(value) = parse_strict(bytes, Limits::default()) {
                let canonical = jcs(&value);
                let again = parse_strict(&canonical, Limits::default());
                assert_eq!(again.map(|value| jcs(&value)), Ok(canonical));
            }
        }),
        target(
            "credential",
            vec![JCS.to_vec(), RDFC.to_vec(), RECORD.to_vec()],
            |bytes| {
                if let Ok(credential) = Credential::parse(bytes) {
                    check(&credential);
                }
            },
        ),
        target("JWS", vec![jws.clone().into_bytes()], |bytes| {
            if let Ok(credential) = Credential::from_jws(&String::from_utf8_lossy(bytes)) {
                check(&credential);
            }
        }),
        target("JWS parts", vec![parts(&jws)?], |bytes| {
            let encoded: Vec<_> = bytes.split(|byte| *byte == b'\n').map(encode).collect();
            let text = format!("{}.{SIGNATURE}", encoded.join("."));
            if let Ok(credential) = Credential::from_jws(&text) {
                check(&credential);
            }
            if let Ok(presentation) = Presentation::from_jws(&text) {
                check_presentation(&presentation);
            }
        }),
        target("presentation", vec![presentation], |bytes| {
            if let Ok(presentation) = Presentation::parse(bytes) {
                check_presentation(&presentation);
            }
        }),
        target("PNG", pngs.clone(), image),
        target("PNG, summed", pngs, |bytes| image(&with_checksums(bytes))),
        target("SVG", svgs, image),
        target("any form", any.collect(), |bytes| match open(bytes, None) {
            Ok(Opened::Credential(credential)) => check(&credential),
            Ok(Opened::Presentation(presentation)) => check_presentation(&presentation),
            Err(error) => drop((error.problem_type(), error.to_string())),
        }),
        target("batch line", lines()?, |bytes| {
            if let Ok(request) = VerifyRequest::parse_line(bytes) {
                let again = request.to_json().to_string();
                assert!(VerifyRequest::parse_line(again.as_bytes()).is_ok());
            }
        }),
        target("DID document", vec![DID_DOCUMENT.to_vec()], |bytes| {
            if let Ok(document) = DidDocument::parse(bytes) {
                let documents = Documents::new([document]);
                let _ = documents.map(|documents| documents.is_empty());
            }
        }),
        target("status list", vec![STATUS_LIST.to_vec()], |bytes| {
            let _ = StatusListCredential::parse(bytes);
        }),
    ])
}

/// What an image holds goes into it again, and comes out as it went in.
fn image(bytes: &[u8]) {
    if let Ok(payload) = unbake(bytes)
        && let Ok(again) = bake(bytes, &payload)
    {
        assert_eq!(unbake(&again), Ok(payload));
        assert_eq!(Form::sniff(&again), Form::sniff(bytes));
    }
    if let Ok(baked) = bake(bytes, "{}") {
        assert_eq!(unbake(&baked).as_deref(), Ok("{}"));
    }
}

/// No mutation makes a good signature, so nothing is found valid that is not one of the seeds.
fn check(credential: &Credential) {
    let report = verify_proofs(credential, OffsetDateTime::UNIX_EPOCH, &NoRegistry);
    let _ = (
        report.outcome(),
        report.first_error().map(ToString::to_string),
    );
    let _ = (
        credential.summary(),
        credential.digest(),
        credential.achievements(),
    );
    let _ = credential.nested();
}

fn check_presentation(presentation: &Presentation) {
    let asked = Challenge::default();
    let at = OffsetDateTime::UNIX_EPOCH;
    let report = verify_presentation(presentation, &asked, at, &NoRegistry);
    let _ = report.first_error().map(ToString::to_string);
}

/// 64 bytes.
const SIGNATURE: &str =
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

fn encode(part: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

/// The JSON of a JWS's header and payload, a line each.
fn parts(jws: &str) -> anyhow::Result<Vec<u8>> {
    let mut parts = jws.split('.').map(|part| URL_SAFE_NO_PAD.decode(part));
    let (header, payload) = (parts.next(), parts.next());
    let lines = [header.transpose()?, payload.transpose()?].map(Option::unwrap_or_default);
    let text = lines.join(&b'\n');
    anyhow::ensure!(Jws::parse(jws).is_ok(), "the seed is a JWS");
    Ok(text)
}

fn jws() -> anyhow::Result<String> {
    let key = SecretKey::from(SigningKey::from_bytes(&[1; 32]));
    let did = format!("did:key:{}", key.public());
    let credential = json!({
        "@context": [V2],
        "type": ["VerifiableCredential"],
        "issuer": did,
        "validFrom": "2026-11-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:b"},
    });
    Ok(sign_jws(credential, &key, &did, JwsForm::Jwt)?)
}

fn presentation() -> anyhow::Result<Value> {
    let credential: Value = serde_json::from_slice(JCS)?;
    Ok(json!({
        "@context": [V2],
        "type": ["VerifiablePresentation"],
        "holder": "did:example:b",
        "verifiableCredential": [credential.clone(), {
            "@context": V2,
            "type": "EnvelopedVerifiableCredential",
            "id": format!("data:application/vc+jwt,{}", jws()?),
        }],
        "proof": credential["proof"],
    }))
}

/// Lines of a batch, one of each kind.
fn lines() -> anyhow::Result<Vec<Vec<u8>>> {
    let credential: Value = serde_json::from_slice(JCS)?;
    let lists: Value = serde_json::from_slice(STATUS_LIST)?;
    let document: Value = serde_json::from_slice(DID_DOCUMENT)?;
    let lines = [
        credential.clone(),
        json!({"credential": credential, "at": "2026-11-22T12:00:00Z", "statusLists": [lists],
            "didDocuments": [document]}),
        json!({"presentation": presentation()?, "challenge": "c", "domain": "d"}),
        json!({"digest": "0".repeat(64), "issuer": "did:web:a.example"}),
        json!("1".repeat(64)),
        json!(jws()?),
    ];
    for line in &lines {
        VerifyRequest::parse_line(line.to_string().as_bytes())?;
    }
    Ok(lines
        .iter()
        .map(|line| line.to_string().into_bytes())
        .collect())
}

/// The same chunks of a PNG, each with the checksum that fits.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut image = bytes.to_vec();
    let mut at = 8;
    while let Some(length) = image.get(at..at + 4) {
        let length = length
            .iter()
            .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        let end = at.saturating_add(8).saturating_add(length);
        let Some(chunk) = image.get(at + 4..end) else {
            break;
        };
        let sum = crc32fast::hash(chunk).to_be_bytes();
        let Some(place) = image.get_mut(end..end + 4) else {
            break;
        };
        place.copy_from_slice(&sum);
        at = end + 4;
    }
    image
}
