//! Status entries: where any W3C verifier reads whether a credential is revoked or suspended.
//!
//! A credential that is signed here names its position in the ledger's lists, under the address
//! of the accrediting member's node, before it is signed. So the position is drawn first, and a
//! credential whose position is taken has to be signed again.

use credlog_credential::status::BitstringEntry;
use credlog_credential::{Credential, DataModel, StatusEntry, context};
use serde_json::{Value, json};

use crate::facts::Position;

/// The two lists that the ledger keeps for each of its lists.
const PURPOSES: [&str; 2] = ["revocation", "suspension"];
/// The terms of a status entry, for credentials of VC 1.1.
const STATUS_CONTEXT: &str = "https://www.w3.org/ns/credentials/status/v1";

/// Status entries that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntriesError {
    /// The credential names one of the ledger's lists before it has a position.
    #[error(
        "its credentialStatus names a list of the ledger ({lists}…) already, but positions are \
         drawn when credentials are issued; take that entry out"
    )]
    Named {
        /// How the URLs of these lists begin.
        lists: String,
    },
    /// The entries that should be replaced are not there.
    #[error("the status entries of position {position} are not in the credential any more")]
    Lost {
        /// The position.
        position: Position,
    },
}

/// URL of one of the ledger's lists at an address.
fn list_url(address: &str, place: Position, purpose: &str) -> String {
    let address = address.trim_end_matches('/');
    format!("{address}/v1/status-lists/{}/{purpose}", place.list)
}

/// The address and purpose in the URL of a ledger's list that holds this position.
fn parts(url: &str, place: Position) -> Option<(&str, &str)> {
    let (rest, purpose) = url.rsplit_once('/')?;
    let address = rest.strip_suffix(&format!("/v1/status-lists/{}", place.list))?;
    PURPOSES.contains(&purpose).then_some((address, purpose))
}

fn entry(address: &str, place: Position, purpose: &str) -> Value {
    let entry = BitstringEntry {
        purpose: purpose.to_owned(),
        index: u64::from(place.index.0),
        list: list_url(address, place, purpose),
        size: 1,
        messages: Vec::new(),
    };
    entry.to_json()
}

/// Adds the entries of a position to an unsigned credential; what it brings along stays.
///
/// # Errors
/// [`EntriesError::Named`].
pub fn add(credential: Credential, address: &str, place: Position) -> Result<Value, EntriesError> {
    let own = format!("{}/v1/status-lists/", address.trim_end_matches('/'));
    let mut lists = credential.status().iter().filter_map(StatusEntry::list);
    if lists.any(|list| list.starts_with(&own)) {
        return Err(EntriesError::Named { lists: own });
    }
    let model = credential.model();
    let mut document = credential.into_document();
    if model == DataModel::V1_1 {
        add_context(&mut document["@context"]);
    }
    let mut entries = match document["credentialStatus"].take() {
        Value::Null => Vec::new(),
        Value::Array(entries) => entries,
        entry => vec![entry],
    };
    let added = PURPOSES.map(|purpose| entry(address, place, purpose));
    entries.extend(added);
    document["credentialStatus"] = Value::Array(entries);
    Ok(document)
}

/// The VC 2.0 context has the terms of status entries; for VC 1.1 there is one of their own.
fn add_context(contexts: &mut Value) {
    let defines = |one: &Value| {
        let url = one.as_str().unwrap_or_default();
        url == STATUS_CONTEXT || url == context::CREDENTIALS_V2
    };
    match contexts {
        Value::Array(all) if all.iter().any(defines) => {}
        Value::Array(all) => all.push(json!(STATUS_CONTEXT)),
        one if defines(one) => {}
        one => *one = json!([one.take(), STATUS_CONTEXT]),
    }
}

/// Gives the entries of one position another position, at the same address.
///
/// # Errors
/// [`EntriesError::Lost`].
pub fn replace(document: &mut Value, from: Position, to: Position) -> Result<(), EntriesError> {
    let Some(Value::Array(entries)) = document.get_mut("credentialStatus") else {
        return Err(lost(from));
    };
    let mut replaced = 0;
    for one in entries {
        let read = StatusEntry::from_json(one).and_then(|read| read.bitstring().ok());
        let Some(read) = read.filter(|read| read.index == u64::from(from.index.0)) else {
            continue;
        };
        if let Some((address, purpose)) = parts(&read.list, from) {
            *one = entry(address, to, purpose);
            replaced += 1;
        }
    }
    match replaced {
        0 => Err(lost(from)),
        _ => Ok(()),
    }
}

fn lost(position: Position) -> EntriesError {
    EntriesError::Lost { position }
}

#[cfg(test)]
mod tests {
    use super::*;
    use credlog_ledger::ids::{ListNumber, StatusIndex};

    fn place(list: u64, index: u32) -> Position {
        Position {
            list: ListNumber(list),
            index: StatusIndex(index),
        }
    }

    fn credential(context: &Value, more: &Value) -> Credential {
        let mut document = json!({
            "@context": context,
            "type": ["VerifiableCredential"],
            "issuer": "did:example:a",
            "issuanceDate": "2026-01-01T00:00:00Z",
            "credentialSubject": {"id": "https://students.example/1"},
        });
        if !more.is_null() {
            document["credentialStatus"] = more.clone();
        }
        Credential::from_json(document).unwrap()
    }

    const URL: &str = "https://node.a.example/";

    #[test]
    fn both_lists_are_named_and_what_was_there_stays() {
        let other = json!({"id": "https://b.example/1#1", "type": "1EdTechRevocationList"});
        for more in [Value::Null, other.clone(), json!([other.clone()])] {
            let v2 = json!([context::CREDENTIALS_V2]);
            let document = add(credential(&v2, &more), URL, place(3, 17)).unwrap();
            let entries = document["credentialStatus"].as_array().unwrap().clone();
            let ours = &entries[entries.len() - 2..];
            let list = |purpose| format!("https://node.a.example/v1/status-lists/3/{purpose}");
            for (entry, purpose) in ours.iter().zip(PURPOSES) {
                let read = StatusEntry::from_json(entry).unwrap().bitstring().unwrap();
                assert_eq!(read.list, list(purpose));
                assert_eq!((read.purpose.as_str(), read.index), (purpose, 17));
            }
            assert_eq!(entries.len() == 3, !more.is_null());
            assert_eq!(document["@context"], v2);
            let signed = Credential::from_json(document).unwrap();
            let named = crate::positions_named(&signed);
            assert_eq!(named, [place(3, 17)]);
        }
    }

    #[test]
    fn credentials_of_vc_1_1_get_the_terms_once() {
        let v1 = context::CREDENTIALS_V1;
        for context in [json!(v1), json!([v1]), json!([v1, STATUS_CONTEXT])] {
            let document = add(credential(&context, &Value::Null), URL, place(0, 1)).unwrap();
            assert_eq!(document["@context"], json!([v1, STATUS_CONTEXT]));
        }
    }

    #[test]
    fn a_position_that_somebody_wrote_before_is_refused() {
        let entry = entry("https://node.a.example", place(0, 5), "revocation");
        let credential = credential(&json!([context::CREDENTIALS_V2]), &entry);
        let refused = add(credential, URL, place(0, 6)).unwrap_err();
        assert!(refused.to_string().contains("take that entry out"));
    }

    #[test]
    fn another_position_replaces_ours_alone() {
        let other = entry("https://other.example", place(4, 17), "revocation");
        let v2 = json!([context::CREDENTIALS_V2]);
        let mut document = add(credential(&v2, &other), URL, place(3, 17)).unwrap();
        replace(&mut document, place(3, 17), place(5, 18)).unwrap();
        let entries = document["credentialStatus"].as_array().unwrap();
        assert_eq!(entries[0], other);
        let credential = Credential::from_json(document.clone()).unwrap();
        let named = crate::positions_named(&credential);
        assert_eq!(named, [place(4, 17), place(5, 18)]);
        assert!(replace(&mut document, place(3, 17), place(5, 19)).is_err());
    }
}
