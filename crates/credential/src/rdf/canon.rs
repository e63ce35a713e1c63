//! RDFC-1.0 by `rdf-canon`.
//!
//! Canonical forms differ between libraries on credentials with nested proofs; `rdf-canon` agrees
//! with the libraries that sign most badges. It speaks `oxrdf` 0.2, the JSON-LD processor 0.3.

use oxrdf::{GraphName, NamedOrBlankNode, Quad, Term};
use rdf_canon::{CanonicalizationError, CanonicalizationOptions, canonicalize_with};
use sha2::Sha256;

use super::RdfError;

/// Work on indistinguishable blank nodes at most; a real credential needs a few calls.
const HNDQ_CALLS_MAX: usize = 4_000;

/// The canonical N-Quads, sorted, one statement a line.
pub(super) fn canonicalize(quads: &[Quad]) -> Result<String, RdfError> {
    let dataset: oxrdf02::Dataset = quads.iter().map(quad).collect();
    let options = CanonicalizationOptions {
        hndq_call_limit: Some(HNDQ_CALLS_MAX),
    };
    canonicalize_with::<Sha256>(&dataset, &options).map_err(|error| match error {
        CanonicalizationError::HndqCallLimitExceeded(_) => RdfError::TooComplex {
            reason: "too many parts of it look alike without their contents".into(),
        },
        other => RdfError::Invalid {
            reason: other.to_string(),
        },
    })
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
