//! The directory: what is known in memory about the rows that stand in pages.
//!
//! It holds the keys of all pages, so that a row's page is read by its key instead of being
//! searched for (sled copies a whole node for that), and a filter of the rows, so that most
//! questions for a row that is not there need no page at all. Made at open, when all rows
//! are read anyway; never stored.
//!
//! One directory serves all generations. It may know pages and rows of a commit under way:
//! readers of earlier generations find those absent and look further, as they do in sled.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::{PoisonError, RwLock};

use credlog_ledger::state::Table;

use crate::filter::Filter;

/// Pages and rows of the uniform tables, those of a commit under way included.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// Keys of the pages' cells.
    pages: RwLock<BTreeSet<Box<[u8]>>>,
    rows: Filter,
}

impl Directory {
    /// Notes a page.
    pub(crate) fn note_page(&self, key: &[u8]) {
        let mut pages = self.pages.write().unwrap_or_else(PoisonError::into_inner);
        pages.insert(key.into());
    }

    /// Notes a row, if it is one of a uniform table.
    pub(crate) fn note_row(&self, row: &[u8]) {
        if row.first().is_some_and(|table| Table::is_uniform(*table)) {
            self.rows.note(row);
        }
    }

    /// Whether a row of a uniform table may be there; false is certain.
    pub(crate) fn may_hold(&self, row: &[u8]) -> bool {
        self.rows.may_hold(row)
    }

    /// The page with the greatest key within the bounds.
    pub(crate) fn last_page(&self, low: &[u8], high: Bound<&[u8]>) -> Option<Box<[u8]>> {
        let pages = self.pages.read().unwrap_or_else(PoisonError::into_inner);
        let mut found = pages.range::<[u8], _>((Bound::Included(low), high));
        found.next_back().cloned()
    }

    /// The page with the smallest key above `key`.
    pub(crate) fn next_page(&self, key: &[u8]) -> Option<Box<[u8]>> {
        let pages = self.pages.read().unwrap_or_else(PoisonError::into_inner);
        let bounds = (Bound::Excluded(key), Bound::Unbounded);
        pages.range::<[u8], _>(bounds).next().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_found_from_above_and_within_their_table() {
        let directory = Directory::default();
        for key in [&[2, 20][..], &[2, 20, 7], &[2, 20, 7, 1], &[2, 21]] {
            directory.note_page(key);
        }
        let find = |low: &[u8], high| directory.last_page(low, high).map(Vec::from);
        let found = |key: &[u8]| Some(key.to_vec());
        assert_eq!(
            find(&[2, 20], Bound::Included(&[2, 20, 7])),
            found(&[2, 20, 7])
        );
        assert_eq!(
            find(&[2, 20], Bound::Excluded(&[2, 20, 7])),
            found(&[2, 20])
        );
        assert_eq!(
            find(&[2, 20], Bound::Included(&[2, 20, 9])),
            found(&[2, 20, 7, 1])
        );
        assert_eq!(directory.next_page(&[2, 20, 7]), Some([2, 20, 7, 1].into()));
        assert_eq!(directory.next_page(&[2, 20, 8]), Some([2, 21].into()));
        assert_eq!(directory.next_page(&[2, 21]), None);
        assert_eq!(find(&[2, 21], Bound::Excluded(&[2, 21])), None);
        assert_eq!(find(&[2, 19], Bound::Included(&[2, 19, 255])), None);
    }
}
