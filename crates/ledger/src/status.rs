//! Status bits: two a position, in chunks of 128 positions (docs/formats.md, "Status tree").

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::POSITIONS;
use crate::ids::{ListNumber, StatusIndex};

/// Positions in one chunk.
pub const CHUNK_POSITIONS: u32 = 128;
/// Bytes of one chunk: two bits a position.
pub const CHUNK_BYTES: usize = 32;
/// Chunks of one list.
pub const LIST_CHUNKS: u32 = POSITIONS / CHUNK_POSITIONS;

/// Status of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Neither bit is set.
    Valid,
    /// Bit 2: can be reinstated.
    Suspended,
    /// Bit 1: final. A suspension that was in force stays recorded.
    Revoked,
}

/// The 128 statuses of a chunk: position p of its list stands in byte (p mod 128) / 4,
/// bits 2(p mod 4) (revoked) and 2(p mod 4) + 1 (suspended), least significant first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Chunk(pub [u8; CHUNK_BYTES]);

/// Where a position stands: number of its chunk, byte and shift within it.
fn place(index: StatusIndex) -> (usize, u32) {
    let within = index.0 % CHUNK_POSITIONS;
    ((within / 4) as usize, 2 * (within % 4))
}

/// Number of the chunk that holds a position.
pub fn chunk_of(index: StatusIndex) -> u32 {
    index.0 / CHUNK_POSITIONS
}

impl Chunk {
    /// Status at a position (only its place within the chunk counts).
    pub fn status(&self, index: StatusIndex) -> Status {
        let (byte, shift) = place(index);
        match (self.0[byte] >> shift) & 0b11 {
            0b00 => Status::Valid,
            0b10 => Status::Suspended,
            _ => Status::Revoked,
        }
    }

    /// Sets the revoked bit.
    pub fn revoke(&mut self, index: StatusIndex) {
        let (byte, shift) = place(index);
        self.0[byte] |= 0b01 << shift;
    }

    /// Sets or clears the suspended bit.
    pub fn set_suspended(&mut self, index: StatusIndex, suspended: bool) {
        let (byte, shift) = place(index);
        self.0[byte] &= !(0b10 << shift);
        self.0[byte] |= u8::from(suspended) << (shift + 1);
    }

    /// The leaf of the status tree: `list u64 ‖ chunk u32 ‖ 32 bytes`, big-endian.
    pub fn leaf(&self, list: ListNumber, chunk: u32) -> [u8; 44] {
        let mut leaf = [0; 44];
        leaf[..8].copy_from_slice(&list.0.to_be_bytes());
        leaf[8..12].copy_from_slice(&chunk.to_be_bytes());
        leaf[12..].copy_from_slice(&self.0);
        leaf
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_stand_where_the_format_says() {
        let mut chunk = Chunk::default();
        chunk.revoke(StatusIndex(0));
        chunk.set_suspended(StatusIndex(5), true);
        chunk.revoke(StatusIndex(127));
        assert_eq!(chunk.0[0], 0b0000_0001);
        assert_eq!(chunk.0[1], 0b0000_1000);
        assert_eq!(chunk.0[31], 0b0100_0000);
        assert_eq!(chunk.status(StatusIndex(128 * 7)), Status::Revoked);
        assert_eq!(chunk.status(StatusIndex(5)), Status::Suspended);
        chunk.set_suspended(StatusIndex(5), false);
        assert_eq!(chunk.status(StatusIndex(5)), Status::Valid);
        assert_eq!(
            chunk.leaf(ListNumber(1), 2)[..12],
            [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2]
        );
    }
}
