//! Free positions of the issuer's newest status list, each for one request at a time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use credlog_ledger::body::POSITIONS;
use credlog_ledger::ids::{IssuerId, ListNumber, StatusIndex};
use credlog_ledger::state::{State, USED_PAGE_POSITIONS, ViewError};
use credlog_verify::Position;
use rand::Rng;
use rand::rngs::OsRng;

/// A list is left for a new one when so many of its positions are used (rule R10 allows a new
/// one from then on): a random free position is found at once.
const USED_MAX: u32 = POSITIONS / 2;
/// Random positions that are looked at before the next free one is taken.
const DRAWS_MAX: usize = 64;

/// Positions that requests under way hold.
#[derive(Debug, Default)]
pub(super) struct Positions {
    held: Arc<Mutex<HashSet<Position>>>,
}

/// A free position that no other request gets until this is dropped.
#[derive(Debug)]
pub(crate) struct Reserved {
    position: Position,
    held: Arc<Mutex<HashSet<Position>>>,
}

impl Reserved {
    /// The position.
    pub(crate) fn position(&self) -> Position {
        self.position
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.remove(&self.position);
    }
}

impl Positions {
    /// A random free position; `None` when the issuer has no list with room.
    pub(super) fn take(
        &self,
        state: &State<'_>,
        issuer: &IssuerId,
    ) -> Result<Option<Reserved>, ViewError> {
        let Some(number) = state.issuer_number(issuer)? else {
            return Ok(None);
        };
        let Some(list) = state.newest_list_of(number)? else {
            return Ok(None);
        };
        if state.list(list)?.is_none_or(|row| row.used >= USED_MAX) {
            return Ok(None);
        }
        for _ in 0..DRAWS_MAX {
            let index = StatusIndex(OsRng.gen_range(0..POSITIONS));
            if !is_used(state, list, index)?
                && let Some(reserved) = self.hold(Position { list, index })
            {
                return Ok(Some(reserved));
            }
        }
        Ok(None)
    }

    fn hold(&self, position: Position) -> Option<Reserved> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(position).then(|| Reserved {
            position,
            held: Arc::clone(&self.held),
        })
    }
}

fn is_used(state: &State<'_>, list: ListNumber, index: StatusIndex) -> Result<bool, ViewError> {
    let page = state.used_page(list, index.0 / USED_PAGE_POSITIONS)?;
    let within = index.0 % USED_PAGE_POSITIONS;
    Ok(page[within as usize / 8] >> (within % 8) & 1 == 1)
}
