//! Ed25519 as both EdDSA suites use it.

use ed25519_dalek::{Signature, Signer, SigningKey};

use crate::multikey::Multikey;
use crate::proof::error::ProofError;

/// Checks a signature strictly: no small-order keys or points, one encoding each.
pub(super) fn verify(key: &Multikey, message: &[u8], signature: &[u8]) -> Result<(), ProofError> {
    let signature = Signature::from_slice(signature).map_err(|_| ProofError::Malformed {
        property: "proofValue",
        reason: "must hold the 64 bytes of an Ed25519 signature",
    })?;
    let key = key.ed25519()?;
    key.verify_strict(message, &signature)
        .map_err(|_| ProofError::InvalidSignature)
}

pub(super) fn sign(key: &SigningKey, message: &[u8]) -> Vec<u8> {
    key.sign(message).to_bytes().to_vec()
}

/// Bytes as a multibase text: `z` and base58btc.
pub(crate) fn base58btc(bytes: &[u8]) -> String {
    format!("z{}", bs58::encode(bytes).into_string())
}
