//! The protected header of a JWS (RFC 7515 section 4.1).

use serde_json::{Map, Value};

use super::JwsError;
use crate::algorithm::Algorithm;
use crate::multikey::{JwkError, Multikey};

/// A key identifier is a URL; the longest did:jwk that counts has about 1,200 characters.
const KID_CHARS_MAX: usize = 4_096;

/// What a JWS holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A verifiable credential.
    Credential,
    /// A verifiable presentation.
    Presentation,
}

impl Content {
    fn name(self) -> &'static str {
        match self {
            Self::Credential => "credential",
            Self::Presentation => "presentation",
        }
    }

    fn short(self) -> &'static str {
        match self {
            Self::Credential => "vc",
            Self::Presentation => "vp",
        }
    }
}

/// The `alg` of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Alg {
    /// One that is known here.
    Known(Algorithm),
    /// One that is not known here, but may be asymmetric.
    Other(String),
}

impl Alg {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Known(algorithm) => algorithm.name(),
            Self::Other(name) => name,
        }
    }
}

/// The parameters that count; everything else in a header is ignored, as RFC 7515 has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Header {
    pub(crate) alg: Alg,
    pub(crate) kid: Option<String>,
    /// The header's own key, or that its kind is not known here.
    pub(crate) jwk: Option<Result<Multikey, JwkError>>,
    pub(crate) iss: Option<String>,
    typ: Option<String>,
    cty: Option<String>,
}

impl Header {
    pub(super) fn read(header: &Map<String, Value>) -> Result<Self, JwsError> {
        if header.contains_key("crit") {
            return Err(malformed("crit", "names extensions; none is known here"));
        }
        if header.get("b64").is_some_and(|b64| *b64 != true) {
            return Err(malformed(
                "b64",
                "must be true: the payload must be encoded",
            ));
        }
        let kid = text(header, "kid")?;
        if kid.is_some_and(|kid| kid.len() > KID_CHARS_MAX) {
            return Err(malformed("kid", "is too long"));
        }
        let jwk = match header.get("jwk").map(Multikey::from_jwk) {
            Some(Err(error)) if !error.is_unknown() => return Err(error.into()),
            jwk => jwk,
        };
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Ok(Self {
            alg: alg(header)?,
            kid: owned(kid),
            jwk,
            iss: owned(text(header, "iss")?),
            typ: owned(text(header, "typ")?),
            cty: owned(text(header, "cty")?),
        })
    }

    pub(super) fn check_content(&self, content: Content) -> Result<(), JwsError> {
        let is_typ = |name: &str| {
            name == "jwt"
                || name
                    .strip_suffix("+jwt")
                    .is_some_and(|rest| is_of(rest, content))
        };
        let is_cty = |name: &str| name == "json" || is_of(name, content);
        let wrong = |parameter, value: &str| JwsError::WrongType {
            parameter,
            value: value.to_owned(),
            expected: content.name(),
        };
        match (&self.typ, &self.cty) {
            (Some(typ), _) if !is_typ(&media_type(typ)) => Err(wrong("typ", typ)),
            (_, Some(cty)) if !is_cty(&media_type(cty)) => Err(wrong("cty", cty)),
            _ => Ok(()),
        }
    }

    /// Whether `typ` is that of Securing Verifiable Credentials using JOSE and COSE v1.0, whose
    /// payload is the credential itself.
    pub(crate) fn is_vc_jose(&self) -> bool {
        let typ = self.typ.as_deref().map(media_type);
        typ.is_some_and(|typ| typ != "jwt")
    }
}

/// A media type in lower case; `application/` may be left out (RFC 7515 section 4.1.9).
fn media_type(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    match text.strip_prefix("application/") {
        Some(rest) => rest.to_owned(),
        None => text,
    }
}

/// `vc`, and what drafts wrote: `vc+ld`, `vc-ld`, `vc+ld+json`, `vc+json`.
fn is_of(name: &str, content: Content) -> bool {
    let rest = name.strip_prefix(content.short());
    rest.is_some_and(|rest| ["", "+ld", "-ld", "+ld+json", "+json"].contains(&rest))
}

fn alg(header: &Map<String, Value>) -> Result<Alg, JwsError> {
    let alg = text(header, "alg")?.ok_or(malformed("alg", "is missing"))?;
    if let Some(algorithm) = Algorithm::named(alg) {
        return Ok(Alg::Known(algorithm));
    }
    // Whoever could check a symmetric signature could have made it.
    if alg.eq_ignore_ascii_case("none") || alg.starts_with("HS") {
        return Err(JwsError::Unsigned { alg: alg.into() });
    }
    Ok(Alg::Other(alg.chars().take(80).collect()))
}

fn malformed(parameter: &'static str, reason: &'static str) -> JwsError {
    JwsError::Header { parameter, reason }
}

fn text<'a>(
    header: &'a Map<String, Value>,
    parameter: &'static str,
) -> Result<Option<&'a str>, JwsError> {
    match header.get(parameter) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
        Some(_) => Err(malformed(parameter, "must be one non-empty string")),
    }
}
