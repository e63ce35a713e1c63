//! Events: what happens to credentials, read from the log.

use std::fmt;
use std::str::FromStr;

use credlog_ledger::body::Reason;
use credlog_ledger::ids::{Digest, Height, IssuerId, LeafIndex, ListNumber, RecordId, StatusIndex};
use credlog_ledger::record::AuthorId;
use credlog_ledger::text_schema;
use credlog_verify::Time;
use credlog_verify::prefix::DigestPrefix;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::{Problem, ProblemType};

/// Media type of a stream of events.
pub const MEDIA_TYPE_EVENTS: &str = "text/event-stream";
/// Fewest digits of a prefix by which events are filtered.
pub const EVENT_PREFIX_DIGITS_MIN: usize = credlog_verify::prefix::PREFIX_DIGITS_MIN;

/// The place of an event in the log: `17.0` is the first credential of the record at leaf 17.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId {
    /// Leaf of the record.
    pub leaf: LeafIndex,
    /// Which of the record's credentials, from 0.
    pub item: u32,
}

text_schema!(
    EventId,
    "The place of an event in the log: leaf, and credential of its record.",
    r"^[0-9]{1,20}\.[0-9]{1,10}$",
    "17.0"
);

/// A text that is no [`EventId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not the id of an event; write one like 17.0 (leaf 17, its first credential)")]
pub struct EventIdError {
    /// The text, cut to 80 characters.
    pub text: String,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.leaf.0, self.item)
    }
}

impl FromStr for EventId {
    type Err = EventIdError;

    fn from_str(text: &str) -> Result<Self, EventIdError> {
        let read = || {
            let (leaf, item) = text.split_once('.')?;
            Some(Self {
                leaf: LeafIndex(leaf.parse().ok()?),
                item: item.parse().ok()?,
            })
        };
        read()
            .filter(|id| id.to_string() == text)
            .ok_or_else(|| EventIdError {
                text: text.chars().take(80).collect(),
            })
    }
}

impl TryFrom<String> for EventId {
    type Error = EventIdError;

    fn try_from(text: String) -> Result<Self, EventIdError> {
        text.parse()
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> Self {
        id.to_string()
    }
}

/// What happened to a credential.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum EventKind {
    /// It was issued.
    Issued,
    /// Revoked, for good.
    Revoked,
    /// Suspended.
    Suspended,
    /// A suspension ended.
    Reinstated,
    /// Replaced by another credential of the issuer; revoked, for good.
    Superseded,
}

/// A text that is no [`EventKind`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no event; there are issued, revoked, suspended, reinstated and superseded")]
pub struct EventKindError {
    /// The text, cut to 80 characters.
    pub text: String,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Issued,
        Self::Revoked,
        Self::Suspended,
        Self::Reinstated,
        Self::Superseded,
    ];
    /// The changes of status: all but [`EventKind::Issued`].
    pub const CHANGES: [Self; 4] = [
        Self::Revoked,
        Self::Suspended,
        Self::Reinstated,
        Self::Superseded,
    ];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issued => "issued",
            Self::Revoked => "revoked",
            Self::Suspended => "suspended",
            Self::Reinstated => "reinstated",
            Self::Superseded => "superseded",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EventKind {
    type Err = EventKindError;

    fn from_str(text: &str) -> Result<Self, EventKindError> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.as_str() == text)
            .ok_or_else(|| EventKindError {
                text: text.chars().take(80).collect(),
            })
    }
}

/// Something that happened to one credential. What stands here stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its place in the log.
    pub id: EventId,
    /// What happened.
    pub event: EventKind,
    /// The credential.
    pub digest: Digest,
    /// Who issued it.
    pub issuer: IssuerId,
    /// Its status list.
    pub list: ListNumber,
    /// Its position there.
    pub index: StatusIndex,
    /// The record that did it.
    pub record_id: RecordId,
    /// The record's place in the log.
    pub leaf_index: LeafIndex,
    /// Height of its block.
    pub height: Height,
    /// Time of its seal.
    pub time: Time,
    /// Who signed it.
    pub by: AuthorId,
    /// Why; absent for an issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The credential in its place, if it was superseded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub superseded_by: Option<Digest>,
}

/// What a webhook posts for an event (Standard Webhooks).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookMessage {
    /// `credential.` and the [`EventKind`].
    #[serde(rename = "type")]
    pub kind: String,
    /// When it happened.
    pub timestamp: Time,
    /// The event.
    pub data: Event,
}

impl WebhookMessage {
    /// The message of an event.
    pub fn new(event: Event) -> Self {
        Self {
            kind: format!("credential.{}", event.event),
            timestamp: event.time,
            data: event,
        }
    }
}

/// Which events are wanted; an empty list leaves none out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// What happened; without any, all changes of status ([`EventKind::CHANGES`]).
    pub kinds: Vec<EventKind>,
    /// To credentials of these issuers.
    pub issuers: Vec<IssuerId>,
    /// To credentials whose digest begins with one of these.
    pub prefixes: Vec<DigestPrefix>,
}

impl EventFilter {
    /// Whether events of a kind are wanted.
    pub fn has_kind(&self, kind: EventKind) -> bool {
        match self.kinds.as_slice() {
            [] => EventKind::CHANGES.contains(&kind),
            kinds => kinds.contains(&kind),
        }
    }

    /// Whether events of an issuer's credentials are wanted.
    pub fn has_issuer(&self, issuer: &IssuerId) -> bool {
        self.issuers.is_empty() || self.issuers.contains(issuer)
    }

    /// Whether events of a credential are wanted.
    pub fn has_digest(&self, digest: &Digest) -> bool {
        let mut prefixes = self.prefixes.iter();
        self.prefixes.is_empty() || prefixes.any(|prefix| prefix.covers(digest))
    }
}

/// Query of GET /v1/events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventsQuery {
    /// Kinds of events, with commas between; absent for all changes of status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub types: Option<String>,
    /// Whose credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<IssuerId>,
    /// The beginning of their digests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<DigestPrefix>,
    /// The newest event that is known; absent for what happens from now on. The header
    /// `Last-Event-ID` says the same, and counts before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<EventId>,
}

impl EventsQuery {
    /// Which events are wanted.
    ///
    /// # Errors
    /// A problem for a kind that there is none of, or a prefix that is too short.
    pub fn filter(&self) -> Result<EventFilter, Box<Problem>> {
        let invalid =
            |detail: String| Box::new(Problem::new(ProblemType::INVALID_PARAMETER, detail));
        let words = self.types.iter().flat_map(|types| types.split(','));
        let kinds: Result<Vec<EventKind>, _> = words.map(str::parse).collect();
        let prefix = self.prefix.as_ref();
        if prefix.is_some_and(|prefix| prefix.digits() < EVENT_PREFIX_DIGITS_MIN) {
            return Err(invalid(format!(
                "prefix is too short: {EVENT_PREFIX_DIGITS_MIN} digits are needed, or none at all"
            )));
        }
        Ok(EventFilter {
            kinds: kinds.map_err(|error| invalid(error.to_string()))?,
            issuers: self.issuer.iter().cloned().collect(),
            prefixes: prefix.into_iter().cloned().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_one_form() {
        let id: EventId = "17.3".parse().unwrap();
        assert_eq!((id.leaf, id.item), (LeafIndex(17), 3));
        assert_eq!(id.to_string(), "17.3");
        for bad in [
            "",
            "17",
            "17.",
            ".3",
            "017.3",
            "17.3.1",
            "-1.0",
            "17.4294967296",
        ] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_filter_leaves_out_what_it_does_not_name() {
        let query = |text: &str| -> EventsQuery { serde_json::from_str(text).unwrap() };
        let all = query("{}").filter().unwrap();
        assert!(all.has_kind(EventKind::Revoked) && !all.has_kind(EventKind::Issued));
        let some = query(r#"{"types": "issued,revoked", "prefix": "abcde", "issuer": "did:a:b"}"#);
        let some = some.filter().unwrap();
        assert!(some.has_kind(EventKind::Issued) && !some.has_kind(EventKind::Suspended));
        assert!(some.has_issuer(&"did:a:b".parse().unwrap()));
        assert!(!some.has_issuer(&"did:a:c".parse().unwrap()));
        assert!(some.has_digest(&Digest([0xab; 32])) == "ababab".starts_with("abcde"));
        for bad in [
            r#"{"types": "gone"}"#,
            r#"{"types": ""}"#,
            r#"{"prefix": "abcd"}"#,
        ] {
            assert!(query(bad).filter().is_err(), "{bad}");
        }
        for kind in EventKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
