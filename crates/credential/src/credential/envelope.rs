//! `EnvelopedVerifiableCredential` (VC Data Model v2.0 section 4.13): a credential in another
//! form, inside of a data URL.

use serde_json::{Map, Value};

use super::{CredentialError, malformed};
use crate::json::one_or_many;

/// The compact JWS of an envelope; `None` for what is no envelope.
pub(super) fn open(object: &Map<String, Value>) -> Result<Option<&str>, CredentialError> {
    let types = one_or_many(object.get("type"));
    if !types
        .iter()
        .any(|name| name == "EnvelopedVerifiableCredential")
    {
        return Ok(None);
    }
    if types.len() > 1 {
        return Err(malformed("type", "must be that of an envelope alone"));
    }
    if object.get("@context").is_none() {
        return Err(malformed("@context", "is missing"));
    }
    let id = object.get("id").and_then(Value::as_str);
    let data = id.and_then(|id| id.strip_prefix("data:")?.split_once(','));
    let (media_type, data) = data.ok_or(malformed(
        "id",
        "must be a data URL that holds the credential",
    ))?;
    match media_type.to_ascii_lowercase().as_str() {
        "application/vc+jwt"
        | "application/vc-ld+jwt"
        | "application/vc+ld+jwt"
        | "application/vc+ld+json+jwt" => Ok(Some(data)),
        _ => Err(CredentialError::UnsupportedEnvelope {
            media_type: media_type.chars().take(80).collect(),
        }),
    }
}
