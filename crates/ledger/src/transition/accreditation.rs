//! Rule R6: accreditations, and the registration of issuers that comes with the first.

use std::rc::Rc;

use crate::body::{Accredit, Reason, Registration, Scope};
use crate::entry::{Accreditation, IssuerEntry, IssuerKey, Withdrawal};
use crate::ids::{IssuerId, IssuerNumber, MemberId, UnixMillis};
use crate::key::Role;
use crate::parameters::REGISTRY_ENTRY_BYTES_MAX;
use crate::record::{AuthorId, countersigned_message};
use crate::rejection::Rejection;
use crate::state::{ViewError, keys as row_keys};
use crate::transition::overlay::IssuerNow;
use crate::transition::{ApplyError, Step, check_cap};

impl Step<'_, '_> {
    /// A registered issuer with its entry as of the seal.
    pub(crate) fn issuer_now(&self, issuer: &IssuerId) -> Result<Rc<IssuerNow>, ApplyError> {
        let found = self.overlay.issuer_now(issuer, self.context.time)?;
        let unknown = || Rejection::UnknownIssuer {
            issuer: issuer.clone(),
        };
        Ok(found.ok_or_else(unknown)?)
    }

    /// The same, with an entry to change.
    pub(crate) fn issuer_to_change(
        &self,
        issuer: &IssuerId,
    ) -> Result<(IssuerNumber, IssuerEntry), ApplyError> {
        let found = self.issuer_now(issuer)?;
        Ok((found.number, found.entry.clone()))
    }

    /// Writes an entry, now and for its history; R10 bounds how far it may grow.
    pub(crate) fn write_issuer(
        &mut self,
        number: IssuerNumber,
        entry: &IssuerEntry,
        cap: EntryCap,
    ) -> Result<(), ApplyError> {
        let bytes = crate::state::encode("issuer entry", entry)?;
        let whole = u64::from(self.context.parameters.registry_entry_bytes);
        let cap = match cap {
            EntryCap::ThreeQuarters => whole / 4 * 3,
            EntryCap::Recovery => u64::from(REGISTRY_ENTRY_BYTES_MAX),
            EntryCap::None => u64::MAX,
        };
        let before = self.overlay.state().issuer_bytes(number)?.unwrap_or(0);
        if bytes.len() > before {
            check_cap("bytes of the registry entry", bytes.len() as u64, cap)?;
        }
        let at = row_keys::issuer_at(number, self.context.height);
        self.overlay.put(at, bytes.clone());
        self.overlay.put(row_keys::issuer(number), bytes);
        Ok(())
    }

    pub(crate) fn accredit(
        &mut self,
        member: &MemberId,
        accredit: &Accredit,
    ) -> Result<(), ApplyError> {
        let time = self.context.time;
        check_future("the end of the accreditation", accredit.until, time)?;
        let issuer = &accredit.issuer;
        let known = self.overlay.state().issuer_number(issuer)?;
        let (number, mut entry) = match (known, &accredit.registration) {
            (None, Some(registration)) => self.register_issuer(issuer, registration)?,
            (Some(_), None) => self.issuer_to_change(issuer)?,
            (None, None) => {
                return Err(Rejection::RegistrationMissing {
                    issuer: issuer.clone(),
                }
                .into());
            }
            (Some(_), Some(_)) => {
                return Err(Rejection::RegistrationSurplus {
                    issuer: issuer.clone(),
                }
                .into());
            }
        };
        self.check_countersignature(accredit, &entry)?;
        let granted = Accreditation {
            member: member.clone(),
            scope: accredit.scope.clone(),
            since: time,
            until: accredit.until,
            withdrawn: None,
            granted_by: self.record.id(),
        };
        let place = entry
            .accreditations
            .iter()
            .position(|one| one.member == *member);
        match place.map(|place| &mut entry.accreditations[place]) {
            None => entry.accreditations.push(granted),
            Some(one) if ended(one, time) => *one = granted,
            Some(_) => {
                let (member, issuer) = (member.clone(), issuer.clone());
                return Err(Rejection::AccreditedAlready { member, issuer }.into());
            }
        }
        self.set_place(member, number, true)?;
        self.write_issuer(number, &entry, EntryCap::ThreeQuarters)
    }

    /// R4: the recovery key always countersigns.
    fn check_countersignature(
        &self,
        accredit: &Accredit,
        entry: &IssuerEntry,
    ) -> Result<(), ApplyError> {
        let record = self.record.record();
        let message = countersigned_message(
            &record.ledger,
            &record.author,
            &record.nonce,
            record.expires_at,
            &record.body,
        )
        .map_err(|error| ViewError::Damaged(error.to_string()))?;
        if entry
            .recovery
            .verifies(&message, &accredit.countersignature)
        {
            return Ok(());
        }
        Err(Rejection::BadCountersignature {
            issuer: accredit.issuer.clone(),
        }
        .into())
    }

    /// R4: profile and keys of an issuer the ledger did not know.
    fn register_issuer(
        &mut self,
        id: &IssuerId,
        registration: &Registration,
    ) -> Result<(IssuerNumber, IssuerEntry), ApplyError> {
        let time = self.context.time;
        let owner = AuthorId::Issuer(id.clone());
        self.register_key(&registration.recovery, Role::Recovery, &owner)?;
        self.register_issuer_keys(&registration.keys, id)?;
        let keys = registration.keys.iter().map(|new| IssuerKey {
            key: new.proven.key.clone(),
            purposes: new.purposes,
            since: time,
            retired: None,
            compromised_since: None,
        });
        let entry = IssuerEntry {
            id: id.clone(),
            profile: registration.profile.clone(),
            keys: keys.collect(),
            recovery: registration.recovery.key.clone(),
            accreditations: Vec::new(),
            pending: None,
        };
        self.check_active_keys(&entry, time, EntryCap::ThreeQuarters)?;
        let mut head = self.overlay.state().head()?;
        let number = IssuerNumber(head.registry_size);
        head.registry_size += 1;
        self.overlay.put_value("head", row_keys::head(), &head)?;
        self.overlay
            .put_value("issuer number", row_keys::issuer_number(id), &number)?;
        Ok((number, entry))
    }

    pub(crate) fn amend(
        &mut self,
        member: &MemberId,
        issuer: &IssuerId,
        scope: &Scope,
        until: Option<UnixMillis>,
    ) -> Result<(), ApplyError> {
        let time = self.context.time;
        check_future("the end of the accreditation", until, time)?;
        let (number, mut entry) = self.issuer_to_change(issuer)?;
        let one = held_by(&mut entry, member, issuer, time)?;
        one.scope = scope.clone();
        one.until = until;
        self.write_issuer(number, &entry, EntryCap::ThreeQuarters)
    }

    pub(crate) fn withdraw(
        &mut self,
        member: &MemberId,
        issuer: &IssuerId,
        from: UnixMillis,
        reason: Reason,
    ) -> Result<(), ApplyError> {
        let time = self.context.time;
        // Nobody knows the seal's time beforehand, and the last approval of a governance
        // decision may come late: what should have begun begins now.
        let from = from.max(time);
        let (number, mut entry) = self.issuer_to_change(issuer)?;
        let holds_place = self.overlay.state().holds_place(member, number)?;
        let found = entry
            .accreditations
            .iter_mut()
            .find(|one| one.member == *member && holds_place);
        let Some(one) = found else {
            let (member, issuer) = (member.clone(), issuer.clone());
            return Err(Rejection::NotAccreditor { member, issuer }.into());
        };
        if ended(one, time) {
            // It ended by itself and still holds its place: only that is given back.
            return self.set_place(member, number, false);
        }
        // A later beginning would undo what governance decided.
        if let Some(known) = one.withdrawn.filter(|known| known.from <= from) {
            return Err(Rejection::WithdrawnAlready {
                member: member.clone(),
                issuer: issuer.clone(),
                from: known.from,
            }
            .into());
        }
        one.withdrawn = Some(Withdrawal { from, reason });
        if from == time {
            self.set_place(member, number, false)?;
        }
        self.write_issuer(number, &entry, EntryCap::None)
    }

    /// R10: an accreditation takes a place of its member, up to the cap, or gives it back.
    pub(crate) fn set_place(
        &mut self,
        member: &MemberId,
        issuer: IssuerNumber,
        holds: bool,
    ) -> Result<(), ApplyError> {
        let state = self.overlay.state();
        if state.holds_place(member, issuer)? == holds {
            return Ok(());
        }
        let mut row = state.member_row(member)?.unwrap_or_default();
        if holds {
            let count = u64::from(row.accreditations) + 1;
            let cap = self.context.parameters.issuers_per_member;
            check_cap("issuers of a member", count, u64::from(cap))?;
            row.accreditations += 1;
        } else {
            row.accreditations = row.accreditations.checked_sub(1).ok_or_else(|| {
                ViewError::Damaged(format!("member {member} holds fewer places than none"))
            })?;
        }
        self.overlay
            .put_value("member", row_keys::member(member), &row)?;
        Ok(self
            .overlay
            .put_value("held place", row_keys::held(member, issuer), &holds)?)
    }
}

/// How far a record may let a registry entry grow (rule R10). What ends or takes away
/// always passes, and only the recovery key uses the last quarter: else whoever fills the
/// entry, or lowers the cap, locks out the recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EntryCap {
    /// What members and active keys add.
    ThreeQuarters,
    /// What the recovery key adds: the most that the parameter could ever allow.
    Recovery,
    /// What ends, retires or passes on.
    None,
}

/// Whether an accreditation can be granted anew by the same member.
pub(crate) fn ended(one: &Accreditation, time: UnixMillis) -> bool {
    one.until.is_some_and(|until| until <= time)
        || one
            .withdrawn
            .is_some_and(|withdrawal| withdrawal.from <= time)
}

/// The accreditation by this member that has not ended.
fn held_by<'e>(
    entry: &'e mut IssuerEntry,
    member: &MemberId,
    issuer: &IssuerId,
    time: UnixMillis,
) -> Result<&'e mut Accreditation, Rejection> {
    entry
        .accreditations
        .iter_mut()
        .find(|one| one.member == *member && !ended(one, time))
        .ok_or_else(|| Rejection::NotAccreditor {
            member: member.clone(),
            issuer: issuer.clone(),
        })
}

fn check_future(
    what: &'static str,
    given: Option<UnixMillis>,
    time: UnixMillis,
) -> Result<(), Rejection> {
    match given {
        Some(given) if given <= time => Err(Rejection::TimeInPast { what, given, time }),
        _ => Ok(()),
    }
}
