//! The JSON-LD contexts that are built in, byte for byte.
//!
//! A context decides what a credential's words mean, so none is ever fetched. Sources, versions
//! and hashes stand in `contexts/README.md`.

/// A context: the URL by which credentials name it, and its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Context {
    /// What stands in a credential's `@context`.
    pub url: &'static str,
    /// The JSON document `{"@context": …}`.
    pub document: &'static [u8],
}

/// The first context of a VC 2.0 credential.
pub const CREDENTIALS_V2: &str = "https://www.w3.org/ns/credentials/v2";
/// The first context of a VC 1.1 credential.
pub const CREDENTIALS_V1: &str = "https://www.w3.org/2018/credentials/v1";
/// Terms of Data Integrity proofs, first version: `cryptosuite` is a plain string.
pub const DATA_INTEGRITY_V1: &str = "https://w3id.org/security/data-integrity/v1";
/// Terms of Data Integrity proofs, for VC 1.1 credentials.
pub const DATA_INTEGRITY_V2: &str = "https://w3id.org/security/data-integrity/v2";

macro_rules! context {
    ($url:expr, $file:literal) => {
        Context {
            url: $url,
            document: include_bytes!(concat!("../contexts/", $file)),
        }
    };
}

/// Every context that is built in.
pub const BUILT_IN: &[Context] = &[
    context!(CREDENTIALS_V2, "credentials-v2.jsonld"),
    context!(CREDENTIALS_V1, "credentials-v1.jsonld"),
    context!(DATA_INTEGRITY_V1, "data-integrity-v1.jsonld"),
    context!(DATA_INTEGRITY_V2, "data-integrity-v2.jsonld"),
    context!(
        "https://www.w3.org/ns/credentials/undefined-terms/v2",
        "undefined-terms-v2.jsonld"
    ),
    context!(
        "https://www.w3.org/ns/credentials/examples/v2",
        "examples-v2.json"
    ),
    context!(
        "https://www.w3.org/ns/credentials/status/v1",
        "status-v1.jsonld"
    ),
    context!(
        "https://w3id.org/security/multikey/v1",
        "multikey-v1.jsonld"
    ),
    context!(
        "https://w3id.org/vc/status-list/2021/v1",
        "status-list-2021-v1.jsonld"
    ),
    context!(
        "https://w3id.org/security/suites/ed25519-2020/v1",
        "ed25519-2020-v1.jsonld"
    ),
    context!(
        "https://w3id.org/security/suites/jws-2020/v1",
        "jws-2020-v1.json"
    ),
    context!(
        "https://purl.imsglobal.org/spec/clr/v2p0/context.json",
        "clr-v2p0.json"
    ),
    context!(
        "https://purl.imsglobal.org/spec/clr/v2p0/context-2.0.1.json",
        "clr-v2p0-2.0.1.json"
    ),
    context!(
        "https://purl.imsglobal.org/spec/ob/v3p0/context.json",
        "ob-v3p0.json"
    ),
    context!(
        "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.1.json",
        "ob-v3p0-3.0.1.json"
    ),
    context!(
        "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.2.json",
        "ob-v3p0-3.0.2.json"
    ),
    context!(
        "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
        "ob-v3p0-3.0.3.json"
    ),
    context!(
        "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json",
        "ob-v3p0-extensions.json"
    ),
];

/// The built-in document of a context, `None` when nobody here knows it.
#[must_use]
pub fn document(url: &str) -> Option<&'static [u8]> {
    BUILT_IN
        .iter()
        .find(|context| context.url == url)
        .map(|context| context.document)
}
