//! The registry entry of an issuer: one leaf of the registry tree.
//!
//! Times are times of seals. A change that was announced for later (rule R5) stands in
//! `pending` until it takes effect; every question about keys is asked for a time and
//! answers as if the change had been made then.

use serde::{Deserialize, Serialize};

use crate::body::{Profile, Purposes, Reason, Scope};
use crate::codec::{self, CodecError};
use crate::ids::{AchievementId, IssuerId, KeyId, MemberId, RecordId, UnixMillis};
use crate::key::PublicKey;

/// Limit of an entry's canonical bytes. Rule R10 keeps it far below; but what ends something
/// may always be added.
pub const ENTRY_BYTES_MAX: usize = 1 << 20;

/// An issuer as the ledger knows it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuerEntry {
    /// Its identifier.
    pub id: IssuerId,
    /// Public profile.
    pub profile: Profile,
    /// Every key it ever had, in order of registration.
    pub keys: Vec<IssuerKey>,
    /// Its recovery key (Ed25519).
    pub recovery: PublicKey,
    /// Its accreditations, in order of their first grant; an ended one keeps its place.
    pub accreditations: Vec<Accreditation>,
    /// A key replacement by a member that has not taken effect, or was not yet written
    /// into `keys`.
    pub pending: Option<PendingReplacement>,
}

/// A key of an issuer with its interval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IssuerKey {
    /// The public key.
    pub key: PublicKey,
    /// What it may sign.
    pub purposes: Purposes,
    /// Active from this time on.
    pub since: UnixMillis,
    /// Not active from this time on.
    pub retired: Option<UnixMillis>,
    /// In other hands from this time on.
    pub compromised_since: Option<UnixMillis>,
}

impl IssuerKey {
    /// Whether the key is active at `time`.
    pub fn active_at(&self, time: UnixMillis) -> bool {
        self.since <= time && self.retired.is_none_or(|retired| time < retired)
    }
}

/// A member lets this issuer award what the scope covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Accreditation {
    /// Who accredits.
    pub member: MemberId,
    /// What it covers.
    pub scope: Scope,
    /// In force from this time on.
    pub since: UnixMillis,
    /// Not in force from this time on, as granted.
    pub until: Option<UnixMillis>,
    /// Not in force from this time on, as withdrawn.
    pub withdrawn: Option<Withdrawal>,
    /// The record that granted it.
    pub granted_by: RecordId,
}

/// The end of an accreditation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Withdrawal {
    /// Not in force from this time on.
    pub from: UnixMillis,
    /// Why.
    pub reason: Reason,
}

impl Accreditation {
    /// Whether it is in force at `time`.
    pub fn in_force_at(&self, time: UnixMillis) -> bool {
        self.since <= time
            && self.until.is_none_or(|until| time < until)
            && self
                .withdrawn
                .is_none_or(|withdrawal| time < withdrawal.from)
    }
}

/// ReplaceIssuerKeys waiting for its time (rule R5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingReplacement {
    /// The record.
    pub record: RecordId,
    /// Who asked for it.
    pub member: MemberId,
    /// When it takes effect.
    pub effective: UnixMillis,
    /// Keys that come.
    pub add: Vec<(PublicKey, Purposes)>,
    /// Keys that go.
    pub retire: Vec<KeyId>,
    /// Since when those that go were in other hands.
    pub compromised_since: Option<UnixMillis>,
}

impl IssuerEntry {
    /// The canonical bytes: the leaf of the registry tree.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] beyond [`ENTRY_BYTES_MAX`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, CodecError> {
        codec::encode("issuer entry", self, ENTRY_BYTES_MAX)
    }

    /// Reads canonical bytes.
    ///
    /// # Errors
    /// Every [`CodecError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode("issuer entry", bytes, ENTRY_BYTES_MAX)
    }

    /// The entry as of `time`: a pending replacement whose time has come is carried out.
    #[must_use]
    pub fn as_of(&self, time: UnixMillis) -> Self {
        let mut entry = self.clone();
        if let Some(pending) = entry.pending.take_if(|pending| pending.effective <= time) {
            entry.replace_keys(
                &pending.add,
                &pending.retire,
                pending.compromised_since,
                pending.effective,
            );
        }
        entry
    }

    /// Adds and retires keys at `time`.
    pub(crate) fn replace_keys(
        &mut self,
        add: &[(PublicKey, Purposes)],
        retire: &[KeyId],
        compromised_since: Option<UnixMillis>,
        time: UnixMillis,
    ) {
        for key in self
            .keys
            .iter_mut()
            .filter(|key| retire.contains(&key.key.id()))
        {
            key.retired = Some(key.retired.map_or(time, |retired| retired.min(time)));
            if let Some(since) = compromised_since {
                let earlier = key
                    .compromised_since
                    .map_or(since, |known| known.min(since));
                key.compromised_since = Some(earlier);
            }
        }
        self.keys
            .extend(add.iter().map(|(key, purposes)| IssuerKey {
                key: key.clone(),
                purposes: *purposes,
                since: time,
                retired: None,
                compromised_since: None,
            }));
    }

    /// The key with this identifier, active or not.
    pub fn key(&self, id: &KeyId) -> Option<&IssuerKey> {
        self.keys.iter().find(|key| key.key.id() == *id)
    }

    /// The first accreditation in force at `time` that covers `achievement`, with its
    /// place in the entry.
    pub fn covering(
        &self,
        time: UnixMillis,
        achievement: Option<&AchievementId>,
    ) -> Option<(usize, &Accreditation)> {
        self.accreditations
            .iter()
            .enumerate()
            .find(|(_, one)| one.in_force_at(time) && one.scope.covers(achievement))
    }
}
