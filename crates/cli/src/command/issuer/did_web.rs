//! Issuer ids of the method did:web, whose documents the nodes serve from the registry.
//!
//! `did:web:node.example:issuers:dept` is resolved at `https://node.example/issuers/dept/did.json`
//! (did:web method specification, "Read"); a port is written `%3A7700`. A node answers there with
//! the keys that the ledger has for the issuer, so that software which has never heard of the ledger
//! finds them, after a rotation too.

use credlog_ledger::ids::{DisplayName, IssuerId, WebUrl};
use credlog_verify::did_document;

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
    did_document::did_web(url, &slug.0).ok_or_else(|| {
        Failure::usage(format!(
            "{url} cannot be part of a did:web id: a host name, perhaps a port, and plain names in the \
             path are needed; give the address at which everybody reaches the node, such as \
             https://node.example"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_an_id() {
        let slug = "dept".parse().unwrap();
        let id_at = |url: &str| id(&url.parse().unwrap(), &slug);
        let expected = "did:web:node.example%3A7700:ledger:issuers:dept";
        let made = id_at("http://Node.example:7700/ledger/").unwrap();
        assert_eq!(made.as_str(), expected);
        for url in ["https://u@a.example", "https://a.example?x", "https:///x"] {
            assert!(id_at(url).is_err(), "{url}");
        }
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
