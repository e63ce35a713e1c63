//! Blocks: the leaves one proposer puts forward.

use crate::codec::CodecError;
use crate::record::{EncodedRecord, LEAF_BYTES_MAX, RECORD_LEAF, RecordError};
use crate::seal::Seal;

/// Longest block in bytes: every leaf with its two length bytes.
pub const BLOCK_BYTES_MAX: usize = 1 << 20;

/// A block as it is stored and sent: its records' leaves and the seal's leaf, each
/// behind its length (u16 big-endian), as in a C2SP entry bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The records, in order.
    pub records: Vec<EncodedRecord>,
    /// The seal.
    pub seal: Seal,
}

/// Bytes that are not a block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockFormatError {
    /// Over [`BLOCK_BYTES_MAX`] (rule R2).
    #[error("R2: the block has {size} bytes; at most {BLOCK_BYTES_MAX} are allowed")]
    TooLong {
        /// Its size.
        size: usize,
    },
    /// A length that reaches past the end.
    #[error("the block ends inside leaf {leaf}")]
    Truncated {
        /// Number of the leaf within the block, from 0.
        leaf: usize,
    },
    /// A leaf that is neither record nor seal, or a seal in the middle.
    #[error("leaf {leaf} of the block is not {expected}")]
    Leaf {
        /// Number of the leaf within the block, from 0.
        leaf: usize,
        /// What had to stand there.
        expected: &'static str,
    },
    /// A record that does not decode.
    #[error("record {leaf} of the block: {source}")]
    Record {
        /// Number of the leaf within the block, from 0.
        leaf: usize,
        /// What is wrong.
        source: RecordError,
    },
    /// A seal that does not decode or encode.
    #[error(transparent)]
    Seal(#[from] CodecError),
    /// The seal counts other than the records that stand there (rule R3).
    #[error("R3: the seal counts {claimed} records, the block has {found}")]
    Count {
        /// What the seal says.
        claimed: u32,
        /// What stands there.
        found: usize,
    },
}

impl Block {
    /// The leaves in order, the seal's last.
    ///
    /// # Errors
    /// [`BlockFormatError::Seal`].
    pub fn leaves(&self) -> Result<Vec<Vec<u8>>, BlockFormatError> {
        let mut leaves: Vec<_> = self.records.iter().map(EncodedRecord::leaf).collect();
        leaves.push(self.seal.leaf()?);
        Ok(leaves)
    }

    /// The stored form.
    ///
    /// # Errors
    /// [`BlockFormatError::TooLong`] beyond [`BLOCK_BYTES_MAX`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, BlockFormatError> {
        let seal = self.seal.leaf()?;
        let records = self.records.iter().map(EncodedRecord::leaf_bytes);
        let mut bytes = Vec::with_capacity(self.records.iter().map(record_cost).sum());
        for leaf in records.chain([seal.as_slice()]) {
            let length = u16::try_from(leaf.len())
                .map_err(|_| BlockFormatError::TooLong { size: leaf.len() })?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(leaf);
        }
        if bytes.len() > BLOCK_BYTES_MAX {
            return Err(BlockFormatError::TooLong { size: bytes.len() });
        }
        Ok(bytes)
    }

    /// Reads the stored form. Signatures and rules are not checked here.
    ///
    /// # Errors
    /// Every [`BlockFormatError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlockFormatError> {
        let leaves = split_leaves(bytes)?;
        let Some((seal, records)) = leaves.split_last() else {
            return Err(BlockFormatError::Truncated { leaf: 0 });
        };
        let seal = Seal::from_leaf(seal)?;
        let records = records
            .iter()
            .enumerate()
            .map(|(leaf, bytes)| match bytes {
                [RECORD_LEAF, record @ ..] => EncodedRecord::decode(record)
                    .map_err(|source| BlockFormatError::Record { leaf, source }),
                _ => Err(BlockFormatError::Leaf {
                    leaf,
                    expected: "a record (0x01)",
                }),
            })
            .collect::<Result<Vec<_>, _>>()?;
        if usize::try_from(seal.record_count) != Ok(records.len()) {
            return Err(BlockFormatError::Count {
                claimed: seal.record_count,
                found: records.len(),
            });
        }
        Ok(Self { records, seal })
    }
}

/// Bytes a record adds to a block: length, leaf type and canonical bytes.
pub fn record_cost(record: &EncodedRecord) -> usize {
    2 + 1 + record.bytes().len()
}

/// The leaves of a stored block, without reading what they say.
///
/// # Errors
/// [`BlockFormatError::TooLong`] or [`BlockFormatError::Truncated`].
pub fn split_leaves(bytes: &[u8]) -> Result<Vec<&[u8]>, BlockFormatError> {
    if bytes.len() > BLOCK_BYTES_MAX {
        return Err(BlockFormatError::TooLong { size: bytes.len() });
    }
    let mut leaves = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let truncated = BlockFormatError::Truncated { leaf: leaves.len() };
        let (length, after) = rest.split_first_chunk::<2>().ok_or(truncated.clone())?;
        let length = usize::from(u16::from_be_bytes(*length));
        debug_assert!(length <= LEAF_BYTES_MAX);
        let (leaf, after) = after.split_at_checked(length).ok_or(truncated)?;
        leaves.push(leaf);
        rest = after;
    }
    Ok(leaves)
}
