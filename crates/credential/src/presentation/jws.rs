//! Presentations as compact JWS.
//!
//! Sources: Securing Verifiable Credentials using JOSE and COSE v1.0 section 3.1.2 (`vp+jwt`: the
//! payload is the presentation), Verifiable Credentials Data Model v1.1 section 6.3.1 (the claim
//! `vp`, with `iss` for the holder and `jti` for the id), and section 4.13 of v2.0 for the
//! envelope around it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::{Challenge, Presentation, PresentationError, malformed};
use crate::credential::DataModel;
use crate::credential::claims::REGISTERED;
use crate::credential::envelope::{is_bare, is_based};
use crate::json::{jcs, one_or_many};
use crate::jws::Jws;
use crate::proof::error::ProofError;
use crate::secret_key::SecretKey;
use crate::sign::{SignError, check_method};

pub(super) const ENVELOPE: &str = "EnvelopedVerifiablePresentation";
const MEDIA_TYPES: [&str; 4] = [
    "application/vp+jwt",
    "application/jwt",
    "application/vp-ld+jwt",
    "application/vp+ld+json+jwt",
];

/// The compact JWS of an envelope; `None` for what is no envelope.
pub(super) fn enveloped(object: &Map<String, Value>) -> Result<Option<&str>, PresentationError> {
    if !one_or_many(object.get("type"))
        .iter()
        .any(|name| name == ENVELOPE)
    {
        return Ok(None);
    }
    if !is_bare(object) || one_or_many(object.get("type")).len() > 1 {
        return Err(malformed(
            "id",
            "is all that an envelope may have beside @context and its one type: nothing else is \
             signed",
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
    match data {
        Some((media_type, jws)) if MEDIA_TYPES.contains(&media_type) => Ok(Some(jws)),
        _ => Err(malformed("id", "must be a data URL of application/vp+jwt")),
    }
}

/// The presentation in a payload: the payload without the claims of the JWT, or its claim `vp`
/// with what other claims say for it.
pub(super) fn document(jws: &Jws) -> Result<Map<String, Value>, PresentationError> {
    let payload = jws.payload();
    let text = |claim: &'static str| match payload.get(claim) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(malformed(claim, "must be a string")),
    };
    let mut document = match payload.get("vp") {
        Some(Value::Object(presentation)) => presentation.clone(),
        Some(_) => return Err(malformed("vp", "must be an object")),
        None => payload.clone(),
    };
    if !payload.contains_key("vp") {
        document.retain(|name, _| !REGISTERED.contains(&name.as_str()));
    }
    for (claim, property) in [("iss", "holder"), ("jti", "id")] {
        let Some(claimed) = text(claim)? else {
            continue;
        };
        let stated = document.entry(property).or_insert(claimed.into());
        let stated = stated.get("id").unwrap_or(stated);
        if stated != claimed {
            return Err(malformed(property, "is another than the claim of the JWT"));
        }
    }
    Ok(document)
}

/// Whether the claims `nbf` and `exp` let the presentation count at a time.
pub(super) fn check_times(jws: &Jws, at: OffsetDateTime) -> Result<(), ProofError> {
    let malformed = |property, reason| ProofError::Malformed { property, reason };
    let claim = |property| match jws.payload().get(property) {
        None => Ok(None),
        Some(value) => {
            let time = value
                .as_i64()
                .and_then(|s| OffsetDateTime::from_unix_timestamp(s).ok());
            time.map(Some)
                .ok_or(malformed(property, "must be whole seconds since 1970"))
        }
    };
    match (claim("nbf")?, claim("exp")?) {
        (_, Some(expires)) if expires < at => Err(ProofError::Expired { expires }),
        (Some(nbf), _) if at < nbf => Err(malformed("nbf", "lies in the future")),
        _ => Ok(()),
    }
}

/// Signs a presentation as a compact JWS: of VC 2.0 as `vp+jwt`, of VC 1.1 as a JWT with the
/// claim `vp`. `kid` is the verification method by which verifiers find the key, a URL.
///
/// # Errors
/// [`SignError`].
pub fn sign_presentation_jws(
    presentation: &Presentation,
    key: &SecretKey,
    kid: &str,
    asked: &Challenge<'_>,
) -> Result<String, SignError> {
    if presentation.is_secured() {
        return Err(SignError::AlreadySigned);
    }
    check_method(kid, key)?;
    let document = presentation.document.clone();
    let (typ, mut payload) = match (presentation.model, document) {
        (DataModel::V2_0, Value::Object(document)) => ("vp+jwt", document),
        (_, document) => ("JWT", Map::from_iter([("vp".to_owned(), document)])),
    };
    let holder = presentation.holder();
    let claims = [
        ("iss", holder),
        ("nonce", asked.challenge),
        ("aud", asked.domain),
    ];
    for (name, value) in claims {
        if let Some(value) = value {
            payload.insert(name.into(), value.into());
        }
    }
    let header = json!({"alg": key.algorithm().name(), "kid": kid, "typ": typ});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(jcs(value));
    let input = format!("{}.{}", encode(&header), encode(&Value::Object(payload)));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()));
    Ok(format!("{input}.{signature}"))
}
