//! What a commit writes: cells, their undo, and the new state digest.

use std::ops::Bound;

use credlog_ledger::ids::Height;
use credlog_ledger::state::Changes;
use credlog_tlog::Tile;

use crate::block;
use crate::cell::{self, TILE_PART_HASHES, block_key, page_key, position_key, row_key, tile_key};
use crate::fault::Fault;
use crate::generation::{Cell, Cells, Undo};
use crate::page::Page;
use crate::rows::{entries_max, is_paged};
use crate::watermark::Watermark;
use credlog_ledger::state::StateDigest;

/// Cells to write, with what they held before.
pub(crate) struct Draft<'s> {
    cells: Option<Cells<'s>>,
    pub(crate) digest: StateDigest,
    /// Each key once.
    puts: Vec<(Vec<u8>, Put)>,
    /// Keys of the pages that are new.
    new_pages: Vec<Vec<u8>>,
    /// Key of the page that was written last.
    closed_page: Vec<u8>,
}

struct Put {
    value: Vec<u8>,
    before: Option<sled::IVec>,
}

/// A page that rows are put into.
struct OpenPage {
    key: Vec<u8>,
    /// Key of the next page of any table, if there is one.
    until: Option<Box<[u8]>>,
    page: Page,
    before: Option<sled::IVec>,
}

impl OpenPage {
    fn new(key: Vec<u8>) -> Self {
        Self {
            key,
            until: None,
            page: Page::default(),
            before: None,
        }
    }

    /// Whether a row that is above one of the page's stands in it too.
    fn covers(&self, row: &[u8]) -> bool {
        let table = row.first() == self.key.get(1);
        let until = self.until.as_ref().map(|until| &until[1..]);
        table && until.is_none_or(|until| row < until)
    }
}

impl<'s> Draft<'s> {
    /// A draft on top of what `cells` reads; nothing for a new store.
    pub(crate) fn new(cells: Option<Cells<'s>>, digest: StateDigest) -> Self {
        Self {
            cells,
            digest,
            puts: Vec::new(),
            new_pages: Vec::new(),
            closed_page: Vec::new(),
        }
    }

    /// Writes rows of the state.
    pub(crate) fn put_rows(&mut self, changes: &Changes) -> Result<(), Fault> {
        let mut open: Option<OpenPage> = None;
        for (key, value) in changes {
            let old = if is_paged(key) {
                // Rows come in order, so a page is done with when a row is beyond it.
                let page = match open.take() {
                    Some(page) if page.covers(key) => open.insert(page),
                    done => {
                        done.map_or(Ok(()), |page| self.close_page(page))?;
                        open.insert(self.open_page(key)?)
                    }
                };
                page.page.insert(key, value)
            } else {
                self.put_row(row_key(key), value)?
            };
            if let Some(old) = old {
                self.digest.remove(key, &old);
            }
            self.digest.add(key, value);
        }
        open.map_or(Ok(()), |page| self.close_page(page))
    }

    /// The page of a row, from the store or new.
    fn open_page(&self, row: &[u8]) -> Result<OpenPage, Fault> {
        let (low, key) = (page_key(&row[..1]), page_key(row));
        let Some(cells) = self.cells else {
            return Ok(OpenPage::new(low));
        };
        let until = cells.page_after(&key)?;
        let found = cells.raw_page(&low, Bound::Included(&key))?;
        let Some((key, raw)) = found else {
            return Ok(OpenPage {
                until,
                ..OpenPage::new(low)
            });
        };
        if self.closed_page == key {
            // It would be written twice, the second time without the rows of the first.
            let what = cell::describe(&key);
            return Err(Fault::damaged(format!("{what} ends before the next page")));
        }
        let page = Page::decode(cell::open(&key, &raw)?)?;
        let before = Some(raw);
        Ok(OpenPage {
            key,
            until,
            page,
            before,
        })
    }

    /// Writes a page, as several if it has become too long.
    fn close_page(&mut self, open: OpenPage) -> Result<(), Fault> {
        let OpenPage {
            key,
            mut page,
            before,
            ..
        } = open;
        let entries_max = entries_max(key.get(1).copied().unwrap_or_default());
        for (lowest, page) in page.split(entries_max) {
            // No page stands between this one and the next: the key is a new one.
            let key = page_key(&lowest);
            self.new_pages.push(key.clone());
            self.put_new(key, page.encode()?);
        }
        if before.is_none() {
            self.new_pages.push(key.clone());
        }
        self.closed_page.clone_from(&key);
        let value = page.encode()?;
        self.puts.push((key, Put { value, before }));
        Ok(())
    }

    /// Writes a row in a cell of its own and answers its old value.
    fn put_row(&mut self, key: Vec<u8>, value: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let before = self.before(&key)?;
        let opened = before.as_ref().map(|before| cell::open(&key, before));
        let old = opened.transpose()?.map(<[u8]>::to_vec);
        let value = value.to_vec();
        self.puts.push((key, Put { value, before }));
        Ok(old)
    }

    /// What a cell holds.
    fn before(&self, key: &[u8]) -> Result<Option<sled::IVec>, Fault> {
        let before = self.cells.map(|cells| cells.raw(key)).transpose()?;
        Ok(before.flatten())
    }

    fn put_new(&mut self, key: Vec<u8>, value: Vec<u8>) {
        let before = None;
        self.puts.push((key, Put { value, before }));
    }

    /// Writes a block, in parts.
    pub(crate) fn put_block(&mut self, height: Height, block: &[u8]) -> Result<(), Fault> {
        for (part, bytes) in block::parts(block)? {
            self.put_new(block_key(height, part), bytes);
        }
        Ok(())
    }

    /// Writes the parts of tiles that changed.
    pub(crate) fn put_tiles(&mut self, tiles: Vec<Tile>) -> Result<(), Fault> {
        for tile in tiles {
            let parts = tile.hashes.chunks(usize::from(TILE_PART_HASHES));
            for (part, hashes) in (0..).zip(parts) {
                let bytes = hashes.iter().flat_map(|hash| hash.0).collect();
                self.put_cell(tile_key(tile.level, tile.index, part), bytes)?;
            }
        }
        Ok(())
    }

    /// Writes a cell, if that changes it.
    fn put_cell(&mut self, key: Vec<u8>, value: Vec<u8>) -> Result<(), Fault> {
        let before = self.before(&key)?;
        let same = match &before {
            Some(before) => cell::open(&key, before)? == value,
            None => false,
        };
        if !same {
            self.puts.push((key, Put { value, before }));
        }
        Ok(())
    }

    /// Writes cells of testimony.
    pub(crate) fn put_testimony(&mut self, cells: Vec<Cell>) -> Result<(), Fault> {
        let mut cells = cells.into_iter();
        cells.try_for_each(|(key, value)| self.put_cell(key, value))
    }

    /// Writes the position that all this leads to.
    pub(crate) fn put_position(&mut self, position: Watermark) -> Result<(), Fault> {
        let bytes = position
            .to_bytes()
            .map_err(|error| Fault::damaged(error.to_string()))?;
        self.put_cell(position_key(), bytes)
    }

    /// The batch for sled, what its cells hold before it, and the pages that it adds.
    pub(crate) fn finish(self) -> (sled::Batch, Undo, Vec<Vec<u8>>) {
        let mut undo = Undo::with_capacity(self.puts.len());
        let mut batch = sled::Batch::default();
        for (key, Put { value, before }) in self.puts {
            let sealed = cell::seal(&key, value);
            batch.insert(key.as_slice(), sealed);
            undo.insert(key, before);
        }
        (batch, undo, self.new_pages)
    }
}
