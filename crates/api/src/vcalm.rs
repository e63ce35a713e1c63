//! The compatibility profile: requests and answers of W3C VCALM 1.0 (formerly the VC-API), for
//! programs that were written for it.
//!
//! Here, unlike elsewhere, members that are not known are ignored: the profile lets every
//! implementation add some.

use credlog_credential::json::{JsonError, Limits, one_or_many, parse_strict};
use credlog_verify::Answer;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::verification::VERIFY_JSON_BYTES_MAX;

/// Levels of a body around a credential in a presentation.
const AROUND_LEVELS: usize = 4;

/// POST /credentials/issue.
#[derive(Debug, Clone, PartialEq)]
pub struct IssueRequest {
    /// The credential without a proof.
    pub credential: Value,
    /// What the requester calls it, for later changes of its status; else its own `id` does.
    pub credential_id: Option<String>,
    /// The name of the cryptosuite, if the requester wants another than the node's.
    pub suite: Option<String>,
}

/// POST /credentials/verify and /presentations/verify.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifyRequest {
    /// The credential or presentation: an object, or a compact JWS as a string.
    pub document: Value,
    /// What is asked about.
    pub options: VerifyOptions,
}

/// Options of a verification.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyOptions {
    /// Whether `checks` names the proof alone: then the status is not looked at.
    pub without_status: bool,
    /// The challenge that the proof must carry.
    pub challenge: Option<String>,
    /// The domain that the proof must carry.
    pub domain: Option<String>,
    /// The purpose that the proof must have, if not the usual one.
    pub purpose: Option<String>,
}

/// POST /credentials/status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusRequest {
    /// The credential's identifier.
    pub credential_id: Option<String>,
    /// The status entry, if it names a position.
    pub entry: Option<Value>,
    /// `revocation` or `suspension`.
    pub purpose: String,
    /// Whether the status is to be set.
    pub set: bool,
}

/// The answer to a verification: 200 if it is verified, else 400. Of an answer with errors, the
/// first stands for the whole, as problem details.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verification {
    /// The first error.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Detail>,
    /// HTTP status, with errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Whether there is no error.
    pub verified: bool,
    /// What was looked at: `proof`, `credentialStatus`.
    pub checks: Vec<String>,
    /// What does not speak against it, but should be known.
    pub warnings: Vec<Detail>,
    /// What speaks against it.
    pub errors: Vec<Detail>,
    /// The errors and warnings once more, under the name of later drafts.
    pub problem_details: Vec<Detail>,
    /// What this ledger says about it; absent for what is no credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Answer>,
}

impl Verification {
    /// An answer; without errors it is verified.
    pub fn new(
        checks: Vec<&'static str>,
        warnings: Vec<Detail>,
        errors: Vec<Detail>,
        verdict: Option<Answer>,
    ) -> Self {
        let problem = errors.first().cloned();
        Self {
            status: problem.as_ref().map(|_| 400),
            verified: problem.is_none(),
            problem,
            checks: checks.into_iter().map(str::to_owned).collect(),
            problem_details: errors.iter().chain(&warnings).cloned().collect(),
            warnings,
            errors,
            verdict,
        }
    }
}

impl Detail {
    /// A problem of a kind that the W3C names: the end of its identifier is its title.
    pub fn new(type_uri: &str, detail: impl Into<String>) -> Self {
        let title = type_uri.rsplit('#').next().unwrap_or_default();
        Self {
            type_uri: type_uri.to_owned(),
            title: title.replace('_', " ").to_lowercase(),
            detail: detail.into(),
        }
    }
}

/// One problem (RFC 9457), by the identifiers of the W3C.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Detail {
    /// What kind, a URL.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The kind in words.
    pub title: String,
    /// What happened, to what, and what to do.
    pub detail: String,
}

/// A body that is no request of the profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Not strict JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A member is missing or has the wrong form.
    #[error("the request's {member} {reason}")]
    Member {
        /// Its name.
        member: &'static str,
        /// What is needed.
        reason: &'static str,
    },
}

impl RequestError {
    /// The W3C problem identifier.
    pub fn problem_type(&self) -> &'static str {
        match self {
            Self::Json(error) => error.problem_type(),
            Self::Member { .. } => credlog_credential::problem::MALFORMED_VALUE_ERROR,
        }
    }
}

impl IssueRequest {
    /// Reads a body.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn parse(body: &[u8]) -> Result<Self, RequestError> {
        let mut body = object(body)?;
        let options = body.get("options").cloned().unwrap_or_default();
        Ok(Self {
            credential: take(&mut body, "credential")?,
            credential_id: text(&options, "credentialId"),
            suite: text(&options, "cryptosuite"),
        })
    }
}

impl VerifyRequest {
    /// Reads the body of POST /credentials/verify.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn credential(body: &[u8]) -> Result<Self, RequestError> {
        Self::parse(body, "verifiableCredential")
    }

    /// Reads the body of POST /presentations/verify.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn presentation(body: &[u8]) -> Result<Self, RequestError> {
        Self::parse(body, "verifiablePresentation")
    }

    fn parse(body: &[u8], member: &'static str) -> Result<Self, RequestError> {
        let mut body = object(body)?;
        let options = body.get("options").cloned().unwrap_or_default();
        let checks = one_or_many(options.get("checks"));
        Ok(Self {
            document: take(&mut body, member)?,
            options: VerifyOptions {
                without_status: !checks.is_empty() && checks.iter().all(|check| check == "proof"),
                challenge: text(&options, "challenge"),
                domain: text(&options, "domain"),
                purpose: text(&options, "expectedProofPurpose"),
            },
        })
    }
}

impl StatusRequest {
    /// Reads a body. Without `status` the status is to be set.
    ///
    /// # Errors
    /// [`RequestError`].
    pub fn parse(body: &[u8]) -> Result<Self, RequestError> {
        let mut body = object(body)?;
        let set = match body.get("status") {
            None => true,
            Some(Value::Bool(set)) => *set,
            Some(_) => return Err(wrong("status", "must be true or false")),
        };
        let entry = take(&mut body, "credentialStatus")?;
        let purpose = text(&entry, "statusPurpose").unwrap_or_else(|| "revocation".to_owned());
        if !["revocation", "suspension"].contains(&purpose.as_str()) {
            let reason = "must have the statusPurpose revocation or suspension";
            return Err(wrong("credentialStatus", reason));
        }
        let names_position = entry.get("statusListIndex").is_some();
        let credential_id = text(&Value::Object(body), "credentialId");
        if credential_id.is_none() && !names_position {
            return Err(wrong(
                "credentialId",
                "is missing, and no position is named",
            ));
        }
        Ok(Self {
            credential_id,
            entry: names_position.then_some(entry),
            purpose,
            set,
        })
    }
}

fn wrong(member: &'static str, reason: &'static str) -> RequestError {
    RequestError::Member { member, reason }
}

fn object(body: &[u8]) -> Result<serde_json::Map<String, Value>, RequestError> {
    let limits = Limits {
        bytes_max: VERIFY_JSON_BYTES_MAX,
        depth_max: Limits::DEFAULT.depth_max + AROUND_LEVELS,
    };
    match parse_strict(body, limits)? {
        Value::Object(object) => Ok(object),
        _ => Err(wrong("body", "must be an object")),
    }
}

fn take(
    body: &mut serde_json::Map<String, Value>,
    member: &'static str,
) -> Result<Value, RequestError> {
    let value = body.remove(member).ok_or(wrong(member, "is missing"))?;
    match value.is_object() || value.is_string() {
        true => Ok(value),
        false => Err(wrong(member, "must be an object")),
    }
}

/// A text of an object; what has another form counts as absent.
fn text(object: &Value, member: &str) -> Option<String> {
    object.get(member)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn verify(body: &Value) -> Result<VerifyRequest, RequestError> {
        VerifyRequest::credential(body.to_string().as_bytes())
    }

    #[test]
    fn options_may_be_missing_and_hold_anything() {
        for (options, without) in [
            (json!({"checks": ["proof"]}), true),
            (json!({"checks": ["proof", "credentialStatus"]}), false),
            (json!({"checks": []}), false),
            (json!({"checks": 7, "foo": {}}), false),
            (json!({"checks": ["proof", "validity"]}), false),
            (json!(null), false),
        ] {
            let body = json!({"verifiableCredential": {}, "options": options});
            let read = verify(&body).unwrap().options;
            assert_eq!(read.without_status, without, "{body}");
        }
        assert_eq!(
            verify(&json!({"verifiableCredential": {}}))
                .unwrap()
                .options,
            VerifyOptions::default()
        );
        for bad in [json!({}), json!([]), json!({"verifiableCredential": [1]})] {
            assert!(verify(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_status_is_set_unless_it_is_said_otherwise() {
        let read = |body: Value| StatusRequest::parse(body.to_string().as_bytes());
        let entry = json!({"type": "BitstringStatusListEntry", "statusPurpose": "suspension"});
        let one = read(json!({"credentialId": "urn:a", "credentialStatus": entry})).unwrap();
        assert!(one.set && one.entry.is_none());
        assert_eq!(one.purpose, "suspension");
        let mut named = entry.clone();
        named["statusListIndex"] = json!("7");
        let one = read(json!({"credentialStatus": named, "status": false})).unwrap();
        assert!(!one.set && one.entry.is_some());
        assert!(read(json!({"credentialStatus": entry})).is_err());
        let other = json!({"statusPurpose": "message"});
        assert!(read(json!({"credentialId": "urn:a", "credentialStatus": other})).is_err());
    }
}
