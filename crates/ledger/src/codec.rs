//! Canonical bytes: bincode 1.3.3, fixed-width big-endian integers, a limit,
//! no trailing bytes, and one encoding for each value.

use bincode::Options;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Bytes that are not the canonical encoding of the expected value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Longer than the limit of its type.
    #[error("{what} has {size} bytes, more than the limit of {limit}")]
    TooLong {
        /// What was read or written.
        what: &'static str,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not an encoding of the type.
    #[error("these bytes are not {what}: {reason}")]
    Malformed {
        /// What was expected.
        what: &'static str,
        /// What the decoder found.
        reason: String,
    },
    /// An encoding, but not the canonical one.
    #[error("these bytes encode {what} in another than the canonical form")]
    NotCanonical {
        /// What was expected.
        what: &'static str,
    },
}

/// Room for the values of which there are most, a place in the log or in a status list.
const BYTES_USUAL: usize = 32;

fn options(limit: usize) -> impl Options {
    bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .with_big_endian()
        .with_limit(limit as u64)
        .reject_trailing_bytes()
}

/// The canonical bytes of `value`.
///
/// # Errors
/// [`CodecError::TooLong`] beyond `limit` bytes.
pub fn encode<T: Serialize>(
    what: &'static str,
    value: &T,
    limit: usize,
) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::with_capacity(BYTES_USUAL);
    write(what, value, &mut bytes)?;
    if bytes.len() > limit {
        let size = bytes.len();
        return Err(CodecError::TooLong { what, size, limit });
    }
    Ok(bytes)
}

/// Writes without a limit, which would take a pass of its own: the value is in memory already.
fn write<T: Serialize>(
    what: &'static str,
    value: &T,
    to: impl std::io::Write,
) -> Result<(), CodecError> {
    let options = bincode::DefaultOptions::new()
        .with_fixint_encoding()
        .with_big_endian()
        .with_no_limit();
    let written = options.serialize_into(to, value);
    written.map_err(|error| CodecError::Malformed {
        what,
        reason: error.to_string(),
    })
}

/// Compares what is written with what should be.
struct Expected<'b> {
    left: &'b [u8],
    same: bool,
}

impl std::io::Write for Expected<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self.left.split_at_checked(bytes.len()) {
            Some((next, left)) if self.same => {
                self.same = next == bytes;
                self.left = left;
            }
            _ => self.same = false,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Reads canonical bytes: what decodes must encode to the same bytes.
///
/// # Errors
/// Every [`CodecError`]. A hostile length allocates at most 1 MiB before it is found out (serde's
/// first guess), for each level of nesting.
pub fn decode<T: Serialize + DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    limit: usize,
) -> Result<T, CodecError> {
    let value: T = decode_stored(what, bytes, limit)?;
    let mut expected = Expected {
        left: bytes,
        same: true,
    };
    write(what, &value, &mut expected)?;
    if !expected.same || !expected.left.is_empty() {
        return Err(CodecError::NotCanonical { what });
    }
    Ok(value)
}

/// Reads bytes that this program encoded itself and a store keeps under checks of its own:
/// as [`decode`], without encoding the value again to compare.
///
/// # Errors
/// [`CodecError::TooLong`] and [`CodecError::Malformed`].
pub(crate) fn decode_stored<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    limit: usize,
) -> Result<T, CodecError> {
    if bytes.len() > limit {
        return Err(CodecError::TooLong {
            what,
            size: bytes.len(),
            limit,
        });
    }
    options(limit)
        .deserialize(bytes)
        .map_err(|error| CodecError::Malformed {
            what,
            reason: error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_fixed_width_and_big_endian() {
        assert_eq!(encode("pair", &(1u16, 2u32), 6), Ok(vec![0, 1, 0, 0, 0, 2]));
        assert!(matches!(
            encode("pair", &(1u16, 2u32), 5),
            Err(CodecError::TooLong {
                size: 6,
                limit: 5,
                ..
            })
        ));
    }

    #[test]
    fn trailing_and_oversized_bytes_are_refused() {
        assert!(matches!(
            decode::<u16>("number", &[0, 1, 2], 10),
            Err(CodecError::Malformed { .. })
        ));
        assert!(matches!(
            decode::<u16>("number", &[0, 1, 2], 2),
            Err(CodecError::TooLong { size: 3, .. })
        ));
        let huge = [0xff; 16];
        assert!(decode::<Vec<u8>>("bytes", &huge, 100).is_err());
    }
}
