//! The status lists of the ledger as the world reads them: Bitstring Status List v1.0.
//!
//! The ledger has two bits a position (docs/formats.md, "Status tree"), which are two lists of
//! one bit: what was revoked or superseded, and what is suspended. A credential that was revoked
//! while it was suspended stands in both.

use std::fmt;
use std::str::FromStr;

use credlog_credential::status::Bitstring;
use credlog_ledger::body::POSITIONS;
use credlog_ledger::ids::{Height, ListNumber};
use credlog_ledger::state::{State, View, ViewError};
use credlog_ledger::status::{CHUNK_POSITIONS, Chunk};

/// Bytes of a chunk's part of a list of one bit a position.
const PART_BYTES: usize = CHUNK_POSITIONS as usize / 8;

/// Which of the two lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Purpose {
    /// Revoked or superseded, for good.
    Revocation,
    /// Suspended for now.
    Suspension,
}

/// A text that is no purpose of this ledger's lists.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the ledger has status lists for the purposes revocation and suspension alone")]
pub struct UnknownPurpose;

impl Purpose {
    /// The `statusPurpose`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Revocation => "revocation",
            Self::Suspension => "suspension",
        }
    }

    /// Which of a position's two bits, counted from the least significant.
    fn bit(self) -> u32 {
        match self {
            Self::Revocation => 0,
            Self::Suspension => 1,
        }
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Purpose {
    type Err = UnknownPurpose;

    fn from_str(text: &str) -> Result<Self, UnknownPurpose> {
        [Self::Revocation, Self::Suspension]
            .into_iter()
            .find(|purpose| purpose.as_str() == text)
            .ok_or(UnknownPurpose)
    }
}

/// The bits of a list, after the block of a height or, without one, of the newest state.
/// Nothing if the list was not opened by then.
///
/// # Errors
/// [`ViewError`] if the state cannot be read.
pub fn status_bits(
    view: &dyn View,
    list: ListNumber,
    purpose: Purpose,
    height: Option<Height>,
) -> Result<Option<Bitstring>, ViewError> {
    let state = State(view);
    let opened = match height {
        None => state.head()?.status_lists,
        Some(height) => state.seal(height)?.map_or(0, |row| row.seal.status_lists),
    };
    if list.0 >= opened {
        return Ok(None);
    }
    let mut bytes = vec![0; POSITIONS as usize / 8];
    for (number, newest) in state.chunks(list)? {
        let chunk = match height {
            None => newest,
            Some(height) => state.chunk_at(list, number, height)?,
        };
        let start = number as usize * PART_BYTES;
        let part = bytes.get_mut(start..start + PART_BYTES);
        let damaged = || ViewError::Damaged(format!("status list {list} has no chunk {number}"));
        part.ok_or_else(damaged)?
            .copy_from_slice(&part_of(&chunk, purpose));
    }
    let bits = Bitstring::from_bytes(bytes);
    bits.map(Some)
        .map_err(|error| ViewError::Damaged(error.to_string()))
}

/// One bit a position, the first position left-most.
fn part_of(chunk: &Chunk, purpose: Purpose) -> [u8; PART_BYTES] {
    let mut part = [0; PART_BYTES];
    let (pairs, _) = chunk.0.as_chunks::<2>();
    for (byte, pair) in part.iter_mut().zip(pairs) {
        // Eight positions: two bits each, the first in the least significant of the first byte.
        let bits = u16::from_le_bytes(*pair) >> purpose.bit();
        for position in 0..8 {
            let bit = bits >> (2 * position) & 1;
            *byte |= u8::from(bit == 1) << (7 - position);
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use credlog_ledger::ids::StatusIndex;

    use super::*;

    #[test]
    fn each_bit_of_a_chunk_stands_in_its_list() {
        let mut chunk = Chunk::default();
        chunk.revoke(StatusIndex(0));
        chunk.set_suspended(StatusIndex(0), true);
        chunk.set_suspended(StatusIndex(9), true);
        chunk.revoke(StatusIndex(127));
        let revoked = part_of(&chunk, Purpose::Revocation);
        assert_eq!(revoked[..2], [0b1000_0000, 0]);
        assert_eq!(revoked[15], 1);
        let suspended = part_of(&chunk, Purpose::Suspension);
        assert_eq!(suspended[..2], [0b1000_0000, 0b0100_0000]);
        assert_eq!(suspended[15], 0);
    }

    #[test]
    fn a_purpose_is_read_as_it_is_written() {
        for purpose in [Purpose::Revocation, Purpose::Suspension] {
            assert_eq!(purpose.to_string().parse(), Ok(purpose));
        }
        for bad in ["", "Revocation", "message", "refresh"] {
            assert_eq!(bad.parse::<Purpose>(), Err(UnknownPurpose));
        }
    }
}
