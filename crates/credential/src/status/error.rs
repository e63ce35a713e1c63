//! Why a status is unknown.

use thiserror::Error;
use time::OffsetDateTime;

use crate::credential::CredentialError;
use crate::problem;
use crate::proof::error::ProofError;

/// Why a status list, or an entry of it, gives no status.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StatusError {
    /// The entry is of a kind that is not known here.
    #[error("the status entry is {types}, not a BitstringStatusListEntry")]
    UnsupportedEntry {
        /// The entry's types.
        types: String,
    },
    /// A property of an entry or a list is missing or has the wrong form.
    #[error("{property} of the status {part} {reason}")]
    Malformed {
        /// `entry` or `list`.
        part: &'static str,
        /// The property.
        property: &'static str,
        /// What is wrong and what is needed.
        reason: &'static str,
    },
    /// The status list is not a credential.
    #[error("the status list: {0}")]
    ListForm(#[from] CredentialError),
    /// No list with the entry's URL is at hand.
    #[error("the status list {list} is not at hand; hand it over with the credential")]
    ListNotAtHand {
        /// The list's URL.
        list: String,
    },
    /// The list's proof is not good, or cannot be checked.
    #[error("the status list's proof: {0}")]
    ListProof(ProofError),
    /// The list carries no proof.
    #[error("the status list carries no proof")]
    ListUnsigned,
    /// The list's issuer is not known to control the key that signed it.
    #[error("the status list is signed by a key that is not known to be {issuer}'s")]
    ListIssuerNotBound {
        /// The list's issuer.
        issuer: String,
    },
    /// The list does not count yet.
    #[error("the status list counts from {valid_from} only")]
    ListNotYetValid {
        /// The list's `validFrom`.
        valid_from: OffsetDateTime,
    },
    /// The list does not count any more.
    #[error("the status list counted until {valid_until}; hand over a newer one")]
    ListExpired {
        /// The list's `validUntil`.
        valid_until: OffsetDateTime,
    },
    /// The caller does not trust the list's issuer for this credential.
    #[error("the status list's issuer {issuer} does not speak for this credential")]
    UntrustedIssuer {
        /// The list's issuer.
        issuer: String,
    },
    /// The list is for another purpose.
    #[error("the status list is not for the purpose {purpose:?}")]
    PurposeMismatch {
        /// The entry's purpose.
        purpose: String,
    },
    /// The list has fewer positions than the specification allows.
    #[error("the status list has {positions} positions; at least 131072 are needed")]
    ListTooShort {
        /// Positions that it has.
        positions: u64,
    },
    /// A list with so many positions is not made or read.
    #[error("a status list has at most {positions_max} positions")]
    ListTooLong {
        /// The limit.
        positions_max: u64,
    },
    /// The entry's index lies behind the end of the list.
    #[error("the status index {index} is outside of the list of {positions} positions")]
    IndexOutOfRange {
        /// The entry's index.
        index: u64,
        /// Positions of the list.
        positions: u64,
    },
}

impl StatusError {
    /// The W3C problem identifier.
    #[must_use]
    pub fn problem_type(&self) -> &'static str {
        match self {
            Self::ListNotAtHand { .. } => problem::STATUS_RETRIEVAL_ERROR,
            Self::ListTooShort { .. } => problem::STATUS_LIST_LENGTH_ERROR,
            Self::IndexOutOfRange { .. } | Self::ListTooLong { .. } => problem::RANGE_ERROR,
            Self::Malformed { .. } | Self::UnsupportedEntry { .. } => {
                problem::MALFORMED_VALUE_ERROR
            }
            Self::ListForm(_)
            | Self::ListProof(_)
            | Self::ListUnsigned
            | Self::ListIssuerNotBound { .. }
            | Self::ListNotYetValid { .. }
            | Self::ListExpired { .. }
            | Self::UntrustedIssuer { .. }
            | Self::PurposeMismatch { .. } => problem::STATUS_VERIFICATION_ERROR,
        }
    }
}
