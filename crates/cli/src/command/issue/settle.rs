//! From signed credentials to committed records: what follows from each answer of the ledger.
//!
//! | answer | what follows |
//! |---|---|
//! | committed | the credentials are written down; done |
//! | duplicate, expired, key-not-active | the record is looked up: found, it is as good as committed; else a new record with the same credentials |
//! | index-taken | what is on the ledger is written down; the rest gets a new record with other positions |
//! | not-your-list | a new record with other positions; the same bytes again if credentials name theirs |
//! | digest-taken | credentials that are on the ledger are written down; a new record with the rest |
//! | block-full, registry-after-issue, members-changed, mempool-full | the same bytes again |
//! | anything else | refused: kept while its files are given or it may be committed |
//!
//! A new record anchors the same signed credentials at the same positions as long as they would be
//! valid: should the former be committed after all, the ledger refuses the new one. A credential
//! that was signed here with a key that was replaced meanwhile is signed again, unless the ledger
//! has it; one that came in signed is left out. A credential that names its position is signed
//! again for another one only when the ledger says that the position is in use, and has none of
//! the record's credentials: then the former record can never be committed. One that came in signed
//! is left out then.

use std::collections::HashSet;
use std::time::Duration;

use credlog_ledger::body::{Body, Issue, Item};
use credlog_ledger::ids::{Digest, IssuerId, RecordId, StatusIndex, UnixMillis};

use super::journal::{Journal, Pending, Row};
use super::outlook::Outlook;
use super::pack::Batch;
use super::positions::Positions;
use super::prepare::{Prepared, Signer};
use crate::connection::{Committed, Ledger, Refusal, Sent};
use crate::moment;
use crate::outcome::{Failure, Result};
use crate::statement::Signatory;
use credlog_verify::Terms;

/// Times that a credential is sent in one run before its last refusal is reported.
const ATTEMPTS_MAX: usize = 5;
/// Pause before the same bytes are sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// Most records in one request.
pub(super) const RECORDS_PER_REQUEST: usize = 256;

/// Credentials that the ledger refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) files: Vec<String>,
    pub(super) refusal: Refusal,
}

/// Everything that settling needs.
pub(super) struct Settlement<'a> {
    pub(super) ledger: &'a dyn Ledger,
    pub(super) signatory: &'a Signatory,
    pub(super) issuer: &'a IssuerId,
    pub(super) journal: Journal,
    pub(super) positions: Positions<'a>,
    /// What came in with this run; refused records about nothing of it are forgotten once they
    /// can no longer be committed.
    pub(super) wanted: HashSet<Digest>,
    pub(super) refused: Vec<Refused>,
    /// Signs again what has to be.
    pub(super) signer: &'a Signer,
    /// What would become of a credential issued now.
    pub(super) outlook: Outlook,
    /// What cannot be issued any more, and why.
    pub(super) left_out: Vec<Failure>,
}

enum Next {
    Done,
    Again(Pending),
    Refused(Pending, Refusal),
}

impl Settlement<'_> {
    /// Makes records for batches and keeps them in the journal.
    pub(super) fn begin(&mut self, batches: Vec<Batch>) -> Result<Vec<Pending>> {
        let one = |batch: Batch| self.make(&batch.terms, batch.credentials, None);
        batches.into_iter().map(one).collect()
    }

    /// Credentials that were refused or left out.
    pub(super) fn failed(&self) -> usize {
        let refused: usize = self.refused.iter().map(|one| one.files.len()).sum();
        refused + self.left_out.len()
    }

    /// Sends records until each is committed or refused; tells of credentials settled.
    pub(super) fn settle(
        &mut self,
        pending: Vec<Pending>,
        settled: &mut dyn FnMut(usize),
    ) -> Result<()> {
        let mut open = pending;
        let mut attempt = 1;
        while !open.is_empty() {
            let mut again = Vec::new();
            let round = std::mem::take(&mut open);
            for group in round.chunks(RECORDS_PER_REQUEST) {
                let records: Vec<_> = group.iter().map(|one| &one.record).collect();
                let answers = self.ledger.submit(&records)?;
                for (pending, sent) in group.iter().zip(answers) {
                    let count = pending.credentials.len();
                    match self.follow(pending.clone(), sent, attempt)? {
                        Next::Done => settled(count),
                        Next::Again(pending) => {
                            settled(count - pending.credentials.len());
                            again.push(pending);
                        }
                        Next::Refused(pending, refusal) => {
                            settled(count);
                            self.refuse(&pending, refusal)?;
                        }
                    }
                }
            }
            open = again;
            attempt += 1;
        }
        Ok(())
    }

    fn follow(&mut self, pending: Pending, sent: Sent, attempt: usize) -> Result<Next> {
        let refusal = match sent {
            Sent::Committed(committed) => return self.finish(&pending, committed),
            Sent::Refused(refusal) => refusal,
        };
        if attempt >= ATTEMPTS_MAX {
            return Ok(Next::Refused(pending, refusal));
        }
        match refusal.code.as_str() {
            "duplicate" | "expired" => self.find_or_remake(&pending),
            "key-not-active" => {
                // The key was replaced since the issuer was asked about.
                self.outlook.ask_again(self.ledger)?;
                self.find_or_remake(&pending)
            }
            "index-taken" => self.displaced(pending, refusal),
            "not-your-list" if pending.credentials.iter().all(|one| !one.names_place) => {
                self.elsewhere(&pending)
            }
            "digest-taken" => self.adopt(pending, refusal),
            "block-full"
            | "registry-after-issue"
            | "members-changed"
            | "mempool-full"
            | "not-your-list" => {
                std::thread::sleep(RETRY_PAUSE);
                Ok(Next::Again(pending))
            }
            _ => Ok(Next::Refused(pending, refusal)),
        }
    }

    fn finish(&mut self, pending: &Pending, committed: Committed) -> Result<Next> {
        let issue = pending.issue()?;
        let achievement = issue.achievement.as_ref();
        let mut rows = Vec::new();
        for credential in &pending.credentials {
            let item = issue
                .items
                .iter()
                .find(|item| item.digest == credential.digest);
            rows.extend(item.map(|item| Row {
                list: issue.list,
                index: item.index,
                record: pending.record.id(),
                leaf: committed.leaf,
                time: moment::rfc3339(committed.time),
                achievement: achievement.map(ToString::to_string).unwrap_or_default(),
                ..Row::new(credential)
            }));
        }
        self.journal.finish(pending, &rows)?;
        Ok(Next::Done)
    }

    /// Some of the credentials are on the ledger already, from a record that is not known
    /// here: those are written down as they stand there, and the rest is sent anew.
    fn adopt(&mut self, pending: Pending, refusal: Refusal) -> Result<Next> {
        let mut rows = Vec::new();
        let mut rest = Vec::new();
        for credential in &pending.credentials {
            let facts = self.ledger.facts(&credential.digest, Some(self.issuer))?;
            match facts.matches.iter().find(|one| one.issuer == *self.issuer) {
                None => rest.push(credential.clone()),
                Some(found) => {
                    let issued = &found.issuance;
                    let time: UnixMillis = issued.time.unix_millis();
                    rows.push(Row {
                        list: issued.list,
                        index: issued.index,
                        record: issued.record_id,
                        leaf: issued.leaf_index,
                        time: moment::rfc3339(time),
                        achievement: issued
                            .achievement
                            .as_ref()
                            .map(ToString::to_string)
                            .unwrap_or_default(),
                        ..Row::new(credential)
                    });
                }
            }
        }
        if rows.is_empty() {
            return Ok(Next::Refused(pending, refusal));
        }
        if rest.is_empty() {
            self.journal.finish(&pending, &rows)?;
            return Ok(Next::Done);
        }
        // The rows first: what stands in them is not in the record that replaces this one.
        self.journal.keep(&pending, &rows)?;
        let old = pending.record.id();
        let next = self.make(&terms(pending.issue()?), rest, Some(old))?;
        self.journal.drop_pending(&old)?;
        Ok(Next::Again(next))
    }

    /// A position is in use: by a credential of this record, which was issued after all, or by
    /// another one.
    fn displaced(&mut self, pending: Pending, refusal: Refusal) -> Result<Next> {
        for credential in &pending.credentials {
            if self.is_issued(&credential.digest)? {
                return self.adopt(pending, refusal);
            }
        }
        if pending.credentials.iter().all(|one| !one.names_place) {
            return self.elsewhere(&pending);
        }
        let places: Vec<_> = pending.credentials.iter().map(|one| one.place).collect();
        let used = self.positions.used(&places)?;
        if used.is_empty() {
            // Not that the ledger says: this record may still be committed.
            std::thread::sleep(RETRY_PAUSE);
            return Ok(Next::Again(pending));
        }
        if pending.credentials.iter().any(Prepared::is_fixed) {
            return self.without(&pending, &used);
        }
        self.elsewhere(&pending)
    }

    /// A new record without the credentials that name positions in use and cannot be signed again.
    fn without(&mut self, pending: &Pending, used: &HashSet<StatusIndex>) -> Result<Next> {
        let credentials = pending.credentials.iter().cloned();
        let (gone, rest): (Vec<_>, Vec<_>) =
            credentials.partition(|one| used.contains(&one.place.index));
        let left_out = gone.iter().map(|one| {
            Failure::input(format!(
                "{}: its status entries name position {}, where another credential was issued",
                one.file, one.place
            ))
        });
        self.left_out.extend(left_out);
        self.in_place_of(pending, rest)
    }

    /// A new record with other positions. Credentials that name theirs are signed again: the
    /// former record can never be committed.
    fn elsewhere(&mut self, pending: &Pending) -> Result<Next> {
        self.positions.refresh()?;
        let terms = terms(pending.issue()?);
        let places = self.positions.take(pending.credentials.len())?;
        let mut moved = Vec::new();
        for (credential, place) in pending.credentials.iter().zip(places) {
            match self
                .signer
                .move_to(credential, place, &terms, &self.outlook)
            {
                Ok(credential) => moved.push(credential),
                Err(failure) => self.left_out.push(failure),
            }
        }
        self.in_place_of(pending, moved)
    }

    /// A new record for what is left of one that can never be committed.
    fn in_place_of(&mut self, pending: &Pending, credentials: Vec<Prepared>) -> Result<Next> {
        let old = pending.record.id();
        let next = match credentials.is_empty() {
            true => None,
            false => Some(self.make(&terms(pending.issue()?), credentials, Some(old))?),
        };
        self.journal.drop_pending(&old)?;
        Ok(next.map_or(Next::Done, Next::Again))
    }

    fn find_or_remake(&mut self, pending: &Pending) -> Result<Next> {
        match self.ledger.find_record(&pending.record.id())? {
            Some(committed) => self.finish(pending, committed),
            None => self.remake(pending),
        }
    }

    /// A new record for the same signed credentials; the old one can never be committed, or
    /// if it is after all, the ledger refuses this one because of its digests.
    fn remake(&mut self, pending: &Pending) -> Result<Next> {
        let terms = terms(pending.issue()?);
        let credentials = pending.credentials.clone();
        let next = self.replace(&pending.record.id(), &terms, credentials)?;
        Ok(next.map_or(Next::Done, Next::Again))
    }

    /// A new record in place of one that can never be committed; none if nothing is left to
    /// issue.
    pub(super) fn replace(
        &mut self,
        old: &RecordId,
        terms: &Terms,
        credentials: Vec<Prepared>,
    ) -> Result<Option<Pending>> {
        let mut good = Vec::new();
        for credential in credentials {
            match self.signer.prepare_again(&credential, terms, &self.outlook) {
                Ok(same) if same == credential => good.push(credential),
                // What the ledger has is neither signed again nor left out.
                _ if self.is_issued(&credential.digest)? => good.push(credential),
                Ok(again) => good.push(again),
                Err(failure) => self.left_out.push(failure),
            }
        }
        let next = match good.is_empty() {
            true => None,
            false => Some(self.make(terms, good, Some(*old))?),
        };
        self.journal.drop_pending(old)?;
        Ok(next)
    }

    /// A new record, kept in the journal; `replaces` can never be committed.
    fn make(
        &mut self,
        terms: &Terms,
        credentials: Vec<Prepared>,
        replaces: Option<RecordId>,
    ) -> Result<Pending> {
        let mut items: Vec<_> = credentials
            .iter()
            .map(|one| Item {
                index: one.place.index,
                digest: one.digest,
            })
            .collect();
        items.sort_unstable_by_key(|item| item.index);
        let list = credentials
            .first()
            .map(|one| one.place.list)
            .unwrap_or_default();
        let body = Body::Issue(Issue {
            achievement: terms.achievement.clone(),
            list,
            valid_from: terms.valid_from,
            valid_until: terms.valid_until,
            items,
        });
        let pending = Pending {
            record: self.signatory.sign(body)?,
            credentials,
        };
        self.journal.begin(&pending, replaces)?;
        Ok(pending)
    }

    /// A refused record stays pending while its files are wanted or it may still be committed:
    /// it may have been refused for a reason that passes, and its bytes are in other hands.
    fn refuse(&mut self, pending: &Pending, refusal: Refusal) -> Result<()> {
        let wanted = |one: &Prepared| self.wanted.contains(&one.source);
        if !pending.credentials.iter().any(wanted) && self.is_dead(pending)? {
            self.journal.drop_pending(&pending.record.id())?;
        }
        let files = pending
            .credentials
            .iter()
            .map(|one| one.file.clone())
            .collect();
        self.refused.push(Refused { files, refusal });
        Ok(())
    }
}

/// What an Issue record says of its credentials.
pub(super) fn terms(issue: &Issue) -> Terms {
    Terms {
        achievement: issue.achievement.clone(),
        valid_from: issue.valid_from,
        valid_until: issue.valid_until,
    }
}

#[cfg(test)]
mod tests;
