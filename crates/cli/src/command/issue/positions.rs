//! Positions in status lists: random and free, so that a position tells nothing about the
//! order or the number of credentials.

use std::collections::HashSet;

use credlog_ledger::body::{Body, POSITIONS};
use credlog_ledger::ids::{IssuerId, ListNumber, StatusIndex};
use credlog_verify::Position;
use rand::rngs::OsRng;
use rand::seq::SliceRandom;

use crate::connection::{Ledger, Sent};
use crate::outcome::{Failure, Result};
use crate::statement::Signatory;

/// From this many used positions on the next list is opened (rule R10 allows it then).
const USED_MAX: usize = POSITIONS as usize / 2;
/// Attempts to find a list with room; others may issue in the same name meanwhile.
const ATTEMPTS_MAX: usize = 4;

/// Free positions of the issuer's newest status list, in random order.
pub(super) struct Positions<'a> {
    ledger: &'a dyn Ledger,
    signatory: &'a Signatory,
    issuer: &'a IssuerId,
    list: Option<(ListNumber, Vec<StatusIndex>)>,
    /// What was taken of that list: the ledger may not know it yet.
    taken: HashSet<StatusIndex>,
    /// Lists opened by this run.
    pub(super) opened: usize,
}

impl<'a> Positions<'a> {
    pub(super) fn new(
        ledger: &'a dyn Ledger,
        signatory: &'a Signatory,
        issuer: &'a IssuerId,
    ) -> Self {
        Self {
            ledger,
            signatory,
            issuer,
            list: None,
            taken: HashSet::new(),
            opened: 0,
        }
    }

    /// Takes free positions, all of one list; opens a list if needed.
    pub(super) fn take(&mut self, count: usize) -> Result<Vec<Position>> {
        for _ in 0..ATTEMPTS_MAX {
            if let Some((list, free)) = &mut self.list {
                let used = POSITIONS as usize - free.len();
                if used < USED_MAX && count <= free.len() {
                    let indexes = free.split_off(free.len() - count);
                    self.taken.extend(&indexes);
                    let list = *list;
                    let place = |index| Position { list, index };
                    return Ok(indexes.into_iter().map(place).collect());
                }
                self.open()?;
            }
            self.refresh()?;
            if self.list.is_none() {
                self.open()?;
                self.refresh()?;
            }
        }
        Err(Failure::input(format!(
            "no status list of {} has room; other programs issue in its name at the same time",
            self.issuer
        )))
    }

    /// Reads the newest list again, after another program took positions.
    pub(super) fn refresh(&mut self) -> Result<()> {
        let former = self.list.as_ref().map(|(list, _)| *list);
        let issuer = self
            .ledger
            .issuer(self.issuer)?
            .ok_or_else(|| not_known(self.issuer))?;
        self.list = match issuer.lists.last() {
            None => None,
            Some(&list) => {
                if former != Some(list) {
                    self.taken.clear();
                }
                let view = self.ledger.status_list(list)?;
                let free = view.used_positions.free();
                let mut free: Vec<_> = free.filter(|one| !self.taken.contains(one)).collect();
                free.shuffle(&mut OsRng);
                Some((list, free))
            }
        };
        Ok(())
    }

    /// Which of these positions of one list are in use, as the ledger says.
    pub(super) fn used(&self, places: &[Position]) -> Result<HashSet<StatusIndex>> {
        let Some(first) = places.first() else {
            return Ok(HashSet::new());
        };
        let used = self.ledger.status_list(first.list)?.used_positions;
        let indexes = places.iter().map(|one| one.index);
        Ok(indexes.filter(|index| used.is_used(*index)).collect())
    }

    /// Opens the next list; that another program did so just now is as good.
    fn open(&mut self) -> Result<()> {
        let record = self.signatory.sign(Body::OpenStatusList {})?;
        match self.ledger.submit(&[&record])?.pop() {
            Some(Sent::Committed(_)) => self.opened += 1,
            Some(Sent::Refused(refusal)) if refusal.code == "list-not-half-used" => {}
            Some(Sent::Refused(refusal)) => {
                return Err(Failure::from(refusal).during("opening a status list"));
            }
            None => {}
        }
        Ok(())
    }
}

/// The failure for an issuer that nobody accredited yet.
pub(super) fn not_known(issuer: &IssuerId) -> Failure {
    Failure::new(
        crate::outcome::Exit::Refused,
        format!(
            "the ledger does not know issuer {issuer}; a member has to accredit it first \
             (credlog accreditation grant)"
        ),
    )
}
