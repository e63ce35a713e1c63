//! The bytes on the wire, and the limits that all nodes share.
//!
//! With LEDGER the ledger id in lower-case hexadecimal:
//!
//! | what | where |
//! |---|---|
//! | gossip (gossipsub 1.2, signed, message id by content) | `/meshsub/1.2.0` and before |
//! | its topics | `credlog/1/LEDGER/records`, `credlog/1/LEDGER/cosignatures` |
//! | what was missed (one request and response a stream) | `/credlog/LEDGER/missed/1` |
//! | prologue of Noise on TCP | `credlog/gossip/1\n` ‖ the ledger id's 32 bytes |
//!
//! A message's id is BLAKE3 in `derive_key` mode, context `credlog gossip message v1`, over
//! topic ‖ `\n` ‖ batch: the same batch is one message, whoever signs its envelope.
//!
//! A **batch** is the payload of a gossip message and of some responses: payloads one after
//! the other, each `length u32 ‖ bytes`, with 1 to 65,536 bytes each. Integers are big-endian.
//!
//! ```text
//! request   0x01                                        ids of the pending records?
//!           0x02 ‖ count u16 ‖ count * id [32]          those records, please (1 to 512)
//!           0x03                                        the newest cosignatures?
//! response  0x01 ‖ count u16 ‖ count * id [32]          at most 8,192
//!           0x02 ‖ served u16 ‖ length u32 ‖ batch      for the first `served` ids
//!           0x03 ‖ length u32 ‖ batch
//! ```
//!
//! A record that is no longer pending is left out of the batch; `served` counts it.

use bytes::{Buf, Bytes};
use thiserror::Error;

/// The most bytes of one record.
pub const RECORD_BYTES_MAX: usize = 65_536;
/// The most bytes of one cosignature (its text lines).
pub const COSIGNATURE_BYTES_MAX: usize = 4_096;
/// The most bytes of a gossip message's batch.
pub const MESSAGE_BYTES_MAX: usize = 128 << 10;
/// The most payloads in one batch.
pub const BATCH_ITEMS_MAX: usize = 4_096;
/// The most ids of pending records in one response.
pub const PENDING_IDS_MAX: usize = 8_192;
/// The most records that one request asks for.
pub const REQUEST_IDS_MAX: usize = 512;
/// The most bytes of a batch in a response.
pub const RESPONSE_BYTES_MAX: usize = 1 << 20;

/// The length of an id.
pub(crate) const ID_BYTES: usize = 32;
/// The length field before each payload.
const LENGTH_BYTES: usize = 4;

pub(crate) type Id = [u8; ID_BYTES];

/// What a batch carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Signed records.
    Records,
    /// Cosignatures of checkpoints.
    Cosignatures,
}

impl Kind {
    /// The most bytes of one payload.
    pub fn payload_bytes_max(self) -> usize {
        match self {
            Self::Records => RECORD_BYTES_MAX,
            Self::Cosignatures => COSIGNATURE_BYTES_MAX,
        }
    }
}

/// Why a batch is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BatchError {
    /// More bytes than a batch may have.
    #[error("a batch of {bytes} bytes; at most {max} are allowed")]
    TooLong {
        /// Bytes given.
        bytes: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// More payloads than a batch may have.
    #[error("a batch of more than {BATCH_ITEMS_MAX} payloads")]
    TooMany,
    /// A payload without bytes, or with too many.
    #[error("a payload of {bytes} bytes in a batch; 1 to {max} are allowed")]
    Payload {
        /// Its length field.
        bytes: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The batch ends inside of a payload or its length.
    #[error("a batch that ends inside of a payload")]
    Truncated,
    /// A gossip message without a payload.
    #[error("a batch without payloads")]
    Empty,
}

/// Takes a batch apart without copying. An empty one gives no payloads.
///
/// # Errors
/// [`BatchError`]; nothing is allocated beyond one handle a payload.
pub fn unpack(mut batch: Bytes, kind: Kind, bytes_max: usize) -> Result<Vec<Bytes>, BatchError> {
    if batch.len() > bytes_max {
        return Err(BatchError::TooLong {
            bytes: batch.len(),
            max: bytes_max,
        });
    }
    let max = kind.payload_bytes_max();
    let mut payloads = Vec::new();
    while !batch.is_empty() {
        if payloads.len() == BATCH_ITEMS_MAX {
            return Err(BatchError::TooMany);
        }
        if batch.len() < LENGTH_BYTES {
            return Err(BatchError::Truncated);
        }
        let bytes = usize::try_from(batch.get_u32()).unwrap_or(usize::MAX);
        if bytes == 0 || bytes > max {
            return Err(BatchError::Payload { bytes, max });
        }
        if batch.len() < bytes {
            return Err(BatchError::Truncated);
        }
        payloads.push(batch.split_to(bytes));
    }
    Ok(payloads)
}

/// A batch that is being put together.
#[derive(Debug, Default)]
pub(crate) struct Packer {
    batch: Vec<u8>,
    items: usize,
}

impl Packer {
    /// Adds a payload, or gives false when it does not fit any more. The caller has checked
    /// the payload's own length.
    pub(crate) fn add(&mut self, payload: &[u8], bytes_max: usize) -> bool {
        let Ok(length) = u32::try_from(payload.len()) else {
            return false;
        };
        let fits = self.batch.len() + LENGTH_BYTES + payload.len() <= bytes_max;
        if !fits || self.items == BATCH_ITEMS_MAX {
            return false;
        }
        self.batch.extend_from_slice(&length.to_be_bytes());
        self.batch.extend_from_slice(payload);
        self.items += 1;
        true
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// The batch; the packer begins a new one.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        self.items = 0;
        std::mem::take(&mut self.batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(batch: &[u8]) -> Result<Vec<Bytes>, BatchError> {
        unpack(
            Bytes::copy_from_slice(batch),
            Kind::Cosignatures,
            MESSAGE_BYTES_MAX,
        )
    }

    #[test]
    fn a_batch_by_hand() {
        let batch = b"\x00\x00\x00\x02ab\x00\x00\x00\x01c";
        assert_eq!(unpacked(batch).unwrap(), ["ab", "c"]);
        let mut packer = Packer::default();
        assert!(packer.is_empty());
        assert!(packer.add(b"ab", 100) && packer.add(b"c", 100));
        assert_eq!(packer.finish(), batch);
        assert!(packer.is_empty());
    }

    #[test]
    fn malformed_batches() {
        let max = COSIGNATURE_BYTES_MAX;
        assert_eq!(unpacked(b"\x00\x00\x00"), Err(BatchError::Truncated));
        assert_eq!(unpacked(b"\x00\x00\x00\x02a"), Err(BatchError::Truncated));
        assert_eq!(
            unpacked(&[0; 4]),
            Err(BatchError::Payload { bytes: 0, max })
        );
        let long = u32::MAX.to_be_bytes();
        assert_eq!(
            unpacked(&long),
            Err(BatchError::Payload {
                bytes: 0xffff_ffff,
                max
            })
        );
        let many = b"\x00\x00\x00\x01x".repeat(BATCH_ITEMS_MAX + 1);
        assert_eq!(unpacked(&many), Err(BatchError::TooMany));
        let bytes = MESSAGE_BYTES_MAX + 1;
        let too_long = BatchError::TooLong {
            bytes,
            max: MESSAGE_BYTES_MAX,
        };
        assert_eq!(unpacked(&vec![1; bytes]), Err(too_long));
    }

    #[test]
    fn a_packer_keeps_its_limits() {
        let mut packer = Packer::default();
        assert!(packer.add(&[1; 6], 10));
        assert!(!packer.add(&[1; 1], 14));
        let mut packer = Packer::default();
        assert!((0..BATCH_ITEMS_MAX).all(|_| packer.add(b"x", usize::MAX)));
        assert!(!packer.add(b"x", usize::MAX));
    }
}
