//! The bits of a status list and their text form.
//!
//! `u` (multibase, base64url without padding) over GZIP of the bits; index 0 is the left-most bit
//! of the first byte (Bitstring Status List v1.0 sections 3.3 and 3.4).

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use super::error::StatusError;

/// Positions that a list has at least (section 3.1: herd privacy).
pub const POSITIONS_MIN: u64 = 131_072;

/// Positions of the longest list that is made or read, 4 MiB of bits.
pub const POSITIONS_MAX: u64 = 8 * BYTES_MAX as u64;

const BYTES_MAX: usize = 4 << 20;

/// The bits of a status list.
#[derive(Clone, PartialEq, Eq)]
pub struct Bitstring {
    bytes: Vec<u8>,
}

impl Bitstring {
    /// A list with no bit set; the number of positions is rounded up to whole bytes.
    ///
    /// # Errors
    /// [`StatusError::ListTooShort`] below [`POSITIONS_MIN`], [`StatusError::ListTooLong`] above
    /// [`POSITIONS_MAX`].
    pub fn new(positions: u64) -> Result<Self, StatusError> {
        if positions < POSITIONS_MIN {
            return Err(StatusError::ListTooShort { positions });
        }
        match usize::try_from(positions.div_ceil(8)) {
            Ok(bytes) if bytes <= BYTES_MAX => Ok(Self {
                bytes: vec![0; bytes],
            }),
            _ => Err(StatusError::ListTooLong {
                positions_max: POSITIONS_MAX,
            }),
        }
    }

    /// A list from its bytes, index 0 being the left-most bit of the first.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, StatusError> {
        let positions = 8 * bytes.len() as u64;
        if positions < POSITIONS_MIN {
            return Err(StatusError::ListTooShort { positions });
        }
        if positions > POSITIONS_MAX {
            return Err(StatusError::ListTooLong {
                positions_max: POSITIONS_MAX,
            });
        }
        Ok(Self { bytes })
    }

    /// Reads an `encodedList`.
    ///
    /// # Errors
    /// [`StatusError::Malformed`], [`StatusError::ListTooShort`] or [`StatusError::ListTooLong`].
    pub fn decode(encoded: &str) -> Result<Self, StatusError> {
        let compressed = encoded
            .strip_prefix('u')
            .and_then(|t| URL_SAFE_NO_PAD.decode(t).ok());
        let compressed =
            compressed.ok_or(malformed("must be \"u\" and base64url without padding"))?;
        let mut gzip = GzDecoder::new(compressed.as_slice());
        let mut bytes = Vec::with_capacity(16 << 10);
        // One byte more than allowed is enough to know; a bomb is not unpacked further.
        let read = gzip
            .by_ref()
            .take(BYTES_MAX as u64 + 1)
            .read_to_end(&mut bytes);
        read.map_err(|_| malformed("must hold whole GZIP data"))?;
        if bytes.len() <= BYTES_MAX && !gzip.into_inner().is_empty() {
            return Err(malformed("must hold nothing behind its GZIP data"));
        }
        Self::from_bytes(bytes)
    }

    /// The `encodedList` of these bits.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        // A `Vec` takes every write.
        let written = gzip.write_all(&self.bytes).and_then(|()| gzip.finish());
        let Ok(compressed) = written else {
            unreachable!("writing to memory does not fail");
        };
        format!("u{}", URL_SAFE_NO_PAD.encode(compressed))
    }

    /// Positions of the list, each one bit.
    #[must_use]
    pub fn positions(&self) -> u64 {
        8 * self.bytes.len() as u64
    }

    /// The bytes, index 0 being the left-most bit of the first.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bit at an index; `None` behind the end.
    #[must_use]
    pub fn bit(&self, index: u64) -> Option<bool> {
        let byte = self.bytes.get(usize::try_from(index / 8).ok()?)?;
        Some(byte & (0x80 >> (index % 8)) != 0)
    }

    /// The value at an index of a list whose positions have `size` bits; `None` behind the end.
    #[must_use]
    pub fn value(&self, index: u64, size: u32) -> Option<u32> {
        let first = index.checked_mul(u64::from(size))?;
        let last = first.checked_add(u64::from(size))?;
        (first..last).try_fold(0_u32, |value, bit| {
            Some((value << 1) | u32::from(self.bit(bit)?))
        })
    }

    /// Sets or clears the bit at an index.
    ///
    /// # Errors
    /// [`StatusError::IndexOutOfRange`] behind the end.
    pub fn set(&mut self, index: u64, bit: bool) -> Result<(), StatusError> {
        let positions = self.positions();
        let byte = usize::try_from(index / 8)
            .ok()
            .and_then(|byte| self.bytes.get_mut(byte));
        let byte = byte.ok_or(StatusError::IndexOutOfRange { index, positions })?;
        let mask = 0x80 >> (index % 8);
        if bit {
            *byte |= mask;
        } else {
            *byte &= !mask;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Bitstring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let set: u32 = self.bytes.iter().map(|byte| byte.count_ones()).sum();
        write!(f, "Bitstring({set} of {} positions set)", self.positions())
    }
}

fn malformed(reason: &'static str) -> StatusError {
    StatusError::Malformed {
        part: "list",
        property: "encodedList",
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_0_is_the_left_most_bit() {
        let mut bits = Bitstring::new(POSITIONS_MIN).unwrap();
        bits.set(0, true).unwrap();
        bits.set(9, true).unwrap();
        assert_eq!(bits.as_bytes()[..2], [0b1000_0000, 0b0100_0000]);
        assert_eq!(bits.value(0, 1), Some(1));
        assert_eq!(bits.value(4, 2), Some(0b01), "bits 8 and 9");
        bits.set(0, false).unwrap();
        assert_eq!(bits.bit(0), Some(false));
        assert_eq!(bits.bit(POSITIONS_MIN), None);
        assert_eq!(bits.value(u64::MAX, 32), None);
        assert!(bits.set(POSITIONS_MIN, true).is_err());
    }

    #[test]
    fn lengths_are_limited_on_both_sides() {
        let short = Bitstring::new(POSITIONS_MIN - 1);
        assert_eq!(
            short,
            Err(StatusError::ListTooShort {
                positions: POSITIONS_MIN - 1
            })
        );
        assert!(Bitstring::new(POSITIONS_MAX).is_ok());
        assert!(matches!(
            Bitstring::new(POSITIONS_MAX + 1),
            Err(StatusError::ListTooLong { .. })
        ));
        let encode = |bytes: usize| {
            Bitstring {
                bytes: vec![0; bytes],
            }
            .encode()
        };
        assert!(matches!(
            Bitstring::decode(&encode(16_383)),
            Err(StatusError::ListTooShort { .. })
        ));
        // 64 MiB of zeros in 64 KiB: unpacked only as far as the limit.
        assert!(matches!(
            Bitstring::decode(&encode(64 << 20)),
            Err(StatusError::ListTooLong { .. })
        ));
    }

    #[test]
    fn broken_encodings_are_refused() {
        let encoded = Bitstring::new(POSITIONS_MIN).unwrap().encode();
        let mut longer = URL_SAFE_NO_PAD.decode(&encoded[1..]).unwrap();
        longer.push(0);
        for broken in [
            encoded[1..].to_owned(),
            format!("{encoded}="),
            encoded[..encoded.len() - 8].to_owned(),
            format!("u{}", URL_SAFE_NO_PAD.encode(longer)),
            "u".to_owned(),
            String::new(),
        ] {
            let refused = Bitstring::decode(&broken);
            assert!(
                matches!(refused, Err(StatusError::Malformed { .. })),
                "{broken}"
            );
        }
    }
}
