//! One entry of a credential's `credentialStatus`.

use serde_json::{Map, Value};

use super::error::StatusError;
use crate::json::one_or_many;
use crate::url::is_url;

/// Widest status value in bits (`statusSize`).
const SIZE_MAX: u32 = 32;

/// An entry of any kind, as it stands in the credential.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusEntry {
    types: Vec<String>,
    object: Map<String, Value>,
}

/// A `BitstringStatusListEntry` whose form was checked (Bitstring Status List v1.0 section 2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BitstringEntry {
    /// `statusPurpose`, for instance `revocation` or `suspension`.
    pub purpose: String,
    /// `statusListIndex`: the position in the list, from 0.
    pub index: u64,
    /// `statusListCredential`: the URL of the list.
    pub list: String,
    /// `statusSize`: bits of one position, 1 to 32.
    pub size: u32,
    /// `statusMessage`: pairs of a value and what it means.
    pub messages: Vec<(u32, String)>,
}

impl StatusEntry {
    /// An entry from its JSON; `None` if it is no object or has no type.
    #[must_use]
    pub fn from_json(entry: &Value) -> Option<Self> {
        let object = entry.as_object()?;
        let types: Option<Vec<String>> = one_or_many(object.get("type"))
            .iter()
            .map(|name| name.as_str().map(str::to_owned))
            .collect();
        let types = types.filter(|types| !types.is_empty())?;
        Some(Self {
            types,
            object: object.clone(),
        })
    }

    /// All of the entry's `type`.
    #[must_use]
    pub fn types(&self) -> &[String] {
        &self.types
    }

    /// The entry's own identifier, if it has one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.object.get("id").and_then(Value::as_str)
    }

    /// The URL of the list that it names, if it has the form of a bitstring entry.
    #[must_use]
    pub fn list(&self) -> Option<&str> {
        plain(self.object.get("statusListCredential")?).as_str()
    }

    /// The entry as a bitstring entry.
    ///
    /// # Errors
    /// [`StatusError::UnsupportedEntry`] for another kind, [`StatusError::Malformed`] naming the
    /// property that is wrong.
    pub fn bitstring(&self) -> Result<BitstringEntry, StatusError> {
        if !self
            .types
            .iter()
            .any(|name| name == "BitstringStatusListEntry")
        {
            return Err(StatusError::UnsupportedEntry {
                types: self.types.join(", "),
            });
        }
        let text = |property| plain(self.object.get(property)?).as_str();
        let purpose = text("statusPurpose").filter(|purpose| !purpose.is_empty());
        let list = text("statusListCredential").filter(|list| is_url(list));
        let size = self.size()?;
        Ok(BitstringEntry {
            purpose: purpose
                .ok_or(malformed("statusPurpose", "must be a word"))?
                .to_owned(),
            index: self.index()?,
            list: list
                .ok_or(malformed("statusListCredential", "must be a URL"))?
                .to_owned(),
            size,
            messages: self.messages()?,
        })
    }

    /// A base-10 string; some issuers write a JSON integer.
    fn index(&self) -> Result<u64, StatusError> {
        let index = match self.object.get("statusListIndex").map(plain) {
            Some(Value::String(digits)) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok()
            }
            Some(Value::Number(number)) => number.as_u64(),
            _ => None,
        };
        index.ok_or(malformed(
            "statusListIndex",
            "must be a base-10 integer in a string",
        ))
    }

    fn size(&self) -> Result<u32, StatusError> {
        let Some(size) = self.object.get("statusSize") else {
            return Ok(1);
        };
        let size = size.as_u64().and_then(|size| u32::try_from(size).ok());
        size.filter(|size| (1..=SIZE_MAX).contains(size))
            .ok_or(malformed("statusSize", "must be an integer from 1 to 32"))
    }

    fn messages(&self) -> Result<Vec<(u32, String)>, StatusError> {
        one_or_many(self.object.get("statusMessage"))
            .iter()
            .map(|message| {
                let value = message.get("status").and_then(Value::as_str);
                let value = value.and_then(|hex| hex.strip_prefix("0x"));
                let value = value.and_then(|digits| u32::from_str_radix(digits, 16).ok());
                let text = message.get("message").and_then(Value::as_str);
                value.zip(text.map(str::to_owned)).ok_or(malformed(
                    "statusMessage",
                    "must hold objects with a status like 0x1 and a message",
                ))
            })
            .collect()
    }
}

impl BitstringEntry {
    /// What the entry says a value means.
    #[must_use]
    pub fn message(&self, value: u32) -> Option<&str> {
        let mut messages = self.messages.iter();
        messages
            .find(|(status, _)| *status == value)
            .map(|(_, message)| message.as_str())
    }

    /// The entry as it stands in a credential.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut entry = serde_json::json!({
            "id": format!("{}#{}", self.list, self.index),
            "type": "BitstringStatusListEntry",
            "statusPurpose": self.purpose,
            "statusListIndex": self.index.to_string(),
            "statusListCredential": self.list,
        });
        if self.size != 1 {
            entry["statusSize"] = self.size.into();
            let messages = self.messages.iter().map(|(status, message)| {
                let status = format!("{status:#x}");
                serde_json::json!({ "status": status, "message": message })
            });
            entry["statusMessage"] = messages.collect();
        }
        entry
    }
}

/// A value without what JSON-LD lets stand around it. A signature over RDF is the same for every
/// spelling, so anybody can change one into another; the entry has to mean the same.
fn plain(value: &Value) -> &Value {
    match value {
        Value::Array(items) if items.len() == 1 => plain(&items[0]),
        Value::Object(object) if object.len() == 1 => {
            let wrapped = ["@value", "id", "@id"]
                .iter()
                .find_map(|key| object.get(*key));
            wrapped.unwrap_or(value)
        }
        value => value,
    }
}

fn malformed(property: &'static str, reason: &'static str) -> StatusError {
    StatusError::Malformed {
        part: "entry",
        property,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(property: &str, value: Value) -> Result<BitstringEntry, StatusError> {
        let mut entry = json!({
            "type": "BitstringStatusListEntry",
            "statusPurpose": "revocation",
            "statusListIndex": "94567",
            "statusListCredential": "https://ledger.example/1",
        });
        entry[property] = value;
        StatusEntry::from_json(&entry).unwrap().bitstring()
    }

    #[test]
    fn an_index_is_a_base_10_string_or_an_integer() {
        for value in [json!("94567"), json!(94567)] {
            assert_eq!(read("statusListIndex", value).unwrap().index, 94567);
        }
        for value in [
            json!(""),
            json!("-1"),
            json!("+1"),
            json!("1e3"),
            json!("0x1"),
            json!(" 1"),
            json!("99999999999999999999999"),
            json!(1.5),
            json!(-1),
            json!(null),
        ] {
            let refused = read("statusListIndex", value.clone());
            let named = matches!(
                refused,
                Err(StatusError::Malformed {
                    property: "statusListIndex",
                    ..
                })
            );
            assert!(named, "{value}: {refused:?}");
        }
    }

    /// A revoked credential that is signed over RDF was respelled, and its entry not found.
    #[test]
    fn every_spelling_that_is_the_same_in_rdf_is_read_alike() {
        let expected = read("statusPurpose", json!("revocation")).unwrap();
        for (property, value) in [
            ("statusPurpose", json!(["revocation"])),
            ("statusPurpose", json!({"@value": "revocation"})),
            ("statusListIndex", json!(["94567"])),
            ("statusListIndex", json!([{"@value": "94567"}])),
            ("statusListCredential", json!(["https://ledger.example/1"])),
            (
                "statusListCredential",
                json!({"id": "https://ledger.example/1"}),
            ),
        ] {
            assert_eq!(
                read(property, value.clone()),
                Ok(expected.clone()),
                "{value}"
            );
        }
        assert!(read("statusPurpose", json!(["revocation", "other"])).is_err());
    }

    #[test]
    fn each_malformed_property_is_named() {
        for (property, value) in [
            ("statusPurpose", json!("")),
            ("statusListCredential", json!("list 1")),
            ("statusSize", json!(0)),
            ("statusSize", json!(33)),
            ("statusMessage", json!([{"status": "1", "message": "x"}])),
        ] {
            match read(property, value.clone()) {
                Err(StatusError::Malformed {
                    property: named, ..
                }) => assert_eq!(named, property),
                other => panic!("{property} = {value}: {other:?}"),
            }
        }
        let unsupported = read("type", json!("1EdTechRevocationList"));
        assert!(matches!(
            unsupported,
            Err(StatusError::UnsupportedEntry { .. })
        ));
    }

    #[test]
    fn what_is_written_reads_back() {
        let entry = BitstringEntry {
            purpose: "message".into(),
            index: 5,
            list: "https://ledger.example/1".into(),
            size: 2,
            messages: vec![(0, "ok".into()), (3, "lost".into())],
        };
        let read = StatusEntry::from_json(&entry.to_json())
            .unwrap()
            .bitstring()
            .unwrap();
        assert_eq!(read, entry);
        assert_eq!(read.message(3), Some("lost"));
        assert_eq!(read.message(1), None);
    }
}
