//! `EnvelopedVerifiableCredential` (VC Data Model v2.0 section 4.13): a credential in another
//! form, inside of a data URL.

use serde_json::{Map, Value};

use super::{CredentialError, malformed};
use crate::context::CREDENTIALS_V2;
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
    if !is_bare(object) {
        return Err(malformed(
            "id",
            "is all that an envelope may have beside @context and type: nothing else is signed",
        ));
    }
    if !is_based(object) {
        return Err(malformed(
            "@context",
            "must include https://www.w3.org/ns/credentials/v2, which knows envelopes",
        ));
    }
    let id = object.get("id").and_then(Value::as_str);
    let data = id.and_then(|id| id.strip_prefix("data:")?.split_once(','));
    let (media_type, data) = data.ok_or(malformed(
        "id",
        "must be a data URL that holds the credential",
    ))?;
    match media_type.to_ascii_lowercase().as_str() {
        "application/vc+jwt"
        | "application/jwt"
        | "application/vc-ld+jwt"
        | "application/vc+ld+jwt"
        | "application/vc+ld+json+jwt" => Ok(Some(data)),
        _ => Err(CredentialError::UnsupportedEnvelope {
            media_type: media_type.chars().take(80).collect(),
        }),
    }
}

/// Whether an envelope holds nothing but what is inside of it.
pub(crate) fn is_bare(object: &Map<String, Value>) -> bool {
    object
        .keys()
        .all(|name| matches!(name.as_str(), "@context" | "id" | "type"))
}

/// Whether a context of an envelope knows what an envelope is.
pub(crate) fn is_based(object: &Map<String, Value>) -> bool {
    one_or_many(object.get("@context"))
        .iter()
        .any(|context| context == CREDENTIALS_V2)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_envelope_has_a_context_that_knows_it_and_a_data_url() {
        let envelope = |name: &str, value: Value| {
            let mut envelope = json!({
                "@context": CREDENTIALS_V2,
                "type": "EnvelopedVerifiableCredential",
                "id": "data:application/vc+jwt,e30.e30.x",
            });
            envelope[name] = value;
            open(envelope.as_object().unwrap()).map(|jws| jws.map(str::to_owned))
        };
        for (name, value) in [
            ("@context", json!(["https://example.org/a", CREDENTIALS_V2])),
            ("type", json!(["EnvelopedVerifiableCredential"])),
            ("id", json!("data:application/jwt,e30.e30.x")),
        ] {
            assert_eq!(
                envelope(name, value).unwrap().as_deref(),
                Some("e30.e30.x"),
                "{name}"
            );
        }
        for (name, value) in [
            ("@context", json!([])),
            (
                "@context",
                json!("https://www.w3.org/ns/credentials/examples/v2"),
            ),
            ("@context", Value::Null),
            ("id", json!("e30.e30.x")),
            ("id", json!("data:application/vc+jwt;e30.e30.x")),
        ] {
            assert!(envelope(name, value.clone()).is_err(), "{name} = {value}");
        }
        let another = json!(["EnvelopedVerifiableCredential", "VerifiableCredential"]);
        assert!(envelope("type", another).is_err());
        assert_eq!(envelope("type", json!("Other")), Ok(None));
    }
}
