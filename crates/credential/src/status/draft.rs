//! Status list credentials before they are signed.

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::bitstring::Bitstring;
use super::error::StatusError;
use crate::timestamp;

/// What a `BitstringStatusListCredential` says (Bitstring Status List v1.0 section 2.2); signed,
/// it is a [`StatusListCredential`](super::StatusListCredential).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusListDraft<'a> {
    /// The list's URL.
    pub id: &'a str,
    /// Who says so.
    pub issuer: &'a str,
    /// `statusPurpose`, for instance `revocation`.
    pub purpose: &'a str,
    /// From when the list counts; whole seconds.
    pub valid_from: OffsetDateTime,
    /// Until when it counts; whole seconds.
    pub valid_until: Option<OffsetDateTime>,
    /// How long a copy may be used before it is fetched again, in milliseconds.
    pub ttl_ms: Option<u64>,
    /// The bits.
    pub bitstring: &'a Bitstring,
}

impl StatusListDraft<'_> {
    /// The credential without a proof.
    ///
    /// # Errors
    /// [`StatusError::Malformed`] for a time outside of the years 0000 to 9999.
    pub fn to_json(&self) -> Result<Value, StatusError> {
        let text = |property, time| {
            timestamp::format(time).ok_or(StatusError::Malformed {
                part: "list",
                property,
                reason: "must lie in the years 0000 to 9999",
            })
        };
        let mut subject = json!({
            "id": format!("{}#list", self.id),
            "type": "BitstringStatusList",
            "statusPurpose": self.purpose,
            "encodedList": self.bitstring.encode(),
        });
        if let Some(ttl_ms) = self.ttl_ms {
            subject["ttl"] = ttl_ms.into();
        }
        let mut credential = json!({
            "@context": ["https://www.w3.org/ns/credentials/v2"],
            "id": self.id,
            "type": ["VerifiableCredential", "BitstringStatusListCredential"],
            "issuer": self.issuer,
            "validFrom": text("validFrom", self.valid_from)?,
        });
        if let Some(until) = self.valid_until {
            credential["validUntil"] = text("validUntil", until)?.into();
        }
        credential["credentialSubject"] = subject;
        Ok(credential)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::{POSITIONS_MIN, StatusListCredential};

    #[test]
    fn a_draft_has_the_form_of_a_list() {
        let mut bitstring = Bitstring::new(POSITIONS_MIN).unwrap();
        bitstring.set(17, true).unwrap();
        let draft = StatusListDraft {
            id: "https://ledger.example/v1/status-lists/0/revocation",
            issuer: "did:key:z6MkrLuTEDM5hr4H9JVnhjoRxuXQmJ88ReNE6fpw9471PaAA",
            purpose: "revocation",
            valid_from: OffsetDateTime::UNIX_EPOCH,
            valid_until: None,
            ttl_ms: Some(60_000),
            bitstring: &bitstring,
        };
        let json = draft.to_json().unwrap();
        assert_eq!(json["validFrom"], "1970-01-01T00:00:00Z");
        assert!(json.get("validUntil").is_none());
        let text = json.to_string();
        let list = StatusListCredential::parse(text.as_bytes()).unwrap();
        assert_eq!((list.id(), list.ttl_ms()), (draft.id, draft.ttl_ms));
        let ending = StatusListDraft {
            valid_until: Some(OffsetDateTime::UNIX_EPOCH + time::Duration::DAY),
            ..draft
        };
        let written = ending.to_json().unwrap();
        assert_eq!(written["validUntil"], "1970-01-02T00:00:00Z");
    }
}
