//! Credentials inside of another credential.

use crate::credential::{Credential, CredentialError};
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
            .map(|entry| Self::from_json(entry.clone()))
            .collect()
    }
}
