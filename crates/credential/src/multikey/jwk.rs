//! Public keys as JSON Web Keys (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::EncodedPoint;
use pkcs1::der::asn1::UintRef;
use pkcs1::der::{Decode, Encode};
use pkcs1::{Error as Pkcs1Error, RsaPublicKey};
use serde_json::{Map, Value, json};
use thiserror::Error;

use super::{Multikey, MultikeyError};
use crate::problem;

/// Longest member of a JWK that is decoded: the modulus of an RSA key of 8,192 bits.
const MEMBER_CHARS_MAX: usize = 1_400;

/// Why a JSON Web Key is not usable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JwkError {
    /// A member is missing or has the wrong form.
    #[error("malformed JWK: {member} {reason}")]
    Malformed {
        /// The member.
        member: &'static str,
        /// What is wrong and what is needed.
        reason: &'static str,
    },
    /// Not a kind of key that is known here: what it signed cannot be checked.
    #[error("the JWK is of a kind ({kind}) that is not known here")]
    UnknownKind {
        /// `kty`, and `crv` if it has one.
        kind: String,
    },
    /// The key is not one that counts.
    #[error(transparent)]
    Key(#[from] MultikeyError),
}

impl JwkError {
    /// The W3C problem identifier: always MALFORMED_VALUE_ERROR.
    #[must_use]
    pub fn problem_type(&self) -> &'static str {
        problem::MALFORMED_VALUE_ERROR
    }

    /// Whether the key may be good, but is of a kind that is not known here.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Malformed { .. } => false,
            Self::UnknownKind { .. } => true,
            Self::Key(error) => error.is_unknown(),
        }
    }
}

impl Multikey {
    /// Reads a public key: OKP with Ed25519, EC with P-256, or RSA of 2,048 to 4,096 bits, not
    /// set aside for anything but signatures.
    ///
    /// # Errors
    /// [`JwkError`]; a private key is refused as well.
    pub fn from_jwk(jwk: &Value) -> Result<Self, JwkError> {
        let jwk = jwk.as_object();
        let jwk = jwk.ok_or(malformed("jwk", "must be an object"))?;
        if jwk.contains_key("d") || jwk.contains_key("k") {
            return Err(malformed("d", "is there: this is a private key"));
        }
        let (kty, crv) = (text(jwk, "kty")?, optional(jwk, "crv")?);
        let (key, algs): (Self, &[&str]) = match (kty, crv) {
            ("OKP", Some("Ed25519")) => (
                Self::Ed25519(exact(jwk, "x")?),
                &["EdDSA", "Ed25519"] as &[_],
            ),
            ("EC", Some("P-256")) => (p256(exact(jwk, "x")?, exact(jwk, "y")?)?, &["ES256"]),
            ("RSA", None) => (rsa(&bytes(jwk, "n")?, &bytes(jwk, "e")?)?, &["RS256"]),
            _ => {
                let kind = [Some(kty), crv].into_iter().flatten();
                let kind = kind.collect::<Vec<_>>().join(" ");
                return Err(JwkError::UnknownKind { kind });
            }
        };
        check_use(jwk, algs)?;
        key.check()?;
        Ok(key)
    }

    /// The key as a JWK with its required members only.
    ///
    /// # Errors
    /// [`MultikeyError`] for what is no key.
    pub fn to_jwk(&self) -> Result<Value, MultikeyError> {
        self.check()?;
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Ok(match self {
            Self::Ed25519(key) => json!({"kty": "OKP", "crv": "Ed25519", "x": text(key)}),
            Self::P256(_) => {
                let point = self.p256()?.to_encoded_point(false);
                let (Some(x), Some(y)) = (point.x(), point.y()) else {
                    return Err(MultikeyError::WeakP256);
                };
                json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)})
            }
            Self::Rsa(der) => {
                let key = RsaPublicKey::from_der(der).map_err(|_| MultikeyError::WeakRsa)?;
                let (n, e) = (key.modulus.as_bytes(), key.public_exponent.as_bytes());
                json!({"kty": "RSA", "n": text(n), "e": text(e)})
            }
        })
    }
}

fn malformed(member: &'static str, reason: &'static str) -> JwkError {
    JwkError::Malformed { member, reason }
}

fn optional<'a>(
    jwk: &'a Map<String, Value>,
    member: &'static str,
) -> Result<Option<&'a str>, JwkError> {
    match jwk.get(member) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(malformed(member, "must be a string")),
    }
}

fn text<'a>(jwk: &'a Map<String, Value>, member: &'static str) -> Result<&'a str, JwkError> {
    optional(jwk, member)?.ok_or(malformed(member, "is missing"))
}

fn bytes(jwk: &Map<String, Value>, member: &'static str) -> Result<Vec<u8>, JwkError> {
    let text = text(jwk, member)?;
    if text.len() > MEMBER_CHARS_MAX {
        return Err(malformed(member, "is too long"));
    }
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| malformed(member, "must be base64url without padding"))
}

fn exact(jwk: &Map<String, Value>, member: &'static str) -> Result<[u8; 32], JwkError> {
    let bytes = bytes(jwk, member)?;
    bytes
        .try_into()
        .map_err(|_| malformed(member, "must hold 32 bytes"))
}

fn p256(x: [u8; 32], y: [u8; 32]) -> Result<Multikey, JwkError> {
    let point = EncodedPoint::from_affine_coordinates(&x.into(), &y.into(), false);
    let key = p256::ecdsa::VerifyingKey::from_encoded_point(&point);
    let key = key.map_err(|_| MultikeyError::WeakP256)?;
    let mut compressed = [0; 33];
    compressed.copy_from_slice(key.to_encoded_point(true).as_bytes());
    Ok(Multikey::P256(compressed))
}

fn rsa(n: &[u8], e: &[u8]) -> Result<Multikey, JwkError> {
    let der = || {
        let key = RsaPublicKey {
            modulus: UintRef::new(n)?,
            public_exponent: UintRef::new(e)?,
        };
        Ok::<_, Pkcs1Error>(key.to_der()?)
    };
    Ok(Multikey::Rsa(der().map_err(|_| MultikeyError::WeakRsa)?))
}

/// A key says what it is for; one for encryption, or for another algorithm, signs nothing here.
fn check_use(jwk: &Map<String, Value>, algs: &[&str]) -> Result<(), JwkError> {
    if optional(jwk, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(malformed("use", "must be \"sig\""));
    }
    if optional(jwk, "alg")?.is_some_and(|alg| !algs.contains(&alg)) {
        return Err(malformed("alg", "is not one of the kind of key"));
    }
    match jwk.get("key_ops") {
        None => Ok(()),
        Some(Value::Array(operations)) if operations.iter().any(|one| one == "verify") => Ok(()),
        Some(_) => Err(malformed("key_ops", "must include \"verify\"")),
    }
}

#[cfg(test)]
mod tests;
