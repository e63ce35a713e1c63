//! The credential in the payload of a JWS, and the claims beside it.
//!
//! Sources: Securing Verifiable Credentials using JOSE and COSE v1.0 section 3.1 (the payload is
//! the credential), Verifiable Credentials Data Model v1.1 section 6.3.1 (the claim `vc`; other
//! claims stand for what is left out of it), Open Badges v3.0 section 8.2 (the payload is the
//! credential, and claims repeat parts of it).

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::{CredentialError, Period};
use crate::context::CREDENTIALS_V1;
use crate::json::one_or_many;
use crate::jws::Jws;
use crate::timestamp;

/// Claims of the JWT itself; whatever else stands in a payload is the credential's.
pub(crate) const REGISTERED: [&str; 9] = [
    "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "nonce",
];

/// A credential out of a payload.
pub(super) struct Claimed {
    /// The credential without the claims of the JWT.
    pub(super) document: Map<String, Value>,
    /// What the claims `nbf` and `exp` say.
    pub(super) period: Period,
}

/// Takes the credential out of a payload, and compares it with the claims.
pub(super) fn credential(jws: &Jws) -> Result<Claimed, CredentialError> {
    let payload = jws.payload();
    let own = jws.header().is_vc_jose();
    let mut document = match payload.get("vc") {
        None => payload.clone(),
        Some(_) if own || payload.contains_key("@context") => {
            return Err(wrong(
                "vc",
                "must not stand in a payload that is the credential",
            ));
        }
        Some(Value::Object(credential)) => credential.clone(),
        Some(_) => return Err(wrong("vc", "must be an object")),
    };
    if payload.contains_key("vp") {
        return Err(wrong("vp", "makes this a presentation"));
    }
    let claims = Claims::read(jws)?;
    if payload.contains_key("vc") {
        // A proof inside signed what stands there, and nothing that is put to it.
        if !document.contains_key("proof") {
            claims.fill_in(&mut document);
        }
    } else {
        document.retain(|name, _| !REGISTERED.contains(&name.as_str()));
    }
    claims.compare(&document)?;
    if !own {
        claims.compare_times(&document)?;
    }
    Ok(Claimed {
        document,
        period: (claims.nbf, claims.exp),
    })
}

fn wrong(claim: &'static str, reason: &'static str) -> CredentialError {
    CredentialError::Claim { claim, reason }
}

struct Claims<'a> {
    iss: Option<&'a str>,
    jti: Option<&'a str>,
    sub: Option<&'a str>,
    nbf: Option<OffsetDateTime>,
    exp: Option<OffsetDateTime>,
    iat: Option<OffsetDateTime>,
}

impl<'a> Claims<'a> {
    fn read(jws: &'a Jws) -> Result<Self, CredentialError> {
        let payload = jws.payload();
        let text = |name: &'static str| match payload.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(wrong(name, "must be a string")),
        };
        let header_iss = jws.header().iss.as_deref();
        let claims = Self {
            iss: text("iss")?.or(header_iss),
            jti: text("jti")?,
            sub: text("sub")?,
            nbf: date(payload, "nbf")?,
            exp: date(payload, "exp")?,
            iat: date(payload, "iat")?,
        };
        if header_iss.is_some_and(|iss| claims.iss != Some(iss)) {
            return Err(wrong("iss", "is another in the header"));
        }
        match (claims.iat, claims.exp) {
            (Some(iat), Some(exp)) if exp < iat => Err(wrong("exp", "is before iat")),
            _ => Ok(claims),
        }
    }

    /// VC 1.1 section 6.3.1, "JWT decoding".
    fn fill_in(&self, document: &mut Map<String, Value>) {
        let mut fill = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                document.entry(name).or_insert(value.into());
            }
        };
        let owned = |text: Option<&str>| text.map(str::to_owned);
        fill("issuer", owned(self.iss));
        fill("id", owned(self.jti));
        let v1 = one_or_many(document.get("@context")).first();
        let (from, until) = if v1.is_some_and(|url| url == CREDENTIALS_V1) {
            ("issuanceDate", "expirationDate")
        } else {
            ("validFrom", "validUntil")
        };
        let mut fill = |name: &str, time: Option<OffsetDateTime>| {
            if let Some(text) = time.and_then(timestamp::format) {
                document.entry(name).or_insert(text.into());
            }
        };
        fill(from, self.nbf.or(self.iat));
        fill(until, self.exp);
        let named = [("issuer", self.iss), ("credentialSubject", self.sub)];
        for (name, id) in named {
            if let (Some(Value::Object(object)), Some(id)) = (document.get_mut(name), id) {
                object.entry("id").or_insert(id.into());
            }
        }
    }

    /// Two names for one thing must not differ.
    fn compare(&self, document: &Map<String, Value>) -> Result<(), CredentialError> {
        let id_of = |value: &'_ Value| match value {
            Value::Object(object) => object.get("id").cloned(),
            other => Some(other.clone()),
        };
        let issuer = document.get("issuer").and_then(id_of);
        if self.iss.is_some() && issuer.is_some_and(|id| Some(id.as_str()) != Some(self.iss)) {
            return Err(wrong("iss", "is not the credential's issuer"));
        }
        let id = document.get("id").and_then(Value::as_str);
        if self.jti.is_some() && id.is_some() && id != self.jti {
            return Err(wrong("jti", "is not the credential's id"));
        }
        let subjects = one_or_many(document.get("credentialSubject"));
        let mut ids = subjects.iter().filter_map(|one| one.get("id")?.as_str());
        let named = subjects.iter().any(|one| one.get("id").is_some());
        match self.sub {
            Some(sub) if named && ids.all(|id| id != sub) => {
                Err(wrong("sub", "is not the id of a credentialSubject"))
            }
            _ => Ok(()),
        }
    }

    /// In a VC 1.1 or Open Badges JWT, `nbf` and `exp` are the credential's own dates in whole
    /// seconds. In a `vc+jwt` they are those of the signature, and may be others.
    fn compare_times(&self, document: &Map<String, Value>) -> Result<(), CredentialError> {
        let is_other = |time: Option<OffsetDateTime>, names: [&str; 2]| {
            let stated = names.map(|name| {
                let text = document.get(name).and_then(Value::as_str)?;
                Some(timestamp::parse(text)?.unix_timestamp())
            });
            let time = time.map(OffsetDateTime::unix_timestamp);
            time.is_some() && stated.iter().any(Option::is_some) && !stated.contains(&time)
        };
        if is_other(self.nbf, ["issuanceDate", "validFrom"]) {
            return Err(wrong(
                "nbf",
                "is not when the credential begins to be valid",
            ));
        }
        if is_other(self.exp, ["expirationDate", "validUntil"]) {
            return Err(wrong(
                "exp",
                "is not when the credential ceases to be valid",
            ));
        }
        Ok(())
    }
}

/// A NumericDate (RFC 7519 section 2), in whole seconds.
fn date(
    payload: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<OffsetDateTime>, CredentialError> {
    let Some(value) = payload.get(name) else {
        return Ok(None);
    };
    #[allow(clippy::cast_possible_truncation)] // strict JSON has no number beyond 2^53
    let seconds = value
        .as_i64()
        .or_else(|| Some(value.as_f64()?.floor() as i64));
    let time = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    match time.filter(|time| timestamp::format(*time).is_some()) {
        Some(time) => Ok(Some(time)),
        None => Err(wrong(name, "must be seconds since 1970 as a number")),
    }
}

#[cfg(test)]
mod tests;
