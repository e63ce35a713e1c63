//! Private keys that sign credentials.

use std::fmt;

use crate::algorithm::Algorithm;
use crate::multikey::Multikey;

/// A private key; each kind signs with one algorithm, in proofs and in JWS.
#[derive(Clone)]
#[non_exhaustive]
pub enum SecretKey {
    /// Ed25519: `eddsa-…-2022`, and `EdDSA` in a JWS.
    Ed25519(ed25519_dalek::SigningKey),
    /// P-256: `ecdsa-…-2019`, and `ES256` in a JWS.
    P256(p256::ecdsa::SigningKey),
}

impl SecretKey {
    /// The public key.
    #[must_use]
    pub fn public(&self) -> Multikey {
        match self {
            Self::Ed25519(key) => Multikey::Ed25519(key.verifying_key().to_bytes()),
            Self::P256(key) => {
                let mut bytes = [0; 33];
                let point = key.verifying_key().to_encoded_point(true);
                bytes.copy_from_slice(point.as_bytes());
                Multikey::P256(bytes)
            }
        }
    }

    /// The algorithm by which it signs.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::P256(_) => Algorithm::Es256,
        }
    }

    /// Signs; the same message gets the same signature each time (RFC 8032, RFC 6979).
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => ed25519_dalek::Signer::sign(key, message).to_vec(),
            Self::P256(key) => {
                use p256::ecdsa::signature::Signer;
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_vec()
            }
        }
    }
}

impl From<ed25519_dalek::SigningKey> for SecretKey {
    fn from(key: ed25519_dalek::SigningKey) -> Self {
        Self::Ed25519(key)
    }
}

impl From<p256::ecdsa::SigningKey> for SecretKey {
    fn from(key: p256::ecdsa::SigningKey) -> Self {
        Self::P256(key)
    }
}

/// Shows the public key only.
impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_key_shows_only_its_public_key() {
        let secret = SecretKey::from(ed25519_dalek::SigningKey::from_bytes(&[7; 32]));
        let shown = format!("{secret:?}");
        assert_eq!(shown, format!("SecretKey(of {})", secret.public()));
        assert!(!shown.contains("07"), "{shown}");
        let secret = SecretKey::from(p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap());
        assert!(secret.public().to_string().starts_with("zDna"));
        assert_eq!(secret.sign(b"x"), secret.sign(b"x"));
    }
}
