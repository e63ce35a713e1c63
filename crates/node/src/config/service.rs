//! Settings of what the node does for checkers and issuers: fetching, issuing.

use std::path::PathBuf;

use credlog_credential::Suite;
use credlog_ledger::ids::IssuerId;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

/// What may be fetched from other sites for a check. By default nothing is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FetchSection {
    /// Beginnings of URLs from which status lists and did:web documents are fetched.
    pub allow: Vec<AllowedUrl>,
    /// One fetch takes at most this long.
    pub timeout_ms: u64,
    /// Longest document.
    pub bytes_max: u64,
    /// What was fetched, or failed to be, counts this long.
    pub cache_seconds: u64,
}

/// The beginning of URLs that may be fetched: scheme, host and port exactly, and a path that
/// ends in `/` and with which theirs begin. It is https, or http at a loopback address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedUrl(Url);

/// Not an [`AllowedUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no beginning of URLs to fetch: {reason}")]
pub struct InvalidAllowedUrl {
    /// The text.
    pub text: String,
    /// What is wrong, and what is right.
    pub reason: String,
}

impl AllowedUrl {
    /// Reads `https://host/path/`.
    ///
    /// # Errors
    /// [`InvalidAllowedUrl`].
    pub fn parse(text: &str) -> Result<Self, InvalidAllowedUrl> {
        let invalid = |reason: &str| InvalidAllowedUrl {
            text: text.to_owned(),
            reason: reason.to_owned(),
        };
        let url = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
        let plain = url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        if !(plain && anonymous && url.path().ends_with('/')) {
            return Err(invalid(
                "write scheme, host and a path that ends in \"/\", nothing else",
            ));
        }
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if is_loopback(&url) => Ok(Self(url)),
            _ => Err(invalid("it must be https, or http at a loopback address")),
        }
    }

    /// Whether a URL begins with it.
    pub fn covers(&self, url: &Url) -> bool {
        let anonymous = url.username().is_empty() && url.password().is_none();
        // What a site decodes late could lead out of the path.
        let path = url.path().to_ascii_lowercase();
        let hidden = ["%2f", "%5c", "%2e"].iter().any(|one| path.contains(one));
        anonymous
            && !hidden
            && url.origin() == self.0.origin()
            && url.path().starts_with(self.0.path())
    }
}

/// Whether a URL names a loopback address, as an address.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        _ => false,
    }
}

impl Serialize for AllowedUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}

impl<'de> Deserialize<'de> for AllowedUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl Default for FetchSection {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            timeout_ms: 3_000,
            bytes_max: 1 << 20,
            cache_seconds: 60,
        }
    }
}

/// An issuer in whose name the node issues (POST /credentials/issue). Without this section it
/// does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerSection {
    /// The issuer's id on the ledger.
    pub id: IssuerId,
    /// Its active key, for records and credentials: Ed25519 in PKCS#8 PEM.
    pub key: PathBuf,
    /// File with the passphrase of the key, in its first line; else the environment variable
    /// CREDLOG_PASSPHRASE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passphrase_file: Option<PathBuf>,
    /// File with the bearer token that a request must carry, in its first line; at least 32
    /// characters.
    pub token_file: PathBuf,
    /// Whether a request from this machine, by no proxy, needs no token: for test suites that
    /// send none.
    #[serde(default)]
    pub loopback_without_token: bool,
    /// The cryptosuite of credentials whose request names none.
    #[serde(default = "default_suite", with = "suite_name")]
    pub suite: Suite,
}

fn default_suite() -> Suite {
    Suite::EDDSA_RDFC_2022
}

mod suite_name {
    use credlog_credential::Suite;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(suite: &Suite, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(suite.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Suite, D::Error> {
        let name = String::deserialize(from)?;
        Suite::of_ed25519(&name).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_begins_alike_at_the_same_place_is_covered() {
        let allowed = AllowedUrl::parse("https://lists.example/status/").unwrap();
        let covers = |text: &str| allowed.covers(&Url::parse(text).unwrap());
        assert!(covers("https://lists.example/status/3?x=1"));
        assert!(covers("https://lists.example:443/status/"));
        for other in [
            "http://lists.example/status/3",
            "https://lists.example/other",
            "https://lists.example/status/../other",
            "https://lists.example.evil.example/status/3",
            "https://lists.example:8443/status/3",
            "https://me@lists.example/status/3",
            "https://lists.example/status/%2e%2e%2Fother",
        ] {
            assert!(!covers(other), "{other}");
        }
    }

    #[test]
    fn what_would_be_read_in_the_clear_is_refused() {
        for bad in [
            "http://lists.example/",
            "http://localhost/",
            "https://lists.example/status",
            "https://lists.example/?a",
            "file:///etc/",
            "lists.example",
        ] {
            assert!(AllowedUrl::parse(bad).is_err(), "{bad}");
        }
        assert!(AllowedUrl::parse("http://127.0.0.1:8080/").is_ok());
    }
}
