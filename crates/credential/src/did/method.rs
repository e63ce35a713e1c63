//! A verification method of a document (Controlled Identifiers v1.0 section 2.2).

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::document::{DidError, malformed};
use crate::multikey::{self, Multikey};
use crate::proof::error::ProofError;
use crate::timestamp;
use crate::url::is_url;

/// A method; its key may turn out to be unusable.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Method {
    pub(super) id: String,
    pub(super) controller: String,
    pub(super) key: Result<Multikey, ProofError>,
    /// From when on it checks no proof: the earlier of `expires` and `revoked`.
    pub(super) until: Option<OffsetDateTime>,
}

impl Method {
    pub(super) fn read(method: &Value, document_id: &str) -> Result<Self, DidError> {
        let object = method
            .as_object()
            .ok_or(malformed("verificationMethod", "must hold objects only"))?;
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        let id = text("id").ok_or(malformed("verificationMethod.id", "is missing"))?;
        let id = absolute(id, document_id);
        if !is_url(&id) {
            return Err(malformed("verificationMethod.id", "must be a URL"));
        }
        let controller = text("controller").ok_or(malformed(
            "verificationMethod.controller",
            "must be one URL",
        ))?;
        let kind = text("type").ok_or(malformed("verificationMethod.type", "is missing"))?;
        let times = [time(object, "expires")?, time(object, "revoked")?];
        Ok(Self {
            id,
            controller: controller.to_owned(),
            key: key(object, kind),
            until: times.into_iter().flatten().min(),
        })
    }
}

/// A DID URL that begins with `#` is one of the document's own.
pub(super) fn absolute(id: &str, document_id: &str) -> String {
    match id.starts_with('#') {
        true => format!("{document_id}{id}"),
        false => id.to_owned(),
    }
}

fn key(object: &Map<String, Value>, kind: &str) -> Result<Multikey, ProofError> {
    let text = object.get("publicKeyMultibase").and_then(Value::as_str);
    let key = match (kind, text, object.get("publicKeyJwk")) {
        ("Multikey", Some(text), None) => multikey::decode(text)?,
        ("Ed25519VerificationKey2020", Some(text), None) => {
            let key = multikey::decode(text)?;
            key.ed25519()?;
            key
        }
        ("JsonWebKey" | "JsonWebKey2020", None, Some(jwk)) => {
            Multikey::from_jwk(jwk).map_err(ProofError::UnusableJwk)?
        }
        ("Multikey" | "Ed25519VerificationKey2020", _, _) => {
            return Err(malformed_key(
                "must have publicKeyMultibase, and no other key",
            ));
        }
        ("JsonWebKey" | "JsonWebKey2020", _, _) => {
            return Err(malformed_key("must have publicKeyJwk, and no other key"));
        }
        _ => {
            return Err(ProofError::UnsupportedMethod {
                kind: kind.chars().take(80).collect(),
            });
        }
    };
    key.check()?;
    Ok(key)
}

fn malformed_key(reason: &'static str) -> ProofError {
    ProofError::Malformed {
        property: "verificationMethod",
        reason,
    }
}

fn time(
    object: &Map<String, Value>,
    property: &'static str,
) -> Result<Option<OffsetDateTime>, DidError> {
    match object.get(property) {
        None => Ok(None),
        Some(value) => match value.as_str().and_then(timestamp::parse_or_utc) {
            Some(time) => Ok(Some(time)),
            None => Err(malformed(
                property,
                "must be a time like 2026-11-21T10:00:00Z",
            )),
        },
    }
}
