//! Badges inside of images: PNG and SVG that carry a credential.
//!
//! A PNG holds it in an uncompressed iTXt chunk with the keyword `openbadgecredential`, an SVG in
//! an element `openbadges:credential` right after its start tag. Either holds a credential's JSON
//! or a compact JWS. Source: Open Badges v3.0 section 5.3.
//!
//! Baking copies every other byte of the image as it is. What the image shows says nothing about
//! the credential inside: only the credential is signed.

mod png;
mod svg;

pub(crate) use self::png::SIGNATURE;
use thiserror::Error;

use crate::credential::Credential;
use crate::form::Form;
use crate::json::{JsonError, Limits, parse_strict};
use crate::problem;

/// Longest image that is read or written, in bytes.
pub const IMAGE_BYTES_MAX: usize = 8 << 20;

/// Longest credential text in an image, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = Credential::TEXT_BYTES_MAX;

/// Why an image is not baked or unbaked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BakeError {
    /// Neither PNG nor SVG.
    #[error("this is no PNG and no SVG image; a badge is baked into one of these")]
    NotAnImage,
    /// More bytes than are read.
    #[error("the {what} has {bytes} bytes; at most {bytes_max} are read")]
    TooLarge {
        /// The image, or the credential inside of it.
        what: &'static str,
        /// Bytes of it; one more than the limit when only so many were unpacked.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The PNG is damaged or not built as PNG is.
    #[error("the PNG image is damaged: {reason}")]
    Png {
        /// What is wrong.
        reason: &'static str,
    },
    /// A chunk of the PNG does not fit its checksum.
    #[error("the PNG image is damaged: chunk {number} ({kind}) does not fit its checksum")]
    Checksum {
        /// The chunk, from 1.
        number: usize,
        /// Its type, for instance `iTXt`.
        kind: String,
    },
    /// The SVG is not well-formed XML, or uses what is not read.
    #[error("the SVG image cannot be read: {reason}")]
    Svg {
        /// What is wrong, and where.
        reason: String,
    },
    /// No credential inside.
    #[error("the image is an image only: no Open Badges 3.0 credential is baked into it")]
    NoCredential,
    /// A credential of the version before, which is no verifiable credential.
    #[error(
        "an Open Badges 2.0 assertion is baked into the image; only Open Badges 3.0 is \
         supported: ask the issuer for one"
    )]
    OpenBadges2,
    /// More than one credential inside: two readers could see two different badges.
    #[error("the image holds more than one credential; exactly one is allowed")]
    SeveralCredentials,
    /// What is to be baked is no credential text.
    #[error("only one JSON object or one compact JWS can be baked into an image")]
    NotAPayload,
    /// What is to be baked begins like JSON and is none.
    #[error("what is to be baked: {0}")]
    Json(#[from] JsonError),
}

impl BakeError {
    /// The W3C problem identifier: always PARSING_ERROR.
    #[must_use]
    pub fn problem_type(&self) -> &'static str {
        problem::PARSING_ERROR
    }

    /// Whether it was only too large to be looked at.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        match self {
            Self::TooLarge { .. } => true,
            Self::Json(error) => error.is_too_large(),
            _ => false,
        }
    }
}

/// The text inside of an image: a credential's JSON or a compact JWS. It is not looked into.
///
/// # Errors
/// [`BakeError`] for what is no image, damaged, or holds no credential.
pub fn unbake(image: &[u8]) -> Result<String, BakeError> {
    check_size("image", image.len(), IMAGE_BYTES_MAX)?;
    let text = match Form::sniff(image) {
        Some(Form::Png) => png::unbake(image)?,
        Some(Form::Svg) => svg::unbake(image)?,
        _ => return Err(BakeError::NotAnImage),
    };
    check_size("credential in the image", text.len(), PAYLOAD_BYTES_MAX)?;
    Ok(text.trim().to_owned())
}

/// An image that carries a credential's JSON or a compact JWS, in place of one that it may
/// carry already. White space around the text is left out; that it is a credential at all is not
/// checked.
///
/// # Errors
/// [`BakeError`] for what is no image, damaged, or no text that an image may carry.
pub fn bake(image: &[u8], payload: &str) -> Result<Vec<u8>, BakeError> {
    check_size("image", image.len(), IMAGE_BYTES_MAX)?;
    let payload = Payload::read(payload.trim())?;
    let baked = match Form::sniff(image) {
        Some(Form::Png) => png::bake(image, payload.text())?,
        Some(Form::Svg) => svg::bake(image, payload)?,
        _ => return Err(BakeError::NotAnImage),
    };
    check_size("baked image", baked.len(), IMAGE_BYTES_MAX)?;
    Ok(baked)
}

/// What an image may carry.
#[derive(Debug, Clone, Copy)]
enum Payload<'a> {
    Json(&'a str),
    Jws(&'a str),
}

impl<'a> Payload<'a> {
    fn read(text: &'a str) -> Result<Self, BakeError> {
        check_size("credential", text.len(), PAYLOAD_BYTES_MAX)?;
        match Form::sniff(text.as_bytes()) {
            Some(Form::Json) => {
                let limits = Limits {
                    bytes_max: PAYLOAD_BYTES_MAX,
                    ..Limits::DEFAULT
                };
                parse_strict(text.as_bytes(), limits)?;
                Ok(Self::Json(text))
            }
            Some(Form::Jws) if is_compact_jws(text) => Ok(Self::Jws(text)),
            _ => Err(BakeError::NotAPayload),
        }
    }

    fn text(self) -> &'a str {
        match self {
            Self::Json(text) | Self::Jws(text) => text,
        }
    }
}

fn is_compact_jws(text: &str) -> bool {
    let base64url = |part: &str| {
        let characters = |c: u8| c.is_ascii_alphanumeric() || c == b'-' || c == b'_';
        !part.is_empty() && part.bytes().all(characters)
    };
    text.split('.').count() == 3 && text.split('.').all(base64url)
}

fn check_size(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), BakeError> {
    if bytes > bytes_max {
        return Err(BakeError::TooLarge {
            what,
            bytes,
            bytes_max,
        });
    }
    Ok(())
}
