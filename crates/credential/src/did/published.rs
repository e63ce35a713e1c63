//! Writing a document.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::document::{DidDocument, DidError, malformed};
use super::method::Method;
use crate::multikey::Multikey;
use crate::proof::error::ProofError;
use crate::timestamp;
use crate::url::is_url;

/// What an identifier uses a key for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// It signs.
    Active,
    /// It signs no more, and what it signed stays good. It is published like an active one:
    /// `expires` and `revoked` would end the credentials that it signed before as well, for every
    /// verifier that follows Controlled Identifiers v1.0 (section 2.2).
    Retired,
    /// It is in other hands: published as `revoked`, and no longer for assertions.
    Compromised {
        /// From when on.
        since: OffsetDateTime,
    },
}

/// A key to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedKey {
    /// The public key.
    pub key: Multikey,
    /// What it is used for now.
    pub state: KeyState,
}

impl DidDocument {
    /// The document of an identifier with these keys, each under the name `<id>#<multikey>`.
    ///
    /// # Errors
    /// [`DidError`] for what is no identifier, a key that does not count, or one that is there
    /// twice.
    pub fn new(id: &str, keys: impl IntoIterator<Item = PublishedKey>) -> Result<Self, DidError> {
        if !is_url(id) || id.contains('#') {
            return Err(malformed("id", "must be a DID or another URL"));
        }
        let mut document = Self {
            id: id.to_owned(),
            methods: Vec::new(),
            listed: Default::default(),
        };
        for PublishedKey { key, state } in keys {
            if key.check().is_err() {
                return Err(malformed(
                    "verificationMethod",
                    "holds a key that does not count",
                ));
            }
            let method_id = format!("{id}#{key}");
            if document.methods.iter().any(|known| known.id == method_id) {
                return Err(DidError::Duplicate { id: method_id });
            }
            let until = match state {
                KeyState::Compromised { since } => Some(since),
                KeyState::Active | KeyState::Retired => {
                    let [assertion, _] = &mut document.listed;
                    assertion.push(method_id.clone());
                    None
                }
            };
            document.methods.push(Method {
                id: method_id,
                controller: id.to_owned(),
                key: Ok(key),
                until,
            });
        }
        Ok(document)
    }

    /// The document as JSON. Keys are of the type `Multikey`, those for RSA, which other programs
    /// do not know as such, of the type `JsonWebKey`.
    ///
    /// # Errors
    /// [`ProofError`] for a document that was read and has a key that does not count.
    pub fn to_json(&self) -> Result<Value, ProofError> {
        let methods: Result<Vec<_>, ProofError> = self.methods.iter().map(method).collect();
        let methods = methods?;
        let mut contexts = vec!["https://www.w3.org/ns/did/v1"];
        for (kind, context) in [
            ("Multikey", "https://w3id.org/security/multikey/v1"),
            ("JsonWebKey", "https://w3id.org/security/jwk/v1"),
        ] {
            if methods.iter().any(|method| method["type"] == kind) {
                contexts.push(context);
            }
        }
        let [assertion, authentication] = &self.listed;
        let mut document = json!({
            "@context": contexts,
            "id": self.id,
            "verificationMethod": methods,
            "assertionMethod": assertion,
        });
        if !authentication.is_empty() {
            document["authentication"] = json!(authentication);
        }
        Ok(document)
    }
}

fn method(method: &Method) -> Result<Value, ProofError> {
    let key = method.key.as_ref().map_err(Clone::clone)?;
    let (kind, name, value) = match key {
        Multikey::Rsa(_) => ("JsonWebKey", "publicKeyJwk", key.to_jwk()?),
        _ => ("Multikey", "publicKeyMultibase", key.to_string().into()),
    };
    let mut object = Map::new();
    object.insert("id".into(), method.id.clone().into());
    object.insert("type".into(), kind.into());
    object.insert("controller".into(), method.controller.clone().into());
    object.insert(name.into(), value);
    if let Some(until) = method.until.and_then(timestamp::format) {
        object.insert("revoked".into(), until.into());
    }
    Ok(Value::Object(object))
}
