//! Cryptosuites: how a document and a proof's options become the bytes that are signed.
//!
//! A suite is one module that implements [`Cryptosuite`], and one line in [`Suite::ALL`].

mod ed25519;
mod eddsa_jcs_2022;
mod eddsa_rdfc_2022;
mod proof_options;
#[cfg(test)]
mod vector;

use std::fmt;

use ed25519_dalek::SigningKey;
use serde_json::{Map, Value};

use crate::json::one_or_many;
use crate::multikey::Multikey;
use crate::proof::error::ProofError;
use crate::rdf::budget::Budget;

pub(crate) use self::ed25519::base58btc;

/// The purpose of a credential's proof.
pub const ASSERTION_METHOD: &str = "assertionMethod";

/// A cryptosuite that is known here.
#[derive(Clone, Copy)]
pub struct Suite(&'static dyn Cryptosuite);

impl Suite {
    /// Every cryptosuite that is known here.
    pub const ALL: &'static [Self] = &[Self::EDDSA_JCS_2022, Self::EDDSA_RDFC_2022];

    /// `eddsa-jcs-2022`: Ed25519 over canonical JSON; needs no contexts.
    pub const EDDSA_JCS_2022: Self = Self(&eddsa_jcs_2022::EddsaJcs2022);

    /// `eddsa-rdfc-2022`: Ed25519 over canonical RDF; most badges carry it.
    pub const EDDSA_RDFC_2022: Self = Self(&eddsa_rdfc_2022::EddsaRdfc2022);

    /// The suite with a name as it stands in a proof's `cryptosuite`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|suite| suite.name() == name)
    }

    /// The name as it stands in a proof's `cryptosuite`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    pub(crate) fn match_contexts(
        self,
        document: &mut Map<String, Value>,
        options: &Map<String, Value>,
    ) -> Result<(), ProofError> {
        self.0.match_contexts(document, options)
    }

    pub(crate) fn complete_options(
        self,
        document: &Map<String, Value>,
        options: &mut Map<String, Value>,
    ) {
        self.0.complete_options(document, options);
    }

    pub(crate) fn options_hash(
        self,
        document: &Map<String, Value>,
        options: &Map<String, Value>,
        budget: &mut Budget,
    ) -> Result<[u8; 32], ProofError> {
        self.0.options_hash(document, options, budget)
    }

    pub(crate) fn document_hash(
        self,
        document: &Map<String, Value>,
        budget: &mut Budget,
    ) -> Result<[u8; 32], ProofError> {
        self.0.document_hash(document, budget)
    }

    pub(crate) fn verify(
        self,
        key: &Multikey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), ProofError> {
        self.0.verify(key, message, signature)
    }

    pub(crate) fn sign(self, key: &SigningKey, message: &[u8]) -> Vec<u8> {
        self.0.sign(key, message)
    }
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Suite({})", self.name())
    }
}

impl PartialEq for Suite {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Suite {}

/// One cryptosuite. The signed message is the options' hash, then the document's hash.
pub(crate) trait Cryptosuite: Sync {
    /// As it stands in a proof's `cryptosuite`.
    fn name(&self) -> &'static str;

    /// Before verifying: gives the document the contexts under which it was signed, and looks at
    /// nothing else of it.
    fn match_contexts(
        &self,
        document: &mut Map<String, Value>,
        options: &Map<String, Value>,
    ) -> Result<(), ProofError>;

    /// Before signing: adds to the proof what the suite wants in it.
    fn complete_options(&self, document: &Map<String, Value>, options: &mut Map<String, Value>);

    /// The hash of the proof's options (the proof without `proofValue`); of the document, only
    /// its contexts count.
    fn options_hash(
        &self,
        document: &Map<String, Value>,
        options: &Map<String, Value>,
        budget: &mut Budget,
    ) -> Result<[u8; 32], ProofError>;

    /// The hash of the document (with `proof` only for what a chain signs again).
    fn document_hash(
        &self,
        document: &Map<String, Value>,
        budget: &mut Budget,
    ) -> Result<[u8; 32], ProofError>;

    /// Checks a signature.
    fn verify(&self, key: &Multikey, message: &[u8], signature: &[u8]) -> Result<(), ProofError>;

    /// Makes a signature.
    fn sign(&self, key: &SigningKey, message: &[u8]) -> Vec<u8>;
}

/// Whether a document's contexts begin with all contexts of a proof, in the same order.
fn begins_with(document: Option<&Value>, proof: &Value) -> bool {
    one_or_many(document).starts_with(one_or_many(Some(proof)))
}
