//! The DID document of an issuer, as the ledger knows its keys.
//!
//! Every key for credentials stands in it, also those that were retired: a document that leaves
//! them out makes good credentials unverifiable. What is in other hands is marked `revoked` and
//! signs nothing any more; only the ledger can tell what it signed before.

use credlog_credential::did::{DidDocument, DidError, KeyState, PublishedKey, did_web_of_url};
use credlog_credential::{ProofError, multikey};
use credlog_ledger::ids::{IssuerId, WebUrl};
use credlog_ledger::key::PublicKey;
use serde_json::Value;
use time::OffsetDateTime;

use crate::facts::{IssuerFacts, KeyFacts};
use crate::timestamp::TimeError;

/// Longest slug.
const SLUG_CHARS_MAX: usize = 64;

/// Why an issuer has no document; the ledger registers none of which this is so.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// Its identifier or its keys.
    #[error(transparent)]
    Document(#[from] DidError),
    /// A key that is none.
    #[error(transparent)]
    Key(#[from] multikey::MultikeyError),
    /// A key that has no form in a document.
    #[error(transparent)]
    Form(#[from] ProofError),
    /// A time outside of the calendar.
    #[error(transparent)]
    Time(#[from] TimeError),
}

/// The did:web of which `<address>/issuers/<slug>/did.json` is the document; nothing for a slug
/// that is none: 1 to 64 lower-case letters, digits and hyphens.
#[must_use]
pub fn did_web(address: &WebUrl, slug: &str) -> Option<IssuerId> {
    let is_slug = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if !(1..=SLUG_CHARS_MAX).contains(&slug.len()) || !slug.bytes().all(is_slug) {
        return None;
    }
    let (_, place) = address.as_str().split_once("://")?;
    let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    let (host, path) = (host.to_ascii_lowercase(), path.trim_end_matches('/'));
    let did = did_web_of_url(&format!("https://{host}{path}/issuers/{slug}"))?;
    did.parse().ok()
}

/// The verification method by which new proofs of an issuer name a key. An issuer whose id is a
/// did:key keeps the id of its first key; a did:key method can only name the key itself, and the
/// ledger tells that the key is the issuer's.
#[must_use]
pub fn verification_method(issuer: &IssuerId, key: &PublicKey) -> String {
    match issuer.as_str().starts_with("did:key:") {
        true => format!("did:key:{key}#{key}"),
        false => format!("{issuer}#{key}"),
    }
}

/// The document.
///
/// # Errors
/// [`DocumentError`].
pub fn did_document(issuer: &IssuerFacts) -> Result<Value, DocumentError> {
    let keys = issuer.keys.iter().filter(|key| key.purposes.assertion);
    let keys: Result<Vec<_>, _> = keys.map(published).collect();
    Ok(DidDocument::new(issuer.id.as_str(), keys?)?.to_json()?)
}

fn published(key: &KeyFacts) -> Result<PublishedKey, DocumentError> {
    let state = match (key.compromised_since, key.retired) {
        (Some(since), _) => KeyState::Compromised {
            since: OffsetDateTime::try_from(since)?,
        },
        (None, Some(_)) => KeyState::Retired,
        (None, None) => KeyState::Active,
    };
    let key = multikey::decode(&key.key.to_string())?;
    Ok(PublishedKey { key, state })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_did_is_where_its_document_is() {
        for (address, slug, expected) in [
            (
                "https://A.example",
                "cs",
                Some("did:web:a.example:issuers:cs"),
            ),
            (
                "https://a.example/",
                "cs-2",
                Some("did:web:a.example:issuers:cs-2"),
            ),
            (
                "http://127.0.0.1:7700",
                "x",
                Some("did:web:127.0.0.1%3A7700:issuers:x"),
            ),
            (
                "https://a.example/credlog/",
                "x",
                Some("did:web:a.example:credlog:issuers:x"),
            ),
            ("https://a.example", "", None),
            ("https://a.example", "X", None),
            ("https://a.example", "a:b", None),
            ("https://a.example/x?y", "a", None),
        ] {
            let did = did_web(&address.parse().unwrap(), slug);
            assert_eq!(did.as_ref().map(IssuerId::as_str), expected, "{address}");
        }
    }
}
