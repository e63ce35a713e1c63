//! Issuer ids of the method did:web, whose documents the nodes serve from the registry.
//!
//! `did:web:node.example:issuers:dept` is resolved at `https://node.example/issuers/dept/did.json`
//! (did:web method specification, "Read"); a port is written `%3A7700`. A node answers there with
//! the keys that the ledger has for the issuer, so that software which has never heard of the ledger
//! finds them, after a rotation too.

use credlog_ledger::ids::{DisplayName, IssuerId, WebUrl};

use crate::outcome::{Failure, Result};

/// Longest name in an id.
const SLUG_BYTES_MAX: usize = 64;

/// The last part of an id: how the node knows the issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slug(String);

impl std::str::FromStr for Slug {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        let fits = (1..=SLUG_BYTES_MAX).contains(&text.len())
            && text.bytes().all(plain)
            && !text.starts_with('-')
            && !text.ends_with('-');
        match fits {
            true => Ok(Self(text.to_owned())),
            false => Err(format!(
                "1 to {SLUG_BYTES_MAX} of a-z, 0-9 and '-' are needed, not beginning or ending \
                 with '-'"
            )),
        }
    }
}

impl Slug {
    /// From a name, if that says enough: `Department of Statistics` is `department-of-statistics`.
    pub(super) fn of(name: &DisplayName) -> Result<Self> {
        let mut slug = String::new();
        for c in name.as_str().chars() {
            match c {
                c if c.is_ascii_alphanumeric() => slug.push(c.to_ascii_lowercase()),
                c if c.is_alphanumeric() => return Err(needs_slug(name)),
                _ if slug.ends_with('-') || slug.is_empty() => {}
                _ => slug.push('-'),
            }
        }
        slug.trim_end_matches('-')
            .parse()
            .map_err(|_| needs_slug(name))
    }
}

fn needs_slug(name: &DisplayName) -> Failure {
    Failure::usage(format!(
        "the name {name} makes no short name of a-z, 0-9 and '-' for the id; give one with --slug"
    ))
}

/// The id of an issuer whose document the node at an address serves.
pub(super) fn id(url: &WebUrl, slug: &Slug) -> Result<IssuerId> {
    let wrong = |why: &str| {
        Failure::usage(format!(
            "{url} cannot be part of a did:web id: {why}; give the address at which everybody \
             reaches the node, such as https://node.example"
        ))
    };
    let (_, rest) = url
        .as_str()
        .split_once("://")
        .ok_or_else(|| wrong("it has no scheme"))?;
    if rest.contains(['?', '#', '@', '%']) {
        return Err(wrong("it has a query, a fragment, a user or an escape"));
    }
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    let host = host.to_ascii_lowercase();
    let plain = |c: u8| c.is_ascii_alphanumeric() || b".-".contains(&c);
    if host.is_empty() || !host.bytes().all(plain) {
        return Err(wrong("it has no host name"));
    }
    if host.bytes().all(|c| c.is_ascii_digit() || c == b'.') {
        return Err(wrong("did:web takes host names, no IP addresses"));
    }
    let mut id = format!("did:web:{host}");
    if let Some(port) = port {
        let number: u16 = port
            .parse()
            .map_err(|_| wrong("its port is not a number"))?;
        id.push_str(&format!("%3A{number}"));
    }
    for part in path.split('/').filter(|part| !part.is_empty()) {
        if !part.bytes().all(|c| plain(c) || c == b'_') {
            return Err(wrong("its path has unusual characters"));
        }
        id.push_str(&format!(":{part}"));
    }
    Ok(format!("{id}:issuers:{}", slug.0).parse()?)
}

/// Where software looks for the document of an id.
pub(super) fn document_url(url: &WebUrl, slug: &Slug) -> String {
    let rest = url.as_str().split_once("://").map_or("", |(_, rest)| rest);
    format!(
        "https://{}/issuers/{}/did.json",
        rest.trim_end_matches('/'),
        slug.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_at(url: &str) -> Option<String> {
        let slug = "dept".parse().unwrap();
        id(&url.parse().unwrap(), &slug)
            .ok()
            .map(|id| id.to_string())
    }

    #[test]
    fn an_address_becomes_an_id() {
        for (url, expected) in [
            ("https://node.Example", "did:web:node.example:issuers:dept"),
            ("https://node.example/", "did:web:node.example:issuers:dept"),
            (
                "http://localhost:7700",
                "did:web:localhost%3A7700:issuers:dept",
            ),
            (
                "https://a.example/ledger/x/",
                "did:web:a.example:ledger:x:issuers:dept",
            ),
        ] {
            assert_eq!(id_at(url).as_deref(), Some(expected));
        }
        for url in [
            "http://127.0.0.1:7700",
            "http://[::1]:7700",
            "https://u@a.example",
            "https://a.example?x",
            "https://a.example:x",
            "https://a.example/%41",
            "https:///x",
        ] {
            assert_eq!(id_at(url), None, "{url}");
        }
        let slug = "dept".parse().unwrap();
        let url = "https://a.example/ledger/".parse().unwrap();
        assert_eq!(
            document_url(&url, &slug),
            "https://a.example/ledger/issuers/dept/did.json"
        );
    }

    #[test]
    fn a_name_becomes_a_slug() {
        let of = |name: &str| Slug::of(&name.parse().unwrap()).ok().map(|slug| slug.0);
        assert_eq!(
            of("Department of Statistics (2)"),
            Some("department-of-statistics-2".into())
        );
        assert_eq!(of("Universität"), None);
        assert_eq!(of("…"), None);
        for wrong in ["", "-a", "a-", "A", "a b", "a:b", &"a".repeat(65)] {
            assert!(wrong.parse::<Slug>().is_err(), "{wrong}");
        }
    }
}
