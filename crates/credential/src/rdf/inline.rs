//! Which contexts a document may carry: known URLs, and plain vocabularies written in place.
//!
//! The accounting knows `id` and `type` by name and takes each value for one statement. A context
//! in the document that gives keywords other names, or reads values another way, is therefore not
//! followed but refused as unsupported.

use serde_json::{Map, Value};

use super::RdfError;
use crate::context;

/// Contexts of one document at most, in all places together.
const CONTEXTS_MAX: usize = 32;
/// Terms that one document defines in place at most.
const INLINE_TERMS_MAX: usize = 500;

/// Counts the contexts of one document.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    listed: usize,
    inline_terms: usize,
}

impl Contexts {
    /// A `@context` value as a list that a JSON-LD processor reads.
    ///
    /// Some issuers write an inline context wrapped once more, `{"@context": {…}}`; the wrapping
    /// is taken off, as other processors do.
    pub(super) fn flatten(&mut self, value: &Value) -> Result<Vec<Value>, RdfError> {
        let mut flat = Vec::new();
        match value {
            Value::Array(entries) => {
                for entry in entries {
                    self.entry(entry, &mut flat)?;
                }
            }
            entry => self.entry(entry, &mut flat)?,
        }
        Ok(flat)
    }

    fn entry(&mut self, entry: &Value, flat: &mut Vec<Value>) -> Result<(), RdfError> {
        self.listed += 1;
        if self.listed > CONTEXTS_MAX {
            let reason = format!("more than {CONTEXTS_MAX} contexts");
            return Err(RdfError::TooComplex { reason });
        }
        match entry {
            Value::String(url) if context::document(url).is_some() => {
                flat.push(entry.clone());
                Ok(())
            }
            Value::String(url) => Err(RdfError::UnknownContext { url: url.clone() }),
            Value::Object(wrapper) if wrapper.len() == 1 && wrapper.contains_key("@context") => {
                flat.extend(self.flatten(&wrapper["@context"])?);
                Ok(())
            }
            Value::Object(terms) => {
                self.vocabulary(terms)?;
                flat.push(entry.clone());
                Ok(())
            }
            _ => Err(unsupported("a context that is neither a URL nor an object")),
        }
    }

    fn vocabulary(&mut self, terms: &Map<String, Value>) -> Result<(), RdfError> {
        self.inline_terms += terms.len();
        if self.inline_terms > INLINE_TERMS_MAX {
            let reason = format!("more than {INLINE_TERMS_MAX} terms defined in the document");
            return Err(RdfError::TooComplex { reason });
        }
        terms
            .iter()
            .try_for_each(|(term, definition)| match (term.as_str(), definition) {
                ("@protected", Value::Bool(_)) | ("@version", Value::Number(_)) => Ok(()),
                ("@vocab", Value::String(iri)) if !iri.starts_with('@') => Ok(()),
                ("id", Value::String(keyword)) if keyword == "@id" => Ok(()),
                ("type", Value::String(keyword)) if keyword == "@type" => Ok(()),
                ("id" | "type", _) => Err(unsupported("a context that redefines id or type")),
                _ if term.starts_with('@') => {
                    Err(unsupported(&format!("{term} in a context of the document")))
                }
                (_, Value::String(iri)) if !iri.starts_with('@') => Ok(()),
                (_, Value::Object(definition)) => self.definition(term, definition),
                _ => Err(unsupported(&format!(
                    "the definition of {term:?} in the document"
                ))),
            })
    }

    fn definition(&mut self, term: &str, definition: &Map<String, Value>) -> Result<(), RdfError> {
        definition
            .iter()
            .try_for_each(|(key, value)| match (key.as_str(), value) {
                ("@id", Value::String(iri)) if !iri.starts_with('@') => Ok(()),
                ("@type", Value::String(iri))
                    if !iri.starts_with('@') || iri == "@id" || iri == "@vocab" =>
                {
                    Ok(())
                }
                ("@container", Value::String(container)) if container == "@set" => Ok(()),
                ("@protected" | "@prefix", Value::Bool(_)) => Ok(()),
                ("@context", Value::Object(scoped)) => self.vocabulary(scoped),
                _ => Err(unsupported(&format!(
                    "{key} in the definition of {term:?} in the document"
                ))),
            })
    }
}

fn unsupported(feature: &str) -> RdfError {
    RdfError::Unsupported {
        feature: feature.to_owned(),
    }
}
