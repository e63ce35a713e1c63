//! Credentials inside of other documents: of a presentation, of a learner record.

use serde_json::Value;

use crate::credential::{Credential, CredentialError, malformed};
use crate::json::one_or_many;

/// What a Comprehensive Learner Record is called (CLR v2.0, ClrCredential).
const LEARNER_RECORD: &str = "ClrCredential";

impl Credential {
    /// The credentials inside of a Comprehensive Learner Record (CLR v2.0), in order, each to be
    /// judged by itself: the record's own proof says that its issuer put them together, not that
    /// they are good. Empty for any other credential.
    #[must_use]
    pub fn nested(&self) -> Vec<Result<Self, CredentialError>> {
        if !self.types().iter().any(|name| name == LEARNER_RECORD) {
            return Vec::new();
        }
        one_or_many(self.document().get("credentialSubject"))
            .iter()
            .flat_map(|subject| one_or_many(subject.get("verifiableCredential")))
            .map(credential)
            .collect()
    }
}

/// One entry of `verifiableCredential`.
pub(crate) fn credential(entry: &Value) -> Result<Credential, CredentialError> {
    match entry {
        Value::Object(_) | Value::String(_) => Credential::from_json(entry.clone()),
        _ => Err(malformed(
            "verifiableCredential",
            "must hold JSON objects or compact JWS",
        )),
    }
}
