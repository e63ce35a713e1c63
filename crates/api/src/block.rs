//! Blocks, for explorers and auditors.

use credlog_ledger::ids::{Height, LeafIndex, MemberId, RecordId, Root, Round};
use credlog_ledger::record::Author;
use credlog_ledger::rows::SealRow;
use credlog_ledger::seal::Seal;
use credlog_verify::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::page::Page;

/// A block in a list: GET /v1/blocks, newest first. The paging token is the height.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockBrief {
    /// Height.
    pub height: Height,
    /// Time of the seal.
    pub time: Time,
    /// Round in which it was first proposed.
    pub round: Round,
    /// Who proposed it.
    pub proposer: MemberId,
    /// Records in it.
    pub record_count: u32,
    /// First leaf of the block.
    pub first_leaf: LeafIndex,
    /// Size of the log after it.
    pub size: u64,
    /// Root of the log at that size, hex.
    pub root: Root,
}

impl BlockBrief {
    /// Describes a sealed block.
    pub fn new(row: &SealRow) -> Self {
        Self {
            height: row.seal.height,
            time: row.seal.time.into(),
            round: row.seal.round,
            proposer: row.seal.proposer.clone(),
            record_count: row.seal.record_count,
            first_leaf: LeafIndex(row.first_leaf),
            size: row.size,
            root: row.root,
        }
    }
}

/// GET /v1/blocks/{height}.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockView {
    /// Height, time and place in the log.
    #[serde(flatten)]
    pub block: BlockBrief,
    /// The seal as it stands in the log (times in Unix milliseconds).
    pub seal: Seal,
    /// The block's records, in order. The paging token is the place within the block, from 0.
    pub records: Page<BlockRecord>,
}

/// A record in a block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BlockRecord {
    /// Its id.
    pub record_id: RecordId,
    /// Its place in the log.
    pub leaf_index: LeafIndex,
    /// What kind of record: a [`Body::kind`](credlog_ledger::body::Body::kind).
    pub kind: String,
    /// Who signed it.
    pub author: Author,
}
