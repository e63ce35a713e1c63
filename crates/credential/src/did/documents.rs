//! The documents at hand.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::document::{DidDocument, DidError};
use super::method::Method;
use crate::multikey::Multikey;
use crate::proof::error::ProofError;
use crate::proof::method::{KeySource, MethodKey};

/// Documents that are held at once.
pub const DOCUMENTS_MAX: usize = 64;

/// A set of documents, by their identifiers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Documents(BTreeMap<String, DidDocument>);

impl Documents {
    /// A set of documents of different identifiers.
    ///
    /// # Errors
    /// [`DidError::Duplicate`] or [`DidError::TooMany`].
    pub fn new(documents: impl IntoIterator<Item = DidDocument>) -> Result<Self, DidError> {
        let mut set = Self::default();
        for document in documents {
            set.insert(document)?;
        }
        Ok(set)
    }

    /// Adds a document.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn insert(&mut self, document: DidDocument) -> Result<(), DidError> {
        if self.0.contains_key(&document.id) {
            return Err(DidError::Duplicate { id: document.id });
        }
        if self.0.len() == DOCUMENTS_MAX {
            return Err(DidError::TooMany {
                documents_max: DOCUMENTS_MAX,
            });
        }
        self.0.insert(document.id.clone(), document);
        Ok(())
    }

    /// The document about an identifier.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&DidDocument> {
        self.0.get(id)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key of a verification method for a purpose, as of a time; nothing if no document that
    /// is at hand has the method (Controlled Identifiers v1.0 section 3.3).
    pub(crate) fn resolve(
        &self,
        verification_method: &str,
        purpose: &str,
        at: OffsetDateTime,
    ) -> Option<Result<(MethodKey, Multikey), ProofError>> {
        let (base, _) = verification_method.split_once('#')?;
        let document = self.get(base)?;
        let named = |method: &&Method| method.id == verification_method;
        let method = document.methods.iter().find(named)?;
        Some(document.key(method, purpose, at))
    }

    /// The key of a method of an identifier that has this one: the first that may be used so, if
    /// one may.
    pub(crate) fn with_key(
        &self,
        id: &str,
        key: &Multikey,
        purpose: &str,
        at: OffsetDateTime,
    ) -> Option<Result<(MethodKey, Multikey), ProofError>> {
        let document = self.get(id)?;
        let has = |method: &&Method| method.key.as_ref() == Ok(key);
        let keys = document.methods.iter().filter(has);
        let mut keys = keys.map(|method| document.key(method, purpose, at));
        let first = keys.next()?;
        match first {
            Err(_) => Some(keys.find(Result::is_ok).unwrap_or(first)),
            Ok(_) => Some(first),
        }
    }
}

impl DidDocument {
    fn key(
        &self,
        method: &Method,
        purpose: &str,
        at: OffsetDateTime,
    ) -> Result<(MethodKey, Multikey), ProofError> {
        let verification_method = || method.id.clone();
        if !self.lists(&method.id, purpose) {
            return Err(ProofError::NotForPurpose {
                verification_method: verification_method(),
                purpose: purpose.to_owned(),
            });
        }
        if method.controller != self.id {
            return Err(ProofError::WrongController {
                verification_method: verification_method(),
                controller: method.controller.clone(),
            });
        }
        if let Some(since) = method.until.filter(|until| *until <= at) {
            return Err(ProofError::EndedMethod {
                verification_method: verification_method(),
                since,
            });
        }
        let key = method.key.clone()?;
        let method = MethodKey {
            multikey: key.to_string(),
            controller: Some(self.id.clone()),
            source: KeySource::DidDocument,
        };
        Ok((method, key))
    }
}
