//! Bundles of entries: up to 256 entries, each `u16 big-endian length ‖ entry` (C2SP tlog-tiles).

use crate::tile::TILE_WIDTH;
use thiserror::Error;

/// The longest entry, in bytes: its length is written in 16 bits.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;

/// Appends one entry to the bytes of a bundle.
///
/// # Errors
/// [`BundleError::EntryTooLong`] above [`ENTRY_BYTES_MAX`]; `bundle` is then unchanged.
pub fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), BundleError> {
    let length =
        u16::try_from(entry.len()).map_err(|_| BundleError::EntryTooLong { bytes: entry.len() })?;
    bundle.extend_from_slice(&length.to_be_bytes());
    bundle.extend_from_slice(entry);
    Ok(())
}

/// The bytes of a bundle of 1 to 256 entries.
///
/// # Errors
/// [`BundleError::Empty`], [`BundleError::TooMany`] or [`BundleError::EntryTooLong`].
pub fn encode_bundle<T: AsRef<[u8]>>(entries: &[T]) -> Result<Vec<u8>, BundleError> {
    if entries.is_empty() {
        return Err(BundleError::Empty);
    }
    if entries.len() > usize::from(TILE_WIDTH) {
        return Err(BundleError::TooMany);
    }
    let bytes = entries.iter().map(|entry| 2 + entry.as_ref().len()).sum();
    let mut bundle = Vec::with_capacity(bytes);
    for entry in entries {
        push_entry(&mut bundle, entry.as_ref())?;
    }
    Ok(bundle)
}

/// The entries of a bundle, 1 to 256, borrowed from its bytes.
///
/// # Errors
/// [`BundleError::Empty`], [`BundleError::TooMany`], or [`BundleError::Truncated`] when the last
/// entry is not whole.
pub fn decode_bundle(bundle: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    if bundle.is_empty() {
        return Err(BundleError::Empty);
    }
    let mut entries = Vec::new();
    let mut rest = bundle;
    while !rest.is_empty() {
        if entries.len() == usize::from(TILE_WIDTH) {
            return Err(BundleError::TooMany);
        }
        let (entry, after) = split_entry(rest).ok_or(BundleError::Truncated {
            entry: entries.len(),
            bytes: rest.len(),
        })?;
        entries.push(entry);
        rest = after;
    }
    Ok(entries)
}

/// Like [`decode_bundle`], for a bundle that must hold exactly `width` entries.
///
/// # Errors
/// As [`decode_bundle`], and [`BundleError::Width`] for another number of entries.
pub fn decode_bundle_of(bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, BundleError> {
    let entries = decode_bundle(bundle)?;
    if entries.len() != usize::from(width) {
        return Err(BundleError::Width {
            expected: width,
            found: entries.len(),
        });
    }
    Ok(entries)
}

fn split_entry(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// Why bytes or entries are not a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BundleError {
    /// A bundle holds at least one entry.
    #[error("a bundle of entries must not be empty")]
    Empty,
    /// More than 256 entries.
    #[error("a bundle holds at most {TILE_WIDTH} entries, this has more")]
    TooMany,
    /// The bundle has another number of entries than its path says.
    #[error("the bundle holds {found} entries, its path says {expected}")]
    Width {
        /// The width of the path.
        expected: u16,
        /// The number of entries.
        found: usize,
    },
    /// The entry does not fit the 16-bit length.
    #[error("an entry has at most {ENTRY_BYTES_MAX} bytes, this has {bytes}")]
    EntryTooLong {
        /// Length of the entry.
        bytes: usize,
    },
    /// The bundle ends within an entry.
    #[error("entry {entry} of the bundle is cut off: {bytes} bytes are left with its length")]
    Truncated {
        /// Position of the entry in the bundle.
        entry: usize,
        /// Bytes left, the entry's length included.
        bytes: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_both_ways() {
        assert_eq!(encode_bundle::<&[u8]>(&[]), Err(BundleError::Empty));
        assert_eq!(decode_bundle(&[]), Err(BundleError::Empty));
        let full = encode_bundle(&[b"e"; 256]).unwrap();
        assert_eq!(decode_bundle(&full).unwrap(), [b"e"; 256]);
        assert_eq!(encode_bundle(&[b"e"; 257]), Err(BundleError::TooMany));
        assert_eq!(
            decode_bundle(&[full, vec![0, 0]].concat()),
            Err(BundleError::TooMany)
        );
        let longest = vec![9; ENTRY_BYTES_MAX];
        let bundle = encode_bundle(&[&longest]).unwrap();
        assert_eq!(decode_bundle(&bundle).unwrap(), [&longest]);
        let error = encode_bundle(&[vec![9; ENTRY_BYTES_MAX + 1]]);
        assert_eq!(
            error,
            Err(BundleError::EntryTooLong {
                bytes: ENTRY_BYTES_MAX + 1
            })
        );
    }

    #[test]
    fn a_cut_bundle_is_refused_or_shorter() {
        let bundle = encode_bundle(&[&b"ab"[..], b"", b"cde"]).unwrap();
        assert_eq!(bundle, b"\x00\x02ab\x00\x00\x00\x03cde");
        assert_eq!(
            decode_bundle_of(&bundle, 3).unwrap(),
            [&b"ab"[..], b"", b"cde"]
        );
        let width = BundleError::Width {
            expected: 4,
            found: 3,
        };
        assert_eq!(decode_bundle_of(&bundle, 4), Err(width));
        for cut in 1..bundle.len() {
            assert!(decode_bundle_of(&bundle[..cut], 3).is_err(), "cut at {cut}");
        }
        let truncated = BundleError::Truncated { entry: 1, bytes: 1 };
        assert_eq!(decode_bundle(&bundle[..5]), Err(truncated));
    }
}
