//! JSON-LD to canonical N-Quads, and a refusal whenever something would be lost on the way.
//!
//! JSON-LD silently drops what it cannot express: terms that no context defines, relative IRIs,
//! IRIs with forbidden characters. A signature over the canonical quads then says nothing about
//! the dropped parts, so anyone could add them. Two independent guards, both in one pass:
//!
//! 1. A sentinel vocabulary stands first in `@context`. Undefined terms become IRIs under it; one
//!    such IRI in the quads is a refusal that names the term.
//! 2. The document is read a second way, without contexts: each value must give exactly one
//!    statement ([`accounting`]). Fewer statements than values is a refusal. This also catches
//!    what the sentinel cannot: terms that are not legal in an IRI, relative identifiers, and
//!    contexts that switch the vocabulary off.
//!
//! If neither refuses, the sentinel changed nothing: it acts only on undefined terms, and each of
//! those either carries the sentinel's IRI or is missing from the count.

pub(crate) mod accounting;
pub(crate) mod budget;
mod canon;
mod inline;
mod reduced;
mod vocabulary;

use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

use oxjsonld::{JsonLdParser, JsonLdRemoteDocument};
use oxrdf::{NamedOrBlankNode, Quad, Term};
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;

use self::accounting::Account;
use self::budget::Budget;

/// Undefined terms become IRIs under this one.
const SENTINEL: &str = "https://www.w3.org/ns/credentials/undefined-terms#";

/// Statements of one document at most.
pub(crate) const STATEMENTS_MAX: usize = 10_000;

const RDF_REST: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#rest";
const RDF_NIL: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#nil";
const RDF_JSON: &str = "http://www.w3.org/1999/02/22-rdf-syntax-ns#JSON";

/// Why a document has no canonical quads here.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub(crate) enum RdfError {
    #[error("the context {url} is not built in")]
    UnknownContext { url: String },
    #[error("{feature} is JSON-LD that is not supported here")]
    Unsupported { feature: String },
    #[error("{lost}")]
    DataLoss { lost: String },
    #[error("not valid JSON-LD: {reason}")]
    Invalid { reason: String },
    #[error("the document is too large or too symmetric: {reason}")]
    TooComplex { reason: String },
}

/// The canonical N-Quads (RDFC-1.0 with SHA-256) of a JSON-LD document.
pub(crate) fn canonical_nquads(document: &Value, budget: &mut Budget) -> Result<String, RdfError> {
    budget.check()?;
    let nquads = lossless_quads(document, budget)
        .and_then(|quads| guarded(|| canon::canonicalize(&quads, budget)));
    if let Err(RdfError::TooComplex { .. }) = nquads {
        budget.exhaust();
    }
    nquads
}

/// The quads of a document, or a refusal when a part of it is in none of them.
fn lossless_quads(document: &Value, budget: &mut Budget) -> Result<Vec<Quad>, RdfError> {
    let (mut prepared, account) = accounting::account(document)?;
    let mut contexts = vec![serde_json::json!({ "@vocab": SENTINEL })];
    match prepared["@context"].take() {
        Value::Array(listed) => contexts.extend(listed),
        single => contexts.push(single),
    }
    prepared["@context"] = Value::Array(contexts);
    let text = jsonld_text(&prepared);
    let contexts = reduced::contexts(&prepared);
    budget.read(account.cost(text.len(), &contexts))?;
    let quads = quads(&text, contexts)?;
    check_sentinel(&quads)?;
    check_account(&quads, &account)?;
    Ok(quads)
}

/// What the JSON-LD processor makes of a document.
fn quads(text: &[u8], contexts: BTreeMap<&'static str, Vec<u8>>) -> Result<Vec<Quad>, RdfError> {
    guarded(|| {
        let parser = JsonLdParser::new()
            .for_slice(text)
            .with_load_document_callback(move |url, _| match contexts.get(url) {
                Some(document) => Ok(JsonLdRemoteDocument {
                    document: document.clone(),
                    document_url: url.to_owned(),
                }),
                None => Err(format!("the context {url} is not built in").into()),
            });
        let mut quads = Vec::with_capacity(128);
        for quad in parser {
            quads.push(quad.map_err(|error| RdfError::Invalid {
                reason: error.to_string(),
            })?);
            if quads.len() > STATEMENTS_MAX {
                let reason = format!("more than {STATEMENTS_MAX} statements");
                return Err(RdfError::TooComplex { reason });
            }
        }
        Ok(quads)
    })
}

/// A panic of a JSON-LD or canonicalisation library on hostile input is that input's refusal.
fn guarded<T>(work: impl FnOnce() -> Result<T, RdfError>) -> Result<T, RdfError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(RdfError::Invalid {
            reason: "the JSON-LD processor failed on it".into(),
        })
    })
}

/// JSON text whose numbers give the lexical forms that JSON-LD prescribes for RDF.
///
/// JSON-LD 1.1 API section "Data Round Tripping": a double has 16 significant digits.
fn jsonld_text(document: &Value) -> Vec<u8> {
    struct SixteenDigits;
    impl serde_json::ser::Formatter for SixteenDigits {
        fn write_f64<W: ?Sized + std::io::Write>(
            &mut self,
            writer: &mut W,
            value: f64,
        ) -> std::io::Result<()> {
            write!(writer, "{value:.15e}")
        }
    }
    let mut text = Vec::with_capacity(4096);
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, SixteenDigits);
    // A `Value` always has a text, and a `Vec` takes every write.
    if document.serialize(&mut serializer).is_err() {
        unreachable!("every serde_json::Value has a JSON text");
    }
    text
}

fn check_sentinel(quads: &[Quad]) -> Result<(), RdfError> {
    let undefined = quads
        .iter()
        .flat_map(iris)
        .find_map(|iri| iri.strip_prefix(SENTINEL));
    match undefined {
        Some(term) => Err(RdfError::DataLoss {
            lost: format!("no context defines {term:?}; the signature would not cover it"),
        }),
        None => Ok(()),
    }
}

/// Every IRI of a quad, with the datatype of a literal.
fn iris(quad: &Quad) -> impl Iterator<Item = &str> {
    let subject = match &quad.subject {
        NamedOrBlankNode::NamedNode(node) => Some(node.as_str()),
        NamedOrBlankNode::BlankNode(_) => None,
    };
    let object = match &quad.object {
        Term::NamedNode(node) => Some(node.as_str()),
        Term::Literal(literal) => Some(literal.datatype().as_str()),
        Term::BlankNode(_) => None,
    };
    [subject, Some(quad.predicate.as_str()), object]
        .into_iter()
        .flatten()
}

/// Compares what the document says with what the quads say.
fn check_account(quads: &[Quad], account: &Account) -> Result<(), RdfError> {
    let mut list_links = 0;
    let mut json_literals = 0;
    let mut literals: HashMap<&str, usize> = HashMap::new();
    for quad in quads {
        match &quad.object {
            // An ordered list of n values has n rdf:first, n rdf:rest and one link to its head.
            Term::NamedNode(node) if node.as_str() == RDF_NIL => list_links += 1,
            Term::Literal(literal) => {
                json_literals += usize::from(literal.datatype().as_str() == RDF_JSON);
                *literals.entry(literal.value()).or_default() += 1;
            }
            _ => {}
        }
        list_links += usize::from(quad.predicate.as_str() == RDF_REST);
    }
    let statements = quads.len().saturating_sub(list_links);
    if statements != account.statements || json_literals != account.json_literals {
        return Err(RdfError::DataLoss {
            lost: format!(
                "of {} values in the document, {statements} are covered by the signature; \
                 look for terms or identifiers with spaces, and for relative identifiers",
                account.statements
            ),
        });
    }
    for (text, count) in &account.literal_only {
        if literals
            .get(text.as_str())
            .is_none_or(|found| found < count)
        {
            return Err(RdfError::DataLoss {
                lost: format!("{text:?} stands where an identifier is needed, and would be lost"),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
