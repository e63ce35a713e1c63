//! Rules R4 and R5: registering, rotating and replacing keys.

use crate::body::{KeyChange, NewKey};
use crate::entry::{IssuerEntry, PendingReplacement};
use crate::ids::{IssuerId, IssuerNumber, KeyId, MemberId, UnixMillis};
use crate::key::{KeyError, ProvenKey, PublicKey, Role};
use crate::record::AuthorId;
use crate::rejection::Rejection;
use crate::rows::KeyUse;
use crate::state::keys as row_keys;
use crate::transition::accreditation::EntryCap;
use crate::transition::{ApplyError, Step};

/// A member's replacement of an issuer's keys takes effect this long after its seal.
pub(crate) const REPLACEMENT_DELAY_MILLIS: u64 = 7 * 24 * 60 * 60 * 1000;

impl Step<'_, '_> {
    /// R4: a key comes with its proof of possession and was never registered before.
    pub(crate) fn register_key(
        &mut self,
        proven: &ProvenKey,
        role: Role,
        owner: &AuthorId,
    ) -> Result<(), ApplyError> {
        let name = match owner {
            AuthorId::Member(id) => id.as_str(),
            AuthorId::Issuer(id) => id.as_str(),
        };
        let key = proven.key.id();
        proven
            .check(&self.context.origin, role, name)
            .map_err(|source| Rejection::BadKey { key, source })?;
        self.claim_key(&proven.key, owner)
    }

    /// The uniqueness part of R4, for a key whose possession was checked before.
    pub(crate) fn claim_key(
        &mut self,
        key: &PublicKey,
        owner: &AuthorId,
    ) -> Result<(), ApplyError> {
        if let Some(found) = self.overlay.state().key_use(key)? {
            return Err(Rejection::KeyRegistered {
                key: key.id(),
                owner: found.owner,
            }
            .into());
        }
        let row = KeyUse {
            key: key.clone(),
            owner: owner.clone(),
        };
        self.overlay
            .put_value("key", row_keys::key(&key.id()), &row)?;
        Ok(())
    }

    /// R4 for new keys of an issuer.
    pub(crate) fn register_issuer_keys(
        &mut self,
        keys: &[NewKey],
        owner: &IssuerId,
    ) -> Result<(), ApplyError> {
        for new in keys {
            let key = new.proven.key.id();
            let role = new.purposes.role().ok_or(Rejection::BadKey {
                key,
                source: KeyError::NoPurpose,
            })?;
            self.register_key(&new.proven, role, &AuthorId::Issuer(owner.clone()))?;
        }
        Ok(())
    }

    /// R5: an issuer changes its keys with an active key or with its recovery key.
    pub(crate) fn rotate_keys(
        &mut self,
        issuer: &IssuerId,
        change: &KeyChange,
    ) -> Result<(), ApplyError> {
        let time = self.context.time;
        let (number, mut entry) = self.issuer_to_change(issuer)?;
        let signer = self.record.record().author.key;
        let by_recovery = signer == entry.recovery.id();
        let only_itself = change.retire.iter().all(|key| *key == signer);
        if !by_recovery && (!only_itself || change.compromised_since.is_some()) {
            return Err(Rejection::NeedsRecoveryKey {}.into());
        }
        check_change(&entry, change, time)?;
        if change.is_empty() {
            check_cancels(&entry, by_recovery)?;
        }
        if by_recovery {
            entry.pending = None;
        } else if !change.add.is_empty() {
            // A stolen key must not outlive its replacement by adding another one.
            self.check_no_replacement_pending(&entry)?;
        }
        self.register_issuer_keys(&change.add, issuer)?;
        entry.replace_keys(
            &added(change),
            &change.retire,
            change.compromised_since,
            time,
        );
        let cap = match (change.add.is_empty(), by_recovery) {
            (true, _) => EntryCap::None,
            (false, true) => EntryCap::Recovery,
            (false, false) => EntryCap::ThreeQuarters,
        };
        self.write_keys(number, &entry, cap)
    }

    /// R5: the accrediting member replaces keys, with a delay in which the recovery key
    /// can cancel.
    pub(crate) fn replace_issuer_keys(
        &mut self,
        member: &MemberId,
        issuer: &IssuerId,
        change: &KeyChange,
    ) -> Result<(), ApplyError> {
        let time = self.context.time;
        let (number, mut entry) = self.issuer_to_change(issuer)?;
        let accredits =
            |one: &crate::entry::Accreditation| one.member == *member && one.in_force_at(time);
        if !entry.accreditations.iter().any(accredits) {
            let (member, issuer) = (member.clone(), issuer.clone());
            return Err(Rejection::NotAccreditor { member, issuer }.into());
        }
        if let Some(pending) = &entry.pending {
            let effective = pending.effective;
            return Err(Rejection::ReplacementPending {
                issuer: issuer.clone(),
                effective,
            }
            .into());
        }
        check_change(&entry, change, time)?;
        self.register_issuer_keys(&change.add, issuer)?;
        entry.pending = Some(PendingReplacement {
            record: self.record.id(),
            member: member.clone(),
            effective: time.plus(REPLACEMENT_DELAY_MILLIS),
            add: added(change),
            retire: change.retire.clone(),
            compromised_since: change.compromised_since,
        });
        self.write_keys(number, &entry, EntryCap::ThreeQuarters)
    }

    /// At least one active record key remains, now and when a pending replacement takes
    /// effect (R5), and no more keys are active than the cap (R10).
    fn write_keys(
        &mut self,
        number: IssuerNumber,
        entry: &IssuerEntry,
        cap: EntryCap,
    ) -> Result<(), ApplyError> {
        let time = self.context.time;
        let later = entry.pending.as_ref().map(|pending| pending.effective);
        for moment in [Some(time), later].into_iter().flatten() {
            self.check_active_keys(&entry.as_of(moment), moment, cap)?;
        }
        self.write_issuer(number, entry, cap)
    }

    /// R5 and R10 for the keys active at one time.
    pub(crate) fn check_active_keys(
        &self,
        entry: &IssuerEntry,
        time: UnixMillis,
        cap: EntryCap,
    ) -> Result<(), Rejection> {
        let active: Vec<_> = entry
            .keys
            .iter()
            .filter(|key| key.active_at(time))
            .collect();
        if !active.iter().any(|key| key.purposes.record) {
            return Err(Rejection::NoRecordKey {
                issuer: entry.id.clone(),
            });
        }
        if cap == EntryCap::None {
            // The cap may have come down since: a key can be retired all the same.
            return Ok(());
        }
        let cap = self.context.parameters.active_keys_per_issuer;
        super::check_cap(
            "active keys of an issuer",
            active.len() as u64,
            u64::from(cap),
        )
    }

    /// R5: while a replacement is pending, active keys sign no Revoke and no Supersede,
    /// and add no keys.
    pub(crate) fn check_no_replacement_pending(
        &self,
        entry: &IssuerEntry,
    ) -> Result<(), Rejection> {
        match (&entry.pending, &self.record.record().author.id) {
            (Some(pending), AuthorId::Issuer(_)) => Err(Rejection::ReplacementPending {
                issuer: entry.id.clone(),
                effective: pending.effective,
            }),
            _ => Ok(()),
        }
    }
}

fn added(change: &KeyChange) -> Vec<(PublicKey, crate::body::Purposes)> {
    change
        .add
        .iter()
        .map(|new| (new.proven.key.clone(), new.purposes))
        .collect()
}

/// A change of nothing is the recovery key's word that a replacement shall not come.
fn check_cancels(entry: &IssuerEntry, by_recovery: bool) -> Result<(), Rejection> {
    if by_recovery && entry.pending.is_some() {
        return Ok(());
    }
    Err(Rejection::NothingToCancel {
        issuer: entry.id.clone(),
    })
}

/// Keys to retire are there and active; with a compromise, retired ones may be named too.
fn check_change(
    entry: &IssuerEntry,
    change: &KeyChange,
    time: UnixMillis,
) -> Result<(), Rejection> {
    if let Some(since) = change.compromised_since
        && since > time
    {
        return Err(Rejection::CompromiseInFuture { since, time });
    }
    let there = |id: &KeyId| {
        entry
            .key(id)
            .is_some_and(|key| key.active_at(time) || change.compromised_since.is_some())
    };
    match change.retire.iter().find(|id| !there(id)) {
        Some(key) => Err(Rejection::KeyNotThere {
            issuer: entry.id.clone(),
            key: *key,
        }),
        None => Ok(()),
    }
}
