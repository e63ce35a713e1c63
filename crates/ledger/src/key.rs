//! Keys, their identifiers, and proofs of possession (rule R4).

use std::fmt;
use std::str::FromStr;

use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::ids::{InvalidText, KeyId, Origin};
use crate::text_schema;

/// Longest multicodec key this ledger registers: an RSA key of 8,192 bits.
pub const KEY_BYTES_MAX: usize = 1_100;

/// What is wrong with a key or its proof of possession.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The multicodec prefix is not one this ledger knows.
    #[error("the key's multicodec prefix is not Ed25519 (ed01), P-256 (8024) or RSA (8524)")]
    UnknownKind,
    /// The key bytes are not a valid key of their kind.
    #[error("the {kind} key is not valid: {reason}")]
    Invalid {
        /// Kind of key.
        kind: KeyKind,
        /// What is wrong.
        reason: &'static str,
    },
    /// The kind of key cannot be used for this purpose.
    #[error("a key that signs records must be Ed25519, not {kind}")]
    NotForRecords {
        /// Kind of key.
        kind: KeyKind,
    },
    /// A key without a purpose.
    #[error("the key has no purpose; give it `record`, `assertion` or both")]
    NoPurpose,
    /// The proof of possession does not verify.
    #[error("the proof of possession of key {key} for role `{role}` of {owner} does not verify")]
    NoPossession {
        /// The key.
        key: KeyId,
        /// The role in the signed statement.
        role: String,
        /// The owner in the signed statement.
        owner: String,
    },
}

/// Kind of a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// Ed25519 (multicodec 0xed).
    Ed25519,
    /// ECDSA P-256 (multicodec 0x1200), compressed point.
    P256,
    /// RSA (multicodec 0x1205), PKCS#1 `RSAPublicKey` in DER.
    Rsa,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ed25519 => "Ed25519",
            Self::P256 => "P-256",
            Self::Rsa => "RSA",
        })
    }
}

/// A public key as multicodec bytes (the bytes of a Multikey without its
/// multibase letter). Only [`PublicKey::check`] says that they are a key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(Vec<u8>);

impl PublicKey {
    /// A key of any kind from its multicodec bytes; [`PublicKey::check`] judges them.
    ///
    /// # Errors
    /// [`InvalidText`] beyond [`KEY_BYTES_MAX`].
    pub fn from_multicodec(bytes: &[u8]) -> Result<Self, InvalidText> {
        if bytes.len() > KEY_BYTES_MAX {
            let reason = "longer than any key this ledger knows";
            return Err(InvalidText::new("public key", "", reason));
        }
        Ok(Self(bytes.to_vec()))
    }

    /// An Ed25519 key.
    pub fn ed25519(key: &[u8; 32]) -> Self {
        Self([&[0xed, 0x01], key.as_slice()].concat())
    }

    /// The multicodec bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key's identifier.
    pub fn id(&self) -> KeyId {
        let mut id = [0; 16];
        id.copy_from_slice(&blake3::hash(&self.0).as_bytes()[..16]);
        KeyId(id)
    }

    /// Kind and key material, without the prefix.
    fn parts(&self) -> Result<(KeyKind, &[u8]), KeyError> {
        match self.0.as_slice() {
            [0xed, 0x01, key @ ..] => Ok((KeyKind::Ed25519, key)),
            [0x80, 0x24, key @ ..] => Ok((KeyKind::P256, key)),
            [0x85, 0x24, key @ ..] => Ok((KeyKind::Rsa, key)),
            _ => Err(KeyError::UnknownKind),
        }
    }

    /// The kind of key.
    ///
    /// # Errors
    /// [`KeyError::UnknownKind`].
    pub fn kind(&self) -> Result<KeyKind, KeyError> {
        Ok(self.parts()?.0)
    }

    /// The 32 bytes of an Ed25519 key; nothing for other kinds.
    pub fn as_ed25519(&self) -> Option<&[u8; 32]> {
        match self.parts() {
            Ok((KeyKind::Ed25519, key)) => key.try_into().ok(),
            _ => None,
        }
    }

    /// Rule R4: an Ed25519 key is canonical, not of small order and torsion-free; a
    /// P-256 key is a compressed point; an RSA key has 2,048 to 8,192 bits.
    ///
    /// # Errors
    /// [`KeyError::UnknownKind`] or [`KeyError::Invalid`].
    pub fn check(&self) -> Result<KeyKind, KeyError> {
        let (kind, key) = self.parts()?;
        let invalid = |reason| KeyError::Invalid { kind, reason };
        match kind {
            KeyKind::Ed25519 => check_ed25519(key).map_err(invalid)?,
            KeyKind::P256 => {
                // SEC1 knows a third form of 33 bytes ("compact", 0x05): one key, one form.
                if key.len() != 33 || !matches!(key[0], 0x02 | 0x03) {
                    return Err(invalid("a compressed point of 33 bytes is needed"));
                }
                p256::ecdsa::VerifyingKey::from_sec1_bytes(key)
                    .map_err(|_| invalid("not a point of the curve"))?;
            }
            KeyKind::Rsa => check_rsa(key).map_err(invalid)?,
        }
        Ok(kind)
    }

    /// Verifies `signature` over `message` by the key's own suite: Ed25519 strict,
    /// ECDSA P-256 with SHA-256 (r ‖ s), RSASSA-PKCS1-v1_5 with SHA-256.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self.parts() {
            Ok((KeyKind::Ed25519, key)) => verify_strict(key, message, signature),
            Ok((KeyKind::P256, key)) => {
                use p256::ecdsa::signature::Verifier;
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(key);
                let signature = p256::ecdsa::Signature::from_slice(signature);
                matches!((key, signature), (Ok(k), Ok(s)) if k.verify(message, &s).is_ok())
            }
            Ok((KeyKind::Rsa, key)) => {
                use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
                    .verify(message, signature)
                    .is_ok()
            }
            Err(_) => false,
        }
    }
}

fn verify_strict(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (key.try_into(), Signature::from_slice(signature)) else {
        return false;
    };
    VerifyingKey::from_bytes(key).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
}

fn check_ed25519(key: &[u8]) -> Result<(), &'static str> {
    let compressed = CompressedEdwardsY::from_slice(key).map_err(|_| "32 bytes are needed")?;
    let point = compressed.decompress().ok_or("not a point of the curve")?;
    if point.compress() != compressed {
        return Err("its encoding is not canonical");
    }
    if point.is_small_order() {
        return Err("it is of small order");
    }
    if !point.is_torsion_free() {
        return Err("it has a torsion component");
    }
    Ok(())
}

/// Reads the DER of `RSAPublicKey` (RFC 8017 appendix A.1.1) as far as needed for the
/// size of the modulus and one canonical form.
fn check_rsa(der: &[u8]) -> Result<(), &'static str> {
    let (body, rest) = der_element(0x30, der).ok_or("not a DER RSAPublicKey")?;
    let (modulus, after) = der_element(0x02, body).ok_or("its modulus is not DER")?;
    let (exponent, end) = der_element(0x02, after).ok_or("its exponent is not DER")?;
    if !rest.is_empty() || !end.is_empty() {
        return Err("bytes follow the RSAPublicKey");
    }
    // A DER integer is signed: one zero byte stands before a first bit that is set, else none.
    let modulus = match modulus {
        [0, rest @ ..] if rest.first().is_some_and(|first| *first >= 0x80) => rest,
        [first, ..] if (1..0x80).contains(first) => modulus,
        _ => return Err("its modulus is not a positive DER integer"),
    };
    let bits = 8 * modulus.len() - modulus[0].leading_zeros() as usize;
    if !(2048..=8192).contains(&bits) {
        return Err("its modulus has not 2,048 to 8,192 bits");
    }
    if exponent != [1, 0, 1] {
        return Err("its exponent is not 65,537");
    }
    Ok(())
}

/// Contents of the first DER element if it has this tag, and what follows it.
fn der_element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let [first, length, rest @ ..] = der else {
        return None;
    };
    if *first != tag {
        return None;
    }
    let (length, rest) = match length {
        n @ 0..=0x7f => (usize::from(*n), rest),
        0x81 => (
            usize::from(*rest.first().filter(|n| **n >= 0x80)?),
            &rest[1..],
        ),
        0x82 => {
            let length = u16::from_be_bytes([*rest.first()?, *rest.get(1)?]);
            (
                usize::from(Some(length).filter(|n| *n >= 0x100)?),
                &rest[2..],
            )
        }
        _ => return None,
    };
    (length <= rest.len()).then(|| rest.split_at(length))
}

impl fmt::Display for PublicKey {
    /// Multibase base58btc, as in a `publicKeyMultibase`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "z{}", bs58::encode(&self.0).into_string())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl FromStr for PublicKey {
    type Err = InvalidText;

    /// Reads the multibase form. The kind and the point are checked by [`PublicKey::check`].
    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let wrong = || InvalidText::new("public key", text, "a Multikey such as z6Mk… is needed");
        if text.len() > 2 * KEY_BYTES_MAX {
            return Err(wrong());
        }
        let encoded = text.strip_prefix('z').ok_or_else(wrong)?;
        let bytes = bs58::decode(encoded).into_vec().map_err(|_| wrong())?;
        if bytes.len() > KEY_BYTES_MAX {
            return Err(wrong());
        }
        Ok(Self(bytes))
    }
}

text_schema!(
    PublicKey,
    "A public key as a Multikey (base58btc).",
    "^z[1-9A-HJ-NP-Za-km-z]+$",
    "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
);

impl Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: serde::Deserializer<'de>>(de: D) -> Result<Self, D::Error> {
        if de.is_human_readable() {
            return String::deserialize(de)?
                .parse()
                .map_err(serde::de::Error::custom);
        }
        let bytes = Vec::<u8>::deserialize(de)?;
        if bytes.len() > KEY_BYTES_MAX {
            return Err(serde::de::Error::custom(
                "the key is longer than any this ledger knows",
            ));
        }
        Ok(Self(bytes))
    }
}

/// A role in which a key is registered; part of the proof of possession.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Signs a member's records.
    Governance,
    /// Signs consensus votes.
    Consensus,
    /// Cosigns checkpoints (note signature type 0x04).
    Cosigner,
    /// Signs the checkpoint a node serves (note signature type 0x01).
    Node,
    /// Signs an issuer's records.
    Record,
    /// Signs credentials.
    Assertion,
    /// Signs an issuer's records and credentials.
    RecordAndAssertion,
    /// An issuer's recovery key.
    Recovery,
}

impl Role {
    /// The text in the proof of possession.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "governance",
            Self::Consensus => "consensus",
            Self::Cosigner => "cosigner",
            Self::Node => "node",
            Self::Record => "record",
            Self::Assertion => "assertion",
            Self::RecordAndAssertion => "record+assertion",
            Self::Recovery => "recovery",
        }
    }
}

/// What a proof of possession signs: `credlog/possession/v1\n` ‖ origin ‖ `\n` ‖ role
/// ‖ `\n` ‖ owner id ‖ `\n` ‖ the key's multicodec bytes.
pub fn possession_statement(origin: &Origin, role: Role, owner: &str, key: &PublicKey) -> Vec<u8> {
    let mut statement = format!(
        "credlog/possession/v1\n{origin}\n{}\n{owner}\n",
        role.as_str()
    )
    .into_bytes();
    statement.extend_from_slice(key.as_bytes());
    statement
}

/// A key with its proof of possession; the role stands where it is used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProvenKey {
    /// The public key.
    pub key: PublicKey,
    /// Signature by the key itself over [`possession_statement`].
    #[serde(with = "base64_bytes")]
    #[schema(schema_with = crate::schema::base64)]
    pub possession: Vec<u8>,
}

impl ProvenKey {
    /// Signs the proof of possession of an Ed25519 key.
    pub fn ed25519(origin: &Origin, role: Role, owner: &str, key: &SigningKey) -> Self {
        let public = PublicKey::ed25519(key.verifying_key().as_bytes());
        let possession = key.sign(&possession_statement(origin, role, owner, &public));
        Self {
            key: public,
            possession: possession.to_vec(),
        }
    }

    /// Rule R4: the key is well formed, fit for the role, and its holder has it.
    ///
    /// # Errors
    /// Every [`KeyError`].
    pub fn check(&self, origin: &Origin, role: Role, owner: &str) -> Result<(), KeyError> {
        let kind = self.key.check()?;
        if role != Role::Assertion && kind != KeyKind::Ed25519 {
            return Err(KeyError::NotForRecords { kind });
        }
        let statement = possession_statement(origin, role, owner, &self.key);
        if self.key.verifies(&statement, &self.possession) {
            Ok(())
        } else {
            Err(KeyError::NoPossession {
                key: self.key.id(),
                role: role.as_str().to_owned(),
                owner: owner.to_owned(),
            })
        }
    }
}

/// Byte strings: padded base64 in JSON, length and bytes in canonical bytes.
pub(crate) mod base64_bytes {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&STANDARD.encode(bytes))
        } else {
            bytes.serialize(serializer)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(de: D) -> Result<Vec<u8>, D::Error> {
        if de.is_human_readable() {
            let text = String::deserialize(de)?;
            STANDARD.decode(text).map_err(serde::de::Error::custom)
        } else {
            Vec::deserialize(de)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        "test.example/log".parse().unwrap()
    }

    #[test]
    fn possession_is_bound_to_origin_role_owner_and_key() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let proven = ProvenKey::ed25519(&origin(), Role::Record, "did:key:a", &key);
        assert_eq!(proven.check(&origin(), Role::Record, "did:key:a"), Ok(()));
        assert!(
            proven
                .check(&origin(), Role::Assertion, "did:key:a")
                .is_err()
        );
        assert!(proven.check(&origin(), Role::Record, "did:key:b").is_err());
        assert!(
            proven
                .check(&"other".parse().unwrap(), Role::Record, "did:key:a")
                .is_err()
        );
    }

    #[test]
    fn weak_ed25519_keys_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        let small = PublicKey::ed25519(&identity).check();
        assert!(matches!(
            small,
            Err(KeyError::Invalid {
                reason: "it is of small order",
                ..
            })
        ));

        let good = SigningKey::from_bytes(&[7; 32])
            .verifying_key()
            .to_edwards();
        let torsion = curve25519_dalek::constants::EIGHT_TORSION[1];
        let mixed = PublicKey::ed25519(&(good + torsion).compress().to_bytes()).check();
        assert!(
            matches!(mixed, Err(KeyError::Invalid { reason, .. }) if reason.contains("torsion"))
        );

        // y = p + 1 encodes the same point as y = 1.
        let mut alias = [0xff; 32];
        alias[0] = 0xee;
        alias[31] = 0x7f;
        assert!(PublicKey::ed25519(&alias).check().is_err());
    }

    #[test]
    fn p256_keys_prove_possession_with_their_own_suite() {
        use p256::ecdsa::signature::Signer as _;
        let key = p256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
        let point = key.verifying_key().to_encoded_point(true);
        let public = PublicKey([&[0x80, 0x24], point.as_bytes()].concat());
        let statement = possession_statement(&origin(), Role::Assertion, "did:web:a", &public);
        let signature: p256::ecdsa::Signature = key.sign(&statement);
        let proven = ProvenKey {
            key: public,
            possession: signature.to_vec(),
        };
        assert_eq!(
            proven.check(&origin(), Role::Assertion, "did:web:a"),
            Ok(())
        );
        assert!(matches!(
            proven.check(&origin(), Role::Record, "did:web:a"),
            Err(KeyError::NotForRecords {
                kind: KeyKind::P256
            })
        ));
    }

    #[test]
    fn multibase_round_trips() {
        let key = PublicKey::ed25519(&[5; 32]);
        assert_eq!(key.to_string().parse::<PublicKey>(), Ok(key));
        assert!("6Mk".parse::<PublicKey>().is_err());
        assert!("z0OIl".parse::<PublicKey>().is_err());
    }
}
