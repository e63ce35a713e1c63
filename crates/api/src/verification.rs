//! POST /v1/verify and GET /v1/credentials/{digest}: what may be asked.

use credlog_credential::did::{DidDocument, DidError, Documents};
use credlog_credential::json::{JsonError, Limits, parse_strict};
use credlog_credential::{Form, OpenError, Opened, open};
use credlog_ledger::ids::{Digest, IssuerId};
use credlog_verify::facts::{POSITIONS_MAX, Position, PositionError};
use credlog_verify::prefix::DigestPrefix;
use credlog_verify::{
    Answer, DigestSubject, HandedOver, PresentationVerdict, Summary, Time, Verdict,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::problem::{Problem, ProblemType};

/// Most bytes of a request to verify: a credential and its status lists.
pub const VERIFY_BYTES_MAX: usize = 8 << 20;
/// Most bytes of JSON in it: credentials and their status lists.
pub const VERIFY_JSON_BYTES_MAX: usize = 4 << 20;
/// Levels of a request around a credential: the body, and the array of status lists. The limits
/// of a credential are checked for each by itself, the same as anywhere.
const AROUND_LEVELS: usize = 2;
/// Most status lists in one request.
pub const STATUS_LISTS_MAX: usize = 8;

/// Most DID documents in one request.
pub const DID_DOCUMENTS_MAX: usize = 8;

/// A request to verify.
///
/// A body is an image, a compact JWS, or JSON in one of four forms, told apart by its properties:
/// - a credential or presentation itself: an object with `@context`;
/// - `{"credential": …}` or `{"presentation": …}`: an object, or a compact JWS as a string, and
///   what else is said about the check;
/// - `{"digest": …}`: only the digest, 64 lower-case hex digits.
#[derive(Debug, Clone)]
pub struct VerifyRequest {
    /// What is verified.
    pub subject: RequestSubject,
    /// The date asked about; absent for now.
    pub at: Option<Time>,
    /// What comes with it. A digest alone does not tell the position in a list, so status lists
    /// need the credential.
    pub handed_over: HandedOver,
    /// The DID documents of [`Self::handed_over`] as JSON, to be sent on.
    pub did_documents: Vec<Value>,
}

/// What is verified.
#[derive(Debug, Clone)]
#[allow(clippy::large_enum_variant)] // one a request
pub enum RequestSubject {
    /// A credential or presentation.
    Document(Opened),
    /// A digest.
    Digest(DigestSubject),
}

/// A body that is no request to verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyRequestError {
    /// Not strict JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// None of the forms, or more than one.
    #[error(
        "send a credential or presentation (an object with @context), {{\"credential\": …}}, \
         {{\"presentation\": …}} or {{\"digest\": …}}"
    )]
    Form,
    /// A line that is none of the forms.
    #[error("a line is an object as in POST /v1/verify, or a string: a digest or a compact JWS")]
    Line,
    /// What was sent holds no credential or presentation.
    #[error(transparent)]
    Document(#[from] OpenError),
    /// A property that is wrong or does not belong here.
    #[error("{0}")]
    Property(String),
    /// A proof that was checked elsewhere, but nobody says as whose.
    #[error(
        "proofCheckedElsewhere needs `issuer`: name the issuer whose key made the proof that you \
         checked, so that only what that issuer issued counts"
    )]
    IssuerMissing,
    /// Too many things beside the credential.
    #[error("there are {count} {what}; at most {max} are read")]
    TooMany {
        /// What.
        what: &'static str,
        /// How many.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// A DID document that cannot be used.
    #[error("a DID document cannot be used: {0}")]
    DidDocument(#[from] DidError),
}

impl VerifyRequestError {
    /// What the request is answered with.
    pub fn problem(&self) -> Problem {
        let kind = match self {
            Self::IssuerMissing => ProblemType::INVALID_PARAMETER,
            Self::Document(_) => ProblemType::MALFORMED_CREDENTIAL,
            _ => ProblemType::MALFORMED_REQUEST,
        };
        Problem::new(kind, self.to_string())
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct WithDocument {
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presentation: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<Time>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    status_lists: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    did_documents: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    challenge: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WithDigest {
    digest: Digest,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuer: Option<IssuerId>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    proof_checked_elsewhere: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Time>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    status_lists: Vec<Value>,
}

impl VerifyRequest {
    /// A request about a credential or presentation, now, with nothing handed over.
    pub fn of(opened: Opened) -> Self {
        Self {
            subject: RequestSubject::Document(opened),
            at: None,
            handed_over: HandedOver::default(),
            did_documents: Vec::new(),
        }
    }

    /// Reads a body of a form; without one the content tells. Of JSON, duplicate names, lone
    /// surrogates and inexact integers are refused: other parsers might read another credential.
    ///
    /// # Errors
    /// [`VerifyRequestError`].
    pub fn parse(body: &[u8], form: Option<Form>) -> Result<Self, VerifyRequestError> {
        match form.or_else(|| Form::sniff(body)) {
            None | Some(Form::Json) => Self::from_json(parse_strict(body, LIMITS)?),
            form => Ok(Self::of(open(body, form)?)),
        }
    }

    /// Reads a line of a batch: JSON as in [`Self::parse`], or a string that is a digest or a
    /// compact JWS.
    ///
    /// # Errors
    /// [`VerifyRequestError`].
    pub fn parse_line(line: &[u8]) -> Result<Self, VerifyRequestError> {
        match parse_strict(line, LIMITS)? {
            Value::String(text) => Self::from_text(&text),
            body @ Value::Object(_) => Self::from_json(body),
            _ => Err(VerifyRequestError::Line),
        }
    }

    /// Reads a digest or a compact JWS.
    fn from_text(text: &str) -> Result<Self, VerifyRequestError> {
        if let Ok(digest) = text.parse() {
            return Ok(Self {
                subject: RequestSubject::Digest(DigestSubject {
                    digest,
                    issuer: None,
                    proof_checked_elsewhere: false,
                }),
                at: None,
                handed_over: HandedOver::default(),
                did_documents: Vec::new(),
            });
        }
        match Form::sniff(text.as_bytes()) {
            Some(Form::Jws) => Ok(Self::of(Opened::from_value(text.into())?)),
            _ => Err(VerifyRequestError::Line),
        }
    }

    fn from_json(body: Value) -> Result<Self, VerifyRequestError> {
        let object = body.as_object().ok_or(VerifyRequestError::Form)?;
        let has = |property| object.contains_key(property);
        if has("@context") {
            return Ok(Self::of(Opened::from_json(body)?));
        }
        match (has("credential"), has("presentation"), has("digest")) {
            (true, false, false) | (false, true, false) => Self::with_document(property(body)?),
            (false, false, true) => Self::with_digest(property(body)?),
            _ => Err(VerifyRequestError::Form),
        }
    }

    fn with_document(read: WithDocument) -> Result<Self, VerifyRequestError> {
        let at_most = |what, count, max| match count > max {
            true => Err(VerifyRequestError::TooMany { what, count, max }),
            false => Ok(()),
        };
        at_most("status lists", read.status_lists.len(), STATUS_LISTS_MAX)?;
        at_most("DID documents", read.did_documents.len(), DID_DOCUMENTS_MAX)?;
        let opened = match (read.credential, read.presentation) {
            (Some(document), None) | (None, Some(document)) => Opened::from_value(document)?,
            _ => return Err(VerifyRequestError::Form),
        };
        let documents: Result<Vec<_>, _> = read
            .did_documents
            .iter()
            .map(DidDocument::from_json)
            .collect();
        let documents = documents.and_then(Documents::new)?;
        Ok(Self {
            subject: RequestSubject::Document(opened),
            at: read.at,
            did_documents: read.did_documents,
            handed_over: HandedOver {
                status_lists: read.status_lists,
                documents,
                challenge: read.challenge,
                domain: read.domain,
                ..HandedOver::default()
            },
        })
    }

    fn with_digest(read: WithDigest) -> Result<Self, VerifyRequestError> {
        if read.proof_checked_elsewhere && read.issuer.is_none() {
            return Err(VerifyRequestError::IssuerMissing);
        }
        Ok(Self {
            subject: RequestSubject::Digest(DigestSubject {
                digest: read.digest,
                issuer: read.issuer,
                proof_checked_elsewhere: read.proof_checked_elsewhere,
            }),
            at: read.at,
            handed_over: HandedOver::default(),
            did_documents: Vec::new(),
        })
    }

    /// The body, in the form with `credential`, `presentation` or `digest`.
    pub fn to_json(&self) -> Value {
        let at = self.at;
        let handed = &self.handed_over;
        let body = match &self.subject {
            RequestSubject::Document(opened) => {
                let secured = Some(opened.secured());
                let (credential, presentation) = match opened {
                    Opened::Presentation(_) => (None, secured),
                    Opened::Credential(_) => (secured, None),
                };
                serde_json::to_value(WithDocument {
                    credential,
                    presentation,
                    at,
                    status_lists: handed.status_lists.clone(),
                    did_documents: self.did_documents.clone(),
                    challenge: handed.challenge.clone(),
                    domain: handed.domain.clone(),
                })
            }
            RequestSubject::Digest(subject) => serde_json::to_value(WithDigest {
                digest: subject.digest,
                issuer: subject.issuer.clone(),
                proof_checked_elsewhere: subject.proof_checked_elsewhere,
                at,
                status_lists: Vec::new(),
            }),
        };
        // Plain data with text keys always has a JSON form.
        body.unwrap_or_default()
    }
}

/// Limits of a body of JSON. Those of a credential are checked for each by itself, the same as
/// anywhere.
const LIMITS: Limits = Limits {
    bytes_max: VERIFY_JSON_BYTES_MAX,
    depth_max: Limits::DEFAULT.depth_max + AROUND_LEVELS,
};

fn property<T: serde::de::DeserializeOwned>(body: Value) -> Result<T, VerifyRequestError> {
    serde_json::from_value(body).map_err(|error| VerifyRequestError::Property(error.to_string()))
}

/// Query of POST /v1/verify/batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BatchQuery {
    /// The date asked about, for lines that name none; absent for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// Answers without checks and evidence.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub brief: bool,
}

/// The answer to one line of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BatchLine {
    /// Number of the line, from 1; empty lines count, but have no answer.
    pub line: u64,
    /// What became of it.
    #[serde(flatten)]
    pub answer: BatchAnswer,
}

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[allow(clippy::large_enum_variant)] // one at a time
pub enum BatchAnswer {
    /// It is a credential or a digest.
    Verdict(Verdict),
    /// It is a presentation.
    Presentation(PresentationVerdict),
    /// One word and a sentence, for whoever asked for no more.
    Brief(Brief),
    /// It could not be checked.
    Error(Problem),
}

/// A verdict in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Brief {
    /// One word.
    pub summary: Summary,
    /// The summary as a sentence.
    pub headline: String,
    /// The credential's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

impl BatchAnswer {
    /// An answer, in short or in full.
    pub fn of(answer: Answer, brief: bool) -> Self {
        match answer {
            answer if brief => Self::Brief(Brief {
                summary: answer.summary(),
                headline: answer.headline().to_owned(),
                digest: match &answer {
                    Answer::Credential(verdict) => Some(verdict.digest),
                    Answer::Presentation(_) => None,
                },
            }),
            Answer::Credential(verdict) => Self::Verdict(verdict),
            Answer::Presentation(verdict) => Self::Presentation(verdict),
        }
    }
}

/// Query of POST /v1/verify: `?at=`, for a body that is the credential itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyQuery {
    /// The date asked about; absent for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

/// Query of GET /v1/credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CrowdQuery {
    /// The beginning of a digest: at least [`PREFIX_DIGITS_MIN`] digits, unless `after` is
    /// given.
    ///
    /// [`PREFIX_DIGITS_MIN`]: credlog_verify::prefix::PREFIX_DIGITS_MIN
    pub prefix: DigestPrefix,
    /// `next` of the answer before, whose prefix this is; absent for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Digest>,
}

/// Query of GET /v1/credentials/{digest}.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CredentialQuery {
    /// The date asked about; absent for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// The credential's issuer: its entry is in the answer even if it did not issue this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<IssuerId>,
    /// Positions of this ledger's status lists that the credential names, for example
    /// `3.17,3.18`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions: Option<Positions>,
}

/// Positions of status lists, with commas between them; at most [`POSITIONS_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Positions(pub Vec<Position>);

/// A text that is not [`Positions`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PositionsError {
    /// Not a position.
    #[error(transparent)]
    Position(#[from] PositionError),
    /// Too many.
    #[error("there are {count} positions; at most {POSITIONS_MAX} can be asked for")]
    TooMany {
        /// How many.
        count: usize,
    },
}

impl TryFrom<String> for Positions {
    type Error = PositionsError;

    fn try_from(text: String) -> Result<Self, PositionsError> {
        let count = text.split(',').count();
        if count > POSITIONS_MAX {
            return Err(PositionsError::TooMany { count });
        }
        let read: Result<_, PositionError> = text.split(',').map(str::parse).collect();
        Ok(Self(read?))
    }
}

impl From<Positions> for String {
    fn from(positions: Positions) -> Self {
        let texts: Vec<String> = positions.0.iter().map(Position::to_string).collect();
        texts.join(",")
    }
}
