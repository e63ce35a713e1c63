//! Cells: what stands in sled under one key, and the keys.
//!
//! One sled tree holds everything, so that one batch is atomic over all of it. A key begins
//! with the byte of its [`Kind`]; integers are big-endian. A value ends with the first eight
//! bytes of BLAKE3 over `key length u32 ‖ key ‖ value`, checked at every read: sled may hand
//! out garbled or misplaced bytes after a bit flip.

use credlog_ledger::ids::Height;

use crate::fault::Fault;

/// Bytes of the check at the end of a cell.
pub(crate) const CHECK_BYTES: usize = 8;
/// Blocks longer than this are stored in parts of [`LONG_PART_BYTES`], others in parts of
/// [`SHORT_PART_BYTES`]; the table of a block says which.
const SHORT_BLOCK_BYTES: usize = 256 << 10;
/// sled keeps 16 values in a node, writes whole nodes again and again, and puts nodes over a
/// quarter of a segment into files of their own ("blobs"). Measured, blocks take least disk
/// in few long parts, which become blobs.
const LONG_PART_BYTES: usize = 63 << 10;
/// Each blob costs a file made and a wait for the disk, which a short block feels: 16 of
/// these parts make no blob. Measured with blocks of 100 and 500 records, a commit takes a
/// third less time, and a sixth more disk.
const SHORT_PART_BYTES: usize = 1_900;
/// Tiles are stored in parts of this many hashes: only the last part of a growing tile
/// changes.
pub(crate) const TILE_PART_HASHES: u16 = 32;

/// First byte of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Row key → a row of the state.
    Row = 1,
    /// Lowest row key → a page of rows of a uniform table.
    Page = 2,
    /// Height, part → the table of a block's parts, then its bytes (see `block`).
    Block = 3,
    /// Level, index, part → hashes of a tile so far.
    Tile = 4,
    /// Nothing → the committed position.
    Position = 5,
    /// Height → the commit certificate (see `testimony`, for the next ones too).
    Certificate = 6,
    /// Size → cosignatures of that checkpoint.
    Cosignatures = 7,
    /// Nothing → size of the newest attested checkpoint.
    Attested = 8,
    /// Slot → evidence of an equivocation.
    Evidence = 9,
    /// Nothing → digest of the four kinds before.
    Testimony = 10,
}

impl Kind {
    /// Kind, number and part of a cell, if this is a key of one: height and part of a
    /// block, index and part of a tile, the number of the others that have one.
    pub(crate) fn parse(key: &[u8]) -> Option<(Self, u64, u16)> {
        let number = |from: usize| {
            let bytes = key.get(from..)?.first_chunk::<8>()?;
            Some(u64::from_be_bytes(*bytes))
        };
        match key {
            [1, _, ..] => Some((Self::Row, 0, 0)),
            [2, _, ..] => Some((Self::Page, 0, 0)),
            [3, .., high, low] if key.len() == 11 => {
                Some((Self::Block, number(1)?, u16::from_be_bytes([*high, *low])))
            }
            [4, _, .., part] if key.len() == 11 => Some((Self::Tile, number(2)?, u16::from(*part))),
            [5] => Some((Self::Position, 0, 0)),
            [6, ..] if key.len() == 9 => Some((Self::Certificate, number(1)?, 0)),
            [7, ..] if key.len() == 9 => Some((Self::Cosignatures, number(1)?, 0)),
            [8] => Some((Self::Attested, 0, 0)),
            [9, high, low] => {
                let slot = u64::from(u16::from_be_bytes([*high, *low]));
                Some((Self::Evidence, slot, 0))
            }
            [10] => Some((Self::Testimony, 0, 0)),
            _ => None,
        }
    }
}

pub(crate) fn row_key(row: &[u8]) -> Vec<u8> {
    [&[Kind::Row as u8], row].concat()
}

pub(crate) fn page_key(row: &[u8]) -> Vec<u8> {
    [&[Kind::Page as u8], row].concat()
}

/// Bytes of the parts of a block of this length.
pub(crate) fn block_part_bytes(length: usize) -> usize {
    match length <= SHORT_BLOCK_BYTES {
        true => SHORT_PART_BYTES,
        false => LONG_PART_BYTES,
    }
}

pub(crate) fn block_key(height: Height, part: u16) -> Vec<u8> {
    let height = height.0.to_be_bytes();
    [&[Kind::Block as u8][..], &height, &part.to_be_bytes()].concat()
}

pub(crate) fn tile_key(level: u8, index: u64, part: u8) -> Vec<u8> {
    let index = index.to_be_bytes();
    [&[Kind::Tile as u8, level][..], &index, &[part]].concat()
}

pub(crate) fn position_key() -> Vec<u8> {
    vec![Kind::Position as u8]
}

pub(crate) fn certificate_key(height: Height) -> Vec<u8> {
    [&[Kind::Certificate as u8][..], &height.0.to_be_bytes()].concat()
}

pub(crate) fn cosignatures_key(size: u64) -> Vec<u8> {
    [&[Kind::Cosignatures as u8][..], &size.to_be_bytes()].concat()
}

pub(crate) fn attested_key() -> Vec<u8> {
    vec![Kind::Attested as u8]
}

pub(crate) fn evidence_key(slot: u16) -> Vec<u8> {
    [&[Kind::Evidence as u8][..], &slot.to_be_bytes()].concat()
}

pub(crate) fn testimony_key() -> Vec<u8> {
    vec![Kind::Testimony as u8]
}

/// A value with its check.
pub(crate) fn seal(key: &[u8], mut value: Vec<u8>) -> Vec<u8> {
    let check = check(key, &value);
    value.extend_from_slice(&check);
    value
}

/// The value of a cell whose check holds.
pub(crate) fn open<'c>(key: &[u8], cell: &'c [u8]) -> Result<&'c [u8], Fault> {
    let opened = cell
        .split_last_chunk::<CHECK_BYTES>()
        .filter(|(value, stored)| check(key, value) == **stored);
    opened
        .map(|(value, _)| value)
        .ok_or_else(|| Fault::damaged(format!("{} is garbled", describe(key))))
}

/// The value of a cell that [`open`] has opened before.
pub(crate) fn value(cell: &[u8]) -> &[u8] {
    &cell[..cell.len().saturating_sub(CHECK_BYTES)]
}

fn check(key: &[u8], value: &[u8]) -> [u8; CHECK_BYTES] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes());
    hasher.update(key);
    hasher.update(value);
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..CHECK_BYTES]);
    check
}

/// A key in words.
pub(crate) fn describe(key: &[u8]) -> String {
    let row = |row: &[u8]| match row.split_first() {
        Some((table, rest)) => format!("{:?} of table {table}", hex::encode(rest)),
        None => String::new(),
    };
    match Kind::parse(key) {
        Some((Kind::Row, ..)) => format!("row {}", row(&key[1..])),
        Some((Kind::Page, ..)) => format!("page {}", row(&key[1..])),
        Some((Kind::Block, height, _)) => format!("the block of height {height}"),
        Some((Kind::Tile, index, _)) => format!("tile {index} of level {}", key[1]),
        Some((Kind::Position, ..)) => "the committed position".to_owned(),
        Some((Kind::Certificate, height, _)) => format!("the certificate of height {height}"),
        Some((Kind::Cosignatures, size, _)) => format!("the cosignatures of size {size}"),
        Some((Kind::Attested, ..)) => "the newest attested size".to_owned(),
        Some((Kind::Evidence, slot, _)) => format!("evidence {slot}"),
        Some((Kind::Testimony, ..)) => "the digest of the testimony".to_owned(),
        None => format!("a cell with the unknown key {}", hex::encode(key)),
    }
}

/// The key after all keys that begin with `prefix`, if there is one.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut after = prefix[..=last].to_vec();
    after[last] += 1;
    Some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_opens_under_its_own_key_only() {
        let cell = seal(b"key", b"value".to_vec());
        assert_eq!(open(b"key", &cell), Ok(&b"value"[..]));
        assert!(open(b"ke", &cell).is_err());
        assert!(open(b"key", &cell[..7]).is_err());
        // Moving the boundary between key and value is noticed.
        assert_ne!(check(b"ab", b"c"), check(b"a", b"bc"));
        for at in 0..cell.len() {
            let mut flipped = cell.clone();
            flipped[at] ^= 1;
            assert!(open(b"key", &flipped).is_err(), "byte {at}");
        }
    }

    #[test]
    fn keys_end_where_their_prefix_ends() {
        assert_eq!(after_prefix(&[1, 2]), Some(vec![1, 3]));
        assert_eq!(after_prefix(&[1, 0xff]), Some(vec![2]));
        assert_eq!(after_prefix(&[0xff]), None);
        assert_eq!(describe(&block_key(Height(7), 0)), "the block of height 7");
        assert_eq!(describe(&tile_key(1, 9, 3)), "tile 9 of level 1");
    }
}
