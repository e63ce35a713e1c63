//! What a commit writes: cells, their undo, and the new state digest.

use std::collections::BTreeMap;

use credlog_ledger::ids::Height;
use credlog_ledger::state::Changes;
use credlog_tlog::Tile;

use crate::cell::{self, PART_BYTES, block_key, page_key, position_key, row_key, tile_key};
use crate::digest::StateDigest;
use crate::fault::Fault;
use crate::generation::{Cells, Undo};
use crate::page::Page;
use crate::rows::is_paged;
use crate::watermark::Watermark;

/// Cells to write, with what they held before.
pub(crate) struct Draft<'s> {
    cells: Option<Cells<'s>>,
    pub(crate) digest: StateDigest,
    puts: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl<'s> Draft<'s> {
    /// A draft on top of what `cells` reads; nothing for a new store.
    pub(crate) fn new(cells: Option<Cells<'s>>, digest: StateDigest) -> Self {
        Self {
            cells,
            digest,
            puts: BTreeMap::new(),
        }
    }

    /// Writes rows of the state.
    pub(crate) fn put_rows(&mut self, changes: &Changes) -> Result<(), Fault> {
        let mut pages = BTreeMap::new();
        for (key, value) in changes {
            let old = if is_paged(key) {
                self.put_in_page(&mut pages, key, value)?
            } else {
                let old = self.cells.map(|cells| cells.row(key)).transpose()?;
                self.puts.insert(row_key(key), value.clone());
                old.flatten()
            };
            if let Some(old) = old {
                self.digest.remove(key, &old);
            }
            self.digest.add(key, value);
        }
        for (key, mut page) in pages {
            for (lowest, page) in page.split() {
                self.puts.insert(page_key(&lowest), page.encode()?);
            }
            self.puts.insert(key, page.encode()?);
        }
        Ok(())
    }

    /// Puts a row into its page among those that are open already, or opens it.
    fn put_in_page(
        &self,
        pages: &mut BTreeMap<Vec<u8>, Page>,
        key: &[u8],
        value: &[u8],
    ) -> Result<Option<Vec<u8>>, Fault> {
        let stored = self.cells.map(|cells| cells.page_of(key)).transpose()?;
        let (page_key, page) = stored
            .flatten()
            .unwrap_or_else(|| (page_key(&key[..1]), Page::default()));
        let page = pages.entry(page_key).or_insert(page);
        Ok(page.insert(key.to_vec(), value.to_vec()))
    }

    /// Writes a block, in parts.
    pub(crate) fn put_block(&mut self, height: Height, block: &[u8]) -> Result<(), Fault> {
        let too_long = || Fault::damaged("a block is too long");
        let length = u32::try_from(block.len()).map_err(|_| too_long())?;
        let stored = [&length.to_be_bytes(), block].concat();
        for (part, bytes) in stored.chunks(PART_BYTES).enumerate() {
            let part = u16::try_from(part).map_err(|_| too_long())?;
            self.puts.insert(block_key(height, part), bytes.to_vec());
        }
        Ok(())
    }

    /// Writes the tiles that changed.
    pub(crate) fn put_tiles(&mut self, tiles: Vec<Tile>) {
        for tile in tiles {
            let bytes = tile.to_bytes();
            self.puts.insert(tile_key(tile.level, tile.index), bytes);
        }
    }

    /// Writes the position that all this leads to.
    pub(crate) fn put_position(&mut self, position: Watermark) -> Result<(), Fault> {
        let bytes = position
            .to_bytes()
            .map_err(|error| Fault::damaged(error.to_string()))?;
        self.puts.insert(position_key(), bytes);
        Ok(())
    }

    /// The batch for sled, and what its cells hold before it.
    pub(crate) fn finish(self) -> Result<(sled::Batch, Undo), Fault> {
        let mut undo = Undo::with_capacity(self.puts.len());
        let mut batch = sled::Batch::default();
        for (key, value) in self.puts {
            if let Some(cells) = self.cells {
                undo.insert(key.clone(), cells.raw(&key)?);
            }
            let sealed = cell::seal(&key, value);
            batch.insert(key, sealed);
        }
        Ok((batch, undo))
    }
}
