//! Rules R7 and R10: achievements, status lists and issuing.

use std::collections::BTreeMap;

use crate::body::{Achievement, Issue, POSITIONS};
use crate::ids::{IssuerId, IssuerNumber, ListNumber, StatusIndex};
use crate::rejection::{Covered, Rejection};
use crate::rows::{CredentialRow, IssueRow, ListRow};
use crate::state::{USED_PAGE_POSITIONS, ViewError, keys as row_keys};
use crate::transition::{ApplyError, Step, check_cap};

/// Status lists opened in one block: each hashes 1,024 blank leaves of the status tree.
pub(crate) const LISTS_PER_BLOCK_MAX: u64 = 64;

impl Step<'_, '_> {
    pub(crate) fn define_achievement(
        &mut self,
        issuer: &IssuerId,
        achievement: &Achievement,
    ) -> Result<(), ApplyError> {
        let number = self.accredited(issuer)?;
        let state = self.overlay.state();
        if state.achievement(number, &achievement.id)?.is_some() {
            let achievement = achievement.id.clone();
            return Err(Rejection::AchievementTaken { achievement }.into());
        }
        let count = state.achievement_count(number)? + 1;
        let cap = self.context.parameters.achievements_per_issuer;
        check_cap(
            "achievements of an issuer",
            u64::from(count),
            u64::from(cap),
        )?;
        let key = row_keys::achievement(number, &achievement.id);
        self.overlay.put_value("achievement", key, achievement)?;
        self.overlay
            .put_value("count", row_keys::achievement_count(number), &count)?;
        Ok(())
    }

    pub(crate) fn open_status_list(&mut self, issuer: &IssuerId) -> Result<(), ApplyError> {
        let number = self.accredited(issuer)?;
        if let Some(list) = self.overlay.state().newest_list_of(number)? {
            let row = self.list_row(list)?;
            if row.used < POSITIONS / 2 {
                return Err(Rejection::ListNotHalfUsed {
                    list,
                    used: row.used,
                }
                .into());
            }
        }
        let mut head = self.overlay.state().head()?;
        if head.status_lists - self.context.status_lists >= LISTS_PER_BLOCK_MAX {
            return Err(Rejection::BlockFull {}.into());
        }
        let list = ListNumber(head.status_lists);
        head.status_lists += 1;
        self.overlay.put_value("head", row_keys::head(), &head)?;
        let row = ListRow {
            issuer: number,
            used: 0,
        };
        self.overlay
            .put_value("status list", row_keys::list(list), &row)?;
        self.overlay
            .put(row_keys::issuer_list(number, list), Vec::new());
        Ok(())
    }

    pub(crate) fn issue(&mut self, issuer: &IssuerId, issue: &Issue) -> Result<(), ApplyError> {
        let time = self.context.time;
        let found = self.issuer_now(issuer)?;
        let (number, entry) = (found.number, &found.entry);
        let Some((place, _)) = entry.covering(time, issue.achievement.as_ref()) else {
            return Err(Rejection::NotAccredited {
                issuer: issuer.clone(),
                time,
                achievement: Covered::Issue(issue.achievement.clone()),
            }
            .into());
        };
        self.take_positions(issuer, number, issue)?;
        for item in &issue.items {
            if let Some(found) = self.overlay.state().credential(&item.digest, number)? {
                let (digest, leaf) = (item.digest, found.leaf.0);
                return Err(Rejection::DigestTaken { digest, leaf }.into());
            }
            let row = CredentialRow {
                leaf: self.leaf,
                list: issue.list,
                index: item.index,
            };
            let key = row_keys::credential(&item.digest, number);
            self.overlay.put_value("credential", key, &row)?;
        }
        let row = IssueRow {
            record: self.record.id(),
            height: self.context.height,
            time,
            issuer: number,
            key: self.record.record().author.key,
            accreditation: u16::try_from(place).map_err(|_| {
                ViewError::Damaged(format!("issuer {issuer} has too many accreditations"))
            })?,
            achievement: issue.achievement.clone(),
            valid_from: issue.valid_from,
            valid_until: issue.valid_until,
        };
        self.overlay
            .put_value("issue", row_keys::issue(self.leaf), &row)?;
        Ok(())
    }

    /// R7: the list is the issuer's, and every index is free.
    fn take_positions(
        &mut self,
        issuer: &IssuerId,
        number: IssuerNumber,
        issue: &Issue,
    ) -> Result<(), ApplyError> {
        let list = issue.list;
        let row = self
            .overlay
            .state()
            .list(list)?
            .filter(|row| row.issuer == number);
        let Some(mut row) = row else {
            return Err(Rejection::NotYourList {
                list,
                issuer: issuer.clone(),
            }
            .into());
        };
        let mut pages: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        for item in &issue.items {
            let page = item.index.0 / USED_PAGE_POSITIONS;
            let bits = match pages.entry(page) {
                std::collections::btree_map::Entry::Occupied(bits) => bits.into_mut(),
                std::collections::btree_map::Entry::Vacant(free) => {
                    free.insert(self.overlay.state().used_page(list, page)?)
                }
            };
            take_position(bits, list, item.index)?;
            row.used += 1;
        }
        for (page, bits) in pages {
            self.overlay.put(row_keys::used(list, page), bits);
        }
        self.overlay
            .put_value("status list", row_keys::list(list), &row)?;
        Ok(())
    }

    /// R6: what makes the state grow needs an accreditation in force, whatever its scope.
    fn accredited(&self, issuer: &IssuerId) -> Result<IssuerNumber, ApplyError> {
        let time = self.context.time;
        let found = self.issuer_now(issuer)?;
        let mut accreditations = found.entry.accreditations.iter();
        if accreditations.any(|one| one.in_force_at(time)) {
            return Ok(found.number);
        }
        Err(Rejection::NotAccredited {
            issuer: issuer.clone(),
            time,
            achievement: Covered::Anything,
        }
        .into())
    }

    fn list_row(&self, list: ListNumber) -> Result<ListRow, ViewError> {
        let row = self.overlay.state().list(list)?;
        row.ok_or_else(|| ViewError::Damaged(format!("there is no row of status list {list}")))
    }
}

fn take_position(bits: &mut [u8], list: ListNumber, index: StatusIndex) -> Result<(), Rejection> {
    let within = index.0 % USED_PAGE_POSITIONS;
    let (byte, mask) = ((within / 8) as usize, 1 << (within % 8));
    if bits[byte] & mask != 0 {
        return Err(Rejection::IndexTaken { list, index });
    }
    bits[byte] |= mask;
    Ok(())
}
