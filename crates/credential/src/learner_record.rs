//! Credentials inside of another credential.

use serde_json::Value;

use crate::credential::{Credential, CredentialError, malformed};
use crate::json::one_or_many;
use crate::presentation::CREDENTIALS_MAX;

/// What a Comprehensive Learner Record is called (CLR v2.0, ClrCredential).
const LEARNER_RECORD: &str = "ClrCredential";

impl Credential {
    /// The credentials inside of a Comprehensive Learner Record (CLR v2.0), in order, each to be
    /// judged by itself: the record's own proof says that its issuer put them together, not that
    /// they are good. Empty for any other credential; of more than [`CREDENTIALS_MAX`], the rest is
    /// one error.
    #[must_use]
    pub fn nested(&self) -> Vec<Result<Self, CredentialError>> {
        if !self.types().iter().any(|name| name == LEARNER_RECORD) {
            return Vec::new();
        }
        let entries: Vec<&Value> = one_or_many(self.document().get("credentialSubject"))
            .iter()
            .flat_map(|subject| one_or_many(subject.get("verifiableCredential")))
            .collect();
        let company = entries.len().min(CREDENTIALS_MAX) * self.company();
        let read = |entry: &&Value| {
            let credential = Self::from_json(Value::clone(entry))?;
            Ok(credential.in_company(company))
        };
        let mut nested: Vec<_> = entries.iter().take(CREDENTIALS_MAX).map(read).collect();
        if entries.len() > CREDENTIALS_MAX {
            nested.push(Err(malformed(
                "credentialSubject.verifiableCredential",
                "holds more than 100 credentials; the others are not looked at",
            )));
        }
        nested
    }
}
