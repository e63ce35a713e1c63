//! What the ledger is and where its log ends.

use std::fmt;

use credlog_ledger::ids::{
    DisplayName, Height, LedgerId, MemberId, NodeAddress, Origin, Root, WebUrl,
};
use credlog_ledger::key::PublicKey;
use credlog_ledger::member::SeatedMember;
use credlog_ledger::parameters::Parameters;
use credlog_verify::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// GET /v1/ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LedgerView {
    /// Name of the log.
    pub origin: Origin,
    /// Ledger id: BLAKE3 of the genesis file.
    pub ledger_id: LedgerId,
    /// Height of the newest block; 0 before the first.
    pub height: Height,
    /// Leaves of the log.
    pub size: u64,
    /// Root of the log, hex.
    pub root: Root,
    /// Time of the newest seal; of the founding before the first.
    pub time: Time,
    /// Nothing sealed until this time is missing from the answers of this node.
    pub as_of: Time,
    /// The newest checkpoint that a quorum has cosigned; nothing before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attested: Option<AttestedView>,
    /// What this node is in the ledger.
    pub role: NodeRole,
    /// Nodes that this one is connected to.
    pub peers: u32,
    /// Whether this node knows that it is behind and catches up.
    pub syncing: bool,
    /// Members in force.
    pub members: Vec<MemberBrief>,
    /// Issuers registered.
    pub issuers: u64,
    /// Status lists opened.
    pub status_lists: u64,
    /// Caps in force (rule R10).
    pub parameters: Parameters,
    /// Version of the node's software.
    pub version: String,
}

/// What a node is in the ledger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum NodeRole {
    /// The node of a member: it votes, proposes and cosigns.
    Member,
    /// A full copy without a vote.
    #[default]
    Observer,
    /// The node of an institution that is not, or no longer, a member.
    Candidate,
    /// A member's node without a vote until its store has again what it once held.
    CatchingUp,
    /// A member's node that has other keys than the ledger knows of the member.
    KeysUnknown,
    /// A member's node that no longer knows what its keys have signed: without a vote until the
    /// members have replaced them.
    KeysLost,
}

impl fmt::Display for NodeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Member => "member",
            Self::Observer => "observer",
            Self::Candidate => "candidate",
            Self::CatchingUp => "catchingUp",
            Self::KeysUnknown => "keysUnknown",
            Self::KeysLost => "keysLost",
        })
    }
}

/// A checkpoint that a quorum has cosigned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttestedView {
    /// Leaves of the log at it.
    pub size: u64,
    /// Height of the block that it ends with.
    pub height: Height,
    /// Nothing attested before this time is missing from it (rule C4).
    pub as_of: Time,
    /// How long that was ago, in whole seconds, by the clock of the node.
    pub age_seconds: u64,
    /// Who cosigned it, in ascending order.
    pub cosigners: Vec<MemberId>,
    /// How many distinct members are a quorum for it.
    pub quorum: usize,
}

/// A member in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberBrief {
    /// Its identifier.
    pub id: MemberId,
    /// Its name.
    pub name: DisplayName,
    /// Where its node serves HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<WebUrl>,
}

impl MemberBrief {
    /// Describes a member of the set.
    pub fn new(seat: &SeatedMember) -> Self {
        Self {
            id: seat.member.id.clone(),
            name: seat.member.name.clone(),
            url: seat.member.url.clone(),
        }
    }
}

/// GET /v1/members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MembersView {
    /// The set is in force after the block of this height.
    pub height: Height,
    /// How many distinct members are a quorum.
    pub quorum: usize,
    /// The members, in ascending order of id.
    pub members: Vec<MemberView>,
}

/// A member with its keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberView {
    /// Its identifier.
    pub id: MemberId,
    /// Its name.
    pub name: DisplayName,
    /// Where its node serves HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<WebUrl>,
    /// Multiaddrs of its node.
    pub addresses: Vec<NodeAddress>,
    /// Its keys.
    pub keys: MemberKeysView,
    /// The name under which it cosigns checkpoints.
    pub cosigner_name: String,
}

/// The public keys of a member, each a Multikey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberKeysView {
    /// Signs records.
    pub governance: PublicKey,
    /// Signs consensus votes.
    pub consensus: PublicKey,
    /// Cosigns checkpoints.
    pub cosigner: PublicKey,
    /// Signs the checkpoint its node serves.
    pub node: PublicKey,
}

impl MemberView {
    /// Describes a member of the set.
    pub fn new(origin: &Origin, seat: &SeatedMember) -> Self {
        let member = &seat.member;
        Self {
            id: member.id.clone(),
            name: member.name.clone(),
            url: member.url.clone(),
            addresses: member.addresses.clone(),
            keys: MemberKeysView {
                governance: member.keys.governance.key.clone(),
                consensus: member.keys.consensus.key.clone(),
                cosigner: member.keys.cosigner.key.clone(),
                node: member.keys.node.key.clone(),
            },
            cosigner_name: seat.cosigner_name(origin),
        }
    }
}
