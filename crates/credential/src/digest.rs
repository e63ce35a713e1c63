//! The digest by which the ledger knows a credential.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use thiserror::Error;

use crate::json::jcs;
use crate::problem;

/// BLAKE3 `derive_key` context of every credential digest.
const CONTEXT: &str = "credlog credential v1";

/// BLAKE3-256 of a secured credential; 64 lower-case hexadecimal digits as text.
///
/// `derive_key` mode with the context `credlog credential v1`, over
/// - the JCS bytes of the complete secured JSON credential, `proof` included, or
/// - the exact ASCII bytes of a compact JWS.
///
/// The JSON must come from [`crate::json::parse_strict`], which refuses texts that other parsers
/// could read differently. The signature inside makes the digest unguessable.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// A text is not a digest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is not a credential digest: 64 lower-case hexadecimal digits are needed")]
pub struct DigestError {
    /// The refused text, at most its first 80 characters.
    pub text: String,
}

impl DigestError {
    /// The W3C problem identifier: always MALFORMED_VALUE_ERROR.
    #[must_use]
    pub fn problem_type(&self) -> &'static str {
        problem::MALFORMED_VALUE_ERROR
    }
}

/// The digest of a secured JSON credential.
#[must_use]
pub fn digest(credential: &Value) -> Digest {
    Digest(blake3::derive_key(CONTEXT, &jcs(credential)))
}

/// The digest of a credential secured as a compact JWS, over its exact bytes.
#[must_use]
pub fn digest_jws(jws: &str) -> Digest {
    Digest(blake3::derive_key(CONTEXT, jws.as_bytes()))
}

impl Digest {
    /// A digest from its 32 bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The 32 bytes, owned.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl From<Digest> for [u8; 32] {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let refused = || DigestError {
            text: text.chars().take(80).collect(),
        };
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| refused())?;
        // One text form only: upper-case digits name the same bytes.
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(refused());
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            text.parse().map_err(serde::de::Error::custom)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_strict() {
        let digest = Digest::new([0xab; 32]);
        let text = digest.to_string();
        assert_eq!(text.parse(), Ok(digest));
        assert!(text.to_uppercase().parse::<Digest>().is_err());
        assert!(text[..62].parse::<Digest>().is_err());
        assert!(format!("{text}00").parse::<Digest>().is_err());
        assert!(format!(" {text}").parse::<Digest>().is_err());
        let json = serde_json::to_string(&digest).unwrap();
        assert_eq!(json, format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<Digest>(&json).unwrap(), digest);
    }
}
