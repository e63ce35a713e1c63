//! One document.

use serde_json::{Map, Value};
use thiserror::Error;

use super::method::Method;
use crate::json::{JsonError, Limits, one_or_many, parse_strict};
use crate::problem;
use crate::suite::ASSERTION_METHOD;
use crate::url::is_url;

/// Verification methods of one document that are read, and references of one relationship.
const METHODS_MAX: usize = 256;

/// The relationships under which proofs are made that are checked here.
pub(super) const RELATIONSHIPS: [&str; 2] = [ASSERTION_METHOD, "authentication"];

/// A DID document, or another controlled identifier document, whose form was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct DidDocument {
    pub(super) id: String,
    pub(super) methods: Vec<Method>,
    /// Identifiers of the methods under each of [`RELATIONSHIPS`].
    pub(super) listed: [Vec<String>; 2],
}

/// Why something is not a DID document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DidError {
    /// Not strict JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// JSON, but no object.
    #[error("a DID document is a JSON object")]
    NotAnObject,
    /// A property is missing or has the wrong form.
    #[error("the DID document's {property} {reason}")]
    Malformed {
        /// The property's name.
        property: &'static str,
        /// What is wrong and what is needed.
        reason: &'static str,
    },
    /// Two methods, or two documents, with one identifier.
    #[error("{id} is there twice")]
    Duplicate {
        /// The identifier.
        id: String,
    },
    /// More documents than are looked at.
    #[error("at most {documents_max} DID documents are read")]
    TooMany {
        /// The limit.
        documents_max: usize,
    },
}

impl DidError {
    /// The W3C problem identifier.
    #[must_use]
    pub fn problem_type(&self) -> &'static str {
        match self {
            Self::Json(error) => error.problem_type(),
            Self::NotAnObject => problem::PARSING_ERROR,
            _ => problem::MALFORMED_VALUE_ERROR,
        }
    }
}

impl DidDocument {
    /// What is read at most: a document of ten RSA keys has about 15 KiB.
    pub const LIMITS: Limits = Limits {
        bytes_max: 256 << 10,
        depth_max: 16,
    };

    /// Reads a document from a text within [`Self::LIMITS`].
    ///
    /// # Errors
    /// [`DidError::Json`] for what is not strict JSON, else as [`Self::from_json`].
    pub fn parse(text: &[u8]) -> Result<Self, DidError> {
        Self::from_json(&parse_strict(text, Self::LIMITS)?)
    }

    /// Checks the form of a document that [`parse_strict`] gave. A method whose key is malformed,
    /// or of a kind that is not known here, says so when it is asked for.
    ///
    /// # Errors
    /// [`DidError`] names the property that is wrong.
    pub fn from_json(document: &Value) -> Result<Self, DidError> {
        crate::json::check_size(document, Self::LIMITS)?;
        let object = document.as_object().ok_or(DidError::NotAnObject)?;
        let id = object.get("id").and_then(Value::as_str);
        let id = id.filter(|id| is_url(id) && !id.contains('#'));
        let id = id.ok_or(malformed("id", "must be a DID or another URL"))?;
        let mut read = Self {
            id: id.to_owned(),
            methods: Vec::new(),
            listed: Default::default(),
        };
        for method in entries(object, "verificationMethod")? {
            read.push(Method::read(method, id)?)?;
        }
        for (position, relationship) in RELATIONSHIPS.into_iter().enumerate() {
            for entry in entries(object, relationship)? {
                let method_id = match entry {
                    Value::String(reference) => super::method::absolute(reference, id),
                    // A method may stand here itself, for this relationship alone.
                    method => {
                        let method = Method::read(method, id)?;
                        let method_id = method.id.clone();
                        read.push(method)?;
                        method_id
                    }
                };
                read.listed[position].push(method_id);
            }
        }
        Ok(read)
    }

    /// The identifier that the document is about.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    fn push(&mut self, method: Method) -> Result<(), DidError> {
        if self.methods.iter().any(|known| known.id == method.id) {
            return Err(DidError::Duplicate { id: method.id });
        }
        self.methods.push(method);
        Ok(())
    }

    /// Whether a method is listed under the relationship of a purpose.
    pub(super) fn lists(&self, method_id: &str, purpose: &str) -> bool {
        RELATIONSHIPS
            .iter()
            .zip(&self.listed)
            .any(|(name, ids)| *name == purpose && ids.iter().any(|id| id == method_id))
    }
}

pub(super) fn malformed(property: &'static str, reason: &'static str) -> DidError {
    DidError::Malformed { property, reason }
}

fn entries<'a>(
    object: &'a Map<String, Value>,
    property: &'static str,
) -> Result<&'a [Value], DidError> {
    let entries = one_or_many(object.get(property));
    if entries.len() > METHODS_MAX {
        return Err(malformed(property, "has too many entries"));
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
