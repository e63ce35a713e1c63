//! `relatedResource`: digests of other documents that a credential stands on (VC Data Model v2.0
//! section 5.3).
//!
//! Nothing is fetched, so only built-in contexts can be compared.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use sha2::{Digest, Sha256, Sha384, Sha512};
use thiserror::Error;

use crate::context::{self, CREDENTIALS_V2};
use crate::json::one_or_many;
use crate::problem;

/// SHA-256 of the exact bytes of the VC 2.0 context in the W3C Recommendation, which are the
/// built-in ones but for white space (contexts/README.md).
const CREDENTIALS_V2_SHA256: &str =
    "59955ced6697d61e03f2b2556febe5308ab16842846f5b586d7f1f7adec92734";
/// SHA-384 of the same bytes, in base64.
const CREDENTIALS_V2_SHA384: &str =
    "l/HrjlBCNWyAX91hr6LFV2Y3heB5Tcr6IeE4/Tje8YyzYBM8IhqjHWiWpr8+ZbYU";
/// Bytes of a SHA-256 digest.
const SHA256_BYTES: usize = 32;

/// Related resources that are compared at most.
const RESOURCES_MAX: usize = 32;

/// Multihash prefix of SHA-256: code and length.
const MULTIHASH_SHA256: [u8; 2] = [0x12, 0x20];

/// Why the related resources of a credential are not known to be what it says.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RelatedError {
    /// Not at hand, or with a digest that is not known here: cannot be checked.
    #[error("the credential depends on the related resource {id}, which cannot be checked here")]
    Unknown {
        /// The resource's URL.
        id: String,
    },
    /// More than are compared: cannot be checked.
    #[error(
        "the credential names more than {RESOURCES_MAX} related resources; no more are checked"
    )]
    TooMany,
    /// Another document than the one at hand.
    #[error("the credential was made with another version of {id} than the published one")]
    Differs {
        /// The resource's URL.
        id: String,
    },
    /// Not an object with a URL of its own and a digest.
    #[error(
        "a relatedResource is an object with an id of its own and digestSRI or digestMultibase"
    )]
    Malformed,
}

impl RelatedError {
    /// Whether the resource cannot be checked here, and might be right.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::TooMany)
    }

    /// The W3C problem identifier.
    #[must_use]
    pub fn problem_type(&self) -> &'static str {
        match self {
            Self::Malformed => problem::MALFORMED_VALUE_ERROR,
            _ => problem::CRYPTOGRAPHIC_SECURITY_ERROR,
        }
    }
}

/// Compares each related resource with its digests; a known difference is told before what is
/// unknown.
pub(crate) fn check(document: &Value) -> Result<(), RelatedError> {
    let resources = one_or_many(document.get("relatedResource"));
    if resources.len() > RESOURCES_MAX {
        return Err(RelatedError::TooMany);
    }
    let mut ids = BTreeSet::new();
    let mut named = resources.iter().filter_map(|one| one.get("id")?.as_str());
    if !named.all(|id| ids.insert(id)) {
        return Err(RelatedError::Malformed);
    }
    let errors = || resources.iter().filter_map(|one| resource(one).err());
    match errors()
        .find(|error| !error.is_unknown())
        .or_else(|| errors().next())
    {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn resource(resource: &Value) -> Result<(), RelatedError> {
    let id = resource.get("id").and_then(Value::as_str);
    let id = id.ok_or(RelatedError::Malformed)?;
    let digests = ["digestSRI", "digestMultibase"].map(|name| resource.get(name));
    let texts: Option<Vec<&str>> = digests.into_iter().flatten().map(Value::as_str).collect();
    let texts = texts
        .filter(|texts| !texts.is_empty())
        .ok_or(RelatedError::Malformed)?;
    let unknown = || RelatedError::Unknown {
        id: id.chars().take(200).collect(),
    };
    let bytes = context::document(id).ok_or_else(unknown)?;
    for text in texts {
        match equals(text, id, bytes) {
            Some(true) => {}
            Some(false) => return Err(RelatedError::Differs { id: id.to_owned() }),
            None => return Err(unknown()),
        }
    }
    Ok(())
}

/// Whether a digest is that of a built-in context; `None` when that is not known.
fn equals(digest: &str, url: &str, bytes: &[u8]) -> Option<bool> {
    // Base64url has hyphens, too.
    if let Some((algorithm @ ("sha256" | "sha384" | "sha512"), value)) = digest.split_once('-') {
        let value = STANDARD.decode(value).ok()?;
        return match algorithm {
            "sha256" => Some(equals_sha256(&value, url, bytes)),
            "sha384" => Some(equals_sha384(&value, url, bytes)),
            // The SHA-512 of the Recommendation's bytes is not known here.
            _ => Some(Sha512::digest(bytes).as_slice() == value)
                .filter(|same| *same || url != CREDENTIALS_V2),
        };
    }
    let hash = match digest.split_at_checked(1)? {
        ("u", text) => URL_SAFE_NO_PAD.decode(text).ok()?,
        ("z", text) if text.len() <= 100 => bs58::decode(text).into_vec().ok()?,
        _ => return None,
    };
    // Some issuers leave the multihash header out.
    let digest = match hash.strip_prefix(&MULTIHASH_SHA256) {
        None if hash.len() == SHA256_BYTES => &hash,
        digest => digest?,
    };
    Some(equals_sha256(digest, url, bytes))
}

fn equals_sha384(value: &[u8], url: &str, bytes: &[u8]) -> bool {
    value == Sha384::digest(bytes).as_slice()
        || (url == CREDENTIALS_V2 && STANDARD.encode(value) == CREDENTIALS_V2_SHA384)
}

fn equals_sha256(value: &[u8], url: &str, bytes: &[u8]) -> bool {
    value == Sha256::digest(bytes).as_slice()
        || (url == CREDENTIALS_V2 && hex::encode(value) == CREDENTIALS_V2_SHA256)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const OB: &str = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json";

    fn checked(resource: &Value) -> Result<(), RelatedError> {
        check(&json!({ "relatedResource": resource }))
    }

    fn sri(url: &str) -> String {
        let bytes = context::document(url).unwrap();
        format!("sha256-{}", STANDARD.encode(Sha256::digest(bytes)))
    }

    #[test]
    fn built_in_contexts_are_compared() {
        assert_eq!(check(&json!({})), Ok(()));
        let hash = Sha256::digest(context::document(OB).unwrap());
        let multihash = [MULTIHASH_SHA256.as_slice(), hash.as_slice()].concat();
        let sha384 = Sha384::digest(context::document(OB).unwrap());
        for digest in [
            json!({"id": OB, "digestSRI": sri(OB)}),
            json!({"id": OB, "digestSRI": format!("sha384-{}", STANDARD.encode(sha384))}),
            json!({"id": OB, "digestMultibase": format!("u{}", URL_SAFE_NO_PAD.encode(&multihash))}),
            json!({
                "id": OB,
                "digestSRI": sri(OB),
                "digestMultibase": format!("z{}", bs58::encode(&multihash).into_string()),
            }),
        ] {
            assert_eq!(checked(&digest), Ok(()), "{digest}");
        }
        let other = json!([
            {"id": "https://a.example/image.png", "digestSRI": sri(OB)},
            {"id": OB, "digestSRI": sri(CREDENTIALS_V2)},
        ]);
        assert_eq!(
            checked(&other),
            Err(RelatedError::Differs { id: OB.into() })
        );
    }

    /// Both the Recommendation's bytes and those of the package are the VC 2.0 context.
    #[test]
    fn the_vc_2_0_context_has_two_digests() {
        let published = STANDARD.encode(hex::decode(CREDENTIALS_V2_SHA256).unwrap());
        for digest in [sri(CREDENTIALS_V2), format!("sha256-{published}")] {
            let resource = json!({"id": CREDENTIALS_V2, "digestSRI": digest});
            assert_eq!(checked(&resource), Ok(()), "{digest}");
        }
        let other = json!({"id": CREDENTIALS_V2, "digestSRI": sri(OB)});
        assert!(matches!(checked(&other), Err(RelatedError::Differs { .. })));
        let sha512 = format!("sha512-{}", STANDARD.encode([0; 64]));
        let not_known = json!({"id": CREDENTIALS_V2, "digestSRI": sha512});
        assert!(matches!(
            checked(&not_known),
            Err(RelatedError::Unknown { .. })
        ));
    }

    /// As W3C's test suite of the data model gives them: SHA-384, and SHA-256 without the header
    /// of a multihash.
    #[test]
    fn digests_of_the_recommendation_are_known_in_every_form() {
        let sri = format!("sha384-{CREDENTIALS_V2_SHA384}");
        let bare = "uWZVc7WaX1h4D8rJVb-vlMIqxaEKEb1tYbX8fet7JJzQ";
        let resource =
            |sri, bare| json!({"id": CREDENTIALS_V2, "digestSRI": sri, "digestMultibase": bare});
        assert_eq!(checked(&resource(&sri, bare)), Ok(()));
        for other in [
            resource(&sri.replace("l/H", "l/I"), bare),
            resource(&sri, &bare.replace("WZ", "WY")),
        ] {
            assert!(
                matches!(checked(&other), Err(RelatedError::Differs { .. })),
                "{other}"
            );
        }
    }

    #[test]
    fn what_is_not_at_hand_is_unknown_and_what_has_no_form_is_malformed() {
        for unknown in [
            json!({"id": "https://a.example/image.png", "digestSRI": sri(OB)}),
            json!({"id": OB, "digestSRI": "md5-AAAA"}),
            json!({"id": OB, "digestMultibase": "x"}),
        ] {
            let refused = checked(&unknown).unwrap_err();
            assert!(refused.is_unknown(), "{unknown}: {refused:?}");
        }
        let resource = json!({"id": OB, "digestSRI": sri(OB)});
        for malformed in [
            json!("x"),
            json!({"id": OB}),
            json!({"digestSRI": sri(OB)}),
            json!([resource, resource]),
        ] {
            assert_eq!(checked(&malformed), Err(RelatedError::Malformed));
        }
        let many = json!(vec![json!({}); RESOURCES_MAX + 1]);
        assert_eq!(checked(&many), Err(RelatedError::TooMany));
    }
}
