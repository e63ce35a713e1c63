//! From a verification method to a public key, and to who is known to control it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use time::OffsetDateTime;

use crate::did::Documents;
use crate::json::{Limits, parse_strict};
use crate::multikey::{self, Multikey};
use crate::proof::error::ProofError;

/// Longest did:jwk that is decoded: an RSA key of 4,096 bits has about 1,000 characters.
const DID_JWK_CHARS_MAX: usize = 4_096;

/// A key that a registry knows for a verification method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedKey {
    /// The identifier (DID or URL) that controls the key, as the registry knows it.
    pub controller: String,
    /// The public key as Multikey text.
    pub multikey: String,
}

/// Where keys come from besides the verification method itself, for instance a ledger's registry.
///
/// It is asked first, for every verification method. A closure
/// `Fn(&str) -> Option<ResolvedKey>` is one.
pub trait KeyResolver {
    /// The key of a verification method (its full URL as the proof names it), if it is known.
    fn resolve(&self, verification_method: &str) -> Option<ResolvedKey>;

    /// The keys of which a verification method may mean any, for one that names no key
    /// (`did:web:…#key-1`) and that nothing resolves: the signature tells which. `None` when
    /// nothing is known about it.
    fn candidates(&self, _verification_method: &str) -> Option<Candidates> {
        None
    }

    /// The DID documents at hand, asked after [`Self::resolve`].
    fn documents(&self) -> Option<&Documents> {
        None
    }
}

/// A registry, and DID documents that were handed over.
#[derive(Clone, Copy)]
pub struct WithDocuments<'a> {
    /// What is asked first.
    pub registry: &'a dyn KeyResolver,
    /// What is asked next.
    pub documents: &'a Documents,
}

impl KeyResolver for WithDocuments<'_> {
    fn resolve(&self, verification_method: &str) -> Option<ResolvedKey> {
        self.registry.resolve(verification_method)
    }

    fn candidates(&self, verification_method: &str) -> Option<Candidates> {
        self.registry.candidates(verification_method)
    }

    fn documents(&self) -> Option<&Documents> {
        Some(self.documents)
    }
}

/// Keys of one controller, of which one is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    /// The identifier (DID or URL) that controls all of them.
    pub controller: String,
    /// The public keys, the likeliest first.
    pub keys: Vec<Multikey>,
}

impl<F: Fn(&str) -> Option<ResolvedKey>> KeyResolver for F {
    fn resolve(&self, verification_method: &str) -> Option<ResolvedKey> {
        self(verification_method)
    }
}

/// Knows no keys: only verification methods that carry their key can be resolved.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRegistry;

impl KeyResolver for NoRegistry {
    fn resolve(&self, _verification_method: &str) -> Option<ResolvedKey> {
        None
    }
}

/// Who vouches for a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource {
    /// The [`KeyResolver`].
    Registry,
    /// A DID document that was handed over.
    DidDocument,
    /// The DID is the key (did:key).
    DidKey,
    /// The DID is the key as a JSON Web Key (did:jwk).
    DidJwk,
    /// The fragment of a URL holds the key; anyone can write such a URL, so no controller is known.
    UrlFragment,
    /// The header of the JWS that it signed; anyone can write one, so no controller is known.
    JwsHeader,
}

/// The key of a verification method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodKey {
    /// The public key as Multikey text.
    pub multikey: String,
    /// Who controls the key; `None` when nobody vouches for that.
    pub controller: Option<String>,
    /// Who vouches for it.
    pub source: KeySource,
}

/// What a verification method means.
pub(crate) enum Meant {
    /// One key.
    Key(MethodKey, Multikey),
    /// One of these.
    OneOf(Candidates),
}

/// What keys are looked up for.
#[derive(Clone, Copy)]
pub(crate) struct Lookup<'a> {
    pub(crate) purpose: &'a str,
    pub(crate) at: OffsetDateTime,
    pub(crate) keys: &'a dyn KeyResolver,
}

impl Lookup<'_> {
    /// Finds the key of a verification method, or those that it may mean: what the registry knows,
    /// then what a DID document at hand says, then what the method itself says.
    pub(crate) fn find(&self, verification_method: &str) -> Result<Meant, ProofError> {
        if let Some(known) = self.keys.resolve(verification_method) {
            let key = multikey::decode(&known.multikey)?;
            let method = MethodKey {
                multikey: known.multikey,
                controller: Some(known.controller),
                source: KeySource::Registry,
            };
            return Ok(Meant::Key(method, key));
        }
        // What is a key is not changed by a document about it.
        if !is_key(verification_method)
            && let Some(documents) = self.keys.documents()
            && let Some(found) = documents.resolve(verification_method, self.purpose, self.at)
        {
            return found.map(|(method, key)| Meant::Key(method, key));
        }
        match self_contained(verification_method) {
            Ok((method, key)) => Ok(Meant::Key(method, key)),
            Err(error @ ProofError::UnresolvableMethod { .. }) => self
                .keys
                .candidates(verification_method)
                .map(Meant::OneOf)
                .ok_or(error),
            Err(error) => Err(error),
        }
    }
}

/// Whether an identifier is itself a key.
pub(super) fn is_key(id: &str) -> bool {
    id.starts_with("did:key:") || id.starts_with("did:jwk:")
}

/// The key that a verification method carries.
pub(crate) fn self_contained(
    verification_method: &str,
) -> Result<(MethodKey, Multikey), ProofError> {
    let method = carried(verification_method)?;
    let key = multikey::decode(&method.multikey)?;
    Ok((method, key))
}

fn carried(verification_method: &str) -> Result<MethodKey, ProofError> {
    let (base, fragment) = match verification_method.split_once('#') {
        Some((base, fragment)) => (base, Some(fragment)),
        None => (verification_method, None),
    };
    if let Some(multikey) = base.strip_prefix("did:key:") {
        // `did:key:A#B` must not let key B speak for A.
        if fragment.is_some_and(|fragment| fragment != multikey) {
            return Err(ProofError::Malformed {
                property: "verificationMethod",
                reason: "is a did:key whose fragment names another key",
            });
        }
        return Ok(MethodKey {
            multikey: multikey.to_owned(),
            controller: Some(base.to_owned()),
            source: KeySource::DidKey,
        });
    }
    if let Some(jwk) = base.strip_prefix("did:jwk:") {
        if fragment.is_some_and(|fragment| fragment != "0") {
            return Err(ProofError::Malformed {
                property: "verificationMethod",
                reason: "is a did:jwk, whose one key is #0",
            });
        }
        return Ok(MethodKey {
            multikey: did_jwk(jwk)?.to_string(),
            controller: Some(base.to_owned()),
            source: KeySource::DidJwk,
        });
    }
    match fragment {
        Some(multikey) if base.starts_with("https://") && multikey.starts_with('z') => {
            Ok(MethodKey {
                multikey: multikey.to_owned(),
                controller: None,
                source: KeySource::UrlFragment,
            })
        }
        _ => Err(ProofError::UnresolvableMethod {
            verification_method: verification_method.to_owned(),
        }),
    }
}

/// The key of a did:jwk (did:jwk method specification: base64url of the JWK's JSON).
fn did_jwk(text: &str) -> Result<Multikey, ProofError> {
    let malformed = ProofError::Malformed {
        property: "verificationMethod",
        reason: "is a did:jwk without a JSON Web Key in base64url",
    };
    if text.len() > DID_JWK_CHARS_MAX {
        return Err(malformed);
    }
    let limits = Limits {
        bytes_max: DID_JWK_CHARS_MAX,
        depth_max: 2,
    };
    let jwk = URL_SAFE_NO_PAD.decode(text).ok();
    let jwk = jwk.and_then(|jwk| parse_strict(&jwk, limits).ok());
    Multikey::from_jwk(&jwk.ok_or(malformed)?).map_err(ProofError::UnusableJwk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(method: &str, keys: &dyn KeyResolver) -> Result<(MethodKey, Multikey), ProofError> {
        let lookup = Lookup {
            purpose: "assertionMethod",
            at: OffsetDateTime::UNIX_EPOCH,
            keys,
        };
        lookup.find(method).map(|meant| match meant {
            Meant::Key(method, key) => (method, key),
            Meant::OneOf(_) => panic!("{method} means several keys"),
        })
    }

    const KEY: &str = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2";
    const OTHER: &str = "z6MktgKTsu1QhX6QPbyqG6geXdw6FQCZBPq7uQpieWbiQiG7";

    #[test]
    fn did_key_with_and_without_fragment() {
        let did = format!("did:key:{KEY}");
        for method in [did.clone(), format!("{did}#{KEY}")] {
            let (method, _) = resolve(&method, &NoRegistry).unwrap();
            assert_eq!(method.controller.as_deref(), Some(did.as_str()));
            assert_eq!(method.multikey, KEY);
        }
    }

    #[test]
    fn a_foreign_fragment_does_not_speak_for_a_did_key() {
        let method = format!("did:key:{KEY}#{OTHER}");
        let refused = resolve(&method, &NoRegistry);
        assert!(
            matches!(refused, Err(ProofError::Malformed { .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn a_url_that_carries_a_key_has_no_known_controller() {
        let method = format!("https://university-a.example/issuers/1#{KEY}");
        let (method, _) = resolve(&method, &NoRegistry).unwrap();
        assert_eq!(method.controller, None);
        assert_eq!(method.source, KeySource::UrlFragment);
        assert!(matches!(
            resolve("did:web:university-a.example#key-1", &NoRegistry),
            Err(ProofError::UnresolvableMethod { .. })
        ));
    }

    /// The P-256 example of the did:jwk method specification.
    #[test]
    fn a_did_jwk_is_its_key() {
        let did = "did:jwk:eyJjcnYiOiJQLTI1NiIsImt0eSI6IkVDIiwieCI6ImFjYklRaXVNczNpOF91c3pFakoydHBU\
            dFJNNEVVM3l6OTFQSDZDZEgyVjAiLCJ5IjoiX0tjeUxqOXZXTXB0bm1LdG00NkdxRHo4d2Y3NEk1TEtncmwyR3p\
            IM25TRSJ9";
        let did = did.replace(char::is_whitespace, "");
        for method in [did.clone(), format!("{did}#0")] {
            let (method, key) = resolve(&method, &NoRegistry).unwrap();
            assert_eq!(method.controller.as_deref(), Some(did.as_str()));
            assert_eq!(method.source, KeySource::DidJwk);
            let x = "acbIQiuMs3i8_uszEjJ2tpTtRM4EU3yz91PH6CdH2V0";
            assert_eq!(key.to_jwk().unwrap()["x"], x);
        }
        for method in [format!("{did}#1"), format!("{did}="), "did:jwk:e30".into()] {
            let refused = resolve(&method, &NoRegistry).unwrap_err();
            assert!(!refused.is_unknown(), "{method}: {refused}");
        }
        let x25519 = URL_SAFE_NO_PAD.encode(r#"{"kty":"OKP","crv":"X25519","x":"AA"}"#);
        let refused = resolve(&format!("did:jwk:{x25519}"), &NoRegistry).unwrap_err();
        assert!(refused.is_unknown(), "{refused}");
    }

    #[test]
    fn the_registry_is_asked_first() {
        let registry = |_: &str| {
            Some(ResolvedKey {
                controller: "did:web:university-a.example".into(),
                multikey: OTHER.into(),
            })
        };
        for method in [
            "did:web:university-a.example#key-1",
            &format!("did:key:{KEY}"),
        ] {
            let (method, _) = resolve(method, &registry).unwrap();
            assert_eq!(method.source, KeySource::Registry);
            assert_eq!(method.multikey, OTHER);
        }
    }
}
