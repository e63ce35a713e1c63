//! Why a receipt is refused, and what may stay unknown though it is good.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which check failed first, in the order of docs/formats.md ("Checking a receipt").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RefusalCode {
    /// Not the form of a receipt, or something is missing or surplus.
    Malformed,
    /// Of another ledger than the verifier's.
    OtherLedger,
    /// A leaf is not in the checkpoint's tree.
    Path,
    /// A leaf that has to be a seal is none.
    NotASeal,
    /// Not the seal for the time asked about, or not that of a record's block.
    WrongSeal,
    /// The proof of consistency fails.
    Consistency,
    /// The member set does not follow from what the verifier trusts.
    Members,
    /// A line of the checkpoint is by no member in force.
    UnknownSigner,
    /// Not exactly a quorum of cosignatures.
    Quorum,
    /// A cosignature does not verify.
    Cosignature,
    /// A registry entry is not that of the seal.
    Entry,
    /// The Issue record does not issue this credential by this issuer.
    Issue,
    /// A status chunk is not that of the as-of seal.
    Status,
    /// The record of the status does not explain it.
    StatusRecord,
    /// It contradicts what the verifier has believed before.
    Fork,
}

impl RefusalCode {
    /// The text form, as in docs/formats.md.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::OtherLedger => "other_ledger",
            Self::Path => "path",
            Self::NotASeal => "not_a_seal",
            Self::WrongSeal => "wrong_seal",
            Self::Consistency => "consistency",
            Self::Members => "members",
            Self::UnknownSigner => "unknown_signer",
            Self::Quorum => "quorum",
            Self::Cosignature => "cosignature",
            Self::Entry => "entry",
            Self::Issue => "issue",
            Self::Status => "status",
            Self::StatusRecord => "status_record",
            Self::Fork => "fork",
        }
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A receipt that proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("the receipt is refused ({code}): {reason}")]
pub struct Refusal {
    /// Which check failed.
    pub code: RefusalCode,
    /// What was found, in a sentence without its end.
    pub reason: String,
}

impl Refusal {
    pub(crate) fn new(code: RefusalCode, reason: impl fmt::Display) -> Self {
        Self {
            code,
            reason: reason.to_string(),
        }
    }

    /// For `map_err`: the error is the reason.
    pub(crate) fn of<E: fmt::Display>(code: RefusalCode) -> impl Fn(E) -> Self {
        move |error| Self::new(code, error)
    }
}

/// Why a good receipt does not answer the question: its status is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Doubt {
    /// The log is not attested up to the time asked about.
    AtNotReached,
    /// The verifier has seen a newer checkpoint, and nothing shows that this is of one log with it.
    OlderThanTrust,
    /// It was made longer ago than the verifier wants.
    TooOld,
}

impl Doubt {
    /// The text form, as in docs/formats.md.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AtNotReached => "at_not_reached",
            Self::OlderThanTrust => "older_than_trust",
            Self::TooOld => "too_old",
        }
    }
}
