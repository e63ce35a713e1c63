use serde_json::json;

use super::*;
use crate::json::jcs;
use crate::suite::vector::Vectors;

const VECTORS: Vectors = Vectors("eddsa-jcs-2022");

#[test]
fn every_step_of_the_w3c_vector_comes_out_equal() {
    let mut document = VECTORS.object("signedJCS.json");
    document.remove("proof");
    let options = VECTORS.object("proofConfigJCS.json");
    assert_eq!(
        jcs(&Value::Object(document.clone())),
        VECTORS.text("canonDocJCS.txt").into_bytes()
    );
    assert_eq!(
        jcs(&Value::Object(options.clone())),
        VECTORS.text("proofCanonJCS.txt").into_bytes()
    );
    let document_hash = Jcs
        .document_hash(&document, &mut Budget::default())
        .unwrap();
    let options_hash = Jcs
        .options_hash(&document, &options, &mut Budget::default())
        .unwrap();
    assert_eq!(
        hex::encode(document_hash),
        VECTORS.text("docHashJCS.txt").trim()
    );
    assert_eq!(
        hex::encode(options_hash),
        VECTORS.text("proofHashJCS.txt").trim()
    );
    let message = [options_hash, document_hash].concat();
    assert_eq!(
        hex::encode(message),
        VECTORS.text("combinedHashJCS.txt").trim()
    );
}

#[test]
fn the_document_may_only_have_more_contexts_behind_those_of_the_proof() {
    let signed = json!({"@context": ["https://a.example/", "https://b.example/"]});
    let options = signed.as_object().unwrap();
    let check = |context: Value| {
        let mut document = Map::new();
        document.insert("@context".into(), context);
        Jcs.match_contexts(&mut document, options)
            .map(|()| document)
    };
    let more = json!([
        "https://a.example/",
        "https://b.example/",
        "https://c.example/"
    ]);
    assert_eq!(&check(more).unwrap(), options);
    for context in [
        json!(["https://a.example/"]),
        json!("https://a.example/"),
        json!(["https://b.example/", "https://a.example/"]),
        json!([
            "https://c.example/",
            "https://a.example/",
            "https://b.example/"
        ]),
    ] {
        assert_eq!(check(context), Err(ProofError::ContextMismatch));
    }
}
