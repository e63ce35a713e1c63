//! Hashes of RFC 6962 trees, and the newtypes that count and number their leaves.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use thiserror::Error;

/// Length of every hash of a tree, in bytes.
pub const HASH_BYTES: usize = 32;

/// The largest tree that this crate builds or proves over: 2^62 leaves.
///
/// Sizes stay below the signed 64-bit range that other implementations use, and no arithmetic on
/// an index can overflow. At a thousand million leaves a second it takes 146 years to get there.
pub const TREE_SIZE_MAX: u64 = 1 << 62;

/// A SHA-256 hash: of a leaf, of a subtree or of a whole tree.
///
/// `Display` writes 64 lower-case hex digits; checkpoints and proofs use [`Hash::to_base64`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; HASH_BYTES]);

/// The number of leaves in a tree.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct TreeSize(pub u64);

/// The position of a leaf in a tree, from zero.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct LeafIndex(pub u64);

/// The hash of a leaf: `SHA-256(0x00 ‖ entry)` (RFC 6962 section 2.1).
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash(
        Sha256::new()
            .chain_update([0x00])
            .chain_update(entry)
            .finalize()
            .into(),
    )
}

/// The hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)` (RFC 6962 section 2.1).
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [0x01; 1 + 2 * HASH_BYTES];
    bytes[1..=HASH_BYTES].copy_from_slice(&left.0);
    bytes[1 + HASH_BYTES..].copy_from_slice(&right.0);
    Hash(Sha256::digest(bytes).into())
}

/// The root of the tree without leaves: `SHA-256("")` (RFC 6962 section 2.1).
#[must_use]
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// Reads a decimal number in its shortest form: no sign, no leading zero.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

/// The root of a complete subtree over `hashes`, whose number is a power of two.
pub(crate) fn fold_complete(hashes: &[Hash]) -> Hash {
    debug_assert!(hashes.len().is_power_of_two());
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row
            .chunks_exact(2)
            .map(|pair| node_hash(&pair[0], &pair[1]))
            .collect();
    }
    row.first().copied().unwrap_or_else(empty_root)
}

impl Hash {
    /// The padded standard base64 form of checkpoints and proofs: 44 characters.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// Reads the padded standard base64 form; only the canonical encoding of 32 bytes passes.
    ///
    /// # Errors
    /// [`HashError::Base64`] or [`HashError::Length`].
    pub fn from_base64(text: &str) -> Result<Self, HashError> {
        let bytes = STANDARD.decode(text).map_err(|_| HashError::Base64)?;
        Self::try_from(bytes.as_slice())
    }

    /// Reads 64 lower-case hex digits, the form that `Display` writes.
    ///
    /// # Errors
    /// [`HashError::Hex`] or [`HashError::Length`].
    pub fn from_hex(text: &str) -> Result<Self, HashError> {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(HashError::Hex);
        }
        let bytes = hex::decode(text).map_err(|_| HashError::Hex)?;
        Self::try_from(bytes.as_slice())
    }

    /// The bytes of the hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }
}

impl TryFrom<&[u8]> for Hash {
    type Error = HashError;

    fn try_from(bytes: &[u8]) -> Result<Self, HashError> {
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| HashError::Length { found: bytes.len() })
    }
}

impl AsRef<[u8]> for Hash {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text or a slice is not a hash.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HashError {
    /// The text is not padded standard base64 in its canonical form.
    #[error("a hash must be padded standard base64; send 44 characters that encode 32 bytes")]
    Base64,
    /// The text is not lower-case hex.
    #[error("a hash must be lower-case hex; send 64 digits")]
    Hex,
    /// The bytes are not 32.
    #[error("a hash has 32 bytes, this has {found}")]
    Length {
        /// How many bytes came.
        found: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_round_trip_and_refuse_variants() {
        let hash = leaf_hash(b"entry");
        assert_eq!(Hash::from_hex(&hash.to_string()), Ok(hash));
        assert_eq!(Hash::from_base64(&hash.to_base64()), Ok(hash));
        assert_eq!(
            Hash::from_hex(&hash.to_string().to_uppercase()),
            Err(HashError::Hex)
        );
        assert_eq!(Hash::from_hex("00"), Err(HashError::Length { found: 1 }));
        let base64 = hash.to_base64();
        assert_eq!(
            Hash::from_base64(base64.trim_end_matches('=')),
            Err(HashError::Base64)
        );
        assert_eq!(
            Hash::from_base64("AAAA"),
            Err(HashError::Length { found: 3 })
        );
    }

    #[test]
    fn fold_is_the_tree_over_the_hashes() {
        let leaves: Vec<Hash> = (0..4u8).map(|n| leaf_hash(&[n])).collect();
        let left = node_hash(&leaves[0], &leaves[1]);
        let right = node_hash(&leaves[2], &leaves[3]);
        assert_eq!(fold_complete(&leaves), node_hash(&left, &right));
        assert_eq!(fold_complete(&leaves[..1]), leaves[0]);
    }
}
