//! Which contexts a document may carry: known URLs, and plain vocabularies written in place.
//!
//! The accounting knows `id` and `type` by name and takes each value for one statement. A context
//! in the document that gives keywords other names, reads values another way, or has words of its
//! own for what a built-in context names, is therefore not followed but refused as unsupported.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::RdfError;
use super::vocabulary::BUILT_IN;
use crate::context;

/// Contexts of one document at most, in all places together: a learner record of a hundred badges
/// lists a few hundred.
const CONTEXTS_MAX: usize = 500;
/// Terms that one document defines in place at most.
const INLINE_TERMS_MAX: usize = 500;
/// Length of an IRI in a context of the document: it may stand in each statement.
const IRI_BYTES_MAX: usize = 1_024;
/// Schemes of identifiers: as a term of the document, one would rewrite them.
const SCHEMES: [&str; 4] = ["did", "http", "https", "urn"];
/// What says when a credential counts. Below a word of its own a document may use these for
/// something else, say the end of a driving licence: they are read of the credential alone, where
/// the built-in contexts protect them.
const PERIOD_TERMS: [&str; 4] = ["expirationDate", "issuanceDate", "validFrom", "validUntil"];

/// Counts the contexts of one document.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    listed: usize,
    definitions: usize,
    urls: BTreeMap<String, usize>,
    inline_terms: BTreeSet<String>,
    /// Words of the document that bring a context with them, with the number of its terms.
    brought: BTreeMap<String, usize>,
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
                *self.urls.entry(url.clone()).or_default() += 1;
                flat.push(entry.clone());
                Ok(())
            }
            Value::String(url) => Err(RdfError::UnknownContext { url: url.clone() }),
            Value::Object(wrapper) if wrapper.len() == 1 && wrapper.contains_key("@context") => {
                flat.extend(self.flatten(&wrapper["@context"])?);
                Ok(())
            }
            Value::Object(terms) => {
                self.vocabulary(terms, false)?;
                flat.push(entry.clone());
                Ok(())
            }
            _ => Err(unsupported("a context that is neither a URL nor an object")),
        }
    }

    /// The terms of a context; `scoped` tells that it counts only below a word of the document.
    fn vocabulary(&mut self, terms: &Map<String, Value>, scoped: bool) -> Result<(), RdfError> {
        self.definitions += terms.len();
        if self.definitions > INLINE_TERMS_MAX {
            let reason = format!("more than {INLINE_TERMS_MAX} terms defined in the document");
            return Err(RdfError::TooComplex { reason });
        }
        terms
            .iter()
            .try_for_each(|(term, definition)| match (term.as_str(), definition) {
                ("@protected", Value::Bool(_)) | ("@version", Value::Number(_)) => Ok(()),
                ("@vocab", Value::String(iri))
                    if is_web(iri) && !BUILT_IN.has_iri_beginning_with(iri) =>
                {
                    Ok(())
                }
                ("id", Value::String(keyword)) if keyword == "@id" => Ok(()),
                ("type", Value::String(keyword)) if keyword == "@type" => Ok(()),
                _ if term.starts_with('@') => {
                    Err(unsupported(&format!("{term} in a context of the document")))
                }
                (name, _) if !is_own_word(name, scoped) || term.contains(':') => Err(unsupported(
                    &format!("a definition of {term:?}, which is not the document's own word,"),
                )),
                (_, definition) => {
                    self.inline_terms.insert(term.clone());
                    self.definition(term, definition)
                }
            })
    }

    /// Terms that the document defines.
    pub(super) fn definitions(&self) -> usize {
        self.definitions
    }

    /// Terms of the context that a word brings with it.
    pub(super) fn brought_by(&self, word: &str) -> usize {
        self.brought.get(word).copied().unwrap_or_default()
    }

    /// URLs that were listed, with the number of their places.
    pub(super) fn into_urls(self) -> BTreeMap<String, usize> {
        self.urls
    }

    /// Whether a context, built in or of the document, defines a term somewhere.
    pub(super) fn has_term(&self, term: &str) -> bool {
        BUILT_IN.has_term(term) || self.inline_terms.contains(term)
    }

    /// Refuses a property or type that is not spelled with its term.
    ///
    /// Prefixes that the document defines are not followed at all.
    pub(super) fn check_spelling(&self, name: &str, is_type: bool) -> Result<(), RdfError> {
        let prefix = name.split_once(':').map(|(prefix, _)| prefix);
        if prefix.is_some_and(|prefix| self.inline_terms.contains(prefix))
            || !BUILT_IN.is_spelled_right(name, is_type)
        {
            return Err(unsupported(&format!(
                "{name:?} instead of a context's own term"
            )));
        }
        Ok(())
    }

    /// Refuses a text that could be an identifier shortened by a word of the document: contexts
    /// are not signed, so anybody could add one and hide an identifier from whoever reads JSON.
    pub(super) fn check_prefix(&self, text: &str) -> Result<(), RdfError> {
        let shortened = text.split_once(':').is_some_and(|(prefix, rest)| {
            self.inline_terms.contains(prefix)
                && !rest.starts_with("//")
                && !rest.contains(char::is_whitespace)
        });
        match shortened {
            true => Err(unsupported(&format!(
                "{text:?}, shortened by a word of the document,"
            ))),
            false => Ok(()),
        }
    }

    fn definition(&mut self, term: &str, definition: &Value) -> Result<(), RdfError> {
        let wrong = |part: &str| {
            Err(unsupported(&format!(
                "{part} of the definition of {term:?} in the document"
            )))
        };
        let members = match definition {
            Value::String(iri) if is_own(iri) => return Ok(()),
            Value::Object(members) => members,
            _ => return wrong("the IRI"),
        };
        members
            .iter()
            .try_for_each(|(key, value)| match (key.as_str(), value) {
                ("@id", Value::String(iri)) if is_own(iri) => Ok(()),
                ("@type", Value::String(iri)) if is_iri(iri) || iri == "@id" || iri == "@vocab" => {
                    Ok(())
                }
                ("@container", Value::String(container)) if container == "@set" => Ok(()),
                ("@protected" | "@prefix", Value::Bool(_)) => Ok(()),
                ("@context", Value::Object(scoped)) => {
                    let before = self.definitions;
                    self.vocabulary(scoped, true)?;
                    let terms = self.definitions - before;
                    *self.brought.entry(term.to_owned()).or_default() += terms;
                    Ok(())
                }
                _ => wrong(key),
            })
    }
}

/// Whether a text is a web URL, which no prefix rewrites, and not too long.
fn is_web(iri: &str) -> bool {
    is_iri(iri) && !iri.starts_with("urn:")
}

/// Whether a text is an IRI that no prefix rewrites, as no term has the name of its scheme, and
/// not too long.
fn is_iri(iri: &str) -> bool {
    let schemes = ["https://", "http://", "urn:"];
    schemes.iter().any(|scheme| iri.starts_with(scheme)) && iri.len() <= IRI_BYTES_MAX
}

/// Whether an IRI is none that a built-in context has a term for.
fn is_own(iri: &str) -> bool {
    is_iri(iri) && !BUILT_IN.has_iri(iri)
}

/// Whether a document may say what a word means.
fn is_own_word(term: &str, scoped: bool) -> bool {
    !SCHEMES.contains(&term) && (!BUILT_IN.has_term(term) || scoped && PERIOD_TERMS.contains(&term))
}

fn unsupported(feature: &str) -> RdfError {
    RdfError::Unsupported {
        feature: feature.to_owned(),
    }
}
