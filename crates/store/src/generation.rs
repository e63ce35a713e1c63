//! Generations: how readers keep seeing one committed state while the next is written.
//!
//! sled has no snapshots. Before the writer changes cells, it notes in the current
//! generation what those cells hold (its undo), and points it to the next generation. A
//! reader of a generation reads sled first and then looks for the key in the undo of its
//! generation and of all after it: the first that has it says what the cell held. So a
//! reader neither waits for the writer nor sees what is not durable yet, and what no reader
//! needs any more is freed with its generation.
//!
//! Reading sled first is what makes this correct: a value that was read new has its undo
//! installed already. No cell is ever removed, so a range read misses nothing.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use credlog_ledger::rows::Head;

use crate::cell::{self, Kind};
use crate::directory::Directory;
use crate::fault::{Fault, guarded};
use credlog_ledger::state::StateDigest;

/// What cells held before a commit; nothing for those that were not there.
pub(crate) type Undo = HashMap<Vec<u8>, Option<sled::IVec>>;

/// Bytes that a cell takes in an undo besides its key and its value.
const UNDO_CELL_BYTES: usize = 96;

/// One committed state.
#[derive(Debug)]
pub(crate) struct Generation {
    pub(crate) head: Head,
    pub(crate) digest: StateDigest,
    /// Bytes that commits have overwritten from the opening of the store to this state.
    pub(crate) overwritten: u64,
    /// What is known of the pages; nothing while a store is being opened or checked.
    pub(crate) directory: Option<Arc<Directory>>,
    next: OnceLock<(Undo, Arc<Generation>)>,
}

impl Generation {
    pub(crate) fn new(head: Head, digest: StateDigest) -> Self {
        Self {
            head,
            digest,
            overwritten: 0,
            directory: None,
            next: OnceLock::new(),
        }
    }

    /// The generation with what its store knows of its pages.
    pub(crate) fn with_directory(mut self, directory: Directory) -> Self {
        self.directory = Some(Arc::new(directory));
        self
    }

    /// The generation after this one, which overwrites what `undo` holds.
    pub(crate) fn successor(&self, head: Head, digest: StateDigest, undo: &Undo) -> Self {
        let bytes = |(key, before): (&Vec<u8>, &Option<sled::IVec>)| {
            UNDO_CELL_BYTES + key.len() + before.as_ref().map_or(0, |before| before.len())
        };
        let overwritten: usize = undo.iter().map(bytes).sum();
        let mut next = Self::new(head, digest);
        next.overwritten = self.overwritten + overwritten as u64;
        next.directory.clone_from(&self.directory);
        next
    }

    /// Notes what the next generation will overwrite. Answers false if there is a next one
    /// already.
    pub(crate) fn install(&self, undo: Undo, next: Arc<Self>) -> bool {
        self.next.set((undo, next)).is_ok()
    }

    /// What the cells before `end` held here that were overwritten up to a later
    /// generation.
    pub(crate) fn overwritten_until(&self, later: &Arc<Self>, end: &[u8]) -> Undo {
        let mut all = Undo::new();
        let mut generation = self;
        while let Some((undo, next)) = generation.next.get() {
            for (key, before) in undo.iter().filter(|(key, _)| key.as_slice() < end) {
                all.entry(key.clone()).or_insert_with(|| before.clone());
            }
            if Arc::ptr_eq(next, later) {
                break;
            }
            generation = next;
        }
        all
    }

    /// What a cell that reads `now` held in this generation.
    fn correct(&self, key: &[u8], now: Option<sled::IVec>) -> Option<sled::IVec> {
        match self.undone(key) {
            Some(before) => before.clone(),
            None => now,
        }
    }

    /// What a cell held here that was written after this generation.
    fn undone(&self, key: &[u8]) -> Option<&Option<sled::IVec>> {
        let mut generation = self;
        while let Some((undo, next)) = generation.next.get() {
            if let Some(before) = undo.get(key) {
                return Some(before);
            }
            generation = next;
        }
        None
    }
}

impl Drop for Generation {
    /// Frees a long chain one by one instead of by recursion.
    fn drop(&mut self) {
        let mut next = self.next.take().map(|(_, next)| next);
        while let Some(generation) = next {
            next = Arc::into_inner(generation)
                .and_then(|mut last| last.next.take())
                .map(|(_, next)| next);
        }
    }
}

/// Reads the cells of one generation; every cell's check is verified.
#[derive(Clone, Copy)]
pub(crate) struct Cells<'s> {
    pub(crate) tree: &'s sled::Tree,
    pub(crate) generation: &'s Generation,
}

/// A cell that was read: its key and its value.
pub(crate) type Cell = (Vec<u8>, Vec<u8>);
/// A cell as sled has it: its key, and its value with the check.
pub(crate) type RawCell = (Vec<u8>, sled::IVec);

impl Cells<'_> {
    /// The value of a cell.
    pub(crate) fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let raw = self.raw(key)?;
        raw.map(|raw| cell::open(key, &raw).map(<[u8]>::to_vec))
            .transpose()
    }

    /// A cell with its check, which is not verified.
    pub(crate) fn raw(&self, key: &[u8]) -> Result<Option<sled::IVec>, Fault> {
        let now = guarded("reading a cell", || self.tree.get(key))?;
        Ok(self.generation.correct(key, now))
    }

    /// The cell with the greatest key from `low` to `high`, both included.
    pub(crate) fn floor(&self, low: &[u8], high: &[u8]) -> Result<Option<Cell>, Fault> {
        self.below(low, &[high, &[0]].concat())
    }

    /// The cell with the greatest key from `low` on and before `end`.
    pub(crate) fn below(&self, low: &[u8], end: &[u8]) -> Result<Option<Cell>, Fault> {
        let found = self.raw_below(low, end)?;
        found
            .map(|(key, raw)| {
                let value = cell::open(&key, &raw)?.to_vec();
                Ok((key, value))
            })
            .transpose()
    }

    /// As [`below`](Self::below), with the check of the cell, which is not verified.
    pub(crate) fn raw_below(&self, low: &[u8], end: &[u8]) -> Result<Option<RawCell>, Fault> {
        let mut end = end.to_vec();
        loop {
            let found = guarded("looking for a cell", || self.tree.get_lt(&end))?;
            let Some((key, now)) = found.filter(|(key, _)| **key >= *low) else {
                return Ok(None);
            };
            if let Some(raw) = self.generation.correct(&key, Some(now)) {
                return Ok(Some((key.to_vec(), raw)));
            }
            end = key.to_vec();
        }
    }

    /// The page with the greatest key from `low` to `high`, with its check, which is not
    /// verified. A page of the directory that is missing is damage.
    pub(crate) fn raw_page(
        &self,
        low: &[u8],
        high: Bound<&[u8]>,
    ) -> Result<Option<RawCell>, Fault> {
        let Some(directory) = &self.generation.directory else {
            return match high {
                Bound::Included(high) => self.raw_below(low, &[high, &[0]].concat()),
                Bound::Excluded(end) => self.raw_below(low, end),
                Bound::Unbounded => Ok(None),
            };
        };
        let mut found = directory.last_page(low, high);
        while let Some(key) = found {
            let now = guarded("reading a page", || self.tree.get(&key))?;
            let raw = match self.generation.undone(&key) {
                Some(before) => before.clone(),
                None if now.is_none() => {
                    return Err(Fault::damaged(format!("{} is lost", cell::describe(&key))));
                }
                None => now,
            };
            if let Some(raw) = raw {
                return Ok(Some((key.into_vec(), raw)));
            }
            // A page of a later generation: its rows stood in the one before.
            found = directory.last_page(low, Bound::Excluded(&key));
        }
        Ok(None)
    }

    /// Key of the first page above `key`.
    pub(crate) fn page_after(&self, key: &[u8]) -> Result<Option<Box<[u8]>>, Fault> {
        if let Some(directory) = &self.generation.directory {
            return Ok(directory.next_page(key));
        }
        let found = guarded("looking for a page", || self.tree.get_gt(key))?;
        let page = found.filter(|(key, _)| key.first() == Some(&(Kind::Page as u8)));
        Ok(page.map(|(key, _)| (*key).into()))
    }

    /// As [`raw_page`](Self::raw_page), its check verified.
    pub(crate) fn page(&self, low: &[u8], high: Bound<&[u8]>) -> Result<Option<Cell>, Fault> {
        let found = self.raw_page(low, high)?;
        found
            .map(|(key, raw)| {
                let value = cell::open(&key, &raw)?.to_vec();
                Ok((key, value))
            })
            .transpose()
    }

    /// Up to `limit` cells from `start` on, before `end` if it is given, ascending; and
    /// where to go on if there may be more. Fewer than `limit` may come with more to follow.
    pub(crate) fn chunk(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        limit: usize,
    ) -> Result<(Vec<Cell>, Option<Vec<u8>>), Fault> {
        let (found, more) = self.raw_chunk(start, end, limit)?;
        let opened = found.into_iter().map(|(key, raw)| {
            let value = cell::open(&key, &raw)?.to_vec();
            Ok((key, value))
        });
        Ok((opened.collect::<Result<_, Fault>>()?, more))
    }

    /// As [`chunk`](Self::chunk), with the checks of the cells, which are not verified.
    pub(crate) fn raw_chunk(
        &self,
        start: &[u8],
        end: Option<&[u8]>,
        limit: usize,
    ) -> Result<(Vec<RawCell>, Option<Vec<u8>>), Fault> {
        let found = guarded("walking cells", || {
            let range = match end {
                Some(end) if end <= start => return Ok(Vec::new()),
                Some(end) => self.tree.range(start.to_vec()..end.to_vec()),
                None => self.tree.range(start.to_vec()..),
            };
            range.take(limit).collect::<sled::Result<Vec<_>>>()
        })?;
        let more = (found.len() == limit).then(|| found.last()).flatten();
        let more = more.map(|(key, _)| [key, &[0][..]].concat());
        let corrected = found.into_iter().filter_map(|(key, now)| {
            let raw = self.generation.correct(&key, Some(now))?;
            Some((key.to_vec(), raw))
        });
        Ok((corrected.collect(), more))
    }
}
