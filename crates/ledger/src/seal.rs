//! The seal: the last leaf of every block, and the state's roots under it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::codec::{self, CodecError};
use crate::ids::{Height, MemberId, Root, Round, UnixMillis};

/// First byte of a leaf that holds a seal.
pub const SEAL_LEAF: u8 = 0x02;
/// Version of the seal.
pub const SEAL_VERSION: u8 = 1;
/// Limit of a seal's canonical bytes.
pub const SEAL_BYTES_MAX: usize = 1_024;

/// The seal of a block (rule R3).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Seal {
    /// [`SEAL_VERSION`].
    pub version: u8,
    /// Height of the block.
    pub height: Height,
    /// Effective time of everything in the block (rule R1).
    pub time: UnixMillis,
    /// Round in which the block was first proposed.
    pub round: Round,
    /// Who proposed it first.
    pub proposer: MemberId,
    /// Records in the block.
    pub record_count: u32,
    /// Root of the status tree.
    pub status_root: Root,
    /// Status lists opened so far; the status tree has 1,024 leaves a list.
    pub status_lists: u64,
    /// Root of the registry tree.
    pub registry_root: Root,
    /// Issuers registered so far: the size of the registry tree.
    pub registry_size: u64,
    /// BLAKE3 of the member set for the next height.
    pub members_hash: Root,
}

impl Seal {
    /// The leaf: type byte and canonical bytes.
    ///
    /// # Errors
    /// [`CodecError`] never for a seal made of valid parts.
    pub fn leaf(&self) -> Result<Vec<u8>, CodecError> {
        let bytes = codec::encode("seal", self, SEAL_BYTES_MAX)?;
        Ok([&[SEAL_LEAF], bytes.as_slice()].concat())
    }

    /// Reads a leaf.
    ///
    /// # Errors
    /// [`CodecError`] if it is not the canonical leaf of a seal.
    pub fn from_leaf(leaf: &[u8]) -> Result<Self, CodecError> {
        match leaf {
            [SEAL_LEAF, bytes @ ..] => codec::decode("seal", bytes, SEAL_BYTES_MAX),
            _ => Err(CodecError::Malformed {
                what: "seal",
                reason: "its first byte is not 0x02".to_owned(),
            }),
        }
    }
}
