//! Public keys as Multikey text (W3C Controlled Identifiers v1.0 section "Multikey").
//!
//! Base58btc multibase (`z…`) over a multicodec prefix and the key's bytes:
//! Ed25519 `ed 01`, P-256 (compressed point) `80 24`, RSA (PKCS#1 DER) `85 24`.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::VerifyingKey;
use thiserror::Error;

use crate::problem;

const ED25519: [u8; 2] = [0xed, 0x01]; // varint of 0xed
const P256: [u8; 2] = [0x80, 0x24]; // varint of 0x1200
const RSA: [u8; 2] = [0x85, 0x24]; // varint of 0x1205

/// Longest Multikey text that is decoded: an RSA key of 4,096 bits has about 720 characters.
pub const MULTIKEY_CHARS_MAX: usize = 1_500;

/// A public key of a verification method.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Multikey {
    /// An Ed25519 public key, 32 bytes; not yet checked to be a point, see [`Self::ed25519`].
    Ed25519([u8; 32]),
    /// A P-256 public key as a compressed point, 33 bytes.
    P256([u8; 33]),
    /// An RSA public key, DER of PKCS#1 `RSAPublicKey`.
    Rsa(Vec<u8>),
}

/// Why a text is not a usable Multikey.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MultikeyError {
    /// Not `z` and base58btc.
    #[error("a Multikey is \"z\" and base58btc characters")]
    NotBase58,
    /// Longer than [`MULTIKEY_CHARS_MAX`].
    #[error("the Multikey has {chars} characters; at most {MULTIKEY_CHARS_MAX} are read")]
    TooLong {
        /// Characters of the text.
        chars: usize,
    },
    /// Not a kind of key that is known here.
    #[error("the Multikey's prefix {prefix} is not Ed25519, P-256 or RSA")]
    UnknownKind {
        /// The first bytes, in hexadecimal.
        prefix: String,
    },
    /// The prefix promises another length.
    #[error("the Multikey holds {bytes} bytes of key; {expected} are needed")]
    WrongLength {
        /// Bytes after the prefix.
        bytes: usize,
        /// Bytes that the kind has.
        expected: usize,
    },
    /// An Ed25519 key that is no point, not canonical, or of small order.
    #[error("the Ed25519 key is not a canonical point of large order")]
    WeakEd25519,
    /// Another kind of key than the operation needs.
    #[error("the key is not an Ed25519 key")]
    NotEd25519,
}

impl MultikeyError {
    /// The W3C problem identifier: always MALFORMED_VALUE_ERROR.
    #[must_use]
    pub fn problem_type(&self) -> &'static str {
        problem::MALFORMED_VALUE_ERROR
    }
}

/// The Multikey text of an Ed25519 public key, `z6Mk…`.
#[must_use]
pub fn encode_ed25519(key: &[u8; 32]) -> String {
    Multikey::Ed25519(*key).to_string()
}

/// Decodes a Multikey text.
///
/// # Errors
/// [`MultikeyError`] when the text is not base58btc or holds no known kind of key.
pub fn decode(text: &str) -> Result<Multikey, MultikeyError> {
    if text.len() > MULTIKEY_CHARS_MAX {
        return Err(MultikeyError::TooLong { chars: text.len() });
    }
    let bytes = text
        .strip_prefix('z')
        .and_then(|digits| bs58::decode(digits).into_vec().ok());
    let bytes = bytes.ok_or(MultikeyError::NotBase58)?;
    if let Some(key) = bytes.strip_prefix(&ED25519) {
        return exact(key).map(Multikey::Ed25519);
    }
    if let Some(key) = bytes.strip_prefix(&P256) {
        return exact(key).map(Multikey::P256);
    }
    match bytes.strip_prefix(&RSA) {
        Some([]) => Err(MultikeyError::WrongLength {
            bytes: 0,
            expected: 270,
        }),
        Some(key) => Ok(Multikey::Rsa(key.to_vec())),
        None => Err(MultikeyError::UnknownKind {
            prefix: hex::encode(&bytes[..bytes.len().min(2)]),
        }),
    }
}

fn exact<const N: usize>(key: &[u8]) -> Result<[u8; N], MultikeyError> {
    key.try_into().map_err(|_| MultikeyError::WrongLength {
        bytes: key.len(),
        expected: N,
    })
}

impl Multikey {
    /// The key for Ed25519 signatures: a canonical encoding of a point that is not of small order.
    ///
    /// # Errors
    /// [`MultikeyError::NotEd25519`] or [`MultikeyError::WeakEd25519`].
    pub fn ed25519(&self) -> Result<VerifyingKey, MultikeyError> {
        let Self::Ed25519(bytes) = self else {
            return Err(MultikeyError::NotEd25519);
        };
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| MultikeyError::WeakEd25519)?;
        // Two encodings of one point would be two names of one key.
        if key.is_weak() || key.to_edwards().compress().as_bytes() != bytes {
            return Err(MultikeyError::WeakEd25519);
        }
        Ok(key)
    }
}

impl fmt::Display for Multikey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, key): (_, &[u8]) = match self {
            Self::Ed25519(key) => (ED25519, key),
            Self::P256(key) => (P256, key),
            Self::Rsa(key) => (RSA, key),
        };
        write!(
            f,
            "z{}",
            bs58::encode([&prefix, key].concat()).into_string()
        )
    }
}

impl FromStr for Multikey {
    type Err = MultikeyError;

    fn from_str(text: &str) -> Result<Self, MultikeyError> {
        decode(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_the_w3c_vectors_decodes() {
        let text = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2";
        let key = decode(text).unwrap();
        let Multikey::Ed25519(bytes) = &key else {
            panic!("{key:?}")
        };
        assert_eq!(encode_ed25519(bytes), text);
        assert!(key.ed25519().is_ok());
    }

    #[test]
    fn weak_and_foreign_keys_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(
            Multikey::Ed25519(identity).ed25519(),
            Err(MultikeyError::WeakEd25519)
        );
        // y = p + 1: a second encoding of the identity's y.
        let mut not_canonical = [0xff; 32];
        not_canonical[0] = 0xee;
        not_canonical[31] = 0x7f;
        assert_eq!(
            Multikey::Ed25519(not_canonical).ed25519(),
            Err(MultikeyError::WeakEd25519)
        );
        assert_eq!(
            Multikey::P256([2; 33]).ed25519(),
            Err(MultikeyError::NotEd25519)
        );
    }

    #[test]
    fn every_malformed_text_has_its_reason() {
        assert_eq!(decode("6Mk"), Err(MultikeyError::NotBase58));
        assert_eq!(decode("z0OIl"), Err(MultikeyError::NotBase58));
        assert_eq!(
            decode("z"),
            Err(MultikeyError::UnknownKind {
                prefix: String::new()
            })
        );
        let long = format!("z{}", "1".repeat(MULTIKEY_CHARS_MAX));
        assert_eq!(
            decode(&long),
            Err(MultikeyError::TooLong {
                chars: MULTIKEY_CHARS_MAX + 1
            })
        );
        let short = format!("z{}", bs58::encode([0xed, 0x01, 7]).into_string());
        assert_eq!(
            decode(&short),
            Err(MultikeyError::WrongLength {
                bytes: 1,
                expected: 32
            })
        );
        let zdna = "zDnaegE6RR3atJtHKwTRTWHsJ3kNHqFwv7n9YjTgmU7TyfU76";
        assert!(matches!(decode(zdna), Ok(Multikey::P256(_))));
    }
}
