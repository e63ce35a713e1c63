//! Values of the state's rows.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::{Action, Reason};
use crate::ids::{
    AchievementId, Digest, Height, IssuerNumber, KeyId, LeafIndex, LedgerId, ListNumber, MemberId,
    Origin, RecordId, Root, StatusIndex, TreeSize, UnixMillis,
};
use crate::key::PublicKey;
use crate::record::AuthorId;
use crate::seal::Seal;

/// Which ledger this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRow {
    /// Ledger id.
    pub id: LedgerId,
    /// Origin of the log.
    pub origin: Origin,
}

/// Where the log ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Height of the newest block; 0 before the first.
    pub height: Height,
    /// Its seal's time; the founding time before the first.
    pub time: UnixMillis,
    /// Leaves of the log.
    pub size: u64,
    /// Root of the log.
    pub root: Root,
    /// Hashes of the complete subtrees at the right edge, largest first.
    pub edge: Vec<Root>,
    /// Root of the status tree.
    pub status_root: Root,
    /// Status lists opened.
    pub status_lists: u64,
    /// Root of the registry tree.
    pub registry_root: Root,
    /// Issuers registered.
    pub registry_size: u64,
}

impl Head {
    /// Leaves of the log.
    pub fn tree_size(&self) -> TreeSize {
        TreeSize(self.size)
    }
}

/// A seal and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealRow {
    /// The seal.
    pub seal: Seal,
    /// First leaf of its block.
    pub first_leaf: u64,
    /// Size of the log after it: the seal is the last leaf.
    pub size: u64,
    /// Root of the log at that size.
    pub root: Root,
}

/// What is counted for a member, past or present.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// Its proposals that were not closed; some may have expired.
    pub open_proposals: Vec<RecordId>,
    /// Places it has taken by accreditations (rule R10).
    pub accreditations: u32,
    /// Number of its next cosigner key.
    pub next_cosigner: u32,
}

/// Who registered a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyUse {
    /// The key.
    pub key: PublicKey,
    /// The owner.
    pub owner: AuthorId,
}

/// A status list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRow {
    /// Whose list.
    pub issuer: IssuerNumber,
    /// Positions used.
    pub used: u32,
}

/// Where a credential stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialRow {
    /// Leaf of its Issue record.
    pub leaf: LeafIndex,
    /// Status list.
    pub list: ListNumber,
    /// Position in it.
    pub index: StatusIndex,
}

/// What is common to the credentials of one Issue record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueRow {
    /// Id of the record.
    pub record: RecordId,
    /// Height of its block.
    pub height: Height,
    /// Time of its seal.
    pub time: UnixMillis,
    /// The issuer.
    pub issuer: IssuerNumber,
    /// The issuer's key that signed it.
    pub key: KeyId,
    /// Place in the issuer's entry of the accreditation that covered it.
    pub accreditation: u16,
    /// What the credentials attest.
    pub achievement: Option<AchievementId>,
    /// Beginning of validity.
    pub valid_from: Option<UnixMillis>,
    /// End of validity.
    pub valid_until: Option<UnixMillis>,
}

/// A change of status of one credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusEvent {
    /// What happened.
    pub change: StatusChangeKind,
    /// The record that did it.
    pub record: RecordId,
    /// Its leaf.
    pub leaf: LeafIndex,
    /// Time of its seal.
    pub time: UnixMillis,
    /// Who signed it.
    pub by: AuthorId,
    /// Why.
    pub reason: Reason,
}

/// What happened to a credential's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum StatusChangeKind {
    /// Revoked, for good.
    Revoked,
    /// Suspended.
    Suspended,
    /// A suspension ended.
    Reinstated,
    /// Replaced by another credential of the issuer; revoked, for good.
    Superseded {
        /// The credential in its place.
        by: Digest,
    },
}

/// A proposal (rule R9).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalRow {
    /// Who proposed it.
    pub proposer: MemberId,
    /// The action.
    pub action: Action,
    /// Time of its seal.
    pub time: UnixMillis,
    /// Who approved it, with the id of the Approve record.
    pub approvals: Vec<(MemberId, RecordId)>,
    /// How it ended, if it did (a proposal also ends by expiry).
    pub closed: Option<ProposalEnd>,
}

/// A proposal expires this long after its seal.
const PROPOSAL_MILLIS: u64 = 30 * 24 * 60 * 60 * 1000;

impl ProposalRow {
    /// The last moment at which it can be approved.
    pub fn expires(&self) -> UnixMillis {
        self.time.plus(PROPOSAL_MILLIS)
    }

    /// Whether it can be approved or retracted at `time`.
    pub fn is_open(&self, time: UnixMillis) -> bool {
        self.closed.is_none() && time <= self.expires()
    }
}

/// How a proposal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProposalEnd {
    /// It took effect.
    Executed,
    /// Its proposer took it back.
    Retracted,
}
