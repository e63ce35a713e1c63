use serde_json::json;

use super::*;
use crate::did::{DOCUMENTS_MAX, Documents};

const DID: &str = "did:web:university-a.example";
const KEY: &str = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2";

fn method() -> Value {
    json!({"id": "#key-1", "type": "Multikey", "controller": DID, "publicKeyMultibase": KEY})
}

#[test]
fn the_form_is_checked() {
    let good = json!({"id": DID, "verificationMethod": [method()], "assertionMethod": "#key-1"});
    let read = DidDocument::from_json(&good).unwrap();
    assert_eq!(read.id(), DID);
    assert!(read.lists(&format!("{DID}#key-1"), "assertionMethod"));
    assert!(!read.lists(&format!("{DID}#key-1"), "authentication"));
    assert!(!read.lists(&format!("{DID}#key-1"), "keyAgreement"));
    for (property, document) in [
        ("id", json!({})),
        ("id", json!({"id": "university-a.example"})),
        ("id", json!({"id": format!("{DID}#key-1")})),
        (
            "verificationMethod",
            json!({"id": DID, "verificationMethod": ["#key-1"]}),
        ),
        (
            "verificationMethod",
            json!({"id": DID, "verificationMethod": vec![method(); 257]}),
        ),
        (
            "verificationMethod",
            json!({"id": DID, "assertionMethod": [7]}),
        ),
        (
            "verificationMethod.id",
            json!({"id": DID, "verificationMethod": {"type": "Multikey"}}),
        ),
        (
            "verificationMethod.controller",
            json!({"id": DID, "verificationMethod": {"id": "#1", "type": "Multikey"}}),
        ),
        (
            "verificationMethod.type",
            json!({"id": DID, "verificationMethod": {"id": "#1", "controller": DID}}),
        ),
    ] {
        match DidDocument::from_json(&document) {
            Err(DidError::Malformed {
                property: named, ..
            }) => assert_eq!(named, property),
            other => panic!("{document}: {other:?}"),
        }
    }
    let mut ended = good.clone();
    ended["verificationMethod"][0]["revoked"] = "yesterday".into();
    assert!(DidDocument::from_json(&ended).is_err());
    let mut twice = good;
    twice["authentication"] = json!([method()]);
    let refused = DidDocument::from_json(&twice).unwrap_err();
    let id = format!("{DID}#key-1");
    assert_eq!(refused, DidError::Duplicate { id });
    assert_eq!(
        DidDocument::from_json(&json!([])),
        Err(DidError::NotAnObject)
    );
    let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(256 << 10));
    assert!(matches!(
        DidDocument::parse(long.as_bytes()),
        Err(DidError::Json(_))
    ));
}

#[test]
fn a_set_has_one_document_about_each_identifier() {
    let about =
        |n: usize| DidDocument::from_json(&json!({"id": format!("did:example:{n}")})).unwrap();
    let mut set = Documents::new((0..DOCUMENTS_MAX).map(about)).unwrap();
    assert!(matches!(
        set.insert(about(1)),
        Err(DidError::Duplicate { .. })
    ));
    assert!(matches!(
        set.insert(about(DOCUMENTS_MAX)),
        Err(DidError::TooMany { .. })
    ));
    assert!(set.get("did:example:1").is_some());
}
