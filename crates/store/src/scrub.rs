//! The scrub: everything stored is read again, a bounded part at a time, while the node runs.

use std::sync::Arc;

use credlog_ledger::ids::Height;
use credlog_ledger::state::ViewError;
use credlog_tlog::{Frontier, Hash, TILE_WIDTH, TileLevel, TileReader, tile_width};

use crate::cell::{self, Kind};
use crate::fault::Fault;
use crate::generation::{Cells, Generation};
use crate::opening::check_block;
use crate::rows::each_row;
use crate::store::Store;
use crate::testimony::{Cosignatures, EvidenceList};
use credlog_ledger::state::StateDigest;

/// A pass reads one committed state, and what is overwritten meanwhile stays in memory for
/// it. At this many bytes the pass goes over to the newest state.
const OVERWRITTEN_BYTES_MAX: u64 = 64 << 20;

/// Where a scrub stands; one value goes from step to step.
#[derive(Debug)]
pub struct Scrub {
    pass: Option<Pass>,
    overwritten_max: u64,
}

impl Default for Scrub {
    fn default() -> Self {
        Self::with_overwritten_max(OVERWRITTEN_BYTES_MAX)
    }
}

impl Scrub {
    /// A scrub that goes over to the newest state when commits have overwritten more than
    /// this many bytes since it took the one it reads; the default is 64 MiB.
    pub fn with_overwritten_max(bytes: u64) -> Self {
        Self {
            pass: None,
            overwritten_max: bytes,
        }
    }
}

/// A pass over one committed state.
#[derive(Debug)]
struct Pass {
    generation: Arc<Generation>,
    next: Vec<u8>,
    digest: StateDigest,
    blocks: u64,
    certificates: u64,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scrubbed {
    /// It read so many cells of the pass.
    Part {
        /// Cells read.
        cells: usize,
    },
    /// It finished a pass: everything of this height is whole.
    Whole {
        /// Height of the state that was read.
        height: Height,
    },
    /// Much was overwritten since the pass began: it goes on from its place, and is now
    /// about the newest state.
    Outrun {
        /// Height of the newest state.
        height: Height,
    },
}

impl Store {
    /// Reads up to `cells` cells (pages, rows, parts of blocks and tiles, testimony) further: every
    /// check, every block against its tiles, every tile against the one above, and at the
    /// end of a pass the digest of the whole state.
    ///
    /// # Errors
    /// [`ViewError::Damaged`] says what is damaged. The node must stop then, and opening the
    /// store again puts it aside. After [`ViewError::System`] begin a new scrub later.
    pub fn scrub_step(&self, scrub: &mut Scrub, cells: usize) -> Result<Scrubbed, ViewError> {
        let pass = scrub.pass.get_or_insert_with(|| Pass {
            generation: self.current(),
            next: Vec::new(),
            digest: StateDigest::default(),
            blocks: 0,
            certificates: 0,
        });
        let newest = self.current();
        if newest.overwritten - pass.generation.overwritten > scrub.overwritten_max {
            let height = newest.head.height;
            pass.go_over(self.tree(), newest)?;
            return Ok(Scrubbed::Outrun { height });
        }
        let height = pass.generation.head.height;
        let (read, more) = pass.step(self.tree(), cells.max(1))?;
        if more {
            return Ok(Scrubbed::Part { cells: read });
        }
        pass.finish()?;
        scrub.pass = None;
        Ok(Scrubbed::Whole { height })
    }
}

impl Pass {
    fn step(&mut self, tree: &sled::Tree, limit: usize) -> Result<(usize, bool), Fault> {
        let generation = Arc::clone(&self.generation);
        let cells = Cells {
            tree,
            generation: &generation,
        };
        let (found, more) = cells.chunk(&self.next, None, limit)?;
        let read = found.len();
        for (key, value) in found {
            self.check(cells, &key, &value)?;
        }
        let goes_on = more.is_some();
        self.next = more.unwrap_or_default();
        Ok((read, goes_on))
    }

    /// Makes the pass one over a later state: what it has read and was overwritten since is
    /// taken out of its sums and read again.
    fn go_over(&mut self, tree: &sled::Tree, later: Arc<Generation>) -> Result<(), Fault> {
        let cells = Cells {
            tree,
            generation: &later,
        };
        for (key, before) in self.generation.overwritten_until(&later, &self.next) {
            if let Some(before) = before {
                let value = cell::open(&key, &before)?;
                each_row(&key, value, |row, value| self.digest.remove(row, value))?;
                match Kind::parse(&key) {
                    Some((Kind::Block, _, 0)) => self.blocks -= 1,
                    Some((Kind::Certificate, ..)) => self.certificates -= 1,
                    _ => {}
                }
            }
            let lost = || Fault::damaged(format!("{} is lost", cell::describe(&key)));
            let value = cells.value(&key)?.ok_or_else(lost)?;
            self.check(cells, &key, &value)?;
        }
        self.generation = later;
        Ok(())
    }

    fn check(&mut self, cells: Cells<'_>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        each_row(key, value, |row, value| self.digest.add(row, value))?;
        match Kind::parse(key) {
            Some((Kind::Block, height, 0)) => {
                self.blocks += 1;
                check_block(cells, Height(height))
            }
            Some((Kind::Tile, index, 0)) => check_tile(cells, key[1], index),
            Some((Kind::Certificate, height, _)) => {
                self.certificates += 1;
                cells.check_certificate(Height(height))
            }
            Some((Kind::Cosignatures, size, _)) => {
                Cosignatures::from_bytes(size, value).map(|_| ())
            }
            Some((Kind::Evidence, ..)) => EvidenceList::default().read(key, value),
            Some(_) => Ok(()),
            None => Err(Fault::damaged(format!(
                "{} is no cell",
                cell::describe(key)
            ))),
        }
    }

    fn finish(&self) -> Result<(), Fault> {
        let (found, expected) = (self.blocks, self.generation.head.height.0);
        if found != expected {
            return Err(Fault::damaged(format!(
                "{found} of {expected} blocks are there"
            )));
        }
        let found = self.certificates;
        if found != expected {
            return Err(Fault::damaged(format!(
                "{found} of {expected} certificates are there"
            )));
        }
        if self.digest != self.generation.digest {
            return Err(Fault::damaged("rows of the state are lost or not its own"));
        }
        Ok(())
    }
}

/// A full tile's root is the hash in the tile above.
fn check_tile(cells: Cells<'_>, level: u8, index: u64) -> Result<(), Fault> {
    let size = cells.generation.head.tree_size();
    if tile_width(TileLevel::Hash(level), index, size) < TILE_WIDTH {
        return Ok(());
    }
    let mut below = Frontier::new();
    below.append_many(cells.hashes(level, index, TILE_WIDTH)?);
    let at = index % u64::from(TILE_WIDTH);
    let above = index / u64::from(TILE_WIDTH);
    let width = tile_width(TileLevel::Hash(level + 1), above, size);
    let hashes: Vec<Hash> = cells.hashes(level + 1, above, width)?;
    let hash = usize::try_from(at).ok().and_then(|at| hashes.get(at));
    if hash == Some(&below.root()) {
        return Ok(());
    }
    Err(Fault::damaged(format!(
        "tile {index} of level {level} does not fit the tile above it"
    )))
}
