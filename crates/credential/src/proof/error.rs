//! Why a proof does not count.

use thiserror::Error;
use time::OffsetDateTime;

use crate::multikey::{JwkError, MultikeyError};
use crate::problem;
use crate::rdf::RdfError;

/// Why one proof was not found good. [`Self::is_unknown`] tells "bad" from "cannot be checked".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProofError {
    /// A property of the proof is missing or has the wrong form.
    #[error("malformed proof: {property} {reason}")]
    Malformed {
        /// The property of the proof.
        property: &'static str,
        /// What is wrong and what is needed.
        reason: &'static str,
    },
    /// More proofs than are checked.
    #[error("the document carries {proofs} proofs; at most {proofs_max} are checked")]
    TooManyProofs {
        /// Proofs that it carries.
        proofs: usize,
        /// The limit.
        proofs_max: usize,
    },
    /// The signature does not fit the document, the proof's options and the key.
    #[error("the signature is invalid: the content was changed, or another key signed it")]
    InvalidSignature,
    /// Part of the document is not covered by the signature.
    #[error("not everything in the document is signed: {lost}")]
    DataLoss {
        /// What would be lost.
        lost: String,
    },
    /// The document is not valid JSON-LD.
    #[error("the document is not valid JSON-LD: {reason}")]
    InvalidJsonLd {
        /// What the processor says.
        reason: String,
    },
    /// A context that nobody here has: cannot be checked.
    #[error("cannot be checked: the context {url} is not built in")]
    UnknownContext {
        /// The context's URL.
        url: String,
    },
    /// JSON-LD that is not followed here: cannot be checked.
    #[error("cannot be checked: {feature} is not supported in a document")]
    UnsupportedJsonLd {
        /// What the document uses.
        feature: String,
    },
    /// The document is beyond the limits of canonicalisation: cannot be checked.
    #[error("cannot be checked: {reason}")]
    TooComplex {
        /// Which limit.
        reason: String,
    },
    /// A type of proof or a cryptosuite that is not known here: cannot be checked.
    #[error("cannot be checked: the cryptosuite {cryptosuite} is not supported")]
    UnsupportedSuite {
        /// The cryptosuite, or the `type` of a proof that is no DataIntegrityProof.
        cryptosuite: String,
    },
    /// No key is known for the verification method: cannot be checked.
    #[error("cannot be checked: no key is known for the verification method {verification_method}")]
    UnresolvableMethod {
        /// The verification method.
        verification_method: String,
    },
    /// The verification method may mean any of several keys; those that were tried did not
    /// sign, but not all were tried: cannot be checked.
    #[error(
        "cannot be checked: {verification_method} does not say which key it means, and only the \
         newest {tried} were tried"
    )]
    KeysUntried {
        /// The verification method.
        verification_method: String,
        /// Keys that were tried.
        tried: usize,
    },
    /// The verification method's key is unusable for the cryptosuite.
    #[error("the verification method's key is unusable: {0}")]
    UnusableKey(#[from] MultikeyError),
    /// The JSON Web Key that should check the signature is unusable.
    #[error("the verification method's key is unusable: {0}")]
    UnusableJwk(JwkError),
    /// The DID document's verification method is of a type that is not known here: cannot be
    /// checked.
    #[error("cannot be checked: a verification method of the type {kind} is not supported")]
    UnsupportedMethod {
        /// The method's `type`.
        kind: String,
    },
    /// The DID document has the verification method, but not for this.
    #[error("the DID document does not list {verification_method} under {purpose}")]
    NotForPurpose {
        /// The verification method.
        verification_method: String,
        /// The proof's purpose.
        purpose: String,
    },
    /// The DID document says that somebody else controls the verification method.
    #[error(
        "wrong controller: {verification_method} is controlled by {controller}, not by whom the \
         DID document is about"
    )]
    WrongController {
        /// The verification method.
        verification_method: String,
        /// The method's `controller`.
        controller: String,
    },
    /// The DID document says that the verification method was revoked or has expired.
    #[error("the DID document says that {verification_method} checks no proof since {since}")]
    EndedMethod {
        /// The verification method.
        verification_method: String,
        /// Since when.
        since: OffsetDateTime,
    },
    /// The proof was made for something else.
    #[error("the proof's purpose is {purpose:?}; {expected:?} is needed")]
    WrongPurpose {
        /// The proof's `proofPurpose`.
        purpose: String,
        /// The purpose that counts.
        expected: String,
    },
    /// The proof was made for another domain than the verifier's.
    #[error("the proof is for the domain {domain:?}; {expected:?} is needed")]
    WrongDomain {
        /// The proof's `domain`, empty if it has none.
        domain: String,
        /// The domain that counts.
        expected: String,
    },
    /// The proof answers another challenge than the verifier's.
    #[error("the proof answers the challenge {challenge:?}; {expected:?} is needed")]
    WrongChallenge {
        /// The proof's `challenge`, empty if it has none.
        challenge: String,
        /// The challenge that counts.
        expected: String,
    },
    /// The holder that a presentation names does not control the proof's key, or nobody knows.
    #[error(
        "the presentation's holder is {holder:?}, but the proof's key is controlled by {}",
        controller.as_deref().unwrap_or("nobody who is known")
    )]
    WrongHolder {
        /// The presentation's holder.
        holder: String,
        /// Who controls the key, if somebody vouches for that.
        controller: Option<String>,
    },
    /// The proof's own `expires` has passed.
    #[error("the proof expired at {expires}")]
    Expired {
        /// The proof's `expires`.
        expires: OffsetDateTime,
    },
    /// The proof is for a document with other contexts.
    #[error("the document's @context does not begin with the proof's @context")]
    ContextMismatch,
    /// `previousProof` names a proof that is not there.
    #[error("the previous proof {id} is missing")]
    PreviousProofMissing {
        /// What `previousProof` says.
        id: String,
    },
    /// `previousProof` names a proof that does not verify.
    #[error("the previous proof {id} is not good")]
    PreviousProofInvalid {
        /// What `previousProof` says.
        id: String,
    },
}

impl ProofError {
    /// Whether the proof cannot be checked here, and might be good.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::UnknownContext { .. }
            | Self::UnsupportedJsonLd { .. }
            | Self::TooComplex { .. }
            | Self::TooManyProofs { .. }
            | Self::UnsupportedSuite { .. }
            | Self::UnresolvableMethod { .. }
            | Self::UnsupportedMethod { .. }
            | Self::KeysUntried { .. } => true,
            Self::UnusableKey(error) => error.is_unknown(),
            Self::WrongHolder { controller, .. } => controller.is_none(),
            Self::UnusableJwk(error) => error.is_unknown(),
            _ => false,
        }
    }

    /// The W3C problem identifier.
    #[must_use]
    pub fn problem_type(&self) -> &'static str {
        match self {
            Self::DataLoss { .. } => problem::DATA_LOSS_DETECTION_ERROR,
            Self::InvalidSignature => problem::CRYPTOGRAPHIC_SECURITY_ERROR,
            Self::Malformed { .. } | Self::UnusableKey(_) | Self::UnusableJwk(_) => {
                problem::MALFORMED_VALUE_ERROR
            }
            Self::WrongDomain { .. } => problem::INVALID_DOMAIN_ERROR,
            Self::WrongChallenge { .. } => problem::INVALID_CHALLENGE_ERROR,
            _ => problem::PROOF_VERIFICATION_ERROR,
        }
    }
}

impl From<RdfError> for ProofError {
    fn from(error: RdfError) -> Self {
        match error {
            RdfError::UnknownContext { url } => Self::UnknownContext { url },
            RdfError::Unsupported { feature } => Self::UnsupportedJsonLd { feature },
            RdfError::DataLoss { lost } => Self::DataLoss { lost },
            RdfError::Invalid { reason } => Self::InvalidJsonLd { reason },
            RdfError::TooComplex { reason } => Self::TooComplex { reason },
        }
    }
}
