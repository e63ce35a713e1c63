//! Verifiable Presentations: credentials that a holder hands over together.
//!
//! A presentation's own proof shows who hands the credentials over, to whom and now (purpose
//! `authentication`, a challenge, a domain). It says nothing about the credentials inside: each is
//! judged by itself. Without a proof it is only a container.
//!
//! Sources: W3C Verifiable Credentials Data Model v2.0 sections 4.13 and 4.14, v1.1 section 4.10.

mod jws;

use serde_json::{Map, Value};
use thiserror::Error;
use time::OffsetDateTime;

pub use self::jws::sign_presentation_jws;
use crate::credential::{Credential, CredentialError, DataModel, model};
use crate::json::{JsonError, Limits, check_size, one_or_many, parse_strict};
use crate::jws::{Content, Jws, JwsError};
use crate::problem;
use crate::proof::error::ProofError;
use crate::proof::method::KeyResolver;
use crate::proof::report::ProofReport;
use crate::proof::{Expected, verify_document, verify_jws};
use crate::secret_key::SecretKey;
use crate::sign::{SignError, SignOptions, sign_document};
use crate::url::is_url;

/// The purpose of a presentation's proof.
pub const AUTHENTICATION: &str = "authentication";

/// Credentials of one presentation at most.
pub const CREDENTIALS_MAX: usize = 100;

const TYPE: &str = "VerifiablePresentation";

/// Why something is not a presentation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PresentationError {
    /// Not strict JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Not a compact JWS that counts.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// JSON, but no object.
    #[error("a presentation is a JSON object")]
    NotAnObject,
    /// A property is missing or has the wrong form.
    #[error("the presentation's {property} {reason}")]
    Malformed {
        /// The property's name.
        property: &'static str,
        /// What is wrong and what is needed.
        reason: &'static str,
    },
    /// More credentials than are looked at.
    #[error("the presentation holds {credentials} credentials; at most {credentials_max} are read")]
    TooMany {
        /// Credentials that it holds.
        credentials: usize,
        /// The limit.
        credentials_max: usize,
    },
}

impl PresentationError {
    /// The W3C problem identifier.
    #[must_use]
    pub fn problem_type(&self) -> &'static str {
        match self {
            Self::Json(error) => error.problem_type(),
            Self::Jws(error) => error.problem_type(),
            Self::NotAnObject => problem::PARSING_ERROR,
            Self::Malformed { .. } | Self::TooMany { .. } => problem::MALFORMED_VALUE_ERROR,
        }
    }

    /// Whether it was only too long or too deep to be looked at.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        match self {
            Self::Json(error) => error.is_too_large(),
            Self::Jws(error) => error.is_too_large(),
            Self::TooMany { .. } => true,
            _ => false,
        }
    }
}

/// What a verifier asked the holder to put into the proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Challenge<'a> {
    /// The text that only this verifier can have given, and only now.
    pub challenge: Option<&'a str>,
    /// The verifier itself.
    pub domain: Option<&'a str>,
}

/// A presentation, with or without proofs, whose form was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Presentation {
    document: Value,
    model: DataModel,
    holder: Option<String>,
    credentials: Vec<Result<Credential, CredentialError>>,
    proofs: Vec<Value>,
    /// What it came as, if not as JSON.
    jws: Option<Jws>,
}

impl Presentation {
    /// What is read at most. Around a credential there are a few levels more than in it.
    pub const LIMITS: Limits = Limits {
        bytes_max: Credential::TEXT_BYTES_MAX,
        depth_max: Limits::DEFAULT.depth_max + 4,
    };

    /// Reads a presentation from a text within [`Self::LIMITS`].
    ///
    /// # Errors
    /// [`PresentationError::Json`] for what is not strict JSON, else as [`Self::from_json`].
    pub fn parse(text: &[u8]) -> Result<Self, PresentationError> {
        Self::from_json(parse_strict(text, Self::LIMITS)?)
    }

    /// Checks the size and the form of a presentation that
    /// [`parse_strict`](crate::json::parse_strict) gave. What is wrong with a credential inside
    /// is that credential's error alone. An `EnvelopedVerifiablePresentation` is opened: the
    /// presentation is then the one inside.
    ///
    /// # Errors
    /// [`PresentationError`] names what is wrong.
    pub fn from_json(document: Value) -> Result<Self, PresentationError> {
        let object = document.as_object().ok_or(PresentationError::NotAnObject)?;
        match jws::enveloped(object)? {
            Some(jws) => Self::from_jws(jws),
            None => Self::read(document),
        }
    }

    /// Reads a presentation from a compact JWS; white space may stand behind it. The payload is
    /// the presentation (VC 2.0, `vp+jwt`), or holds it in the claim `vp` (VC 1.1).
    ///
    /// # Errors
    /// [`PresentationError`] names what is wrong.
    pub fn from_jws(text: &str) -> Result<Self, PresentationError> {
        let jws = Jws::parse(text.trim_ascii_end())?;
        jws.check_content(Content::Presentation)?;
        let document = jws::document(&jws)?;
        Ok(Self {
            jws: Some(jws),
            ..Self::read(Value::Object(document))?
        })
    }

    fn read(document: Value) -> Result<Self, PresentationError> {
        check_size(&document, Self::LIMITS)?;
        let object = document.as_object().ok_or(PresentationError::NotAnObject)?;
        let model = model(object).map_err(|_| {
            let reason = "must be URLs and objects that begin with \
                 https://www.w3.org/ns/credentials/v2 or https://www.w3.org/2018/credentials/v1";
            malformed("@context", reason)
        })?;
        if !one_or_many(object.get("type"))
            .iter()
            .any(|name| name == TYPE)
        {
            return Err(malformed("type", "must include VerifiablePresentation"));
        }
        if !object.get("id").is_none_or(is_url_text) {
            return Err(malformed("id", "must be one URL"));
        }
        let proofs = one_or_many(object.get("proof"));
        if !proofs.iter().all(Value::is_object) {
            return Err(malformed(
                "proof",
                "must be an object or an array of objects",
            ));
        }
        Ok(Self {
            model,
            holder: holder(object)?,
            credentials: credentials(object)?,
            proofs: proofs.to_vec(),
            document,
            jws: None,
        })
    }

    /// The complete JSON, proofs included; of a JWS, the presentation in its payload without the
    /// claims of the JWT.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The data model that its first context names.
    #[must_use]
    pub fn model(&self) -> DataModel {
        self.model
    }

    /// Who says to be its holder, a DID or another URL. Only a claim until a proof binds it.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.holder.as_deref()
    }

    /// What it holds, in order: each a credential, or why it is none.
    pub fn credentials(&self) -> &[Result<Credential, CredentialError>] {
        &self.credentials
    }

    /// What it holds, in order, owned.
    #[must_use]
    pub fn into_credentials(self) -> Vec<Result<Credential, CredentialError>> {
        self.credentials
    }

    /// The presentation as it is secured: the JSON, or the compact JWS that it came as.
    #[must_use]
    pub fn secured(&self) -> Value {
        match &self.jws {
            Some(jws) => jws.as_str().into(),
            None => self.document.clone(),
        }
    }

    /// The compact JWS that it came as, if it did.
    #[must_use]
    pub fn jws(&self) -> Option<&Jws> {
        self.jws.as_ref()
    }

    /// Whether it has a proof or came as a JWS; otherwise it shows nothing about its holder.
    #[must_use]
    pub fn is_secured(&self) -> bool {
        self.jws.is_some() || !self.proofs.is_empty()
    }
}

/// Whether a JSON object calls itself a presentation, or an envelope around one.
pub(crate) fn calls_itself_presentation(object: &Map<String, Value>) -> bool {
    let types = one_or_many(object.get("type"));
    types
        .iter()
        .any(|name| name == TYPE || name == jws::ENVELOPE)
}

/// Checks a presentation's own proofs, as of a time: purpose `authentication`, the challenge and
/// the domain that the verifier gave, and that the holder it names controls each key.
///
/// One without a proof gives an empty report ([`Presentation::is_secured`]). The credentials
/// inside are not looked at.
#[must_use]
pub fn verify_presentation(
    presentation: &Presentation,
    asked: &Challenge<'_>,
    at: OffsetDateTime,
    keys: &dyn KeyResolver,
) -> ProofReport {
    let expected = Expected {
        purpose: AUTHENTICATION,
        challenge: asked.challenge,
        domain: asked.domain,
    };
    let mut report = match &presentation.jws {
        None => verify_document(&presentation.document, expected, at, keys),
        Some(jws) => {
            let mut proof = verify_jws(
                jws,
                presentation.holder().unwrap_or_default(),
                expected,
                at,
                keys,
            );
            proof.result = proof.result.and_then(|()| jws::check_times(jws, at));
            let mut report = verify_document(&presentation.document, expected, at, keys);
            report.proofs.insert(0, proof);
            report
        }
    };
    if let Some(holder) = presentation.holder() {
        bind(&mut report, holder);
    }
    report
}

/// A good proof counts only when the holder controls its key.
fn bind(report: &mut ProofReport, holder: &str) {
    for proof in report
        .proofs
        .iter_mut()
        .filter(|proof| proof.result.is_ok())
    {
        let controller = proof.key.as_ref().and_then(|key| key.controller.clone());
        if controller.as_deref() != Some(holder) {
            proof.result = Err(ProofError::WrongHolder {
                holder: holder.to_owned(),
                controller,
            });
        }
    }
}

/// Signs a presentation with a Data Integrity proof; its purpose is `authentication` whatever the
/// options say.
///
/// # Errors
/// As [`crate::sign`].
pub fn sign_presentation(
    presentation: &Presentation,
    key: &SecretKey,
    options: &SignOptions,
) -> Result<Value, SignError> {
    let options = SignOptions {
        proof_purpose: AUTHENTICATION.to_owned(),
        ..options.clone()
    };
    sign_document(presentation.document.clone(), key, &options)
}

fn malformed(property: &'static str, reason: &'static str) -> PresentationError {
    PresentationError::Malformed { property, reason }
}

fn is_url_text(value: &Value) -> bool {
    value.as_str().is_some_and(is_url)
}

fn holder(object: &Map<String, Value>) -> Result<Option<String>, PresentationError> {
    let id = match object.get("holder") {
        None => return Ok(None),
        Some(Value::Object(profile)) => profile.get("id"),
        holder => holder,
    };
    match id.and_then(Value::as_str) {
        Some(id) if is_url(id) => Ok(Some(id.to_owned())),
        _ => Err(malformed(
            "holder",
            "must be a URL (a DID counts) or an object whose id is one",
        )),
    }
}

fn credentials(
    object: &Map<String, Value>,
) -> Result<Vec<Result<Credential, CredentialError>>, PresentationError> {
    let entries = one_or_many(object.get("verifiableCredential"));
    if entries.len() > CREDENTIALS_MAX {
        return Err(PresentationError::TooMany {
            credentials: entries.len(),
            credentials_max: CREDENTIALS_MAX,
        });
    }
    let read = |entry: &Value| {
        let credential = Credential::from_json(entry.clone())?;
        Ok(credential.in_company(entries.len()))
    };
    Ok(entries.iter().map(read).collect())
}
