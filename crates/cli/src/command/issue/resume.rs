//! Records of an earlier run whose files have changed since.
//!
//! A file that was corrected after its credential was signed would be issued twice, as it was
//! and as it is. What was signed before may be issued as long as its record lives; so either it
//! is on the ledger, or it can never be and is forgotten, or the run stops.

use std::collections::HashMap;

use credlog_api::Time;
use credlog_ledger::ids::{Digest, UnixMillis};

use super::journal::Pending;
use super::prepare::Prepared;
use super::settle::{Settlement, terms};
use super::source::Source;
use crate::moment;
use crate::outcome::{Failure, Result};

/// What can still become of a signed credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is on the ledger.
    Issued,
    /// Its record may still be committed.
    Open,
    /// It is not on the ledger and cannot come there with its record.
    Dead,
}

/// How far the clocks of members may be behind this one.
const CLOCKS_DIFFER_MS: u64 = 60_000;

impl Settlement<'_> {
    /// Takes out of pending records what was signed from a file that has other content now, if
    /// its record can no longer be committed. Answers with what is to be settled and with what
    /// was forgotten.
    pub(super) fn drop_changed(
        &mut self,
        pending: Vec<Pending>,
        given: &[Source],
    ) -> Result<(Vec<Pending>, Vec<Prepared>)> {
        let given: HashMap<&str, &Source> =
            given.iter().map(|one| (one.file.as_str(), one)).collect();
        let changed = |one: &Prepared| {
            let now = given.get(one.file.as_str());
            now.is_some_and(|now| now.digest != one.source)
        };
        let mut settled_next = Vec::new();
        let mut forgotten = Vec::new();
        for one in pending {
            let (former, rest): (Vec<_>, Vec<_>) =
                one.credentials.iter().cloned().partition(changed);
            if former.is_empty() || !self.all_dead(&one, &former)? {
                settled_next.push(one);
                continue;
            }
            forgotten.extend(former);
            let terms = terms(one.issue()?);
            settled_next.extend(self.replace(&one.record.id(), &terms, rest)?);
        }
        Ok((settled_next, forgotten))
    }

    /// Whether none of the credentials is on the ledger nor can come there with this record;
    /// fails as long as that is open.
    fn all_dead(&self, pending: &Pending, credentials: &[Prepared]) -> Result<bool> {
        let expires_at = pending.record.record().expires_at;
        for credential in credentials {
            match self.fate(credential, expires_at)? {
                Fate::Issued => return Ok(false),
                Fate::Open => return Err(changed_meanwhile(&credential.file, expires_at)),
                Fate::Dead => {}
            }
        }
        Ok(true)
    }

    /// Whether nothing of a record is on the ledger or can come there with it.
    pub(super) fn is_dead(&self, pending: &Pending) -> Result<bool> {
        let expires_at = pending.record.record().expires_at;
        for credential in &pending.credentials {
            if self.fate(credential, expires_at)? != Fate::Dead {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn fate(&self, credential: &Prepared, expires_at: UnixMillis) -> Result<Fate> {
        let facts = self.ledger.facts(&credential.digest, Some(self.issuer))?;
        if !facts.matches.is_empty() {
            return Ok(Fate::Issued);
        }
        let passed = UnixMillis(moment::now().0.saturating_sub(CLOCKS_DIFFER_MS));
        if facts.ledger.as_of.max(Time::from(passed)) > Time::from(expires_at) {
            Ok(Fate::Dead)
        } else {
            Ok(Fate::Open)
        }
    }

    /// Whether the ledger has a credential, from whichever record.
    pub(super) fn is_issued(&self, digest: &Digest) -> Result<bool> {
        let facts = self.ledger.facts(digest, Some(self.issuer))?;
        Ok(facts.matches.iter().any(|one| one.issuer == *self.issuer))
    }
}

fn changed_meanwhile(file: &str, expires_at: UnixMillis) -> Failure {
    Failure::input(format!(
        "{file} was changed after an earlier run had signed it, and that run did not end: its \
         record may still be committed until {}. To issue the changed file, run the same command \
         again a minute after that; to finish what was begun, put the former file back. This \
         run has issued nothing",
        moment::shown(expires_at)
    ))
}
