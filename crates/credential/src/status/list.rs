//! Status list credentials.

use std::sync::Arc;

use serde_json::Value;
use time::OffsetDateTime;

use super::bitstring::Bitstring;
use super::error::StatusError;
use crate::credential::{Credential, Validity};
use crate::json::one_or_many;
use crate::proof::method::{KeyResolver, MethodKey};
use crate::proof::report::{IssuerBinding, Outcome};
use crate::proof::verify_proofs;

/// A `BitstringStatusListCredential` whose form was checked, not yet its proofs
/// (Bitstring Status List v1.0 section 2.2).
#[derive(Debug, Clone, PartialEq)]
pub struct StatusListCredential {
    credential: Credential,
    id: String,
    purposes: Vec<String>,
    ttl_ms: Option<u64>,
    bitstring: Bitstring,
}

/// A status list whose proofs are good, whose issuer controls the key, and which counts at the
/// time for which it was verified.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedStatusList {
    id: String,
    issuer_id: String,
    purposes: Vec<String>,
    valid_from: Option<OffsetDateTime>,
    keys: Vec<MethodKey>,
    /// Up to 4 MiB, which all copies share.
    bitstring: Arc<Bitstring>,
}

impl StatusListCredential {
    /// Reads a status list credential of at most 1 MiB.
    ///
    /// # Errors
    /// [`StatusError::ListForm`] for what is no credential, else what is wrong with the list.
    pub fn parse(text: &[u8]) -> Result<Self, StatusError> {
        Self::from_credential(Credential::parse(text)?)
    }

    /// Checks the form of a credential that should be a status list.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn from_credential(credential: Credential) -> Result<Self, StatusError> {
        if !credential
            .types()
            .iter()
            .any(|name| name == "BitstringStatusListCredential")
        {
            return Err(malformed(
                "type",
                "must include BitstringStatusListCredential",
            ));
        }
        let id = credential
            .id()
            .ok_or(malformed("id", "is missing"))?
            .to_owned();
        let [subject] = one_or_many(credential.document().get("credentialSubject")) else {
            return Err(malformed("credentialSubject", "must be one object"));
        };
        let is_list = |name: &Value| name == "BitstringStatusList";
        if !one_or_many(subject.get("type")).iter().any(is_list) {
            return Err(malformed(
                "credentialSubject.type",
                "must be BitstringStatusList",
            ));
        }
        let encoded = subject.get("encodedList").and_then(Value::as_str);
        let encoded = encoded.ok_or(malformed("encodedList", "is missing"))?;
        Ok(Self {
            id,
            purposes: purposes(subject)?,
            ttl_ms: ttl_ms(subject)?,
            bitstring: Bitstring::decode(encoded)?,
            credential,
        })
    }

    /// The credential that carries the list.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// The list's URL.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How long a copy may be used before it is fetched again, in milliseconds: advice for
    /// caches, not an end of validity, which is `validUntil` (section 2.2).
    #[must_use]
    pub fn ttl_ms(&self) -> Option<u64> {
        self.ttl_ms
    }

    /// Checks the list's proofs, that its issuer controls the key, and that it counts at a time.
    ///
    /// # Errors
    /// [`StatusError`]; every one of them has the problem type STATUS_VERIFICATION_ERROR.
    pub fn verify(
        self,
        at: OffsetDateTime,
        keys: &dyn KeyResolver,
    ) -> Result<VerifiedStatusList, StatusError> {
        let report = verify_proofs(&self.credential, at, keys);
        if let Some(error) = report.first_error() {
            return Err(StatusError::ListProof(error.clone()));
        }
        if report.outcome() != Outcome::Valid {
            return Err(StatusError::ListUnsigned);
        }
        let issuer_id = self.credential.issuer_id().to_owned();
        if report.issuer_binding(&issuer_id) != IssuerBinding::Bound {
            return Err(StatusError::ListIssuerNotBound { issuer: issuer_id });
        }
        match self.credential.validity(at) {
            Validity::InPeriod => {}
            Validity::NotYetValid { valid_from } => {
                return Err(StatusError::ListNotYetValid { valid_from });
            }
            Validity::Expired { valid_until } => {
                return Err(StatusError::ListExpired { valid_until });
            }
        }
        Ok(VerifiedStatusList {
            id: self.id,
            issuer_id,
            purposes: self.purposes,
            valid_from: self.credential.valid_from(),
            keys: report
                .proofs
                .into_iter()
                .filter_map(|proof| proof.key)
                .collect(),
            bitstring: Arc::new(self.bitstring),
        })
    }
}

impl VerifiedStatusList {
    /// The list's URL.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Who issued the list, and controls the key that signed it.
    #[must_use]
    pub fn issuer_id(&self) -> &str {
        &self.issuer_id
    }

    /// From when the list counts.
    #[must_use]
    pub fn valid_from(&self) -> Option<OffsetDateTime> {
        self.valid_from
    }

    /// The keys of its proofs, all of them good. Whether a key may still speak for the issuer is
    /// the caller's knowledge.
    #[must_use]
    pub fn keys(&self) -> &[MethodKey] {
        &self.keys
    }

    /// Whether the list is for a purpose.
    #[must_use]
    pub fn has_purpose(&self, purpose: &str) -> bool {
        self.purposes.iter().any(|name| name == purpose)
    }

    /// The bits.
    #[must_use]
    pub fn bitstring(&self) -> &Bitstring {
        &self.bitstring
    }

    #[cfg(test)]
    pub(super) fn for_tests(
        id: &str,
        issuer_id: &str,
        valid_from: Option<OffsetDateTime>,
        bitstring: Bitstring,
    ) -> Self {
        Self {
            id: id.to_owned(),
            issuer_id: issuer_id.to_owned(),
            purposes: vec!["revocation".to_owned()],
            valid_from,
            keys: Vec::new(),
            bitstring: Arc::new(bitstring),
        }
    }
}

fn malformed(property: &'static str, reason: &'static str) -> StatusError {
    StatusError::Malformed {
        part: "list",
        property,
        reason,
    }
}

fn purposes(subject: &Value) -> Result<Vec<String>, StatusError> {
    let purposes: Option<Vec<String>> = one_or_many(subject.get("statusPurpose"))
        .iter()
        .map(|purpose| purpose.as_str().map(str::to_owned))
        .collect();
    purposes
        .filter(|purposes| !purposes.is_empty())
        .ok_or(malformed("statusPurpose", "must hold at least one word"))
}

fn ttl_ms(subject: &Value) -> Result<Option<u64>, StatusError> {
    match subject.get("ttl") {
        None => Ok(None),
        Some(ttl) => match ttl.as_u64() {
            Some(ttl_ms) => Ok(Some(ttl_ms)),
            None => Err(malformed("ttl", "must be a number of milliseconds")),
        },
    }
}
