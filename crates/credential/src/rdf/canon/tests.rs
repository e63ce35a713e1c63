use std::path::PathBuf;

use oxttl::NQuadsParser;
use serde_json::Value;

use super::*;

fn vectors(file: &str) -> Vec<Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vectors");
    let text = std::fs::read(folder.join(file)).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn quads(text: &str) -> Vec<Quad> {
    let quads = NQuadsParser::new().for_slice(text);
    quads.map(Result::unwrap).collect()
}

fn canonical(quads: &[Quad]) -> Result<String, RdfError> {
    canonicalize(quads, &mut Budget::default())
}

/// The suite's datasets, and whatever was made of them.
fn suite() -> Vec<(Value, Vec<Quad>)> {
    let vectors = vectors("w3c-rdf-canon/rdfc10.json").into_iter();
    vectors
        .map(|vector| {
            let quads = quads(vector["input"].as_str().unwrap());
            (vector, quads)
        })
        .collect()
}

#[test]
fn the_test_suite_of_w3c_passes() {
    for (vector, quads) in suite() {
        match vector["canonical"].as_str() {
            Some(expected) => assert_eq!(canonical(&quads).unwrap(), expected, "{}", vector["id"]),
            None => assert_eq!(canonical(&quads), Err(look_alike()), "{}", vector["id"]),
        }
    }
}

#[test]
fn the_library_that_signs_most_badges_agrees() {
    for vector in vectors("w3c-rdf-canon/rdf-canonize.json") {
        let quads = quads(vector["input"].as_str().unwrap());
        let expected = vector["canonical"].as_str().unwrap();
        assert_eq!(canonical(&quads).unwrap(), expected, "{}", vector["id"]);
    }
}

#[test]
fn the_order_of_statements_and_the_names_in_them_do_not_matter() {
    for (vector, mut quads) in suite() {
        let expected = canonical(&quads);
        quads.reverse();
        let renamed = |node: &BlankNode| BlankNode::new_unchecked(format!("x{}", node.as_str()));
        for quad in &mut quads {
            if let NamedOrBlankNode::BlankNode(node) = &mut quad.subject {
                *node = renamed(node);
            }
            if let Term::BlankNode(node) = &mut quad.object {
                *node = renamed(node);
            }
            if let GraphName::BlankNode(node) = &mut quad.graph_name {
                *node = renamed(node);
            }
        }
        assert_eq!(canonical(&quads), expected, "{}", vector["id"]);
    }
}

#[test]
fn many_statements_in_one_graph_are_one_neighbour() {
    // Two nodes that look alike, each with statements in a graph that a blank node names.
    let mut text = String::from("<urn:a> <urn:has> _:g .\n");
    for node in ["_:x", "_:y"] {
        text.push_str(&format!("<urn:a> <urn:part> {node} _:g .\n"));
        for at in 0..40 {
            text.push_str(&format!("{node} <urn:p> \"{at}\" _:g .\n"));
        }
    }
    let mut budget = Budget::default();
    assert!(canonicalize(&quads(&text), &mut budget).is_ok());
    assert!(budget.step(39_000), "it takes next to no work");
}

#[test]
fn a_long_chain_of_look_alikes_is_refused() {
    let chain = |length: usize| {
        let links =
            (0..length).map(|at| format!("_:n{at} <urn:next> _:n{} .\n", (at + 1) % length));
        quads(&links.collect::<String>())
    };
    assert!(canonical(&chain(20)).is_ok());
    assert_eq!(canonical(&chain(2_000)), Err(look_alike()));
}
