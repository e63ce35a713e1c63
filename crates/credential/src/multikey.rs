//! Public keys as Multikey text (W3C Controlled Identifiers v1.0 section "Multikey").
//!
//! Base58btc multibase (`z…`) over a multicodec prefix and the key's bytes:
//! Ed25519 `ed 01`, P-256 (compressed point) `80 24`, RSA (PKCS#1 DER) `85 24`.
//! [`Multikey::from_jwk`] reads the other form in which keys come.

mod jwk;

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::VerifyingKey;
use pkcs1::RsaPublicKey;
use pkcs1::der::Decode;
use thiserror::Error;

pub use self::jwk::JwkError;

use crate::problem;

const ED25519: [u8; 2] = [0xed, 0x01]; // varint of 0xed
const P256: [u8; 2] = [0x80, 0x24]; // varint of 0x1200
const RSA: [u8; 2] = [0x85, 0x24]; // varint of 0x1205

/// Bits of an RSA modulus that counts.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// Longest Multikey text that is decoded: an RSA key of 4,096 bits has about 720 characters.
pub const MULTIKEY_CHARS_MAX: usize = 1_500;

/// A public key of a verification method.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Multikey {
    /// An Ed25519 public key, 32 bytes; not yet checked to be a point, see [`Self::ed25519`].
    Ed25519([u8; 32]),
    /// A P-256 public key as a compressed point, 33 bytes; not yet checked, see [`Self::p256`].
    P256([u8; 33]),
    /// An RSA public key, DER of PKCS#1 `RSAPublicKey`; not yet checked, see [`Self::rsa`].
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
    /// Not a kind of key that is known here: what it signed cannot be checked.
    #[error("the Multikey's prefix {prefix} is not Ed25519, P-256 or RSA, which are known here")]
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
    /// A P-256 key that is no compressed point of the curve.
    #[error("the P-256 key is not a compressed point of the curve")]
    WeakP256,
    /// An RSA key that is no `RSAPublicKey`, or too short or too long to count.
    #[error("the RSA key is not the DER of a PKCS#1 RSAPublicKey of 2048 to 4096 bits")]
    WeakRsa,
    /// Another kind of key than the operation needs.
    #[error("the key is of the kind {kind}; {needed} is needed")]
    WrongKind {
        /// What it is.
        kind: &'static str,
        /// What is needed.
        needed: &'static str,
    },
}

impl MultikeyError {
    /// The W3C problem identifier: always MALFORMED_VALUE_ERROR.
    #[must_use]
    pub fn problem_type(&self) -> &'static str {
        problem::MALFORMED_VALUE_ERROR
    }

    /// Whether the key may be good, but is of a kind that is not known here.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::UnknownKind { .. })
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
    /// What kind of key it is, for people.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => "Ed25519",
            Self::P256(_) => "P-256",
            Self::Rsa(_) => "RSA",
        }
    }

    /// The key for Ed25519 signatures: a canonical encoding of a point that is not of small order.
    ///
    /// # Errors
    /// [`MultikeyError::WrongKind`] or [`MultikeyError::WeakEd25519`].
    pub fn ed25519(&self) -> Result<VerifyingKey, MultikeyError> {
        let Self::Ed25519(bytes) = self else {
            return Err(self.wrong_kind("Ed25519"));
        };
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| MultikeyError::WeakEd25519)?;
        // Two encodings of one point would be two names of one key.
        if key.is_weak() || key.to_edwards().compress().as_bytes() != bytes {
            return Err(MultikeyError::WeakEd25519);
        }
        Ok(key)
    }

    /// The key for ECDSA signatures on P-256: a compressed point of the curve.
    ///
    /// # Errors
    /// [`MultikeyError::WrongKind`] or [`MultikeyError::WeakP256`].
    pub fn p256(&self) -> Result<p256::ecdsa::VerifyingKey, MultikeyError> {
        let Self::P256(bytes) = self else {
            return Err(self.wrong_kind("P-256"));
        };
        // SEC1 knows a third form of 33 bytes ("compact", 0x05): one key, one form.
        if !matches!(bytes[0], 0x02 | 0x03) {
            return Err(MultikeyError::WeakP256);
        }
        p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes).map_err(|_| MultikeyError::WeakP256)
    }

    /// The key for RSA signatures, DER of PKCS#1 `RSAPublicKey`: 2,048 to 4,096 bits.
    ///
    /// # Errors
    /// [`MultikeyError::WrongKind`] or [`MultikeyError::WeakRsa`].
    pub fn rsa(&self) -> Result<&[u8], MultikeyError> {
        let Self::Rsa(der) = self else {
            return Err(self.wrong_kind("RSA"));
        };
        let key = RsaPublicKey::from_der(der).map_err(|_| MultikeyError::WeakRsa)?;
        let modulus = key.modulus.as_bytes();
        let leading = modulus.first().map_or(0, |first| first.leading_zeros());
        let bits = (8 * modulus.len()).saturating_sub(leading as usize);
        if !RSA_BITS.contains(&bits) {
            return Err(MultikeyError::WeakRsa);
        }
        Ok(der)
    }

    /// Checks that it is a key that signatures can be checked with.
    ///
    /// # Errors
    /// [`MultikeyError`] says what is wrong with it.
    pub fn check(&self) -> Result<(), MultikeyError> {
        match self {
            Self::Ed25519(_) => self.ed25519().map(drop),
            Self::P256(_) => self.p256().map(drop),
            Self::Rsa(_) => self.rsa().map(drop),
        }
    }

    /// The did:key that is this key.
    #[must_use]
    pub fn did_key(&self) -> String {
        format!("did:key:{self}")
    }

    fn wrong_kind(&self, needed: &'static str) -> MultikeyError {
        MultikeyError::WrongKind {
            kind: self.kind(),
            needed,
        }
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
        let mut beyond_the_field = [0xff; 33];
        beyond_the_field[0] = 2;
        let no_point = Multikey::P256(beyond_the_field);
        assert_eq!(no_point.p256(), Err(MultikeyError::WeakP256));
        let (kind, needed) = ("P-256", "Ed25519");
        let wrong = MultikeyError::WrongKind { kind, needed };
        assert_eq!(no_point.ed25519(), Err(wrong));
        let mut compact = [0; 33];
        compact[0] = 5;
        assert_eq!(
            Multikey::P256(compact).check(),
            Err(MultikeyError::WeakP256)
        );
        let no_key = Multikey::Rsa(vec![0x30, 0]);
        assert_eq!(no_key.check(), Err(MultikeyError::WeakRsa));
    }

    /// A key on P-384 may have made a good signature.
    #[test]
    fn kinds_that_are_not_known_here_are_unknown_and_not_bad() {
        let p384 = "z82LkuBieyGShVBhvtE2zoiD6Kma4tJGFtkAhxR5pfkp5QPw4LutoYWhvQCnGjdVn14kujQ";
        assert!(decode(p384).unwrap_err().is_unknown());
        assert!(!decode("zinvalidVm").unwrap_err().is_unknown());
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
        assert!(decode(zdna).unwrap().p256().is_ok());
    }
}
