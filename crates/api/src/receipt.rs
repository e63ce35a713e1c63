//! Receipts and what else verifiers check without trusting a node.

use credlog_ledger::ids::{Digest, Height, IssuerId, LedgerId};
use credlog_tlog::TreeSize;
use credlog_verify::Time;
use credlog_verify::receipt::{ChangeProof, HashText, Path, Receipt};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most bytes of a request for receipts: 1,024 digests, each with an issuer.
pub const RECEIPTS_REQUEST_BYTES_MAX: usize = 512 << 10;

/// Query of GET /v1/receipts/{digest}.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReceiptQuery {
    /// The date asked about; absent for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// The credential's issuer; absent for everybody who issued it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<IssuerId>,
    /// Changes of the member set are shown that came after this height; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Height>,
    /// Leaves of the checkpoint that the verifier trusts: the receipt shows that it is of one
    /// log with that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted: Option<TreeSize>,
}

/// Body of POST /v1/receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReceiptsRequest {
    /// The credentials, at most 1,024.
    pub credentials: Vec<ReceiptSubject>,
    /// The date asked about; absent for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// Changes of the member set are shown that came after this height; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Height>,
    /// Leaves of the checkpoint that the verifier trusts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted: Option<TreeSize>,
}

/// A credential that a receipt is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReceiptSubject {
    /// Its digest.
    pub digest: Digest,
    /// Its issuer; absent for everybody who issued it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<IssuerId>,
}

/// Answer of POST /v1/receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptsAnswer {
    /// One receipt about all of them that are on the ledger; absent if none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// Those that are not, as far as `checkpoint` reaches.
    pub not_anchored: Vec<Digest>,
    /// The checkpoint that was looked at.
    pub checkpoint: AttestedPoint,
}

/// An attested checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttestedPoint {
    /// Leaves of the log.
    pub size: TreeSize,
    /// Height of its seal.
    pub height: Height,
    /// Nothing that was attested before this time is missing from it.
    pub as_of: Time,
}

/// Query of GET /v1/consistency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsistencyQuery {
    /// Leaves of the older log.
    pub from: TreeSize,
    /// Leaves of the newer log; the log may have more.
    pub to: TreeSize,
}

/// Answer of GET /v1/consistency: that the log of `to` leaves continues the one of `from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsistencyView {
    /// Leaves of the older log.
    pub from: TreeSize,
    /// Its root.
    pub from_root: HashText,
    /// Leaves of the newer log.
    pub to: TreeSize,
    /// Its root.
    pub to_root: HashText,
    /// RFC 6962 section 2.1.2.
    pub path: Path,
}

/// Query of GET /v1/members/history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryQuery {
    /// Changes after this height; absent for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Height>,
}

/// Answer of GET /v1/members/history: what it takes to follow the member set, as in a receipt
/// (docs/formats.md, "Following the members").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberHistory {
    /// The ledger.
    pub ledger: LedgerId,
    /// The changes are those after this height.
    pub since: Height,
    /// Up to this height, that of the newest attested checkpoint.
    pub height: Height,
    /// The changes of the member set, in order.
    pub members: Vec<ChangeProof>,
    /// That checkpoint, a signed note with the cosignatures of a quorum.
    pub checkpoint: String,
}
