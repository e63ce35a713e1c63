//! The verdict: checks with reasons and evidence, and one summary.

use std::fmt;

use credlog_ledger::body::Reason;
use credlog_ledger::ids::{
    AchievementId, Digest, DisplayName, Height, IssuerId, LeafIndex, LedgerId, ListNumber,
    MemberId, Origin, RecordId, StatusIndex,
};
use credlog_ledger::key::PublicKey;
use credlog_ledger::record::AuthorId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::holder::PresentedCredential;
use crate::timestamp::Time;

/// Everything that can be said about one credential, as of one state of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// One word; the first that matches, in the order of [`Summary`].
    pub summary: Summary,
    /// The summary as a sentence.
    pub headline: String,
    /// The credential's digest.
    pub digest: Digest,
    /// The point of the log that answered.
    pub ledger: LedgerPoint,
    /// The date asked about; absent for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// The moment that validity and accreditation were checked for: `at`, or the time of
    /// the check.
    pub moment: Time,
    /// What the ledger calls issuer and achievement. Show these names before those that the
    /// credential claims: whoever wrote the credential chose them.
    #[serde(default, skip_serializing_if = "Registered::is_empty")]
    pub registered: Registered,
    /// The credential's own claims, for display; absent when only the digest was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialSummary>,
    /// The checks, in the order of [`CheckName`]; `status_list` only when the credential
    /// names a list elsewhere, `contained` only when credentials are inside of it.
    pub checks: Vec<Check>,
    /// The verdicts about the credentials inside of it (Comprehensive Learner Record), in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub contained: Vec<PresentedCredential>,
    /// By a receipt: each link of its proof, from the credential to the genesis.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<Link>,
}

/// A link in the proof of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// What it links.
    pub name: LinkName,
    /// What it shows, in a sentence.
    pub shows: String,
}

impl Link {
    pub(crate) fn new(name: LinkName, shows: String) -> Self {
        Self { name, shows }
    }
}

/// The links of a receipt's proof, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LinkName {
    /// The credential stands in an Issue record.
    Issue,
    /// A seal closes that record's block.
    IssueSeal,
    /// The issuer's entry under that seal.
    IssuerAtIssue,
    /// The issuer's entry under the as-of seal.
    Issuer,
    /// The status chunk under the as-of seal.
    Status,
    /// The record that made the status.
    StatusRecord,
    /// The as-of seal is the newest for the time asked about.
    Seal,
    /// Everything is under one checkpoint, which a quorum cosigned.
    Checkpoint,
    /// The members follow from what the verifier trusts.
    Members,
}

impl LinkName {
    /// For people.
    pub fn spoken(self) -> &'static str {
        match self {
            Self::Issue => "issued",
            Self::IssueSeal => "sealed",
            Self::IssuerAtIssue => "issuer then",
            Self::Issuer => "issuer now",
            Self::Status => "status",
            Self::StatusRecord => "status record",
            Self::Seal => "as of",
            Self::Checkpoint => "attested",
            Self::Members => "members",
        }
    }
}

/// A credential as people want to see it. Every field is its own claim; nothing is verified.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialSummary {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The issuer's identifier.
    pub issuer: String,
    /// The issuer's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_name: Option<String>,
    /// Identifier of the achievement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub achievement: Option<String>,
    /// Name of the achievement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub achievement_name: Option<String>,
    /// Beginning of validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Time>,
    /// End of validity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Time>,
    /// All of `type`.
    pub types: Vec<String>,
}

impl Verdict {
    /// A check by name.
    pub fn check(&self, name: CheckName) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }

    /// The exit code of `credlog verify`: [`Summary::exit_code`].
    pub fn exit_code(&self) -> u8 {
        self.summary.exit_code()
    }

    /// Adds what was found out about the credentials inside of it. Each is judged by itself: one
    /// that is revoked does not end the record that lists it, but has to be seen.
    pub(crate) fn contain(&mut self, contained: Vec<PresentedCredential>) {
        if contained.is_empty() {
            return;
        }
        let valid = |one: &&PresentedCredential| one.summary() == Summary::Valid;
        let (all, good) = (contained.len(), contained.iter().filter(valid).count());
        let reason = match all - good {
            0 => format!("All {all} credentials inside of it are valid."),
            bad => format!("Of {all} credentials inside of it {bad} cannot be called valid."),
        };
        let outcome = match good == all {
            true => Outcome::Yes,
            false => Outcome::No,
        };
        if outcome == Outcome::No {
            self.headline = format!("{} {reason}", self.headline);
        }
        self.checks.push(Check {
            name: CheckName::Contained,
            outcome,
            reason,
            amounts_to: Summary::Valid,
            evidence: Evidence::default(),
        });
        self.contained = contained;
    }
}

/// Names that the ledger knows; only what it knows is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Registered {
    /// Name of the issuer, as the member that accredited it registered it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer_name: Option<DisplayName>,
    /// The achievement of the Issue record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub achievement: Option<AchievementId>,
    /// Its name, as the issuer defined it on the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub achievement_name: Option<DisplayName>,
}

impl Registered {
    /// Whether the ledger knows none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The point of the log that answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerPoint {
    /// Origin of the log.
    pub origin: Origin,
    /// Ledger id.
    pub id: LedgerId,
    /// Height of the newest block.
    pub height: Height,
    /// Leaves of the log.
    pub size: u64,
    /// As-of time: nothing sealed until then is missing.
    pub as_of: Time,
}

/// One word for the whole. The order is the order of precedence: the first that matches.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Summary {
    /// Not genuine: the proof is bad, or not the issuer's, or the issuer had no right to it.
    Invalid,
    /// Revoked, for good.
    Revoked,
    /// Suspended for now.
    Suspended,
    /// Replaced by another credential.
    Superseded,
    /// Its validity has not begun.
    NotYetValid,
    /// Its validity is over.
    Expired,
    /// Not issued on this ledger.
    NotAnchored,
    /// Something that has to be known is not known.
    Unknown,
    /// Everything that has to hold holds.
    Valid,
}

impl Summary {
    /// All summaries, in order of precedence.
    pub const ALL: [Self; 9] = [
        Self::Invalid,
        Self::Revoked,
        Self::Suspended,
        Self::Superseded,
        Self::NotYetValid,
        Self::Expired,
        Self::NotAnchored,
        Self::Unknown,
        Self::Valid,
    ];

    /// 0 for valid, 2 for not anchored and unknown, 1 for the others.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::NotAnchored | Self::Unknown => 2,
            _ => 1,
        }
    }

    /// The text form, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Revoked => "revoked",
            Self::Suspended => "suspended",
            Self::Superseded => "superseded",
            Self::NotYetValid => "not_yet_valid",
            Self::Expired => "expired",
            Self::NotAnchored => "not_anchored",
            Self::Unknown => "unknown",
            Self::Valid => "valid",
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One question with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Which question.
    pub name: CheckName,
    /// The answer.
    pub outcome: Outcome,
    /// Why, in sentences for people who issue and read credentials.
    pub reason: String,
    /// What this check alone makes of the whole; the verdict's summary is the first of these
    /// in the order of [`Summary`]. A check that only informs amounts to valid.
    pub amounts_to: Summary,
    /// What the answer rests on.
    #[serde(default, skip_serializing_if = "Evidence::is_empty")]
    pub evidence: Evidence,
}

/// The questions, in the order in which a verdict answers them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CheckName {
    /// Is every proof good?
    Proof,
    /// Is the key one that the ledger knows for the issuer at the time of issue?
    Issuer,
    /// Was the issuer accredited to award this when it was issued?
    AccreditationAtIssue,
    /// Is it still? Informs only: what was rightly issued stays valid.
    AccreditationNow,
    /// Was it issued on this ledger?
    Anchored,
    /// Is it neither revoked nor suspended on this ledger?
    Status,
    /// Is it neither revoked nor suspended on the lists elsewhere that it names?
    StatusList,
    /// Is the moment within its validity?
    Validity,
    /// Are the credentials inside of it valid? Informs only: each has a verdict of its own.
    Contained,
    /// Of a presentation: did its holder sign it, for whoever asked?
    Holder,
    /// Of a receipt: does it prove what is said, for the moment of the check?
    Receipt,
    /// Of a receipt: are the members that attest it those that the verifier knows? Informs only.
    MemberSetCurrency,
}

impl CheckName {
    /// The text form, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proof => "proof",
            Self::Issuer => "issuer",
            Self::AccreditationAtIssue => "accreditation_at_issue",
            Self::AccreditationNow => "accreditation_now",
            Self::Anchored => "anchored",
            Self::Status => "status",
            Self::StatusList => "status_list",
            Self::Validity => "validity",
            Self::Contained => "contained",
            Self::Holder => "holder",
            Self::Receipt => "receipt",
            Self::MemberSetCurrency => "member_set_currency",
        }
    }
}

impl fmt::Display for CheckName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An answer.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is so.
    Yes,
    /// It is not so.
    No,
    /// It cannot be known here.
    Unknown,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        })
    }
}

/// What an answer rests on; only what applies is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Evidence {
    /// The record that made it so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record_id: Option<RecordId>,
    /// Where that record stands in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leaf_index: Option<LeafIndex>,
    /// Height of its block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<Height>,
    /// Time of its seal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// The issuer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<IssuerId>,
    /// The member that accredits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member: Option<MemberId>,
    /// Who signed the record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<AuthorId>,
    /// The key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PublicKey>,
    /// Beginning of the interval that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// End of the interval that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// From when the key was in other hands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compromised_since: Option<Time>,
    /// The achievement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub achievement: Option<AchievementId>,
    /// Status list of this ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<ListNumber>,
    /// Position in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<StatusIndex>,
    /// Why the status changed or the accreditation ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The credential in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<Digest>,
    /// URLs of status lists elsewhere that were read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub status_lists: Vec<String>,
}

impl Evidence {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
