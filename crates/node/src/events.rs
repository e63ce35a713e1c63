//! Events, read from the blocks of the log.
//!
//! The log is the queue: whoever reads on from a place in it misses nothing, whenever that is.

use std::sync::{Arc, Mutex, PoisonError};

use credlog_api::event::{Event, EventFilter, EventId, EventKind};
use credlog_ledger::block::Block;
use credlog_ledger::body::{Body, Reason};
use credlog_ledger::ids::{Digest, Height, IssuerId, IssuerNumber, LeafIndex};
use credlog_ledger::record::{AuthorId, EncodedRecord};
use credlog_ledger::state::{State, ViewError};
use credlog_store::{Snapshot, Store};
use tokio::sync::watch;

/// Events that are read in one step.
pub(crate) const STEP_EVENTS: usize = 256;
/// Blocks that are read in one step.
const STEP_BLOCKS: u64 = 32;

/// The place of the next event: leaf, and credential of its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) leaf: u64,
    pub(crate) item: u32,
}

impl Place {
    /// Behind an event.
    pub(crate) fn behind(id: EventId) -> Self {
        match id.item.checked_add(1) {
            Some(item) => Self {
                leaf: id.leaf.0,
                item,
            },
            None => Self::at(id.leaf.0.saturating_add(1)),
        }
    }

    /// Before all events of a leaf.
    pub(crate) fn at(leaf: u64) -> Self {
        Self { leaf, item: 0 }
    }

    /// The id behind which it is, between blocks: that of the seal before.
    pub(crate) fn id_before(self) -> Option<EventId> {
        let leaf = self.leaf.checked_sub(1).filter(|_| self.item == 0)?;
        Some(EventId {
            leaf: LeafIndex(leaf),
            item: 0,
        })
    }
}

/// Some events, and where to read on.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) events: Vec<Event>,
    pub(crate) next: Place,
}

/// The events of a ledger.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    store: Arc<Store>,
    heads: watch::Receiver<Height>,
    /// The block that was read last: at the end of the log all readers want the same.
    block: Arc<Mutex<Option<Known>>>,
}

/// A block and its height.
type Known = (Height, Arc<Block>);

impl Feed {
    pub(crate) fn new(store: Arc<Store>, heads: watch::Receiver<Height>) -> Self {
        Self {
            store,
            heads,
            block: Arc::default(),
        }
    }

    /// Leaves of the log.
    pub(crate) fn size(&self) -> u64 {
        self.store.snapshot().head().size
    }

    /// Waits until the log is longer than a place; nothing if the node ends.
    pub(crate) async fn grown(&mut self, place: Place) -> Option<()> {
        let store = Arc::clone(&self.store);
        let beyond = |_: &Height| store.snapshot().head().size > place.leaf;
        self.heads.wait_for(beyond).await.ok().map(drop)
    }

    /// Reads on from a place.
    ///
    /// # Errors
    /// [`ViewError`] if the store cannot be read.
    pub(crate) fn step(&self, from: Place, filter: &EventFilter) -> Result<Step, ViewError> {
        let snapshot = self.store.snapshot();
        let state = State(&snapshot);
        let size = snapshot.head().size;
        let mut events = Vec::new();
        let mut next = from;
        for _ in 0..STEP_BLOCKS {
            if next.leaf >= size || events.len() >= STEP_EVENTS {
                break;
            }
            let (height, first) = state
                .block_of(LeafIndex(next.leaf))?
                .ok_or_else(|| damaged(format!("leaf {} is in no block", next.leaf)))?;
            let block = self.block(&snapshot, height)?;
            let reader = Reader {
                state,
                filter,
                block: &block,
                first: first.0,
            };
            next = reader.read(next, &mut events)?;
        }
        Ok(Step { events, next })
    }

    fn block(&self, snapshot: &Snapshot<'_>, height: Height) -> Result<Arc<Block>, ViewError> {
        let mut last = self.block.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, block)) = &*last
            && *known == height
        {
            return Ok(Arc::clone(block));
        }
        let bytes = snapshot
            .block(height)?
            .ok_or_else(|| damaged(format!("the block of height {height} is missing")))?;
        let block = Block::from_bytes(&bytes).map_err(|error| damaged(error.to_string()))?;
        let block = Arc::new(block);
        *last = Some((height, Arc::clone(&block)));
        Ok(block)
    }
}

/// Reads the events of one block.
struct Reader<'r> {
    state: State<'r>,
    filter: &'r EventFilter,
    block: &'r Block,
    first: u64,
}

/// What a record does to credentials.
struct Change<'r> {
    kind: EventKind,
    issuer: &'r IssuerId,
    digests: Vec<Digest>,
    reason: Option<Reason>,
    superseded_by: Option<Digest>,
}

impl Reader<'_> {
    /// Adds events from a place on, until there are enough, and answers where to read on.
    fn read(&self, from: Place, events: &mut Vec<Event>) -> Result<Place, ViewError> {
        for (leaf, record) in (self.first..).zip(&self.block.records) {
            if leaf < from.leaf {
                continue;
            }
            let skip = if leaf == from.leaf { from.item } else { 0 };
            let Some(change) = change_of(record) else {
                continue;
            };
            if !self.filter.has_kind(change.kind) || !self.filter.has_issuer(change.issuer) {
                continue;
            }
            let number = self.state.issuer_number(change.issuer)?;
            let number =
                number.ok_or_else(|| damaged(format!("issuer {} is missing", change.issuer)))?;
            for (item, digest) in (0..).zip(&change.digests).skip(skip as usize) {
                if !self.filter.has_digest(digest) {
                    continue;
                }
                if events.len() >= STEP_EVENTS {
                    return Ok(Place { leaf, item });
                }
                let id = EventId {
                    leaf: LeafIndex(leaf),
                    item,
                };
                events.push(self.event(id, record, &change, digest, number)?);
            }
        }
        // The seal is the last leaf.
        Ok(Place::at(self.first + self.block.records.len() as u64 + 1))
    }

    fn event(
        &self,
        id: EventId,
        record: &EncodedRecord,
        change: &Change<'_>,
        digest: &Digest,
        issuer: IssuerNumber,
    ) -> Result<Event, ViewError> {
        let row = self.state.credential(digest, issuer)?;
        let row = row.ok_or_else(|| damaged(format!("credential {digest} is missing")))?;
        let seal = &self.block.seal;
        Ok(Event {
            id,
            event: change.kind,
            digest: *digest,
            issuer: change.issuer.clone(),
            list: row.list,
            index: row.index,
            record_id: record.id(),
            leaf_index: id.leaf,
            height: seal.height,
            time: seal.time.into(),
            by: record.record().author.id.clone(),
            reason: change.reason,
            superseded_by: change.superseded_by,
        })
    }
}

fn change_of(record: &EncodedRecord) -> Option<Change<'_>> {
    let record = record.record();
    let change = |kind, issuer, digests: &[Digest], reason| Change {
        kind,
        issuer,
        digests: digests.to_vec(),
        reason: Some(reason),
        superseded_by: None,
    };
    Some(match (&record.body, &record.author.id) {
        (Body::Issue(issue), AuthorId::Issuer(issuer)) => Change {
            kind: EventKind::Issued,
            issuer,
            digests: issue.items.iter().map(|item| item.digest).collect(),
            reason: None,
            superseded_by: None,
        },
        (Body::Revoke(it), _) => change(EventKind::Revoked, &it.issuer, &it.digests, it.reason),
        (Body::Suspend(it), _) => change(EventKind::Suspended, &it.issuer, &it.digests, it.reason),
        (
            Body::Reinstate {
                issuer,
                digests,
                reason,
                ..
            },
            _,
        ) => change(EventKind::Reinstated, issuer, digests, *reason),
        (
            Body::Supersede {
                issuer,
                old,
                new,
                reason,
            },
            _,
        ) => Change {
            superseded_by: Some(*new),
            ..change(EventKind::Superseded, issuer, &[*old], *reason)
        },
        _ => return None,
    })
}

fn damaged(what: impl Into<String>) -> ViewError {
    ViewError::Damaged(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_ids() {
        let id: EventId = "17.3".parse().unwrap();
        assert_eq!(Place::behind(id), Place { leaf: 17, item: 4 });
        assert_eq!(
            Place::behind("17.4294967295".parse().unwrap()),
            Place::at(18)
        );
        let seal = Place::at(18).id_before().unwrap();
        assert_eq!(seal.to_string(), "17.0");
        assert!(Place::behind(seal) < Place::at(18) && Place::behind(seal) > Place::at(17));
        assert_eq!(Place::at(0).id_before(), None);
        assert_eq!(Place::behind(id).id_before(), None);
    }
}
