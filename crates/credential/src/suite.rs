//! Cryptosuites: how a document and a proof's options become the bytes that are signed, and by
//! which algorithm.
//!
//! A suite is one module with its [`Cryptosuite`], and one line in [`Suite::ALL`].

mod ecdsa_jcs_2019;
mod ecdsa_rdfc_2019;
mod eddsa_jcs_2022;
mod eddsa_rdfc_2022;
mod jcs;
mod proof_options;
mod rdfc;
#[cfg(test)]
mod vector;

use std::fmt;

use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::json::one_or_many;
use crate::proof::error::ProofError;
use crate::rdf::budget::Budget;

/// The purpose of a credential's proof.
pub const ASSERTION_METHOD: &str = "assertionMethod";

/// A cryptosuite that is known here.
#[derive(Clone, Copy)]
pub struct Suite(&'static Cryptosuite);

impl Suite {
    /// Every cryptosuite that is known here.
    pub const ALL: &'static [Self] = &[
        Self::EDDSA_JCS_2022,
        Self::EDDSA_RDFC_2022,
        Self::ECDSA_JCS_2019,
        Self::ECDSA_RDFC_2019,
    ];

    /// `eddsa-jcs-2022`: Ed25519 over canonical JSON; needs no contexts.
    pub const EDDSA_JCS_2022: Self = Self(&eddsa_jcs_2022::SUITE);

    /// `eddsa-rdfc-2022`: Ed25519 over canonical RDF; most badges carry it.
    pub const EDDSA_RDFC_2022: Self = Self(&eddsa_rdfc_2022::SUITE);

    /// `ecdsa-jcs-2019`: P-256 over canonical JSON; needs no contexts.
    pub const ECDSA_JCS_2019: Self = Self(&ecdsa_jcs_2019::SUITE);

    /// `ecdsa-rdfc-2019`: P-256 over canonical RDF.
    pub const ECDSA_RDFC_2019: Self = Self(&ecdsa_rdfc_2019::SUITE);

    /// The suite with a name as it stands in a proof's `cryptosuite`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|suite| suite.name() == name)
    }

    /// The suite with a name, by which the Ed25519 key of an issuer is to sign.
    ///
    /// # Errors
    /// [`NotSignedBy`]: no such suite, or one of other keys.
    pub fn of_ed25519(name: &str) -> Result<Self, NotSignedBy> {
        let suites = Self::ALL.iter().copied();
        let mut signed_by = suites.filter(|suite| matches!(suite.algorithm(), Algorithm::EdDsa));
        let found = signed_by.find(|suite| suite.name() == name);
        found.ok_or_else(|| NotSignedBy { name: name.into() })
    }

    /// The name as it stands in a proof's `cryptosuite`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    pub(crate) fn transformation(self) -> &'static dyn Transformation {
        self.0.transformation
    }

    pub(crate) fn algorithm(self) -> Algorithm {
        self.0.algorithm
    }
}

/// No cryptosuite by which an Ed25519 key signs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name:?} is no cryptosuite by which an Ed25519 key signs: eddsa-rdfc-2022 and eddsa-jcs-2022 are"
)]
pub struct NotSignedBy {
    name: String,
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
struct Cryptosuite {
    /// As it stands in a proof's `cryptosuite`.
    name: &'static str,
    transformation: &'static dyn Transformation,
    algorithm: Algorithm,
}

/// How a document and a proof's options become hashes.
pub(crate) trait Transformation: Sync {
    /// Suites with one transformation share a document's hash.
    fn name(&self) -> &'static str;

    /// Before verifying: gives the document the contexts under which it was signed, and looks at
    /// nothing else of it.
    fn match_contexts(
        &self,
        document: &mut Map<String, Value>,
        options: &Map<String, Value>,
    ) -> Result<(), ProofError>;

    /// Before signing: adds to the proof what the transformation wants in it.
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
}

/// Whether a document's contexts begin with all contexts of a proof, in the same order.
fn begins_with(document: Option<&Value>, proof: &Value) -> bool {
    one_or_many(document).starts_with(one_or_many(Some(proof)))
}
