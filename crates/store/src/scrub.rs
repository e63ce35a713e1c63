//! The scrub: everything stored is read again, a bounded part at a time, while the node runs.

use std::sync::Arc;

use credlog_ledger::ids::Height;
use credlog_ledger::state::ViewError;
use credlog_tlog::{Frontier, Hash, TILE_WIDTH, TileLevel, TileReader, tile_width};

use crate::cell::{self, Kind};
use crate::digest::StateDigest;
use crate::fault::Fault;
use crate::generation::{Cells, Generation};
use crate::opening::check_block;
use crate::rows::each_row;
use crate::store::Store;

/// A pass reads one committed state; when it is this many blocks old, the pass begins again,
/// because what was overwritten since stays in memory for it.
const BLOCKS_BEHIND_MAX: u64 = 1_024;

/// Where a scrub stands; one value goes from step to step.
#[derive(Debug, Default)]
pub struct Scrub {
    pass: Option<Pass>,
}

/// A pass over one committed state.
#[derive(Debug)]
struct Pass {
    generation: Arc<Generation>,
    next: Vec<u8>,
    digest: StateDigest,
    blocks: u64,
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
    /// Too many blocks were committed since the pass began; the next step begins anew.
    Outrun {
        /// Height of the state that was read.
        height: Height,
    },
}

impl Store {
    /// Reads up to `cells` cells (pages, rows, parts of blocks and tiles) further: every
    /// check, every block against its tiles, every tile against the one above, and at the
    /// end of a pass the digest of the whole state.
    ///
    /// # Errors
    /// [`ViewError`] says what is damaged. The node must stop then, and opening the store
    /// again puts it aside.
    pub fn scrub_step(&self, scrub: &mut Scrub, cells: usize) -> Result<Scrubbed, ViewError> {
        let pass = scrub.pass.get_or_insert_with(|| Pass {
            generation: self.current(),
            next: Vec::new(),
            digest: StateDigest::default(),
            blocks: 0,
        });
        let height = pass.generation.head.height;
        if self.current().head.height.0 > height.0 + BLOCKS_BEHIND_MAX {
            scrub.pass = None;
            return Ok(Scrubbed::Outrun { height });
        }
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

    fn check(&mut self, cells: Cells<'_>, key: &[u8], value: &[u8]) -> Result<(), Fault> {
        each_row(key, value, |row, value| self.digest.add(row, value))?;
        match Kind::parse(key) {
            Some((Kind::Block, height, 0)) => {
                self.blocks += 1;
                check_block(cells, Height(height))
            }
            Some((Kind::Tile, index, 0)) => check_tile(cells, key[1], index),
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
