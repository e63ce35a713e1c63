//! The transformation of the `…-rdfc-…` suites: canonical RDF (W3C Data Integrity EdDSA
//! Cryptosuites v1.0 section 3.2, ECDSA Cryptosuites v1.0 section 3.2 with P-256).

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Transformation, begins_with, proof_options};
use crate::proof::error::ProofError;
use crate::rdf::budget::Budget;
use crate::rdf::canonical_nquads;

/// SHA-256 of canonical RDF.
pub(super) struct Rdfc;

impl Transformation for Rdfc {
    fn name(&self) -> &'static str {
        "rdfc"
    }

    /// The options are read under the document's contexts (section 3.2.5). A proof's own
    /// `@context` is therefore not signed, and may say nothing but what the document's says.
    fn match_contexts(
        &self,
        document: &mut Map<String, Value>,
        options: &Map<String, Value>,
    ) -> Result<(), ProofError> {
        match options.get("@context") {
            Some(own) if !begins_with(document.get("@context"), own) => {
                Err(ProofError::ContextMismatch)
            }
            _ => Ok(()),
        }
    }

    fn complete_options(&self, _document: &Map<String, Value>, _options: &mut Map<String, Value>) {}

    fn options_hash(
        &self,
        document: &Map<String, Value>,
        options: &Map<String, Value>,
        budget: &mut Budget,
    ) -> Result<[u8; 32], ProofError> {
        let nquads = proof_options::canonical_nquads(document.get("@context"), options, budget)?;
        Ok(Sha256::digest(nquads).into())
    }

    fn document_hash(
        &self,
        document: &Map<String, Value>,
        budget: &mut Budget,
    ) -> Result<[u8; 32], ProofError> {
        let nquads = canonical_nquads(&Value::Object(document.clone()), budget)?;
        Ok(Sha256::digest(nquads).into())
    }
}

#[cfg(test)]
mod tests;
