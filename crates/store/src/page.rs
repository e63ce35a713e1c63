//! Pages: rows of a uniform table, a sorted run of them in one cell.
//!
//! A million random keys as rows of their own cost sled too much memory. A page holds all
//! rows whose keys are at or above the page's own key and below the next page's; the first
//! page of a table stands under the table's byte. A page that grows over [`ENTRIES_MAX`]
//! splits in the middle; pages never merge, since rows are never removed.
//!
//! ```text
//! page    = shared length u8 ‖ shared bytes of all keys ‖ entry*, ascending by key
//! entry   = key length u16 ‖ value length u16 ‖ rest of the key ‖ value
//! ```

use crate::fault::Fault;

/// Entries of a page before it splits.
pub(crate) const ENTRIES_MAX: usize = 24;

/// A row: key and value.
pub(crate) type Entry = (Vec<u8>, Vec<u8>);

/// A page in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Page {
    entries: Vec<Entry>,
}

impl Page {
    /// Reads a page.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let entries = decode_entries(bytes)
            .ok_or_else(|| Fault::damaged("a page does not have the form of a page"))?;
        Ok(Self { entries })
    }

    /// The stored form.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Fault> {
        let shared = self.shared();
        let mut bytes = Vec::with_capacity(self.entries.len() * 72);
        bytes.push(u8::try_from(shared.len()).unwrap_or_default());
        bytes.extend_from_slice(shared);
        for (key, value) in &self.entries {
            let rest = &key[shared.len()..];
            bytes.extend_from_slice(&length(rest)?.to_be_bytes());
            bytes.extend_from_slice(&length(value)?.to_be_bytes());
            bytes.extend_from_slice(rest);
            bytes.extend_from_slice(value);
        }
        Ok(bytes)
    }

    /// What all keys begin with, at most 255 bytes.
    fn shared(&self) -> &[u8] {
        let (Some((first, _)), Some((last, _))) = (self.entries.first(), self.entries.last())
        else {
            return &[];
        };
        let same = first.iter().zip(last).take(255);
        &first[..same.take_while(|(a, b)| a == b).count()]
    }

    /// The entries, ascending by key.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The value of a key.
    pub(crate) fn find(&self, key: &[u8]) -> Option<&Vec<u8>> {
        let at = self.position(key).ok()?;
        Some(&self.entries[at].1)
    }

    /// Writes a row and answers its old value.
    pub(crate) fn insert(&mut self, key: Vec<u8>, value: Vec<u8>) -> Option<Vec<u8>> {
        match self.position(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.entries[at].1, value)),
            Err(at) => {
                self.entries.insert(at, (key, value));
                None
            }
        }
    }

    fn position(&self, key: &[u8]) -> Result<usize, usize> {
        self.entries
            .binary_search_by(|(found, _)| found.as_slice().cmp(key))
    }

    /// Splits a page that is too long: the pages that follow it, each with its key, the
    /// shortest that separates it from what stands before.
    pub(crate) fn split(&mut self) -> Vec<(Vec<u8>, Self)> {
        let mut pages = Vec::new();
        let count = self.entries.len().div_ceil(ENTRIES_MAX);
        if count < 2 {
            return pages;
        }
        let target = self.entries.len().div_ceil(count);
        while self.entries.len() > target {
            let entries = self.entries.split_off(self.entries.len() - target);
            let separator = match self.entries.last() {
                Some((before, _)) => separator(before, &entries[0].0),
                None => entries[0].0.clone(),
            };
            pages.push((separator, Self { entries }));
        }
        pages.reverse();
        pages
    }
}

/// The shortest beginning of `right` that is above `left`.
fn separator(left: &[u8], right: &[u8]) -> Vec<u8> {
    let same = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    right[..right.len().min(same + 1)].to_vec()
}

fn length(bytes: &[u8]) -> Result<u16, Fault> {
    u16::try_from(bytes.len())
        .map_err(|_| Fault::damaged("a row of a uniform table is over 65,535 bytes"))
}

fn decode_entries(bytes: &[u8]) -> Option<Vec<Entry>> {
    let (shared, rest) = bytes.split_first()?;
    let (shared, mut rest) = rest.split_at_checked(usize::from(*shared))?;
    let mut entries: Vec<Entry> = Vec::with_capacity(ENTRIES_MAX);
    while !rest.is_empty() {
        let (key_length, after) = rest.split_first_chunk::<2>()?;
        let (value_length, after) = after.split_first_chunk::<2>()?;
        let key_length = usize::from(u16::from_be_bytes(*key_length));
        let (key, after) = after.split_at_checked(key_length)?;
        let value_length = usize::from(u16::from_be_bytes(*value_length));
        let (value, after) = after.split_at_checked(value_length)?;
        entries.push(([shared, key].concat(), value.to_vec()));
        rest = after;
    }
    let ascending = entries.is_sorted_by(|(a, _), (b, _)| a < b);
    ascending.then_some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(keys: &[&str]) -> Page {
        let mut page = Page::default();
        for key in keys {
            page.insert(key.as_bytes().to_vec(), format!("={key}").into_bytes());
        }
        page
    }

    #[test]
    fn entries_are_sorted_found_and_replaced() {
        let mut page = page(&["bb", "a", "ba"]);
        assert_eq!(page.find(b"ba"), Some(&b"=ba".to_vec()));
        assert_eq!(page.find(b"b"), None);
        assert_eq!(page.insert(b"a".to_vec(), vec![]), Some(b"=a".to_vec()));
        assert_eq!(Page::decode(&page.encode().unwrap()), Ok(page));
    }

    #[test]
    fn encoding_reads_back_and_damage_does_not() {
        for keys in [&[][..], &["same"], &["same-1", "same-2", "same-20"]] {
            let page = page(keys);
            assert_eq!(Page::decode(&page.encode().unwrap()), Ok(page));
        }
        let bytes = page(&["same-1", "same-2"]).encode().unwrap();
        for cut in 0..bytes.len() {
            let cut = Page::decode(&bytes[..cut]);
            assert!(cut.is_err() || cut.unwrap().entries.len() < 2);
        }
        let twice = [&[0][..], &[0, 1, 0, 0, b'k'], &[0, 1, 0, 0, b'k']].concat();
        assert!(Page::decode(&twice).is_err());
    }

    #[test]
    fn split_keeps_all_entries_in_order_under_short_keys() {
        for count in [1, ENTRIES_MAX, ENTRIES_MAX + 1, 5 * ENTRIES_MAX + 3] {
            let mut first = Page::default();
            for n in 0..count {
                let key = blake3::hash(&n.to_be_bytes()).as_bytes().to_vec();
                first.insert(key, vec![1]);
            }
            let whole = first.clone();
            let pages = first.split();
            assert_eq!(pages.is_empty(), count <= ENTRIES_MAX);
            let mut all = first.entries.clone();
            for (key, page) in pages {
                assert!(key > all.last().unwrap().0 && key <= page.entries[0].0);
                assert!(key.len() <= 3 && page.entries.len() <= ENTRIES_MAX);
                all.extend(page.entries);
            }
            assert_eq!(all, whole.entries);
        }
    }
}
