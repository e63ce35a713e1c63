//! The properties of one proof object (Data Integrity v1.0 section 2.1).

use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::json::one_or_many;
use crate::proof::Expected;
use crate::proof::error::ProofError;
use crate::proof::report::ProofResult;
use crate::timestamp;
use crate::url::is_url;

/// Longest `proofValue` that is decoded; base58 takes time with the square of the length.
const PROOF_VALUE_CHARS_MAX: usize = 1_000;

/// A proof object whose form was checked.
pub(crate) struct Fields<'a> {
    object: &'a Map<String, Value>,
    pub(crate) id: Option<&'a str>,
    pub(crate) cryptosuite: &'a str,
    pub(crate) verification_method: &'a str,
    pub(crate) purpose: &'a str,
    pub(crate) expires: Option<OffsetDateTime>,
    challenge: Option<&'a str>,
    domain: Vec<&'a str>,
    pub(crate) previous: Vec<String>,
    proof_value: &'a str,
}

impl<'a> Fields<'a> {
    /// Reads a proof; every property that the specification requires must be there.
    pub(crate) fn read(proof: &'a Value) -> Result<Self, ProofError> {
        let object = proof
            .as_object()
            .ok_or(malformed("proof", "must be an object"))?;
        let kind = text(object, "type")?.ok_or(malformed("type", "is missing"))?;
        if kind != "DataIntegrityProof" {
            return Err(ProofError::UnsupportedSuite {
                cryptosuite: kind.to_owned(),
            });
        }
        let cryptosuite = required(object, "cryptosuite")?;
        let verification_method = required(object, "verificationMethod")?;
        if !is_url(verification_method) {
            return Err(malformed("verificationMethod", "must be a URL"));
        }
        let id = text(object, "id")?;
        if !id.is_none_or(is_url) {
            return Err(malformed("id", "must be a URL"));
        }
        time(object, "created")?;
        text(object, "nonce")?;
        Ok(Self {
            object,
            id,
            cryptosuite,
            verification_method,
            purpose: required(object, "proofPurpose")?,
            expires: time(object, "expires")?,
            challenge: text(object, "challenge")?,
            domain: domain(object)?,
            previous: previous(object)?,
            proof_value: required(object, "proofValue")?,
        })
    }

    /// The signature's bytes, in the encoding of every suite that is known here; others have
    /// their own.
    pub(crate) fn signature(&self) -> Result<Vec<u8>, ProofError> {
        if self.proof_value.len() > PROOF_VALUE_CHARS_MAX {
            return Err(malformed("proofValue", "is too long"));
        }
        let digits = self.proof_value.strip_prefix('z');
        let bytes = digits.and_then(|digits| bs58::decode(digits).into_vec().ok());
        bytes.ok_or(malformed(
            "proofValue",
            "must be \"z\" and base58btc characters",
        ))
    }

    /// Compares the proof with what the verifier expects of it (Data Integrity v1.0 section 4.4).
    pub(super) fn check_expected(&self, expected: &Expected<'_>) -> Result<(), ProofError> {
        if self.purpose != expected.purpose {
            return Err(ProofError::WrongPurpose {
                purpose: self.purpose.to_owned(),
                expected: expected.purpose.to_owned(),
            });
        }
        if let Some(domain) = expected.domain.filter(|domain| self.domain != [*domain]) {
            return Err(ProofError::WrongDomain {
                domain: self.domain.join(", "),
                expected: domain.to_owned(),
            });
        }
        match expected.challenge {
            Some(challenge) if self.challenge != Some(challenge) => {
                Err(ProofError::WrongChallenge {
                    challenge: self.challenge.unwrap_or_default().to_owned(),
                    expected: challenge.to_owned(),
                })
            }
            _ => Ok(()),
        }
    }

    /// Everything but the signature itself.
    pub(crate) fn options(&self) -> Map<String, Value> {
        let mut options = self.object.clone();
        options.remove("proofValue");
        options
    }
}

/// What is readable of a proof, for the report.
pub(super) fn claims(proof: &Value) -> ProofResult {
    let text = |name: &str| proof.get(name).and_then(Value::as_str).map(str::to_owned);
    ProofResult {
        id: text("id"),
        cryptosuite: text("cryptosuite"),
        verification_method: text("verificationMethod"),
        purpose: text("proofPurpose"),
        created: text("created").and_then(|created| timestamp::parse_or_utc(&created)),
        key: None,
        result: Ok(()),
    }
}

fn malformed(property: &'static str, reason: &'static str) -> ProofError {
    ProofError::Malformed { property, reason }
}

fn text<'a>(
    object: &'a Map<String, Value>,
    property: &'static str,
) -> Result<Option<&'a str>, ProofError> {
    match object.get(property) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(malformed(property, "must be one non-empty string")),
    }
}

fn required<'a>(
    object: &'a Map<String, Value>,
    property: &'static str,
) -> Result<&'a str, ProofError> {
    text(object, property)?.ok_or(malformed(property, "is missing"))
}

fn time(
    object: &Map<String, Value>,
    property: &'static str,
) -> Result<Option<OffsetDateTime>, ProofError> {
    match text(object, property)?.map(timestamp::parse_or_utc) {
        None => Ok(None),
        Some(Some(time)) => Ok(Some(time)),
        Some(None) => Err(malformed(
            property,
            "must be a time like 2026-11-21T10:00:00Z",
        )),
    }
}

/// One string, or a set of them.
fn domain(object: &Map<String, Value>) -> Result<Vec<&str>, ProofError> {
    let domains: Option<Vec<_>> = one_or_many(object.get("domain"))
        .iter()
        .map(Value::as_str)
        .collect();
    let mut domains = domains.ok_or(malformed("domain", "must hold strings only"))?;
    domains.sort_unstable();
    domains.dedup();
    Ok(domains)
}

fn previous(object: &Map<String, Value>) -> Result<Vec<String>, ProofError> {
    let named = one_or_many(object.get("previousProof"));
    if named.len() > super::PROOFS_MAX {
        return Err(malformed("previousProof", "names too many proofs"));
    }
    let ids: Option<Vec<_>> = named
        .iter()
        .map(|id| id.as_str().map(str::to_owned))
        .collect();
    ids.ok_or(malformed("previousProof", "must hold ids of proofs only"))
}
