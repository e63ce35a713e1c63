//! A credential that has the form of its data model; whether it is genuine is another question.
//!
//! Sources: W3C Verifiable Credentials Data Model v2.0 section 4 and v1.1 section 4; Open Badges
//! v3.0 credentials are either of the two with more terms.

pub(crate) mod claims;
pub(crate) mod envelope;

use serde_json::{Map, Value};
use thiserror::Error;
use time::OffsetDateTime;

use crate::achievement::AchievementClaims;
use crate::context::{CREDENTIALS_V1, CREDENTIALS_V2};
use crate::digest::{Digest, digest, digest_jws};
use crate::json::{JsonError, Limits, check_size, one_or_many, parse_strict};
use crate::jws::{Content, Jws, JwsError};
use crate::related::{self, RelatedError};
use crate::status::StatusEntry;
use crate::summary::Summary;
use crate::url::is_url;
use crate::{problem, timestamp};

/// Which data model a credential follows, by its first context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DataModel {
    /// VC 1.1: `issuanceDate`, `expirationDate`.
    V1_1,
    /// VC 2.0: `validFrom`, `validUntil`.
    V2_0,
}

/// Where a time lies relative to a credential's validity period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Before `validFrom` (or `issuanceDate`).
    NotYetValid {
        /// When it becomes valid.
        valid_from: OffsetDateTime,
    },
    /// Inside of the period; a missing bound is no bound.
    InPeriod,
    /// After `validUntil` (or `expirationDate`).
    Expired {
        /// The last moment at which it was valid.
        valid_until: OffsetDateTime,
    },
}

/// Why something is not a credential.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// Not strict JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// Not a compact JWS that counts.
    #[error(transparent)]
    Jws(#[from] JwsError),
    /// JSON, but no object.
    #[error("a credential is a JSON object")]
    NotAnObject,
    /// A claim of the JWT that a credential came as has the wrong form, or contradicts it.
    #[error("the JWT's claim {claim} {reason}")]
    Claim {
        /// The claim's name.
        claim: &'static str,
        /// What is wrong.
        reason: &'static str,
    },
    /// An envelope around something that is not read here.
    #[error(
        "the credential is enveloped as {media_type:?}; only application/vc+jwt is read in an \
         envelope"
    )]
    UnsupportedEnvelope {
        /// The media type of the data URL.
        media_type: String,
    },
    /// A property is missing or has the wrong form.
    #[error("the credential's {property} {reason}")]
    Malformed {
        /// The property's name, dotted when it is inside of another.
        property: &'static str,
        /// What is wrong and what is needed.
        reason: &'static str,
    },
    /// The validity period ends before it begins.
    #[error("the credential is valid from {valid_from} but only until {valid_until}")]
    EmptyPeriod {
        /// Start of the period.
        valid_from: OffsetDateTime,
        /// End of the period.
        valid_until: OffsetDateTime,
    },
}

impl CredentialError {
    /// The W3C problem identifier.
    #[must_use]
    pub fn problem_type(&self) -> &'static str {
        match self {
            Self::Json(error) => error.problem_type(),
            Self::Jws(error) => error.problem_type(),
            Self::NotAnObject => problem::PARSING_ERROR,
            Self::Malformed { .. } | Self::Claim { .. } | Self::UnsupportedEnvelope { .. } => {
                problem::MALFORMED_VALUE_ERROR
            }
            Self::EmptyPeriod { .. } => problem::RANGE_ERROR,
        }
    }

    /// Whether it was only too long or too deep to be looked at: it may be a credential.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        match self {
            Self::Json(error) => error.is_too_large(),
            Self::Jws(error) => error.is_too_large(),
            _ => false,
        }
    }
}

/// A credential whose form was checked: JSON, with or without proofs, or the content of a compact
/// JWS.
#[derive(Debug, Clone, PartialEq)]
pub struct Credential {
    document: Value,
    model: DataModel,
    types: Vec<String>,
    issuer_id: String,
    valid_from: Option<OffsetDateTime>,
    valid_until: Option<OffsetDateTime>,
    status: Vec<StatusEntry>,
    proofs: Vec<Value>,
    /// What it came as, if not as JSON.
    jws: Option<Jws>,
    /// How many credentials came together, this one among them: they share the work.
    company: usize,
}

impl Credential {
    /// Most bytes of a text that [`Self::parse`] reads: white space between the values may take
    /// more room than [`Limits::DEFAULT`] leaves for the credential.
    pub const TEXT_BYTES_MAX: usize = 4 << 20;

    /// Reads a credential from a text of at most [`Self::TEXT_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// [`CredentialError::Json`] for what is not strict JSON, else as [`Self::from_json`].
    pub fn parse(text: &[u8]) -> Result<Self, CredentialError> {
        let limits = Limits {
            bytes_max: Self::TEXT_BYTES_MAX,
            ..Limits::DEFAULT
        };
        Self::from_json(parse_strict(text, limits)?)
    }

    /// Reads a credential from a compact JWS; white space may stand behind it.
    ///
    /// The payload is the credential (VC 2.0, `vc+jwt`; Open Badges 3.0), or holds it in the claim
    /// `vc` (VC 1.1). Claims of the JWT that repeat or replace parts of the credential may not
    /// contradict it; of its own period of validity and that of the claims `nbf` and `exp`, what
    /// both allow counts.
    ///
    /// # Errors
    /// [`CredentialError::Jws`] or [`CredentialError::Claim`], else as [`Self::from_json`].
    pub fn from_jws(text: &str) -> Result<Self, CredentialError> {
        let jws = Jws::parse(text.trim_ascii_end())?;
        jws.check_content(Content::Credential)?;
        let claimed = claims::credential(&jws)?;
        let mut credential = Self::read(Value::Object(claimed.document))?;
        let (nbf, exp) = claimed.period;
        let (valid_from, valid_until) = checked_period((
            credential.valid_from.into_iter().chain(nbf).max(),
            credential.valid_until.into_iter().chain(exp).min(),
        ))?;
        credential.valid_from = valid_from;
        credential.valid_until = valid_until;
        credential.jws = Some(jws);
        Ok(credential)
    }

    /// Checks the size and the form of a credential that [`parse_strict`] gave. The size is that
    /// of the JSON without white space, within [`Limits::DEFAULT`], so that it does not matter
    /// how or inside of what the credential came.
    ///
    /// An `EnvelopedVerifiableCredential` is opened, and a string is read as [`Self::from_jws`]
    /// reads it: the credential is then the one inside.
    ///
    /// # Errors
    /// [`CredentialError`] names the property that is wrong; [`CredentialError::is_too_large`]
    /// tells what was not looked at for its size.
    pub fn from_json(document: Value) -> Result<Self, CredentialError> {
        let jws = match &document {
            Value::String(text) => Some(text.as_str()),
            Value::Object(object) => envelope::open(object)?,
            _ => None,
        };
        match jws {
            Some(jws) => Self::from_jws(jws),
            None => Self::read(document),
        }
    }

    fn read(document: Value) -> Result<Self, CredentialError> {
        check_size(&document, Limits::DEFAULT)?;
        let object = document.as_object().ok_or(CredentialError::NotAnObject)?;
        let model = model(object)?;
        let (valid_from, valid_until) = period(object, model)?;
        if object
            .get("id")
            .is_some_and(|id| !id.as_str().is_some_and(is_url))
        {
            return Err(malformed("id", "must be one URL"));
        }
        check_subjects(object)?;
        check_typed(object)?;
        Ok(Self {
            model,
            types: types(object)?,
            issuer_id: issuer_id(object)?,
            valid_from,
            valid_until,
            status: status(object)?,
            proofs: proofs(object)?,
            document,
            jws: None,
            company: 1,
        })
    }

    /// As one of so many that came together, in a presentation or a learner record.
    pub(crate) fn in_company(self, company: usize) -> Self {
        Self { company, ..self }
    }

    /// How many credentials came together, this one among them.
    pub(crate) fn company(&self) -> usize {
        self.company
    }

    /// The complete JSON, proofs included; of a JWS, the credential in its payload without the
    /// claims of the JWT.
    #[must_use]
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The same, owned. The JWS is lost: [`Self::into_secured`] keeps it.
    #[must_use]
    pub fn into_document(self) -> Value {
        self.document
    }

    /// What it came as, owned: the complete JSON, or the JWS as a string. [`Self::from_json`]
    /// reads both.
    #[must_use]
    pub fn into_secured(self) -> Value {
        match self.jws {
            Some(jws) => jws.as_str().into(),
            None => self.document,
        }
    }

    /// The compact JWS that it came as, if it did.
    #[must_use]
    pub fn jws(&self) -> Option<&Jws> {
        self.jws.as_ref()
    }

    /// Whether it is signed in any way; whether well, is another question.
    #[must_use]
    pub fn is_secured(&self) -> bool {
        self.jws.is_some() || !self.proofs.is_empty()
    }

    /// The data model that its first context names.
    #[must_use]
    pub fn model(&self) -> DataModel {
        self.model
    }

    /// The credential's own identifier, a URL, if it has one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.document.get("id").and_then(Value::as_str)
    }

    /// All of `type`; `VerifiableCredential` is among them.
    #[must_use]
    pub fn types(&self) -> &[String] {
        &self.types
    }

    /// The issuer's identifier: a DID or another URL. Only a claim until a proof binds it.
    #[must_use]
    pub fn issuer_id(&self) -> &str {
        &self.issuer_id
    }

    /// `validFrom`, in VC 1.1 `issuanceDate`.
    #[must_use]
    pub fn valid_from(&self) -> Option<OffsetDateTime> {
        self.valid_from
    }

    /// `validUntil`, in VC 1.1 `expirationDate`.
    #[must_use]
    pub fn valid_until(&self) -> Option<OffsetDateTime> {
        self.valid_until
    }

    /// Where `at` lies relative to the validity period; both bounds belong to it.
    #[must_use]
    pub fn validity(&self, at: OffsetDateTime) -> Validity {
        match (self.valid_from, self.valid_until) {
            (Some(valid_from), _) if at < valid_from => Validity::NotYetValid { valid_from },
            (_, Some(valid_until)) if at > valid_until => Validity::Expired { valid_until },
            _ => Validity::InPeriod,
        }
    }

    /// The entries of `credentialStatus`, in order.
    #[must_use]
    pub fn status(&self) -> &[StatusEntry] {
        &self.status
    }

    /// The objects of `proof`, in order, as they stand; empty for an unsigned credential, and as a
    /// rule for a JWS (see [`Self::is_secured`]).
    #[must_use]
    pub fn proofs(&self) -> &[Value] {
        &self.proofs
    }

    /// The achievements that it attests, of all its subjects, to be compared with what its issuer
    /// may award; for people there is [`Self::summary`].
    #[must_use]
    pub fn achievements(&self) -> AchievementClaims {
        AchievementClaims::of(&self.document)
    }

    /// Compares the resources on which it stands (`relatedResource`) with their digests.
    ///
    /// # Errors
    /// [`RelatedError`]: one is another, or cannot be checked here.
    pub fn check_related(&self) -> Result<(), RelatedError> {
        related::check(&self.document)
    }

    /// What a person wants to read about it. Nothing in it is verified.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary::of(self)
    }

    /// The digest by which the ledger knows it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match &self.jws {
            Some(jws) => digest_jws(jws.as_str()),
            None => digest(&self.document),
        }
    }
}

pub(crate) fn malformed(property: &'static str, reason: &'static str) -> CredentialError {
    CredentialError::Malformed { property, reason }
}

pub(crate) fn model(object: &Map<String, Value>) -> Result<DataModel, CredentialError> {
    let contexts = one_or_many(object.get("@context"));
    if contexts
        .iter()
        .any(|context| !context.is_string() && !context.is_object())
    {
        return Err(malformed("@context", "must hold URLs and objects only"));
    }
    match contexts.first().and_then(Value::as_str) {
        Some(CREDENTIALS_V2) => Ok(DataModel::V2_0),
        Some(CREDENTIALS_V1) => Ok(DataModel::V1_1),
        _ => Err(malformed(
            "@context",
            "must begin with https://www.w3.org/ns/credentials/v2 or \
             https://www.w3.org/2018/credentials/v1",
        )),
    }
}

fn types(object: &Map<String, Value>) -> Result<Vec<String>, CredentialError> {
    let types: Option<Vec<_>> = one_or_many(object.get("type"))
        .iter()
        .map(|name| {
            name.as_str()
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
        })
        .collect();
    match types {
        Some(types) if types.iter().any(|name| name == "VerifiableCredential") => Ok(types),
        Some(_) => Err(malformed("type", "must include VerifiableCredential")),
        None => Err(malformed("type", "must hold non-empty strings only")),
    }
}

fn issuer_id(object: &Map<String, Value>) -> Result<String, CredentialError> {
    let id = match object.get("issuer") {
        Some(Value::Object(profile)) => profile.get("id"),
        issuer => issuer,
    };
    match id.and_then(Value::as_str) {
        Some(id) if is_url(id) => Ok(id.to_owned()),
        _ => Err(malformed(
            "issuer",
            "must be a URL (a DID counts) or an object whose id is one",
        )),
    }
}

fn check_subjects(object: &Map<String, Value>) -> Result<(), CredentialError> {
    let subjects = one_or_many(object.get("credentialSubject"));
    if subjects.is_empty() {
        return Err(malformed("credentialSubject", "is missing"));
    }
    for subject in subjects {
        let claims = subject.as_object().filter(|claims| !claims.is_empty());
        let claims = claims.ok_or(malformed(
            "credentialSubject",
            "must hold non-empty objects only",
        ))?;
        if claims
            .get("id")
            .is_some_and(|id| !id.as_str().is_some_and(is_url))
        {
            return Err(malformed("credentialSubject.id", "must be one URL"));
        }
    }
    Ok(())
}

/// What has to say of which type it is (VC Data Model v2.0 section 4.5, v1.1 section 4.3).
const TYPED: [&str; 4] = [
    "credentialSchema",
    "evidence",
    "refreshService",
    "termsOfUse",
];

fn check_typed(object: &Map<String, Value>) -> Result<(), CredentialError> {
    let is_name = |name: &Value| name.as_str().is_some_and(|name| !name.is_empty());
    for property in TYPED {
        for value in one_or_many(object.get(property)) {
            let names = one_or_many(value.get("type"));
            if names.is_empty() || !names.iter().all(is_name) {
                return Err(malformed(property, "must hold objects with a type only"));
            }
            let id = value.get("id").map(|id| id.as_str().is_some_and(is_url));
            if property == "credentialSchema" && id != Some(true) {
                return Err(malformed(property, "must have a URL as its id"));
            }
        }
    }
    Ok(())
}

type Period = (Option<OffsetDateTime>, Option<OffsetDateTime>);

fn period(object: &Map<String, Value>, model: DataModel) -> Result<Period, CredentialError> {
    let time = |property: &'static str| match object.get(property) {
        None => Ok(None),
        Some(value) => match value.as_str().and_then(timestamp::parse) {
            Some(time) => Ok(Some(time)),
            None => Err(malformed(
                property,
                "must be a time like 2026-11-21T10:00:00Z",
            )),
        },
    };
    let (valid_from, valid_until) = match model {
        DataModel::V2_0 => (time("validFrom")?, time("validUntil")?),
        // The v1 context also defines validFrom and validUntil: the narrower period counts.
        DataModel::V1_1 => {
            let issued = time("issuanceDate")?.ok_or(malformed("issuanceDate", "is missing"))?;
            let (expires, until) = (time("expirationDate")?, time("validUntil")?);
            let valid_from = time("validFrom")?.map_or(issued, |from| from.max(issued));
            (Some(valid_from), expires.into_iter().chain(until).min())
        }
    };
    checked_period((valid_from, valid_until))
}

fn checked_period(period: Period) -> Result<Period, CredentialError> {
    match period {
        (Some(valid_from), Some(valid_until)) if valid_until < valid_from => {
            Err(CredentialError::EmptyPeriod {
                valid_from,
                valid_until,
            })
        }
        period => Ok(period),
    }
}

fn status(object: &Map<String, Value>) -> Result<Vec<StatusEntry>, CredentialError> {
    one_or_many(object.get("credentialStatus"))
        .iter()
        .map(|entry| {
            StatusEntry::from_json(entry).ok_or(malformed(
                "credentialStatus",
                "must hold objects with a type only",
            ))
        })
        .collect()
}

fn proofs(object: &Map<String, Value>) -> Result<Vec<Value>, CredentialError> {
    let proofs = one_or_many(object.get("proof"));
    if proofs.iter().any(|proof| !proof.is_object()) {
        return Err(malformed(
            "proof",
            "must be an object or an array of objects",
        ));
    }
    Ok(proofs.to_vec())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn minimal() -> Value {
        json!({
            "@context": [CREDENTIALS_V2],
            "type": ["VerifiableCredential"],
            "issuer": "did:example:a",
            "credentialSubject": {"id": "did:example:b"},
        })
    }

    fn with(property: &str, value: Value) -> Result<Credential, CredentialError> {
        let mut document = minimal();
        document[property] = value;
        Credential::from_json(document)
    }

    fn refused_property(property: &str, value: &Value) -> &'static str {
        match with(property, value.clone()) {
            Err(CredentialError::Malformed { property, .. }) => property,
            other => panic!("{property} = {value}: {other:?}"),
        }
    }

    #[test]
    fn both_data_models_are_read() {
        let credential = Credential::from_json(minimal()).unwrap();
        assert_eq!(credential.model(), DataModel::V2_0);
        assert!(credential.proofs().is_empty());
        let old = json!({
            "@context": [CREDENTIALS_V1],
            "type": "VerifiableCredential",
            "issuer": {"id": "https://issuer.example"},
            "issuanceDate": "2020-01-01T00:00:00Z",
            "expirationDate": "2030-01-01T00:00:00Z",
            "credentialSubject": [{"a": 1}, {"b": 2}],
        });
        let credential = Credential::from_json(old).unwrap();
        assert_eq!(credential.model(), DataModel::V1_1);
        assert_eq!(credential.issuer_id(), "https://issuer.example");
        assert!(credential.valid_until().is_some());
    }

    #[test]
    fn each_malformed_property_is_named() {
        for (property, value) in [
            ("@context", json!(["https://example.org/"])),
            ("@context", json!([CREDENTIALS_V2, 7])),
            ("@context", json!(null)),
            ("type", json!(["OpenBadgeCredential"])),
            ("type", json!(["VerifiableCredential", 1])),
            ("issuer", json!("University A")),
            ("issuer", json!({"name": "University A"})),
            ("id", json!("7b0d6c1e")),
            ("credentialSubject", json!({})),
            ("credentialSubject", json!([])),
            ("credentialSubject", json!("did:example:b")),
            ("validFrom", json!("2026-11-21")),
            ("validUntil", json!(null)),
            ("credentialStatus", json!({"id": "https://example.org/1"})),
            ("credentialStatus", json!("revoked")),
            ("evidence", json!({"id": "https://example.org/1"})),
            ("evidence", json!([{"type": "Evidence"}, "Evidence"])),
            ("refreshService", json!({"id": "https://example.org/1"})),
            ("termsOfUse", json!({"type": [2]})),
            ("credentialSchema", json!({"id": "https://example.org/1"})),
            ("credentialSchema", json!({"type": "JsonSchema"})),
            ("credentialSchema", json!({"id": 4, "type": "JsonSchema"})),
            ("proof", json!("z123")),
            ("proof", json!([{}, 1])),
        ] {
            assert_eq!(refused_property(property, &value), property);
        }
        let subject = json!({"id": "Ada", "name": "Ada"});
        assert_eq!(
            refused_property("credentialSubject", &subject),
            "credentialSubject.id"
        );
    }

    #[test]
    fn a_period_that_ends_before_it_begins_is_a_range_error() {
        let mut document = minimal();
        document["validFrom"] = json!("2026-11-21T10:00:00Z");
        document["validUntil"] = json!("2026-11-21T09:59:59Z");
        let error = Credential::from_json(document).unwrap_err();
        assert_eq!(error.problem_type(), problem::RANGE_ERROR);
    }

    #[test]
    fn both_bounds_belong_to_the_period() {
        let mut document = minimal();
        document["validFrom"] = json!("2026-11-21T10:00:00Z");
        document["validUntil"] = json!("2026-11-22T10:00:00Z");
        let credential = Credential::from_json(document).unwrap();
        let (from, until) = (
            credential.valid_from().unwrap(),
            credential.valid_until().unwrap(),
        );
        let second = time::Duration::SECOND;
        let before = Validity::NotYetValid { valid_from: from };
        assert_eq!(credential.validity(from - second), before);
        assert_eq!(credential.validity(from), Validity::InPeriod);
        assert_eq!(credential.validity(until), Validity::InPeriod);
        let after = Validity::Expired { valid_until: until };
        assert_eq!(credential.validity(until + second), after);
    }

    /// A node read 4 MiB and 64 levels around the credential, the command line 1 MiB and 64 levels
    /// of it, so the two could differ on one file.
    #[test]
    fn the_limit_is_one_of_the_credential_and_not_of_its_text() {
        let text = minimal().to_string();
        let spaced = text.replacen(':', &format!(":{}", " ".repeat(2 << 20)), 1);
        assert!(Credential::parse(spaced.as_bytes()).is_ok());
        let spaced = text.replacen(':', &format!(":{}", " ".repeat(4 << 20)), 1);
        assert!(
            Credential::parse(spaced.as_bytes())
                .unwrap_err()
                .is_too_large()
        );

        let room = Limits::DEFAULT.bytes_max - minimal().to_string().len() - r#","name":"""#.len();
        assert!(with("name", json!("x".repeat(room))).is_ok());
        let error = with("name", json!("x".repeat(room + 1))).unwrap_err();
        assert!(error.is_too_large(), "{error}");

        let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert!(with("name", nested(63)).is_ok());
        assert!(with("name", nested(64)).unwrap_err().is_too_large());
        assert!(!with("id", json!(7)).unwrap_err().is_too_large());
    }
}
