//! Signature algorithms, by their names in JOSE (RFC 7518 section 3.1, RFC 8037 section 3.1).
//!
//! A proof or a JWS says which algorithm it uses; a key says of which kind it is. Each algorithm
//! takes one kind of key and no other, so neither can be talked into being something else.

use ed25519_dalek::Signature as Ed25519Signature;
use p256::ecdsa::Signature as P256Signature;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use crate::multikey::Multikey;
use crate::proof::error::ProofError;

/// How a message is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// Ed25519; 64 bytes.
    EdDsa,
    /// ECDSA on P-256 over SHA-256; 64 bytes, r ‖ s.
    Es256,
    /// RSASSA-PKCS1-v1_5 over SHA-256; as many bytes as the modulus.
    Rs256,
}

impl Algorithm {
    /// The algorithm with a name as it stands in a JWS header; `Ed25519` is the newer name of
    /// EdDSA with that curve (RFC 9864 section 2.2).
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            "ES256" => Some(Self::Es256),
            "RS256" => Some(Self::Rs256),
            _ => None,
        }
    }

    /// The name as it stands in a JWS header.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    /// Whether a key is of the kind that the algorithm takes.
    pub(crate) fn takes(self, key: &Multikey) -> bool {
        match key {
            Multikey::Ed25519(_) => self == Self::EdDsa,
            Multikey::P256(_) => self == Self::Es256,
            Multikey::Rsa(_) => self == Self::Rs256,
        }
    }

    /// Checks a signature. `holder` is the property that holds it, for the error.
    pub(crate) fn verify(
        self,
        key: &Multikey,
        message: &[u8],
        signature: &[u8],
        holder: &'static str,
    ) -> Result<(), ProofError> {
        let malformed = |reason| ProofError::Malformed {
            property: holder,
            reason,
        };
        match self {
            Self::EdDsa => {
                let key = key.ed25519()?;
                let signature = Ed25519Signature::from_slice(signature)
                    .map_err(|_| malformed("must hold the 64 bytes of an Ed25519 signature"))?;
                // Strictly: no small-order keys or points, one encoding each.
                key.verify_strict(message, &signature)
                    .map_err(|_| ProofError::InvalidSignature)
            }
            Self::Es256 => {
                use p256::ecdsa::signature::Verifier;
                let key = key.p256()?;
                let signature = P256Signature::from_slice(signature).map_err(|_| {
                    malformed("must hold the 64 bytes (r and s) of a P-256 signature")
                })?;
                key.verify(message, &signature)
                    .map_err(|_| ProofError::InvalidSignature)
            }
            Self::Rs256 => UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.rsa()?)
                .verify(message, signature)
                .map_err(|_| ProofError::InvalidSignature),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use super::*;

    /// RFC 8037 appendix A.4, whose payload is no JSON; those of RFC 7515 are in tests/jws.rs.
    #[test]
    fn the_ed25519_signature_of_rfc_8037_is_good() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let key = Multikey::from_jwk(&json!({"kty": "OKP", "crv": "Ed25519", "x": x})).unwrap();
        let input = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5B\
            hVsPt9g7sVvpAr_MuM0KAg";
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let verify = |input: &[u8]| Algorithm::EdDsa.verify(&key, input, &signature, "signature");
        assert_eq!(verify(input), Ok(()));
        assert_eq!(verify(&input[1..]), Err(ProofError::InvalidSignature));
    }
}
