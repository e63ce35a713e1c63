//! Gathering: a committed state of the ledger is asked about one digest.

use credlog_ledger::ids::{Height, IssuerNumber, LeafIndex, ListNumber, StatusIndex, UnixMillis};
use credlog_ledger::rows::{CredentialRow, StatusChangeKind, StatusEvent};
use credlog_ledger::state::{State, USED_PAGE_POSITIONS, View, ViewError};
use credlog_ledger::status::{Status, chunk_of};

use crate::common::Common;
use crate::facts::{
    Facts, HISTORY_MAX, Issuance, IssuerFacts, MATCHES_MAX, Match, POSITIONS_MAX, Position,
    PositionFacts, Question, StatusFact,
};
use crate::shared::Shared;
use crate::timestamp::Time;

/// Gathers the facts about one digest.
///
/// # Errors
/// [`ViewError`] if the state cannot be read or contradicts itself: then there is no answer,
/// rather than one that might be wrong.
pub fn gather(view: &dyn View, question: &Question) -> Result<Facts, ViewError> {
    gather_with(view, &Common::read(view)?, question)
}

/// As [`gather`], with a [`Common`] of the same state from an earlier question.
///
/// # Errors
/// [`ViewError`].
pub fn gather_with(
    view: &dyn View,
    common: &Common,
    question: &Question,
) -> Result<Facts, ViewError> {
    let state = State(view);
    let reader = Reader::new(state, common, question)?;
    let found = state.credentials(&question.digest)?;
    let match_count = found.len() as u64;
    let mut facts = Facts {
        ledger: common.point.clone(),
        digest: question.digest,
        issuer: question.issuer.clone(),
        at: question.at.map(Time::from),
        moment: reader.moment.into(),
        issuers: Vec::new(),
        matches: Vec::new(),
        match_count,
        positions: Vec::new(),
        node_urls: common.node_urls.clone(),
    };
    let asked = match &question.issuer {
        None => None,
        Some(id) => {
            let number = state.issuer_number(id)?;
            if let Some(number) = number {
                facts.issuers.extend(reader.issuer(number)?);
            }
            Some(number)
        }
    };
    let wanted = found
        .into_iter()
        .filter(|(number, _)| asked.is_none_or(|asked| asked == Some(*number)))
        .take(MATCHES_MAX);
    for (number, row) in wanted {
        if asked.is_none() {
            facts.issuers.extend(reader.issuer(number)?);
        }
        facts.matches.push(reader.one_match(number, &row)?);
    }
    for position in question.positions.iter().take(POSITIONS_MAX) {
        facts.positions.push(reader.position(*position)?);
    }
    Ok(facts)
}

/// Reads a state as of a moment.
struct Reader<'v> {
    state: State<'v>,
    common: &'v Common,
    /// Newest block that counts: the one at the date asked about, or the head.
    height: Height,
    /// Size of the log after the block at the date asked about; `None` for now.
    size_at: Option<u64>,
    moment: UnixMillis,
}

impl<'v> Reader<'v> {
    fn new(state: State<'v>, common: &'v Common, question: &Question) -> Result<Self, ViewError> {
        let head = &common.head;
        let height = match question.at {
            Some(at) => state
                .seal_not_after(at)?
                .map_or(Height(0), |seal| seal.height),
            None => head.height,
        };
        let size_at = match question.at {
            Some(_) => Some(state.seal(height)?.map_or(0, |row| row.size)),
            None => None,
        };
        Ok(Self {
            state,
            common,
            height,
            size_at,
            moment: question.at.unwrap_or(question.now.max(head.time)),
        })
    }

    fn issuer(&self, number: IssuerNumber) -> Result<Option<Shared<IssuerFacts>>, ViewError> {
        self.common
            .issuer_at(self.state, number, self.height, self.moment)
    }

    fn one_match(&self, number: IssuerNumber, row: &CredentialRow) -> Result<Match, ViewError> {
        let state = self.state;
        let issued = self.common.issued(state, number, row.leaf)?;
        let issue = &issued.row;
        let achievement_name = match &issue.achievement {
            Some(id) => self.common.achievement_name(state, number, id)?,
            None => None,
        };
        let (history, history_truncated) = self.history(row.list, row.index)?;
        Ok(Match {
            issuer: issued.issuer.clone(),
            issuance: Issuance {
                record_id: issue.record,
                leaf_index: row.leaf,
                height: issue.height,
                time: issue.time.into(),
                list: row.list,
                index: row.index,
                achievement: issue.achievement.clone(),
                achievement_name,
                valid_from: issue.valid_from.map(Time::from),
                valid_until: issue.valid_until.map(Time::from),
                key: issue.key,
                accreditation: issued.accreditation.clone(),
            },
            history,
            history_truncated,
        })
    }

    fn position(&self, position: Position) -> Result<PositionFacts, ViewError> {
        let Position { list, index } = position;
        let Some(row) = self.state.list(list)? else {
            return Ok(PositionFacts {
                position,
                issuer: None,
                used: false,
                history: Vec::new(),
                history_truncated: false,
            });
        };
        let entry = self.state.issuer(row.issuer)?;
        let page = self.state.used_page(list, index.0 / USED_PAGE_POSITIONS)?;
        let within = index.0 % USED_PAGE_POSITIONS;
        let (history, history_truncated) = self.history(list, index)?;
        Ok(PositionFacts {
            position,
            issuer: entry.map(|entry| entry.id),
            used: page[within as usize / 8] >> (within % 8) & 1 == 1,
            history,
            history_truncated,
        })
    }

    /// The changes of a position, and whether some are left out; what they lead to must be what
    /// the list says.
    fn history(
        &self,
        list: ListNumber,
        index: StatusIndex,
    ) -> Result<(Vec<StatusFact>, bool), ViewError> {
        let (events, truncated) = self.events(list, index)?;
        let bits = self.state.chunk(list, chunk_of(index))?.status(index);
        if bits != standing(&events) {
            return Err(ViewError::Damaged(format!(
                "position {index} of status list {list} is {bits:?}, its history says otherwise"
            )));
        }
        let facts: Result<_, _> = events
            .into_iter()
            .map(|event| self.status_fact(event))
            .collect();
        Ok((facts?, truncated))
    }

    /// The newest changes, behind the newest until the date asked about if those are older.
    fn events(
        &self,
        list: ListNumber,
        index: StatusIndex,
    ) -> Result<(Vec<StatusEvent>, bool), ViewError> {
        let newest = |size: u64| {
            let Some(last) = size.checked_sub(1).map(LeafIndex) else {
                return Ok((Vec::new(), false));
            };
            let one_more = HISTORY_MAX + 1;
            let mut events = self
                .state
                .newest_status_events(list, index, last, one_more)?;
            let truncated = events.len() == one_more;
            if truncated {
                events.remove(0);
            }
            Ok((events, truncated))
        };
        let (late, truncated) = newest(self.common.head.size)?;
        let first = late.first().map_or(LeafIndex(0), |event| event.leaf);
        match self.size_at.filter(|size| truncated && *size <= first.0) {
            None => Ok((late, truncated)),
            // All of them came later than the date.
            Some(size) => {
                let (mut events, _) = newest(size)?;
                events.extend(late);
                Ok((events, true))
            }
        }
    }

    fn status_fact(&self, event: StatusEvent) -> Result<StatusFact, ViewError> {
        let (height, _) = self
            .state
            .block_of(event.leaf)?
            .ok_or_else(|| ViewError::Damaged(format!("leaf {} is in no block", event.leaf.0)))?;
        Ok(StatusFact {
            change: event.change,
            record_id: event.record,
            leaf_index: event.leaf,
            height,
            time: event.time.into(),
            by: event.by,
            reason: event.reason,
        })
    }
}

/// The status that the changes lead to.
fn standing(events: &[StatusEvent]) -> Status {
    match events.last().map(|event| event.change) {
        None | Some(StatusChangeKind::Reinstated) => Status::Valid,
        Some(StatusChangeKind::Suspended) => Status::Suspended,
        Some(StatusChangeKind::Revoked | StatusChangeKind::Superseded { .. }) => Status::Revoked,
    }
}
