//! Compact JWS (RFC 7515 section 3.1), read strictly: `header.payload.signature`, each base64url
//! without padding, header and payload I-JSON objects.
//!
//! What it refuses: critical extensions (`crit`), detached or unencoded payloads (`b64`),
//! symmetric algorithms and `none`; and it follows no URL of a header (`jku`, `x5u`). An algorithm
//! that is not known here can be read but not checked.

mod header;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use thiserror::Error;

pub use self::header::Content;
pub(crate) use self::header::{Alg, Header};
use crate::json::{JsonError, Limits, parse_strict};
use crate::multikey::JwkError;
use crate::problem;

/// What a header may be at most.
const HEADER_LIMITS: Limits = Limits {
    bytes_max: 16 << 10,
    depth_max: 8,
};

/// Longest signature in characters: RSA of 4,096 bits has 683.
const SIGNATURE_CHARS_MAX: usize = 1_400;

/// A compact JWS whose form was checked, not yet its signature.
#[derive(Debug, Clone, PartialEq)]
pub struct Jws {
    text: String,
    header: Header,
    payload: Map<String, Value>,
    signature: Vec<u8>,
}

/// Why a text is not a compact JWS that counts.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JwsError {
    /// Longer than [`Jws::BYTES_MAX`].
    #[error("the JWS has {bytes} bytes; at most {} are read", Jws::BYTES_MAX)]
    TooLong {
        /// Bytes of the text.
        bytes: usize,
    },
    /// Not three parts with dots between them.
    #[error("a compact JWS is three parts with dots between them")]
    NotCompact,
    /// A part is not base64url without padding.
    #[error("the {part} of the JWS is not base64url without padding")]
    NotBase64Url {
        /// Which part.
        part: &'static str,
    },
    /// A part is not strict JSON.
    #[error("the {part} of the JWS: {error}")]
    Json {
        /// Which part.
        part: &'static str,
        /// What is wrong.
        error: JsonError,
    },
    /// A part is JSON, but no object.
    #[error("the {part} of the JWS is not a JSON object")]
    NotAnObject {
        /// Which part.
        part: &'static str,
    },
    /// A parameter of the header is missing or has the wrong form.
    #[error("the JWS header's {parameter} {reason}")]
    Header {
        /// The parameter.
        parameter: &'static str,
        /// What is wrong and what is needed.
        reason: &'static str,
    },
    /// The algorithm signs nothing that a stranger could check.
    #[error("the JWS has the algorithm {alg:?}, which proves nothing to a third party")]
    Unsigned {
        /// The header's `alg`.
        alg: String,
    },
    /// The header says that the payload is something else.
    #[error("the JWS header's {parameter} is {value:?}, which is not a {expected}")]
    WrongType {
        /// `typ` or `cty`.
        parameter: &'static str,
        /// Its value.
        value: String,
        /// What is needed.
        expected: &'static str,
    },
    /// The header's key is malformed.
    #[error("the JWS header's jwk: {0}")]
    Jwk(#[from] JwkError),
}

impl JwsError {
    /// The W3C problem identifier.
    #[must_use]
    pub fn problem_type(&self) -> &'static str {
        match self {
            Self::Unsigned { .. } => problem::CRYPTOGRAPHIC_SECURITY_ERROR,
            Self::Header { .. } | Self::WrongType { .. } | Self::Jwk(_) => {
                problem::MALFORMED_VALUE_ERROR
            }
            _ => problem::PARSING_ERROR,
        }
    }

    /// Whether it was only too long or too deep to be looked at.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        match self {
            Self::TooLong { .. } => true,
            Self::Json { error, .. } => error.is_too_large(),
            _ => false,
        }
    }
}

impl Jws {
    /// Most bytes of a text that is read: base64url of a payload of 1 MiB needs 1.4 MiB.
    pub const BYTES_MAX: usize = 2 << 20;

    /// Reads a compact JWS; white space belongs to no part of it.
    ///
    /// # Errors
    /// [`JwsError`] names the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, JwsError> {
        if text.len() > Self::BYTES_MAX {
            return Err(JwsError::TooLong { bytes: text.len() });
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JwsError::NotCompact);
        };
        let payload_limits = Limits {
            bytes_max: Self::BYTES_MAX,
            // A VC 1.1 credential stands one level down, in `vc`.
            depth_max: Limits::DEFAULT.depth_max + 1,
        };
        if signature.len() > SIGNATURE_CHARS_MAX {
            return Err(JwsError::NotBase64Url { part: "signature" });
        }
        Ok(Self {
            header: Header::read(&object(header, "header", HEADER_LIMITS)?)?,
            payload: object(payload, "payload", payload_limits)?,
            signature: decode(signature, "signature")?,
            text: text.to_owned(),
        })
    }

    /// The text, byte for byte as it was read.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The payload: the credential or presentation with claims beside it, or the claims around it.
    #[must_use]
    pub fn payload(&self) -> &Map<String, Value> {
        &self.payload
    }

    /// The header's `alg`.
    #[must_use]
    pub fn alg(&self) -> &str {
        self.header.alg.name()
    }

    /// The header's `kid` as it stands.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// Checks that the header's `typ` and `cty`, where they are there, say what the payload is.
    ///
    /// # Errors
    /// [`JwsError::WrongType`].
    pub fn check_content(&self, content: Content) -> Result<(), JwsError> {
        self.header.check_content(content)
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// What is signed: everything before the last dot.
    pub(crate) fn signing_input(&self) -> &[u8] {
        let end = self.text.rfind('.').unwrap_or_default();
        &self.text.as_bytes()[..end]
    }
}

fn decode(text: &str, part: &'static str) -> Result<Vec<u8>, JwsError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| JwsError::NotBase64Url { part })
}

fn object(text: &str, part: &'static str, limits: Limits) -> Result<Map<String, Value>, JwsError> {
    // Four characters are three bytes: what is too long need not be decoded.
    if text.len() / 4 * 3 > limits.bytes_max {
        return Err(JwsError::TooLong { bytes: text.len() });
    }
    let json = decode(text, part)?;
    match parse_strict(&json, limits) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(JwsError::NotAnObject { part }),
        Err(error) => Err(JwsError::Json { part, error }),
    }
}

#[cfg(test)]
mod tests;
