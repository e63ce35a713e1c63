//! Verifier keys: who may have signed a note (C2SP signed-note, "Verifier keys").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The longest name of a key or origin of a log, in bytes.
pub const NAME_BYTES_MAX: usize = 512;

/// The longest verifier key that is looked at, in bytes: a name, an id and a key with their `+`.
const VERIFIER_KEY_BYTES_MAX: usize = NAME_BYTES_MAX + 64;

/// What a key signs, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SignatureKind {
    /// Type 0x01: Ed25519 over the text of the note.
    Ed25519,
    /// Type 0x04: a cosignature/v1, Ed25519 over a time and the text (C2SP tlog-cosignature).
    CosignatureV1,
}

impl SignatureKind {
    /// The type's byte in verifier keys and key ids.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureV1 => 0x04,
        }
    }

    fn from_byte(byte: u8) -> Result<Self, KeyError> {
        match byte {
            0x01 => Ok(Self::Ed25519),
            0x04 => Ok(Self::CosignatureV1),
            other => Err(KeyError::UnsupportedType { type_byte: other }),
        }
    }
}

/// The first four bytes of `SHA-256(name ‖ 0x0A ‖ type ‖ public key)`.
///
/// `Display` writes 8 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

/// The id of a key by its name, type and public key.
#[must_use]
pub fn key_id(name: &str, kind: SignatureKind, public_key: &[u8; 32]) -> KeyId {
    let hash: [u8; 32] = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', kind.byte()])
        .chain_update(public_key)
        .finalize()
        .into();
    KeyId([hash[0], hash[1], hash[2], hash[3]])
}

/// A named public key. Its text is `<name>+<id, 8 hex digits>+<base64(type ‖ public key)>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: KeyId,
    kind: SignatureKind,
    key: VerifyingKey,
}

impl VerifierKey {
    /// A key from its parts.
    ///
    /// # Errors
    /// [`KeyError::Name`] for a name that notes cannot carry, [`KeyError::PublicKey`] for bytes
    /// that are no Ed25519 key or one of small order.
    pub fn new(name: &str, kind: SignatureKind, public_key: &[u8; 32]) -> Result<Self, KeyError> {
        check_name(name)?;
        let key = VerifyingKey::from_bytes(public_key).map_err(|_| KeyError::PublicKey)?;
        if key.is_weak() {
            return Err(KeyError::PublicKey);
        }
        Ok(Self {
            name: name.to_owned(),
            id: key_id(name, kind, public_key),
            kind,
            key,
        })
    }

    /// The name that stands in signature lines.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id that stands in signatures.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What the key signs.
    #[must_use]
    pub fn kind(&self) -> SignatureKind {
        self.kind
    }

    /// The bytes of the Ed25519 public key.
    #[must_use]
    pub fn public_key(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    pub(crate) fn verifying_key(&self) -> &VerifyingKey {
        &self.key
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut typed = vec![self.kind.byte()];
        typed.extend_from_slice(self.public_key());
        write!(f, "{}+{}+{}", self.name, self.id, STANDARD.encode(typed))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.len() > VERIFIER_KEY_BYTES_MAX {
            return Err(KeyError::Form);
        }
        // A name has no plus; the base64 at the end may have.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Form);
        };
        let typed = STANDARD.decode(key).map_err(|_| KeyError::Form)?;
        let (type_byte, public_key) = typed.split_first().ok_or(KeyError::Form)?;
        let kind = SignatureKind::from_byte(*type_byte)?;
        let public_key = public_key.try_into().map_err(|_| KeyError::PublicKey)?;
        let key = Self::new(name, kind, public_key)?;
        if key.id.to_string() != id {
            return Err(KeyError::Id { expected: key.id });
        }
        Ok(key)
    }
}

/// Checks that a key's name is not empty, at most [`NAME_BYTES_MAX`] bytes long, and has no white
/// space, no plus and no control character (C2SP signed-note).
///
/// # Errors
/// [`KeyError::Name`].
pub fn check_name(name: &str) -> Result<(), KeyError> {
    let refused = |c: char| c.is_whitespace() || c == '+' || c < ' ';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(refused) {
        return Err(KeyError::Name);
    }
    Ok(())
}

/// Why a text or its parts are not a verifier key.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text has not the form of a verifier key.
    #[error("not a verifier key; write <name>+<8 hex digits>+<base64>")]
    Form,
    /// The name cannot stand in a note.
    #[error(
        "the name of a key must have 1 to {NAME_BYTES_MAX} bytes and no space, plus or control \
         character"
    )]
    Name,
    /// The id is not that of this name and key.
    #[error("the id of this name and key is {expected}, the text says otherwise; copy it again")]
    Id {
        /// The id of the name, type and key that the text holds.
        expected: KeyId,
    },
    /// The type of the key is not known here.
    #[error("keys of type {type_byte:#04x} are not supported; use 0x01 or 0x04")]
    UnsupportedType {
        /// The type's byte.
        type_byte: u8,
    },
    /// The bytes are no public key that can be trusted.
    #[error("the public key is not 32 bytes of a valid Ed25519 point, or of small order")]
    PublicKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_bad_names_types_ids_and_keys() {
        let good = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let key: VerifierKey = good.parse().unwrap();
        assert_eq!(key.to_string(), good);
        let error = |text: &str| text.parse::<VerifierKey>().unwrap_err();
        assert_eq!(
            error(&good.replace("c74", "C74")),
            KeyError::Id { expected: key.id() }
        );
        assert_eq!(
            error(&good.replace("c74", "c75")),
            KeyError::Id { expected: key.id() }
        );
        assert_eq!(error(&good.replace("Peter", "Peter ")), KeyError::Name);
        assert_eq!(error(&good[12..]), KeyError::Name);
        assert_eq!(error(&good[..21]), KeyError::Form);
        assert_eq!(error(&good[..24]), KeyError::Form);
        let unsupported = KeyError::UnsupportedType { type_byte: 2 };
        assert_eq!(error(&good.replace("+AR", "+Ah")), unsupported);
        assert_eq!(error(&good.replace("+ARpc", "+AR")), KeyError::Form);
        let new = |key| VerifierKey::new("a", SignatureKind::Ed25519, &key);
        assert_eq!(new([0; 32]), Err(KeyError::PublicKey));
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(new(identity), Err(KeyError::PublicKey));
    }
}
