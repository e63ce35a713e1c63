//! Making compact JWS.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::{SignError, check_method};
use crate::credential::{Credential, DataModel};
use crate::json::{jcs, one_or_many};
use crate::secret_key::SecretKey;

/// What the payload of a JWS looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwsForm {
    /// `vc+jwt`: the credential and nothing beside it (Securing Verifiable Credentials using JOSE
    /// and COSE v1.0). For VC 2.0.
    VcJwt,
    /// `JWT`: of VC 2.0, the credential with the claims `iss`, `jti`, `sub`, `nbf` and `exp`
    /// beside it (Open Badges v3.0 section 8.2); of VC 1.1, these claims and the credential in
    /// `vc` (VC Data Model v1.1 section 6.3.1).
    Jwt,
}

/// Signs a credential as a compact JWS: `EdDSA` or `ES256`, as the key is. `kid` is the
/// verification method by which verifiers find the key, a URL.
///
/// # Errors
/// [`SignError`]; no JWS is made that this crate would not read.
pub fn sign_jws(
    unsigned: Value,
    key: &SecretKey,
    kid: &str,
    form: JwsForm,
) -> Result<String, SignError> {
    let credential = Credential::from_json(unsigned)?;
    if credential.is_secured() {
        return Err(SignError::AlreadySigned);
    }
    check_method(kid, key)?;
    let (typ, payload) = match (form, credential.model()) {
        (JwsForm::VcJwt, DataModel::V2_0) => ("vc+jwt", credential.into_document()),
        (JwsForm::VcJwt, _) => {
            return Err(SignError::Option {
                option: "form",
                reason: "vc+jwt is for credentials of VC 2.0; VC 1.1 needs a JWT",
            });
        }
        (JwsForm::Jwt, model) => ("JWT", jwt(credential, model)),
    };
    let header = json!({"alg": key.algorithm().name(), "kid": kid, "typ": typ});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(jcs(value));
    let input = format!("{}.{}", encode(&header), encode(&payload));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()));
    let jws = format!("{input}.{signature}");
    Credential::from_jws(&jws)?;
    Ok(jws)
}

fn jwt(credential: Credential, model: DataModel) -> Value {
    let seconds = |time: Option<OffsetDateTime>| time.map(|time| time.unix_timestamp().into());
    let subjects = one_or_many(credential.document().get("credentialSubject"));
    let subject = match subjects {
        [subject] => subject.get("id").cloned(),
        _ => None,
    };
    let claims: [(&str, Option<Value>); 5] = [
        ("iss", Some(credential.issuer_id().into())),
        ("jti", credential.id().map(Value::from)),
        ("sub", subject),
        ("nbf", seconds(credential.valid_from())),
        ("exp", seconds(credential.valid_until())),
    ];
    let mut payload = match (model, credential.into_document()) {
        (DataModel::V2_0, Value::Object(document)) => document,
        (_, document) => Map::from_iter([("vc".to_owned(), document)]),
    };
    for (name, value) in claims {
        if let Some(value) = value {
            payload.insert(name.into(), value);
        }
    }
    Value::Object(payload)
}
