//! The transformation of the `…-jcs-…` suites: canonical JSON (W3C Data Integrity EdDSA
//! Cryptosuites v1.0 section 3.3, ECDSA Cryptosuites v1.0 section 3.3).

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Transformation, begins_with};
use crate::json::canonical;
use crate::proof::error::ProofError;
use crate::rdf::budget::Budget;

/// SHA-256 of canonical JSON; needs no contexts.
pub(super) struct Jcs;

impl Transformation for Jcs {
    fn name(&self) -> &'static str {
        "jcs"
    }

    /// Section 3.3.2: the document may have got more contexts behind those of the proof.
    fn match_contexts(
        &self,
        document: &mut Map<String, Value>,
        options: &Map<String, Value>,
    ) -> Result<(), ProofError> {
        let Some(signed) = options.get("@context") else {
            return Ok(());
        };
        if !begins_with(document.get("@context"), signed) {
            return Err(ProofError::ContextMismatch);
        }
        document.insert("@context".into(), signed.clone());
        Ok(())
    }

    fn complete_options(&self, document: &Map<String, Value>, options: &mut Map<String, Value>) {
        if let Some(context) = document.get("@context") {
            options.insert("@context".into(), context.clone());
        }
    }

    fn options_hash(
        &self,
        _document: &Map<String, Value>,
        options: &Map<String, Value>,
        budget: &mut Budget,
    ) -> Result<[u8; 32], ProofError> {
        hash(options, budget)
    }

    fn document_hash(
        &self,
        document: &Map<String, Value>,
        budget: &mut Budget,
    ) -> Result<[u8; 32], ProofError> {
        hash(document, budget)
    }
}

fn hash(object: &Map<String, Value>, budget: &mut Budget) -> Result<[u8; 32], ProofError> {
    budget.check_json()?;
    let canonical = canonical(object);
    budget.hashed(canonical.len());
    Ok(Sha256::digest(canonical).into())
}

#[cfg(test)]
mod tests;
