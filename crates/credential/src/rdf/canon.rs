//! RDFC-1.0 by `rdf-canon`.
//!
//! Canonical forms differ between libraries on credentials with nested proofs; `rdf-canon` agrees
//! with the libraries that sign most badges. It speaks `oxrdf` 0.2, the JSON-LD processor 0.3.

use oxrdf::{GraphName, NamedOrBlankNode, Quad, Term};
use rdf_canon::{CanonicalizationError, CanonicalizationOptions, canonicalize_with};
use sha2::Sha256;

use super::RdfError;
use super::budget::Budget;

/// The canonical N-Quads, sorted, one statement a line.
pub(super) fn canonicalize(quads: &[Quad], budget: &mut Budget) -> Result<String, RdfError> {
    let dataset: oxrdf02::Dataset = quads.iter().map(quad).collect();
    // Most documents have no blank nodes that look alike, and need none of the budget for them.
    let canonical = match with_calls(&dataset, 0) {
        Err(CanonicalizationError::HndqCallLimitExceeded(_)) => {
            with_calls(&dataset, budget.hndq_calls(bytes_of_blanks(&dataset))?)
        }
        done => done,
    };
    canonical.map_err(|error| match error {
        CanonicalizationError::HndqCallLimitExceeded(_) => RdfError::TooComplex {
            reason: "too many parts of it look alike without their contents".into(),
        },
        other => RdfError::Invalid {
            reason: other.to_string(),
        },
    })
}

fn with_calls(
    dataset: &oxrdf02::Dataset,
    hndq_calls_max: usize,
) -> Result<String, CanonicalizationError> {
    let options = CanonicalizationOptions {
        hndq_call_limit: Some(hndq_calls_max),
    };
    canonicalize_with::<Sha256>(dataset, &options)
}

/// Bytes of the statements that name a blank node: what Hash N-Degree Quads reads at most twice
/// in one call, as the blank nodes of a JSON document without blank node labels form a tree.
fn bytes_of_blanks(dataset: &oxrdf02::Dataset) -> usize {
    let blank = |quad: &oxrdf02::QuadRef<'_>| {
        quad.subject.is_blank_node()
            || quad.object.is_blank_node()
            || quad.graph_name.is_blank_node()
    };
    let quads = dataset.iter().filter(blank);
    quads.map(|quad| quad.to_string().len()).sum()
}

fn quad(quad: &Quad) -> oxrdf02::Quad {
    oxrdf02::Quad::new(
        subject(&quad.subject),
        oxrdf02::NamedNode::new_unchecked(quad.predicate.as_str()),
        object(&quad.object),
        graph(&quad.graph_name),
    )
}

fn subject(subject: &NamedOrBlankNode) -> oxrdf02::Subject {
    match subject {
        NamedOrBlankNode::NamedNode(node) => named(node).into(),
        NamedOrBlankNode::BlankNode(node) => blank(node).into(),
    }
}

fn object(object: &Term) -> oxrdf02::Term {
    match object {
        Term::NamedNode(node) => named(node).into(),
        Term::BlankNode(node) => blank(node).into(),
        Term::Literal(literal) => match literal.language() {
            Some(language) => {
                oxrdf02::Literal::new_language_tagged_literal_unchecked(literal.value(), language)
                    .into()
            }
            None => oxrdf02::Literal::new_typed_literal(
                literal.value(),
                oxrdf02::NamedNode::new_unchecked(literal.datatype().as_str()),
            )
            .into(),
        },
    }
}

fn graph(graph: &GraphName) -> oxrdf02::GraphName {
    match graph {
        GraphName::DefaultGraph => oxrdf02::GraphName::DefaultGraph,
        GraphName::NamedNode(node) => named(node).into(),
        GraphName::BlankNode(node) => blank(node).into(),
    }
}

fn named(node: &oxrdf::NamedNode) -> oxrdf02::NamedNode {
    oxrdf02::NamedNode::new_unchecked(node.as_str())
}

fn blank(node: &oxrdf::BlankNode) -> oxrdf02::BlankNode {
    oxrdf02::BlankNode::new_unchecked(node.as_str())
}
