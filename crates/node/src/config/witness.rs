//! Outside witnesses.

use credlog_tlog::{SignatureKind, VerifierKey};
use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::webhook::{name_fault, url_fault};

/// A witness outside of the consortium, to which attested checkpoints are submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessSection {
    /// Names it in logs and metrics.
    pub name: String,
    /// Its submission prefix, without `/add-checkpoint`: https, or http on this machine.
    pub url: String,
    /// Its verifier key, `<name>+<8 hex digits>+<base64>`, of type 0x04.
    pub public_key: String,
}

impl WitnessSection {
    /// The key that verifies its cosignatures.
    ///
    /// # Errors
    /// What is wrong with it, and what is right.
    pub fn key(&self) -> Result<VerifierKey, String> {
        let key: VerifierKey = self
            .public_key
            .parse()
            .map_err(|error| format!("its public_key cannot be read: {error}"))?;
        match key.kind() {
            _ if key.name().contains(char::is_control) => {
                Err("the name in its public_key has a control character".to_owned())
            }
            SignatureKind::CosignatureV1 => Ok(key),
            _ => Err("its public_key has to be of type 0x04, which cosigns".to_owned()),
        }
    }

    /// What is wrong with it beside those before it, and what is right.
    pub(super) fn fault(&self, before: &[Self]) -> Option<String> {
        let fault = name_fault(&self.name).or_else(|| url_fault(&self.url));
        if fault.is_some() {
            return fault;
        }
        let url = Url::parse(&self.url).ok();
        if url.is_some_and(|url| url.query().is_some() || url.fragment().is_some()) {
            return Some("its url ends with a query or a fragment".to_owned());
        }
        let key = match self.key() {
            Ok(key) => key,
            Err(reason) => return Some(reason),
        };
        if before.iter().any(|other| other.name == self.name) {
            return Some("two witnesses have this name".to_owned());
        }
        let of = |other: &Self| {
            other
                .key()
                .is_ok_and(|other| other.public_key() == key.public_key())
        };
        before
            .iter()
            .any(of)
            .then(|| "two witnesses have this public_key".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ledger.example/2026/university-a/1+face3ab3+\
                       BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU";

    fn witness(name: &str, url: &str, public_key: &str) -> WitnessSection {
        WitnessSection {
            name: name.to_owned(),
            url: url.to_owned(),
            public_key: public_key.to_owned(),
        }
    }

    #[test]
    fn a_witness_has_a_name_a_safe_address_and_a_key_that_cosigns() {
        let fault = |name, url, key| witness(name, url, key).fault(&[]);
        let https = "https://witness.example/prefix";
        for url in [https, "http://127.0.0.1:1", "http://localhost:8080/w/"] {
            assert_eq!(fault("w", url, KEY), None, "{url}");
        }
        for url in [
            "http://witness.example/",
            "https://user:word@witness.example/",
            "https://witness.example/?x=1",
            "https://witness.example/#x",
            "file:///etc/passwd",
            "",
        ] {
            assert!(fault("w", url, KEY).is_some(), "{url}");
        }
        let log = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        for key in ["", "x", log, &KEY[1..]] {
            assert!(fault("w", https, key).is_some(), "{key}");
        }
        for name in ["", "W", "a b", "a\nb"] {
            assert!(fault(name, https, KEY).is_some(), "{name:?}");
        }
    }

    #[test]
    fn names_and_keys_are_distinct() {
        let other = "o+23ab1c0a+BIE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU";
        let id = credlog_tlog::key_id(
            "o",
            SignatureKind::CosignatureV1,
            KEY.parse::<VerifierKey>().unwrap().public_key(),
        );
        let other = other.replace("23ab1c0a", &id.to_string());
        let first = witness("a", "https://a.example/", KEY);
        let same_name = witness("a", "https://b.example/", &other);
        let same_key = witness("b", "https://b.example/", &other);
        assert_eq!(same_key.fault(&[]), None);
        for second in [same_name, same_key] {
            assert!(second.fault(std::slice::from_ref(&first)).is_some());
        }
    }
}
