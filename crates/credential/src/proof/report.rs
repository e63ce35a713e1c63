//! What verifying the proofs of a document found out.

use time::OffsetDateTime;

use crate::proof::error::ProofError;
use crate::proof::method::MethodKey;

/// One word for all proofs of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// There is at least one proof, and every proof is good.
    Valid,
    /// At least one proof is bad, or there is none.
    Invalid,
    /// None is bad, but at least one cannot be checked.
    Unknown,
}

/// Whether the issuer controls the key of a good proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuerBinding {
    /// The controller of a good proof's key is the issuer.
    Bound,
    /// Every good proof's key has a known controller, and none is the issuer; or no proof is good.
    NotBound,
    /// A good proof's key has no known controller, and no other proof binds the issuer.
    Unknown,
}

/// One proof. The properties are the proof's claims as far as they are readable; only a `result`
/// of `Ok` makes them trustworthy.
#[derive(Debug, Clone, PartialEq)]
pub struct ProofResult {
    /// The proof's identifier, a URL.
    pub id: Option<String>,
    /// The cryptosuite's name.
    pub cryptosuite: Option<String>,
    /// The verification method, a URL.
    pub verification_method: Option<String>,
    /// The purpose, for instance `assertionMethod`.
    pub purpose: Option<String>,
    /// When the proof says it was made.
    pub created: Option<OffsetDateTime>,
    /// The public key that was used, and its controller. Where the method names none and
    /// several could be meant: the one that fits the signature.
    pub key: Option<MethodKey>,
    /// Good, or why not.
    pub result: Result<(), ProofError>,
}

/// All proofs of a document, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct ProofReport {
    /// One result a proof; a single result for a document with more proofs than are checked.
    pub proofs: Vec<ProofResult>,
}

impl ProofReport {
    /// One word for all proofs: a bad one spoils the rest.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let bad = |proof: &ProofResult| proof.result.as_ref().is_err_and(|e| !e.is_unknown());
        if self.proofs.is_empty() || self.proofs.iter().any(bad) {
            Outcome::Invalid
        } else if self.proofs.iter().all(|proof| proof.result.is_ok()) {
            Outcome::Valid
        } else {
            Outcome::Unknown
        }
    }

    /// The first reason why [`Self::outcome`] is not valid: a bad proof before an unknown one.
    #[must_use]
    pub fn first_error(&self) -> Option<&ProofError> {
        let errors = || {
            self.proofs
                .iter()
                .filter_map(|proof| proof.result.as_ref().err())
        };
        errors()
            .find(|error| !error.is_unknown())
            .or_else(|| errors().next())
    }

    /// Whether an issuer (its identifier as the document names it) controls a good proof's key.
    #[must_use]
    pub fn issuer_binding(&self, issuer_id: &str) -> IssuerBinding {
        let mut binding = IssuerBinding::NotBound;
        for proof in self.proofs.iter().filter(|proof| proof.result.is_ok()) {
            match proof.key.as_ref().and_then(|key| key.controller.as_deref()) {
                Some(controller) if controller == issuer_id => return IssuerBinding::Bound,
                Some(_) => {}
                None => binding = IssuerBinding::Unknown,
            }
        }
        binding
    }
}
