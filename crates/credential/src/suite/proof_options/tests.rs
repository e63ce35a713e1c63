use serde_json::json;

use super::*;
use crate::context::BUILT_IN;

const DID: &str = "did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2";

fn options(method: &str) -> Map<String, Value> {
    options_of("eddsa-rdfc-2022", method)
}

fn options_of(suite: &str, method: &str) -> Map<String, Value> {
    let options = json!({
        "type": "DataIntegrityProof",
        "cryptosuite": suite,
        "created": "2026-11-21T10:00:00Z",
        "verificationMethod": method,
        "proofPurpose": "assertionMethod",
    });
    options.as_object().unwrap().clone()
}

/// Lists of one to four built-in contexts, each beginning with a credentials context.
fn context_lists() -> Vec<Vec<&'static str>> {
    let urls: Vec<_> = BUILT_IN.iter().map(|context| context.url).collect();
    let mut lists = Vec::new();
    for first in [CREDENTIALS_V1, CREDENTIALS_V2] {
        lists.push(vec![first]);
        for second in &urls {
            lists.push(vec![first, second]);
            for third in &urls {
                lists.push(vec![first, second, third]);
            }
        }
    }
    lists
}

#[test]
fn the_template_equals_the_long_way_under_all_built_in_contexts() {
    let mut by_template = 0;
    for list in context_lists() {
        let context = json!(list);
        let options = options(&format!("{DID}#{}", &DID[8..]));
        let Some(short) = template(Some(&context), &options) else {
            continue;
        };
        by_template += 1;
        match long_way(Some(&context), &options, &mut Budget::default()) {
            Ok(long) => assert_eq!(short, long, "{list:?}"),
            // Contexts that contradict each other: then the document itself has no canonical
            // form either, and the options do not matter.
            Err(rdf::RdfError::Invalid { .. }) => {
                let document = json!({"@context": list, "id": "urn:x:y", "name": "x"});
                assert!(
                    rdf::canonical_nquads(&document, &mut Budget::default()).is_err(),
                    "{list:?}"
                );
            }
            Err(error) => panic!("{list:?}: {error}"),
        }
    }
    assert!(by_template > 100, "{by_template}");
}

#[test]
fn other_suites_and_schemes_of_verification_methods_give_the_same_lines() {
    let context = json!([
        CREDENTIALS_V2,
        "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
    ]);
    for (suite, method) in [
        ("eddsa-rdfc-2022", DID),
        ("ecdsa-rdfc-2019", DID),
        ("ecdsa-rdfc-2019", "did:web:university-a.example#key-1"),
        ("eddsa-rdfc-2022", "did:web:university-a.example#key-1"),
        ("eddsa-rdfc-2022", "https://a.example/issuers/1#z6Mk"),
    ] {
        let options = options_of(suite, method);
        let short = template(Some(&context), &options).unwrap();
        assert_eq!(
            short,
            long_way(Some(&context), &options, &mut Budget::default()).unwrap()
        );
    }
}

#[test]
fn anything_unusual_goes_the_long_way() {
    let context = json!([CREDENTIALS_V2]);
    assert!(template(Some(&context), &options(DID)).is_some());
    for (name, value) in [
        ("id", "urn:uuid:1"),
        ("expires", "2027-11-21T10:00:00Z"),
        ("proofPurpose", "authentication"),
        ("type", "Ed25519Signature2020"),
        ("created", "yesterday"),
        ("verificationMethod", "did:example:a"),
        ("verificationMethod", "did:key:z\"> ."),
        ("cryptosuite", "eddsa\n"),
    ] {
        let mut options = options(DID);
        options.insert(name.into(), value.into());
        assert_eq!(template(Some(&context), &options), None, "{name} = {value}");
    }
    let inline = json!([CREDENTIALS_V2, {"did": "https://evil.example/"}]);
    assert_eq!(template(Some(&inline), &options(DID)), None);
    let unknown = json!([CREDENTIALS_V2, "https://unknown.example/"]);
    assert_eq!(template(Some(&unknown), &options(DID)), None);
}
