//! Opening whatever somebody was given.

use serde_json::Value;
use thiserror::Error;

use crate::bake::{self, BakeError};
use crate::credential::{Credential, CredentialError};
use crate::form::Form;
use crate::json::{JsonError, parse_strict};
use crate::jws::Jws;
use crate::presentation::{Presentation, PresentationError, calls_itself_presentation};
use crate::problem;

/// What was inside.
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    /// One credential.
    Credential(Box<Credential>),
    /// A presentation, with any number of credentials.
    Presentation(Box<Presentation>),
}

/// Why something could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It begins like none of the forms.
    #[error(
        "this is no credential in a form that is known: JSON, a compact JWS (eyJ…), a PNG or an \
         SVG image"
    )]
    Unrecognized,
    /// It is said to be one form and is another.
    #[error("this is said to be {said} but begins like {found}")]
    OtherForm {
        /// The form that was named.
        said: Form,
        /// The form that it begins like.
        found: Form,
    },
    /// A text that is not UTF-8.
    #[error("the text is not UTF-8")]
    NotUtf8,
    /// Not strict JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// An image without a credential that can be read.
    #[error(transparent)]
    Bake(#[from] BakeError),
    /// Not a credential.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// Not a presentation.
    #[error(transparent)]
    Presentation(#[from] PresentationError),
}

impl OpenError {
    /// The W3C problem identifier.
    #[must_use]
    pub fn problem_type(&self) -> &'static str {
        match self {
            Self::Unrecognized | Self::OtherForm { .. } | Self::NotUtf8 => problem::PARSING_ERROR,
            Self::Json(error) => error.problem_type(),
            Self::Bake(error) => error.problem_type(),
            Self::Credential(error) => error.problem_type(),
            Self::Presentation(error) => error.problem_type(),
        }
    }

    /// Whether it was only too large to be looked at.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        match self {
            Self::Unrecognized | Self::OtherForm { .. } | Self::NotUtf8 => false,
            Self::Json(error) => error.is_too_large(),
            Self::Bake(error) => error.is_too_large(),
            Self::Credential(error) => error.is_too_large(),
            Self::Presentation(error) => error.is_too_large(),
        }
    }
}

/// Opens a credential or presentation in any form: JSON, a compact JWS, or an image with either
/// inside. Without a form, the content tells.
///
/// Nothing is verified yet.
///
/// # Errors
/// [`OpenError`] says what it is not.
pub fn open(content: &[u8], form: Option<Form>) -> Result<Opened, OpenError> {
    let form = match (form, Form::sniff(content)) {
        (Some(said), Some(found)) if said != found => {
            return Err(OpenError::OtherForm { said, found });
        }
        (said, found) => said.or(found).ok_or(OpenError::Unrecognized)?,
    };
    match form {
        Form::Json => json(content),
        Form::Jws => jws(std::str::from_utf8(content).map_err(|_| OpenError::NotUtf8)?),
        Form::Png | Form::Svg => {
            let inside = bake::unbake(content)?;
            match Form::sniff(inside.as_bytes()) {
                Some(Form::Json) => json(inside.as_bytes()),
                Some(Form::Jws) => jws(&inside),
                _ => Err(OpenError::Unrecognized),
            }
        }
    }
}

impl Opened {
    /// Opens how a document stands inside of another: an object, or a compact JWS as a text.
    ///
    /// # Errors
    /// As [`open`].
    pub fn from_value(document: Value) -> Result<Self, OpenError> {
        match document {
            Value::String(text) => jws(&text),
            document => Self::from_json(document),
        }
    }

    /// Opens JSON that [`parse_strict`] gave: a presentation if it calls itself one.
    ///
    /// # Errors
    /// As [`open`].
    pub fn from_json(document: Value) -> Result<Self, OpenError> {
        let is_presentation = document.as_object().is_some_and(calls_itself_presentation);
        Ok(if is_presentation {
            Self::Presentation(Box::new(Presentation::from_json(document)?))
        } else {
            Self::Credential(Box::new(Credential::from_json(document)?))
        })
    }

    /// The document as it is secured: an object, or a compact JWS as a text.
    #[must_use]
    pub fn secured(&self) -> Value {
        match self {
            Self::Credential(credential) => Credential::clone(credential).into_secured(),
            Self::Presentation(presentation) => presentation.secured(),
        }
    }
}

fn json(text: &[u8]) -> Result<Opened, OpenError> {
    Opened::from_json(parse_strict(text, Presentation::LIMITS)?)
}

fn jws(text: &str) -> Result<Opened, OpenError> {
    let text = text.trim_ascii();
    let jws = Jws::parse(text).map_err(CredentialError::from)?;
    let payload = jws.payload();
    let claim = payload.get("vp").is_some_and(Value::is_object);
    Ok(if claim || calls_itself_presentation(payload) {
        Opened::Presentation(Box::new(Presentation::from_jws(text)?))
    } else {
        Opened::Credential(Box::new(Credential::from_jws(text)?))
    })
}
