//! The signature of a compact JWS.

use serde_json::Value;
use time::OffsetDateTime;

use super::error::ProofError;
use super::method::{KeyResolver, KeySource, Lookup, Meant, MethodKey, is_key};
use super::report::ProofResult;
use super::{Expected, Signed, TRIES_MAX};
use crate::json::one_or_many;
use crate::jws::{Alg, Jws};
use crate::multikey::Multikey;
use crate::url::is_url;

/// Checks the signature of a JWS that speaks for a party: the issuer of a credential, or the
/// holder of a presentation. Its claims `nonce` and `aud` are what `challenge` and `domain` of a
/// proof are; `exp` and `nbf` say until when the content is valid, not the signature.
///
/// The algorithm is one result's `cryptosuite`.
#[must_use]
pub fn verify_jws<'a>(
    jws: &Jws,
    party: &str,
    expected: impl Into<Expected<'a>>,
    at: OffsetDateTime,
    keys: &dyn KeyResolver,
) -> ProofResult {
    let expected = expected.into();
    let mut result = ProofResult {
        id: None,
        cryptosuite: Some(jws.alg().to_owned()),
        verification_method: Some(method_of(jws, party)),
        purpose: Some(expected.purpose.to_owned()),
        created: issued_at(jws),
        key: None,
        result: Ok(()),
    };
    let lookup = Lookup {
        purpose: expected.purpose,
        at,
        keys,
    };
    result.result = check(jws, party, &expected, &lookup, &mut result);
    result
}

fn check(
    jws: &Jws,
    party: &str,
    expected: &Expected<'_>,
    lookup: &Lookup<'_>,
    result: &mut ProofResult,
) -> Result<(), ProofError> {
    let Alg::Known(algorithm) = jws.header().alg else {
        return Err(ProofError::UnsupportedSuite {
            cryptosuite: jws.alg().to_owned(),
        });
    };
    check_expected(jws, expected)?;
    let method = method_of(jws, party);
    let meant = match &jws.header().jwk {
        None => lookup.find(&method)?,
        Some(jwk) => {
            let jwk = jwk.clone().map_err(ProofError::UnusableJwk)?;
            Meant::Key(possessed(&jwk, &method, party, lookup)?, jwk)
        }
    };
    let signed = Signed {
        algorithm,
        message: jws.signing_input(),
        signature: jws.signature(),
        holder: "signature",
    };
    match meant {
        Meant::Key(key_of_method, key) => {
            result.key = Some(key_of_method);
            signed.verify(&key)
        }
        Meant::OneOf(candidates) => {
            let key = signed.signer(candidates, &method, &mut { TRIES_MAX });
            key.map(|key| result.key = Some(key))
        }
    }
}

/// Who is known to control the header's own key. The header proves nothing about that: anyone
/// can write a key next to an issuer's name.
fn possessed(
    jwk: &Multikey,
    method: &str,
    party: &str,
    lookup: &Lookup<'_>,
) -> Result<MethodKey, ProofError> {
    let own = MethodKey {
        multikey: jwk.to_string(),
        controller: None,
        source: KeySource::JwsHeader,
    };
    // The key itself may be registered, however the header names it.
    let named = format!("{party}#{jwk}");
    let methods = [method, &named, party];
    for (position, method) in methods.into_iter().enumerate() {
        match lookup.find(method) {
            // `https://…#z6Mk…` says no more than the header.
            Ok(Meant::Key(known, key)) if key == *jwk && known.controller.is_some() => {
                return Ok(known);
            }
            // A key that `kid` names, or that the party's identifier is.
            Ok(Meant::Key(_, key)) if key != *jwk && position != 1 => {
                return Err(ProofError::Malformed {
                    property: "jwk",
                    reason: "is another key than the one that kid or the issuer names",
                });
            }
            Ok(Meant::OneOf(candidates)) if candidates.keys.contains(jwk) => {
                return Ok(MethodKey {
                    controller: Some(candidates.controller),
                    source: KeySource::Registry,
                    ..own
                });
            }
            _ => {}
        }
    }
    let Lookup { purpose, at, keys } = *lookup;
    let documents = keys.documents();
    match documents.and_then(|documents| documents.with_key(party, jwk, purpose, at)) {
        Some(found) => found.map(|(method, _)| method),
        None => Ok(own),
    }
}

/// The verification method: `kid` if it is a URL, else a fragment of the party's identifier; the
/// party itself if the header names none.
fn method_of(jws: &Jws, party: &str) -> String {
    // A did:key or did:jwk has one key, whatever a header calls it.
    match jws.kid() {
        Some(kid) if is_url(kid) => kid.to_owned(),
        Some(fragment) if fragment.starts_with('#') => format!("{party}{fragment}"),
        Some(fragment) if !is_key(party) => format!("{party}#{fragment}"),
        _ => party.to_owned(),
    }
}

fn check_expected(jws: &Jws, expected: &Expected<'_>) -> Result<(), ProofError> {
    let payload = jws.payload();
    let domains = one_or_many(payload.get("aud"));
    if let Some(domain) = expected.domain
        && !domains.iter().any(|one| one == domain)
    {
        let domains: Vec<_> = domains.iter().filter_map(Value::as_str).collect();
        return Err(ProofError::WrongDomain {
            domain: domains.join(", "),
            expected: domain.to_owned(),
        });
    }
    let nonce = payload.get("nonce").and_then(Value::as_str);
    match expected.challenge {
        Some(challenge) if nonce != Some(challenge) => Err(ProofError::WrongChallenge {
            challenge: nonce.unwrap_or_default().to_owned(),
            expected: challenge.to_owned(),
        }),
        _ => Ok(()),
    }
}

fn issued_at(jws: &Jws) -> Option<OffsetDateTime> {
    let seconds = jws.payload().get("iat")?.as_i64()?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}
