//! What an audit tells.

use std::time::Duration;

use credlog_api::Time;
use credlog_ledger::ids::{Height, LedgerId, MemberId, Origin};
use credlog_ledger::state::StateDigest;
use credlog_tlog::TreeSize;
use serde::Serialize;

use crate::finding::Finding;

/// The outcome of an audit; docs/audit.md describes its JSON form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Name of the log.
    pub origin: Origin,
    /// Ledger id of the genesis file.
    pub ledger_id: LedgerId,
    /// Leaves of the newest checkpoint, which was audited.
    pub size: TreeSize,
    /// Root of the newest checkpoint, lower-case hex.
    pub root: String,
    /// Leaves that were read: `size`, unless something kept the audit from its end.
    pub leaves: u64,
    /// Records among them.
    pub records: u64,
    /// Height of the newest block that was read.
    pub height: Height,
    /// Time of its seal.
    pub time: Time,
    /// Certificates that verify.
    pub certificates: u64,
    /// Tiles of hashes that were compared.
    pub tiles: u64,
    /// How often the set of members changed.
    pub member_changes: u64,
    /// Members that cosigned the newest checkpoint.
    pub cosigned: Vec<MemberId>,
    /// How many make it attested.
    pub quorum: usize,
    /// Its as-of time; none if it is not attested.
    pub as_of: Option<Time>,
    /// The member whose node signed it; none for an observer's.
    pub served_by: Option<MemberId>,
    /// Status lists that were published and compared.
    pub status_lists: u64,
    /// Status lists that are newer than the newest checkpoint: of them no revocation is missing;
    /// what else they say was not compared.
    pub newer_status_lists: u64,
    /// The state after the newest block whose rules could be followed.
    pub state: FollowedState,
    /// What is wrong, in the order of the log; at most
    /// [`FINDINGS_MAX`](crate::finding::FINDINGS_MAX).
    pub findings: Vec<Finding>,
    /// How many findings there were.
    pub findings_count: u64,
    /// What could not be checked, and why. Empty if everything was.
    pub unchecked: Vec<String>,
    /// How long it took, in milliseconds.
    #[serde(rename = "milliseconds", serialize_with = "as_millis")]
    pub took: Duration,
}

/// The state as far as the rules could be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FollowedState {
    /// After the block of this height.
    pub height: Height,
    /// Its digest: the same for everyone who follows the same blocks, and on every node.
    pub digest: StateDigest,
    /// Its rows.
    pub rows: u64,
    /// Credentials in it.
    pub credentials: u64,
}

impl Report {
    /// Whether everything was checked, and nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.findings_count == 0 && self.unchecked.is_empty()
    }
}

fn as_millis<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
}
