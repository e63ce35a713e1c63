//! Facts: what one committed state of the ledger says about one digest.

use std::fmt;
use std::str::FromStr;

use credlog_ledger::body::{POSITIONS, Purposes, Reason, Scope};
use credlog_ledger::entry::{Accreditation, IssuerEntry, IssuerKey};
use credlog_ledger::ids::{
    AchievementId, Digest, DisplayName, Height, IssuerId, IssuerNumber, KeyId, LeafIndex,
    ListNumber, MemberId, RecordId, StatusIndex, UnixMillis, WebUrl,
};
use credlog_ledger::key::PublicKey;
use credlog_ledger::record::AuthorId;
use credlog_ledger::rows::StatusChangeKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::shared::Shared;
use crate::timestamp::Time;
use crate::verdict::LedgerPoint;

/// Issuers that may stand behind one digest in [`Facts`] when no issuer was asked for; all
/// others are only counted.
pub const MATCHES_MAX: usize = 16;

/// Changes of one credential's status in [`Facts`]: the newest, and for a date asked about the
/// newest until then as well.
pub const HISTORY_MAX: usize = 256;

/// Positions that may be asked for at once.
pub const POSITIONS_MAX: usize = 8;

/// A position in a status list of this ledger; `3.17` is position 17 of list 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Position {
    /// The list.
    pub list: ListNumber,
    /// The position in it.
    pub index: StatusIndex,
}

credlog_ledger::text_schema!(
    Position,
    "A position in a status list of this ledger: list and index.",
    "^(0|[1-9][0-9]*)\\.(0|[1-9][0-9]*)$",
    "3.17"
);

/// A text that is not a [`Position`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a position of a status list; write one like 3.17 (list 3, index 17)")]
pub struct PositionError {
    /// The text, cut to 80 characters.
    pub text: String,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.list, self.index)
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let read = || {
            let (list, index) = text.split_once('.')?;
            Some(Self {
                list: ListNumber(list.parse().ok()?),
                index: StatusIndex(index.parse().ok()?),
            })
        };
        read()
            .filter(|position| position.index.0 < POSITIONS && position.to_string() == text)
            .ok_or_else(|| PositionError {
                text: text.chars().take(80).collect(),
            })
    }
}

impl TryFrom<String> for Position {
    type Error = PositionError;

    fn try_from(text: String) -> Result<Self, PositionError> {
        text.parse()
    }
}

impl From<Position> for String {
    fn from(position: Position) -> Self {
        position.to_string()
    }
}

/// What is asked of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The credential's digest.
    pub digest: Digest,
    /// The credential's issuer, if it is known: a check uses that issuer's match alone.
    pub issuer: Option<IssuerId>,
    /// The date asked about; `None` for now.
    pub at: Option<UnixMillis>,
    /// Positions in status lists of this ledger that the credential names itself, at most
    /// [`POSITIONS_MAX`].
    pub positions: Vec<Position>,
    /// The clock of whoever answers; what is said for now is said for this moment, or for
    /// the newest seal if that is later.
    pub now: UnixMillis,
}

/// What the ledger says about one digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// The point of the log that answered.
    #[schema(value_type = LedgerPoint)]
    pub ledger: Shared<LedgerPoint>,
    /// The digest.
    pub digest: Digest,
    /// The issuer asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<IssuerId>,
    /// The date asked about; absent for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// The moment as of which issuers are described: `at`, or the time of the answer.
    pub moment: Time,
    /// The issuers of the matches and the one asked for, as known at the moment; one that was
    /// not registered then is missing.
    #[schema(value_type = Vec<IssuerFacts>)]
    pub issuers: Vec<Shared<IssuerFacts>>,
    /// Where the digest was issued: the match of the issuer asked for, or else the first
    /// [`MATCHES_MAX`]. Later than `at` too, so that an answer can say so.
    pub matches: Vec<Match>,
    /// How many issuers issued this digest (rule R7: each may, once).
    pub match_count: u64,
    /// What stands at the positions asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub positions: Vec<PositionFacts>,
    /// Addresses of the members' nodes, past ones too: a status list whose URL begins with one
    /// of them is this ledger's.
    #[serde(default = "no_urls", skip_serializing_if = "is_empty")]
    #[schema(value_type = Vec<WebUrl>)]
    pub node_urls: Shared<Vec<WebUrl>>,
}

fn no_urls() -> Shared<Vec<WebUrl>> {
    Vec::new().into()
}

fn is_empty(urls: &Shared<Vec<WebUrl>>) -> bool {
    urls.is_empty()
}

impl Facts {
    /// An issuer as known at the moment.
    pub fn issuer_facts(&self, id: &str) -> Option<&IssuerFacts> {
        let mut issuers = self.issuers.iter();
        let found = issuers.find(|issuer| issuer.id.as_str() == id);
        found.map(|issuer| &**issuer)
    }

    /// Whether the log reaches the date asked about.
    pub fn reached(&self) -> bool {
        self.at.is_none_or(|at| at <= self.ledger.as_of)
    }
}

/// One issuance of the digest with all that happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// Who issued it.
    pub issuer: IssuerId,
    /// The Issue record.
    pub issuance: Issuance,
    /// Changes of status up to the head of the log, oldest first.
    pub history: Vec<StatusFact>,
    /// Whether there are more changes than [`HISTORY_MAX`], and some of the older ones are left
    /// out; never the last, nor the last before the date asked about.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub history_truncated: bool,
}

/// What stands at a position of a status list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PositionFacts {
    /// The position.
    pub position: Position,
    /// Whose list it is; absent if there is no such list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<IssuerId>,
    /// Whether a credential was issued there.
    pub used: bool,
    /// Changes of status up to the head of the log, oldest first.
    pub history: Vec<StatusFact>,
    /// Whether there are more changes than [`HISTORY_MAX`], and some of the older ones are left
    /// out; never the last, nor the last before the date asked about.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub history_truncated: bool,
}

/// An Issue record as it concerns one credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Issuance {
    /// Id of the record.
    pub record_id: RecordId,
    /// Its place in the log.
    pub leaf_index: LeafIndex,
    /// Height of its block.
    pub height: Height,
    /// Time of its seal.
    pub time: Time,
    /// Status list.
    pub list: ListNumber,
    /// Position in it.
    pub index: StatusIndex,
    /// What it attests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub achievement: Option<AchievementId>,
    /// Name of that achievement, if the issuer defined it on the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub achievement_name: Option<DisplayName>,
    /// Beginning of validity, if the record states one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Time>,
    /// End of validity, if the record states one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Time>,
    /// The issuer's key that signed the record.
    pub key: KeyId,
    /// The accreditation that covered it, as it stood then.
    #[schema(value_type = AccreditationFacts)]
    pub accreditation: Shared<AccreditationFacts>,
}

/// A change of status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusFact {
    /// What happened.
    pub change: StatusChangeKind,
    /// The record that did it.
    pub record_id: RecordId,
    /// Its place in the log.
    pub leaf_index: LeafIndex,
    /// Height of its block.
    pub height: Height,
    /// Time of its seal.
    pub time: Time,
    /// Who signed it.
    pub by: AuthorId,
    /// Why.
    pub reason: Reason,
}

/// An issuer as the ledger knew it at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IssuerFacts {
    /// Its identifier.
    pub id: IssuerId,
    /// Its number: place in the registry tree.
    pub number: IssuerNumber,
    /// Its name.
    pub name: DisplayName,
    /// Its web site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<WebUrl>,
    /// Every key it ever had, with its interval.
    pub keys: Vec<KeyFacts>,
    /// Its recovery key.
    pub recovery: PublicKey,
    /// Its accreditations, ended ones too.
    pub accreditations: Vec<AccreditationFacts>,
    /// A replacement of its keys by a member that has not taken effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_replacement: Option<PendingFacts>,
}

impl IssuerFacts {
    /// Describes an entry as of `moment`.
    pub fn new(number: IssuerNumber, entry: &IssuerEntry, moment: UnixMillis) -> Self {
        let entry = entry.as_of(moment);
        Self {
            id: entry.id,
            number,
            name: entry.profile.name,
            url: entry.profile.url,
            keys: entry.keys.iter().map(KeyFacts::new).collect(),
            recovery: entry.recovery,
            accreditations: entry
                .accreditations
                .iter()
                .map(AccreditationFacts::new)
                .collect(),
            pending_replacement: entry.pending.map(|pending| PendingFacts {
                record_id: pending.record,
                member: pending.member,
                effective: pending.effective.into(),
                add: pending.add.into_iter().map(|(key, _)| key).collect(),
                retire: pending.retire,
            }),
        }
    }

    /// A key by its Multikey text.
    pub fn key(&self, multikey: &str) -> Option<&KeyFacts> {
        let key: PublicKey = multikey.parse().ok()?;
        self.keys.iter().find(|one| one.key == key)
    }

    /// A key by its identifier.
    pub fn key_by_id(&self, id: &KeyId) -> Option<&KeyFacts> {
        self.keys.iter().find(|key| key.id == *id)
    }

    /// The first accreditation in force at `time` that covers `achievement`.
    pub fn covering(
        &self,
        time: Time,
        achievement: Option<&AchievementId>,
    ) -> Option<&AccreditationFacts> {
        self.accreditations
            .iter()
            .find(|one| one.in_force_at(time) && one.scope.covers(achievement))
    }
}

/// A key of an issuer with its interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyFacts {
    /// Its identifier.
    pub id: KeyId,
    /// The public key, a Multikey.
    pub key: PublicKey,
    /// What it may sign.
    pub purposes: Purposes,
    /// Active from this time on.
    pub since: Time,
    /// Not active from this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<Time>,
    /// In other hands from this time on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compromised_since: Option<Time>,
}

impl KeyFacts {
    fn new(key: &IssuerKey) -> Self {
        Self {
            id: key.key.id(),
            key: key.key.clone(),
            purposes: key.purposes,
            since: key.since.into(),
            retired: key.retired.map(Time::from),
            compromised_since: key.compromised_since.map(Time::from),
        }
    }

    /// Whether the key is active at `time`.
    pub fn active_at(&self, time: Time) -> bool {
        self.since <= time && self.retired.is_none_or(|retired| time < retired)
    }
}

/// A member lets an issuer award what the scope covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccreditationFacts {
    /// Who accredits.
    pub member: MemberId,
    /// What it covers.
    pub scope: Scope,
    /// In force from this time on.
    pub since: Time,
    /// Not in force from this time on, as granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Not in force from this time on, as withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn_from: Option<Time>,
    /// Why it was withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawal_reason: Option<Reason>,
    /// The record that granted it.
    pub granted_by: RecordId,
}

impl AccreditationFacts {
    pub(crate) fn new(one: &Accreditation) -> Self {
        Self {
            member: one.member.clone(),
            scope: one.scope.clone(),
            since: one.since.into(),
            until: one.until.map(Time::from),
            withdrawn_from: one.withdrawn.map(|withdrawal| withdrawal.from.into()),
            withdrawal_reason: one.withdrawn.map(|withdrawal| withdrawal.reason),
            granted_by: one.granted_by,
        }
    }

    /// The time from which it is not in force, if there is one.
    pub fn end(&self) -> Option<Time> {
        self.until.into_iter().chain(self.withdrawn_from).min()
    }

    /// Whether it is in force at `time`.
    pub fn in_force_at(&self, time: Time) -> bool {
        self.since <= time && self.end().is_none_or(|end| time < end)
    }
}

/// A replacement of an issuer's keys that has not taken effect (rule R5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingFacts {
    /// The record.
    pub record_id: RecordId,
    /// The member that asked for it.
    pub member: MemberId,
    /// When it takes effect.
    pub effective: Time,
    /// Keys that come.
    pub add: Vec<PublicKey>,
    /// Keys that go.
    pub retire: Vec<KeyId>,
}
