//! Bitstring Status List v1.0: is the credential revoked or suspended, by lists that are at hand.
//!
//! Lists are handed over, never fetched. Whoever hands one over may have made it, so a list
//! counts only when its own proofs are good, its issuer controls the key, and the caller trusts
//! that issuer for the credential. Whatever fails leaves the status unknown; it never means
//! "not revoked".

mod bitstring;
mod draft;
mod entry;
mod error;
mod list;

use time::OffsetDateTime;

pub use self::bitstring::{Bitstring, POSITIONS_MAX, POSITIONS_MIN};
pub use self::draft::StatusListDraft;
pub use self::entry::{BitstringEntry, StatusEntry};
pub use self::error::StatusError;
pub use self::list::{StatusListCredential, VerifiedStatusList};

/// What a status list says about one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusResult {
    /// The entry's `statusPurpose`, for instance `revocation`.
    pub purpose: String,
    /// The value at the entry's index; 0 is "not set".
    pub value: u32,
    /// What the entry's `statusMessage` says about the value (purpose `message`).
    pub message: Option<String>,
    /// The list's URL.
    pub list: String,
    /// Who issued the list.
    pub list_issuer: String,
    /// From when the list counts.
    pub list_valid_from: Option<OffsetDateTime>,
}

impl StatusResult {
    /// Whether the status is set: revoked, suspended, or whatever the purpose is.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.value != 0
    }
}

/// Reads the status of one entry (Bitstring Status List v1.0 section 3.2).
///
/// `trusts` tells whether a list's issuer may speak for the credential, usually
/// `|issuer| issuer == credential.issuer_id()`. Of several fitting lists the newest counts.
///
/// # Errors
/// [`StatusError`]; in every case the status is unknown.
pub fn check_status(
    entry: &StatusEntry,
    lists: &[VerifiedStatusList],
    trusts: impl Fn(&str) -> bool,
) -> Result<StatusResult, StatusError> {
    let entry = entry.bitstring()?;
    let named = lists.iter().filter(|list| list.id() == entry.list);
    let newest = named
        .clone()
        .filter(|list| list.has_purpose(&entry.purpose) && trusts(list.issuer_id()))
        .max_by_key(|list| list.valid_from());
    let Some(list) = newest else {
        return Err(why_none_fits(&entry, named));
    };
    let positions = list.bitstring().positions() / u64::from(entry.size);
    if positions < POSITIONS_MIN {
        return Err(StatusError::ListTooShort { positions });
    }
    let value = list.bitstring().value(entry.index, entry.size);
    let value = value.ok_or(StatusError::IndexOutOfRange {
        index: entry.index,
        positions,
    })?;
    Ok(StatusResult {
        message: entry.message(value).map(str::to_owned),
        purpose: entry.purpose,
        value,
        list: entry.list,
        list_issuer: list.issuer_id().to_owned(),
        list_valid_from: list.valid_from(),
    })
}

fn why_none_fits<'a>(
    entry: &BitstringEntry,
    mut named: impl Iterator<Item = &'a VerifiedStatusList> + Clone,
) -> StatusError {
    let has_purpose = named.clone().find(|list| list.has_purpose(&entry.purpose));
    match (has_purpose, named.next()) {
        (Some(list), _) => StatusError::UntrustedIssuer {
            issuer: list.issuer_id().to_owned(),
        },
        (None, Some(_)) => StatusError::PurposeMismatch {
            purpose: entry.purpose.clone(),
        },
        (None, None) => StatusError::ListNotAtHand {
            list: entry.list.clone(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> StatusEntry {
        let json = serde_json::json!({
            "type": "BitstringStatusListEntry",
            "statusPurpose": "revocation",
            "statusListIndex": "7",
            "statusListCredential": "https://ledger.example/1",
        });
        StatusEntry::from_json(&json).unwrap()
    }

    fn list(issuer: &str, newer_by_s: i64, bits: &[u64]) -> VerifiedStatusList {
        let mut bitstring = Bitstring::new(POSITIONS_MIN).unwrap();
        for bit in bits {
            bitstring.set(*bit, true).unwrap();
        }
        let valid_from = OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(newer_by_s);
        VerifiedStatusList::for_tests(
            "https://ledger.example/1",
            issuer,
            Some(valid_from),
            bitstring,
        )
    }

    #[test]
    fn the_newest_list_of_a_trusted_issuer_counts() {
        let lists = [
            list("did:a", 1, &[]),
            list("did:a", 2, &[7]),
            list("did:x", 3, &[]),
        ];
        let status = check_status(&entry(), &lists, |issuer| issuer == "did:a").unwrap();
        assert!(status.is_set());
        assert_eq!(status.list_issuer, "did:a");
    }

    #[test]
    fn a_list_that_does_not_fit_says_why() {
        let lists = [list("did:x", 3, &[])];
        let untrusted = check_status(&entry(), &lists, |issuer| issuer == "did:a");
        assert_eq!(
            untrusted,
            Err(StatusError::UntrustedIssuer {
                issuer: "did:x".into()
            })
        );
        let missing = check_status(&entry(), &[], |_| true);
        assert!(matches!(missing, Err(StatusError::ListNotAtHand { .. })));
    }
}
