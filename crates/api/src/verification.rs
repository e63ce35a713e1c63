//! POST /v1/verify and GET /v1/credentials/{digest}: what may be asked.

use credlog_credential::json::{JsonError, Limits, parse_strict};
use credlog_ledger::ids::{Digest, IssuerId};
use credlog_verify::Time;
use credlog_verify::facts::{POSITIONS_MAX, Position, PositionError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::problem::{Problem, ProblemType};

/// Most bytes of a request to verify: a credential and its status lists.
pub const VERIFY_BYTES_MAX: usize = 4 << 20;
/// Levels of a request around a credential: the body, and the array of status lists. The limits
/// of a credential are checked for each by itself, the same as anywhere.
const AROUND_LEVELS: usize = 2;
/// Most status lists in one request.
pub const STATUS_LISTS_MAX: usize = 8;

/// A request to verify.
///
/// Three forms, told apart by the properties of the body:
/// - a credential itself: a JSON object with `@context`;
/// - `{"credential": …}`: a credential (an object), and what else is said about the check;
/// - `{"digest": …}`: only the digest, 64 lower-case hex digits.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifyRequest {
    /// What is verified.
    pub subject: RequestSubject,
    /// The date asked about; absent for now.
    pub at: Option<Time>,
    /// Status list credentials for a credential whose `credentialStatus` lives elsewhere. A
    /// digest alone does not tell the position in a list, so they need the credential.
    pub status_lists: Vec<Value>,
}

/// What is verified.
#[derive(Debug, Clone, PartialEq)]
pub enum RequestSubject {
    /// A credential, read as strict JSON.
    Credential(Value),
    /// A digest.
    Digest {
        /// The digest.
        digest: Digest,
        /// The issuer whose issuance is meant.
        issuer: Option<IssuerId>,
        /// The caller checked the proof, that its key is this issuer's and that the credential
        /// attests the achievement of the Issue record; the summary leaves these out. Needs the
        /// issuer.
        proof_checked_elsewhere: bool,
    },
}

/// A body that is no request to verify.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyRequestError {
    /// Not strict JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// None of the three forms, or more than one.
    #[error(
        "send a credential (a JSON object with @context), {{\"credential\": …}} or \
         {{\"digest\": …}}"
    )]
    Form,
    /// A property that is wrong or does not belong here.
    #[error("{0}")]
    Property(String),
    /// A proof that was checked elsewhere, but nobody says as whose.
    #[error(
        "proofCheckedElsewhere needs `issuer`: name the issuer whose key made the proof that you \
         checked, so that only what that issuer issued counts"
    )]
    IssuerMissing,
    /// Too many status lists.
    #[error("there are {count} status lists; at most {STATUS_LISTS_MAX} are read")]
    StatusLists {
        /// How many.
        count: usize,
    },
}

impl VerifyRequestError {
    /// What the request is answered with.
    pub fn problem(&self) -> Problem {
        let kind = match self {
            Self::IssuerMissing => ProblemType::INVALID_PARAMETER,
            _ => ProblemType::MALFORMED_REQUEST,
        };
        Problem::new(kind, self.to_string())
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WithCredential {
    credential: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Time>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    status_lists: Vec<Value>,
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
    /// Reads a body. Duplicate names, lone surrogates and inexact integers are refused: other
    /// parsers might read another credential.
    ///
    /// # Errors
    /// [`VerifyRequestError`].
    pub fn parse(body: &[u8]) -> Result<Self, VerifyRequestError> {
        let limits = Limits {
            bytes_max: VERIFY_BYTES_MAX,
            depth_max: Limits::DEFAULT.depth_max + AROUND_LEVELS,
        };
        Self::from_json(parse_strict(body, limits)?)
    }

    fn from_json(body: Value) -> Result<Self, VerifyRequestError> {
        let object = body.as_object().ok_or(VerifyRequestError::Form)?;
        let has = |property| object.contains_key(property);
        let request = match (has("@context"), has("credential"), has("digest")) {
            (true, _, _) => Self {
                subject: RequestSubject::Credential(body),
                at: None,
                status_lists: Vec::new(),
            },
            (false, true, false) => {
                let read: WithCredential = property(body)?;
                if !read.credential.is_object() {
                    return Err(VerifyRequestError::Form);
                }
                Self {
                    subject: RequestSubject::Credential(read.credential),
                    at: read.at,
                    status_lists: read.status_lists,
                }
            }
            (false, false, true) => {
                let read: WithDigest = property(body)?;
                if read.proof_checked_elsewhere && read.issuer.is_none() {
                    return Err(VerifyRequestError::IssuerMissing);
                }
                Self {
                    subject: RequestSubject::Digest {
                        digest: read.digest,
                        issuer: read.issuer,
                        proof_checked_elsewhere: read.proof_checked_elsewhere,
                    },
                    at: read.at,
                    status_lists: read.status_lists,
                }
            }
            _ => return Err(VerifyRequestError::Form),
        };
        let count = request.status_lists.len();
        if count > STATUS_LISTS_MAX {
            return Err(VerifyRequestError::StatusLists { count });
        }
        Ok(request)
    }

    /// The body, in the form with `credential` or `digest`.
    pub fn to_json(&self) -> Value {
        let (at, status_lists) = (self.at, self.status_lists.clone());
        let body = match &self.subject {
            RequestSubject::Credential(credential) => serde_json::to_value(WithCredential {
                credential: credential.clone(),
                at,
                status_lists,
            }),
            RequestSubject::Digest {
                digest,
                issuer,
                proof_checked_elsewhere,
            } => serde_json::to_value(WithDigest {
                digest: *digest,
                issuer: issuer.clone(),
                proof_checked_elsewhere: *proof_checked_elsewhere,
                at,
                status_lists,
            }),
        };
        // Plain data with text keys always has a JSON form.
        body.unwrap_or_default()
    }
}

fn property<T: serde::de::DeserializeOwned>(body: Value) -> Result<T, VerifyRequestError> {
    serde_json::from_value(body).map_err(|error| VerifyRequestError::Property(error.to_string()))
}

/// Query of POST /v1/verify: `?at=`, for a body that is the credential itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerifyQuery {
    /// The date asked about; absent for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
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
