//! Where events are posted.

use std::net::IpAddr;
use std::path::PathBuf;

use credlog_api::event::EventKind;
use credlog_ledger::ids::IssuerId;
use credlog_verify::prefix::DigestPrefix;
use reqwest::Url;
use serde::{Deserialize, Serialize};

/// Longest name of a webhook or witness.
const NAME_CHARS_MAX: usize = 64;

/// Where events are posted, and which.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSection {
    /// Names it in logs and metrics, and the file that says how far it is.
    pub name: String,
    /// Where: https, or http on this machine.
    pub url: String,
    /// File with the secret that the receiver shares, `whsec_…`, in its first line.
    pub secret_file: PathBuf,
    /// Only events of credentials of these issuers; none: of all.
    #[serde(default)]
    pub issuers: Vec<IssuerId>,
    /// Only events of digests that begin with one of these; none: of all.
    #[serde(default)]
    pub prefixes: Vec<DigestPrefix>,
    /// Which events; none: all changes of status.
    #[serde(default)]
    pub events: Vec<EventKind>,
}

impl WebhookSection {
    /// What is wrong with it, and what is right.
    pub(super) fn fault(&self) -> Option<String> {
        name_fault(&self.name).or_else(|| url_fault(&self.url))
    }
}

/// What is wrong with the name of something outside: it stands in logs, metrics and file names.
pub(super) fn name_fault(name: &str) -> Option<String> {
    let is_name = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if (1..=NAME_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_name) {
        return None;
    }
    Some(format!(
        "its name has to be 1 to {NAME_CHARS_MAX} lower-case letters, digits and hyphens"
    ))
}

/// What is wrong with an address outside to which something is posted.
pub(super) fn url_fault(url: &str) -> Option<String> {
    let url = match Url::parse(url) {
        Ok(url) => url,
        Err(error) => return Some(format!("its url cannot be read: {error}")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Some("its url holds a password: what is posted is signed".to_owned());
    }
    match url.scheme() {
        "https" => None,
        "http" if is_loopback(&url) => None,
        _ => Some("its url has to be https, or http on this machine".to_owned()),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_has_a_name_and_a_safe_address() {
        let fault = |name: &str, url: &str| {
            let section = WebhookSection {
                name: name.to_owned(),
                url: url.to_owned(),
                secret_file: PathBuf::new(),
                issuers: Vec::new(),
                prefixes: Vec::new(),
                events: Vec::new(),
            };
            section.fault()
        };
        for good in [
            "https://hr.example/hook?x=1",
            "http://127.0.0.1:8080/",
            "http://[::1]/",
            "http://localhost:1/",
        ] {
            assert_eq!(fault("hr-1", good), None, "{good}");
        }
        for bad in [
            "http://hr.example/",
            "http://127.0.0.1.example/",
            "https://user:word@hr.example/",
            "ftp://hr.example/",
            "hr.example",
            "",
        ] {
            assert!(fault("hr", bad).is_some(), "{bad}");
        }
        for bad in ["", "HR", "../x", "a.new", &"a".repeat(65)] {
            assert!(fault(bad, "https://hr.example/").is_some(), "{bad}");
        }
    }
}
