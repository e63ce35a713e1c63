//! What was found out about a credential itself, before the ledger is asked.

use credlog_credential::AchievementClaims;
use credlog_ledger::ids::Digest;

use crate::timestamp::Time;
use crate::verdict::{CredentialSummary, Outcome};

/// What a verdict is about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // one a check, never in bulk
pub enum Subject {
    /// The whole credential was at hand.
    Credential(Presented),
    /// Only its digest was given.
    Digest(DigestOnly),
}

/// Who looks at the proof when only a digest is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestOnly {
    /// Nobody that this verdict knows of: it cannot be valid.
    ProofUnchecked,
    /// The caller says that it checked proof and issuer itself, and that the achievement of the
    /// Issue record is what the credential attests; the checks about that stay `unknown` here,
    /// and the summary is about the rest. Needs the issuer ([`Question::issuer`]): whoever does
    /// not say which issuer was checked has not checked it.
    ///
    /// [`Question::issuer`]: crate::facts::Question::issuer
    ProofCheckedElsewhere,
}

/// A credential whose own contents were checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// Its digest.
    pub digest: Digest,
    /// The issuer it names, a DID or another URL.
    pub issuer: String,
    /// The achievements that it attests, with their identifiers as they stand in it.
    pub achievements: AchievementClaims,
    /// Its proofs.
    pub proof: ProofFinding,
    /// Its own beginning of validity.
    pub valid_from: Option<Time>,
    /// Its own end of validity; that moment is still within.
    pub valid_until: Option<Time>,
    /// One finding for each `credentialStatus` entry that names a list elsewhere.
    pub status_lists: Vec<StatusListFinding>,
    /// For display.
    pub summary: CredentialSummary,
}

/// What checking the proofs gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofFinding {
    /// Yes: there is a proof and every proof is good. No: one is bad, or there is none.
    pub outcome: Outcome,
    /// Why, as a sentence.
    pub reason: String,
    /// The keys that made the good proofs.
    pub keys: Vec<SigningKey>,
}

/// A key that made a good proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// The public key as Multikey text.
    pub multikey: String,
    /// Who controls it as far as the verification method tells (a did:key tells; a URL with
    /// a key in its fragment does not).
    pub controller: Option<String>,
}

/// Why a status is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// As a sentence.
    pub why: String,
    /// The W3C problem identifier.
    pub problem: &'static str,
}

/// What a status list elsewhere says about the credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusListFinding {
    /// The list's URL, or what the entry is if it names none.
    pub list: String,
    /// `statusPurpose` of the entry.
    pub purpose: String,
    /// Whether the status is set, or why that cannot be known.
    pub set: Result<bool, Unread>,
    /// From when the list that was read counts.
    pub list_time: Option<Time>,
}
