use super::*;
use crate::suite::vector::Vectors;

const VECTORS: Vectors = Vectors("eddsa-rdfc-2022");

#[test]
fn every_step_of_the_w3c_vector_comes_out_equal() {
    let mut document = VECTORS.object("signedDataInt.json");
    document.remove("proof");
    let mut options = VECTORS.object("proofConfigDataInt.json");
    options.remove("@context");
    let canonical =
        canonical_nquads(&Value::Object(document.clone()), &mut Budget::default()).unwrap();
    assert_eq!(canonical, VECTORS.text("canonDocDataInt.txt"));
    let canonical =
        proof_options::canonical_nquads(document.get("@context"), &options, &mut Budget::default())
            .unwrap();
    assert_eq!(canonical, VECTORS.text("proofCanonDataInt.txt"));
    let document_hash = Rdfc
        .document_hash(&document, &mut Budget::default())
        .unwrap();
    let options_hash = Rdfc
        .options_hash(&document, &options, &mut Budget::default())
        .unwrap();
    assert_eq!(
        hex::encode(document_hash),
        VECTORS.text("docHashDataInt.txt").trim()
    );
    assert_eq!(
        hex::encode(options_hash),
        VECTORS.text("proofHashDataInt.txt").trim()
    );
    let message = [options_hash, document_hash].concat();
    assert_eq!(
        hex::encode(message),
        VECTORS.text("combinedHashDataInt.txt").trim()
    );
}
