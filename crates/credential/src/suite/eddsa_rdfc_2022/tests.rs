use super::*;
use crate::suite::Suite;

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/vectors/w3c-vc-di-eddsa/"
    );
    std::fs::read(format!("{folder}eddsa-rdfc-2022/{name}")).unwrap()
}

fn object(name: &str) -> Map<String, Value> {
    serde_json::from_slice(&fixture(name)).unwrap()
}

fn text(name: &str) -> String {
    String::from_utf8(fixture(name)).unwrap()
}

#[test]
fn every_step_of_the_w3c_vector_comes_out_equal() {
    let mut document = object("signedDataInt.json");
    document.remove("proof");
    let mut options = object("proofConfigDataInt.json");
    options.remove("@context");
    let canonical =
        canonical_nquads(&Value::Object(document.clone()), &mut Budget::default()).unwrap();
    assert_eq!(canonical, text("canonDocDataInt.txt"));
    let canonical =
        proof_options::canonical_nquads(document.get("@context"), &options, &mut Budget::default())
            .unwrap();
    assert_eq!(canonical, text("proofCanonDataInt.txt"));
    let suite = Suite::EDDSA_RDFC_2022;
    let document_hash = suite
        .document_hash(&document, &mut Budget::default())
        .unwrap();
    let options_hash = suite
        .options_hash(&document, &options, &mut Budget::default())
        .unwrap();
    assert_eq!(
        hex::encode(document_hash),
        text("docHashDataInt.txt").trim()
    );
    assert_eq!(
        hex::encode(options_hash),
        text("proofHashDataInt.txt").trim()
    );
    let message = [options_hash, document_hash].concat();
    assert_eq!(hex::encode(message), text("combinedHashDataInt.txt").trim());
}
