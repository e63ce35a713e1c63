//! The rows of the state over cells: plain rows in cells of their own, rows of uniform
//! tables in pages.

use std::ops::Bound;

use credlog_ledger::state::{Row, Table};

use crate::cell::{self, Kind, after_prefix, page_key, row_key};
use crate::fault::Fault;
use crate::generation::Cells;
use crate::page::Page;

/// Cells read at a time by a walk.
const CHUNK_CELLS: usize = 64;

/// Whether a row stands in a page.
pub(crate) fn is_paged(row: &[u8]) -> bool {
    row.first().is_some_and(|table| Table::is_uniform(*table))
}

impl Cells<'_> {
    /// The page in which a row stands or would stand, with the page's key in sled.
    pub(crate) fn page_of(&self, row: &[u8]) -> Result<Option<(Vec<u8>, Page)>, Fault> {
        let found = self.raw_page(&page_key(&row[..1]), Bound::Included(&page_key(row)))?;
        found
            .map(|(key, raw)| {
                let page = Page::decode(cell::open(&key, &raw)?)?;
                Ok((key, page))
            })
            .transpose()
    }

    /// The value of a row.
    pub(crate) fn row(&self, row: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        if !is_paged(row) {
            return self.value(&row_key(row));
        }
        let directory = self.generation.directory.as_ref();
        if directory.is_some_and(|directory| !directory.may_hold(row)) {
            return Ok(None);
        }
        let page = self.page_of(row)?;
        Ok(page.and_then(|(_, page)| page.find(row).map(<[u8]>::to_vec)))
    }

    /// The row with the greatest key that begins with `prefix` and is not above `key`.
    pub(crate) fn row_floor(&self, prefix: &[u8], key: &[u8]) -> Result<Option<Row>, Fault> {
        if key < prefix {
            return Ok(None);
        }
        if let Some(table) = prefix.first() {
            return self.floor_in_table(*table, prefix, key);
        }
        // A prefix that spans tables: no rule asks so, but the answer is defined.
        let Some(last) = key.first() else {
            return Ok(None);
        };
        for table in (0..=*last).rev() {
            let found = self.floor_in_table(table, &[table], key)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn floor_in_table(&self, table: u8, prefix: &[u8], key: &[u8]) -> Result<Option<Row>, Fault> {
        // A key beyond the prefix asks for the last row with it.
        let beyond = !key.starts_with(prefix);
        if Table::is_uniform(table) {
            let end = beyond.then(|| after_prefix(prefix)).flatten();
            return self.floor_in_pages(prefix, end.as_deref().unwrap_or(key), beyond);
        }
        let low = row_key(prefix);
        let found = match beyond.then(|| after_prefix(&low)).flatten() {
            Some(end) => self.below(&low, &end)?,
            None => self.floor(&low, &row_key(key))?,
        };
        Ok(found.map(|(key, value)| (key[1..].to_vec(), value)))
    }

    fn floor_in_pages(
        &self,
        prefix: &[u8],
        key: &[u8],
        exclusive: bool,
    ) -> Result<Option<Row>, Fault> {
        let low = page_key(&prefix[..1]);
        let mut cell = self.page(&low, Bound::Included(&page_key(key)))?;
        while let Some((page_key, value)) = cell {
            let page = Page::decode(&value)?;
            let mut rows = page.rows().rev();
            let found = rows.find(|(row, _)| *row < key || (!exclusive && *row == key));
            if let Some((row, value)) = found {
                let inside = row.starts_with(prefix);
                return Ok(inside.then(|| (row.to_vec(), value.to_vec())));
            }
            cell = self.page(&low, Bound::Excluded(&page_key))?;
        }
        Ok(None)
    }

    /// Rows that begin with `prefix`, ascending, above `after`, at most `limit`.
    pub(crate) fn row_scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, Fault> {
        let start = match after {
            Some(after) if after >= prefix => [after, &[0]].concat(),
            _ => prefix.to_vec(),
        };
        let mut rows = Vec::new();
        let tables = match prefix.first() {
            Some(table) => *table..=*table,
            None => start.first().copied().unwrap_or(0)..=u8::MAX,
        };
        for table in tables {
            if rows.len() >= limit {
                break;
            }
            let prefix = if prefix.is_empty() { &[table] } else { prefix };
            let start = start.as_slice().max(prefix);
            if !start.starts_with(prefix) {
                continue;
            }
            if Table::is_uniform(table) {
                self.scan_pages(prefix, start, limit, &mut rows)?;
            } else {
                self.scan_rows(prefix, start, limit, &mut rows)?;
            }
        }
        Ok(rows)
    }

    fn scan_rows(
        &self,
        prefix: &[u8],
        start: &[u8],
        limit: usize,
        rows: &mut Vec<Row>,
    ) -> Result<(), Fault> {
        let end = after_prefix(&row_key(prefix));
        let mut next = Some(row_key(start));
        while let Some(start) = next
            && rows.len() < limit
        {
            let chunk = CHUNK_CELLS.min(limit - rows.len());
            let (cells, more) = self.chunk(&start, end.as_deref(), chunk)?;
            rows.extend(cells.into_iter().map(|(k, value)| (k[1..].to_vec(), value)));
            next = more;
        }
        Ok(())
    }

    fn scan_pages(
        &self,
        prefix: &[u8],
        start: &[u8],
        limit: usize,
        rows: &mut Vec<Row>,
    ) -> Result<(), Fault> {
        let low = page_key(&start[..1]);
        let high = page_key(start);
        let Some((first, _)) = self.raw_page(&low, Bound::Included(&high))? else {
            return Ok(());
        };
        let end = after_prefix(&page_key(prefix));
        let mut next = Some(first);
        while let Some(from) = next {
            let chunk = CHUNK_CELLS.min((limit - rows.len()).div_ceil(8)).max(1);
            let (cells, more) = self.chunk(&from, end.as_deref(), chunk)?;
            for (_, value) in cells {
                for (key, value) in Page::decode(&value)?.rows() {
                    if key < start {
                        continue;
                    }
                    if !key.starts_with(prefix) || rows.len() >= limit {
                        return Ok(());
                    }
                    rows.push((key.to_vec(), value.to_vec()));
                }
            }
            next = more;
        }
        Ok(())
    }
}

/// Shows the rows in a cell, if it holds rows.
pub(crate) fn each_row(
    key: &[u8],
    value: &[u8],
    mut show: impl FnMut(&[u8], &[u8]),
) -> Result<(), Fault> {
    match key {
        [kind, row @ ..] if *kind == Kind::Row as u8 => show(row, value),
        [kind, lowest @ ..] if *kind == Kind::Page as u8 => {
            for (row, value) in Page::decode(value)?.rows() {
                if row < lowest || row.first() != lowest.first() || !is_paged(row) {
                    let what = cell::describe(key);
                    return Err(Fault::damaged(format!("{what} holds rows of elsewhere")));
                }
                show(row, value);
            }
        }
        _ => {}
    }
    Ok(())
}
