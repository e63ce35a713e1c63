//! The built-in contexts are the published ones, byte for byte, and the README says which.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it goes wrong"
)]

mod fixtures;

use credlog_credential::context::BUILT_IN;
use sha2::{Digest, Sha256};

#[test]
fn every_context_has_the_hash_that_its_readme_names() {
    let readme = include_str!("../contexts/README.md");
    for context in BUILT_IN {
        let hash = hex::encode(Sha256::digest(context.document));
        let row = readme
            .lines()
            .find(|line| line.starts_with(&format!("| {} |", context.url)));
        let row = row.unwrap_or_else(|| panic!("{} is not in the README", context.url));
        assert!(row.ends_with(&format!("| {hash} |")), "{row}: {hash}");
        let document: serde_json::Value = serde_json::from_slice(context.document).unwrap();
        assert!(document["@context"].is_object(), "{}", context.url);
    }
    let rows = readme
        .lines()
        .filter(|line| line.starts_with("| https://"))
        .count();
    assert_eq!(rows, BUILT_IN.len());
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/contexts")).unwrap();
    assert_eq!(
        files.count(),
        BUILT_IN.len() + 1,
        "each file and the README"
    );
}

/// What the accounting of src/rdf relies on. A context that breaks one of these must not be
/// added before the accounting knows about it.
#[test]
fn contexts_rename_and_type_but_do_not_restructure() {
    fn check(url: &str, definition: &serde_json::Map<String, serde_json::Value>) {
        for (term, value) in definition {
            let keyword = value.as_str().filter(|iri| iri.starts_with('@'));
            match term.as_str() {
                "id" => assert_eq!(keyword, Some("@id"), "{url}"),
                "type" => assert_eq!(keyword, Some("@type"), "{url}"),
                "@id" | "@vocab" => assert_eq!(keyword, None, "{url}"),
                "@type" => assert!(
                    matches!(keyword, None | Some("@id" | "@vocab" | "@json")),
                    "{url}: {value}"
                ),
                "@container" => assert!(
                    matches!(keyword, Some("@set" | "@list" | "@graph")),
                    "{url}: {value}"
                ),
                "@context" | "@protected" | "@version" | "@prefix" => {}
                term if term.starts_with('@') => panic!("{url}: {term}"),
                // No term is an IRI scheme that identifiers use; see src/suite/proof_options.rs.
                "did" | "https" | "http" | "urn" => panic!("{url}: {term}"),
                _ => assert_eq!(keyword, None, "{url}: {term}"),
            }
            if let Some(inner) = value.as_object() {
                check(url, inner);
            }
        }
    }
    for context in BUILT_IN {
        let document: serde_json::Value = serde_json::from_slice(context.document).unwrap();
        check(context.url, document["@context"].as_object().unwrap());
    }
}
