//! `eddsa-rdfc-2022` (W3C Data Integrity EdDSA Cryptosuites v1.0 section 3.2).

use ed25519_dalek::SigningKey;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{Cryptosuite, begins_with, ed25519, proof_options};
use crate::multikey::Multikey;
use crate::proof::error::ProofError;
use crate::rdf::budget::Budget;
use crate::rdf::canonical_nquads;

/// Ed25519 over the SHA-256 of canonical RDF.
pub(super) struct EddsaRdfc2022;

impl Cryptosuite for EddsaRdfc2022 {
    fn name(&self) -> &'static str {
        "eddsa-rdfc-2022"
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

    fn verify(&self, key: &Multikey, message: &[u8], signature: &[u8]) -> Result<(), ProofError> {
        ed25519::verify(key, message, signature)
    }

    fn sign(&self, key: &SigningKey, message: &[u8]) -> Vec<u8> {
        ed25519::sign(key, message)
    }
}

#[cfg(test)]
mod tests;
