//! Pages: rows of a uniform table, a sorted run of them in one cell.
//!
//! A million random keys as rows of their own cost sled too much memory. A page holds all
//! rows whose keys are at or above the page's own key and below the next page's; the first
//! page of a table stands under the table's byte. A page that grows too long (see
//! `rows`) splits into equal parts; pages never merge, since rows are never removed.
//!
//! ```text
//! page    = shared length u8 ‖ shared bytes of all keys ‖ packed(entry*), ascending by key
//! entry   = key length u8, without what is shared ‖ value length ‖ key ‖ value
//! value length = u8 up to 254, else 0xff ‖ u16 big-endian
//! packed  = the bytes, with each run of 1 to 255 zeros as 0x00 ‖ length of the run u8
//! ```
//!
//! The small numbers in these rows are mostly zeros: packing saves a quarter of the page.

use crate::cell::CHECK_BYTES;
use crate::fault::Fault;

/// Longest key in a page, in bytes.
const KEY_BYTES_MAX: usize = 255;
/// Longest value in a page, in bytes.
const VALUE_BYTES_MAX: usize = 4_096;
/// Length byte of a value whose length follows as u16.
const LONG: u8 = 255;
/// Most bytes of a page's entries when they are unpacked.
const PAGE_BYTES_MAX: usize = 1 << 16;

/// Rows for which a page in memory has room.
const ROOM: usize = 32;

/// A page in memory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    /// Keys and values, in no order.
    bytes: Vec<u8>,
    /// Where each row stands, ascending by key.
    rows: Vec<Span>,
}

/// A page as it is stored, for reading a few rows of it: half the work of [`Page::decode`].
pub(crate) struct StoredPage<'b> {
    shared: &'b [u8],
    entries: Vec<u8>,
}

impl<'b> StoredPage<'b> {
    /// Reads a page.
    pub(crate) fn new(bytes: &'b [u8]) -> Result<Self, Fault> {
        let read = || {
            let (shared, rest) = bytes.split_first()?;
            let (shared, packed) = rest.split_at_checked(usize::from(*shared))?;
            let entries = unpack(packed)?;
            Some(Self { shared, entries })
        };
        read().ok_or_else(malformed)
    }

    /// Shows the rows ascending by key, each as the two parts of its key and its value, until
    /// `show` says that it has seen enough. Answers whether it did.
    pub(crate) fn each(
        &self,
        mut show: impl FnMut([&[u8]; 2], &[u8]) -> bool,
    ) -> Result<bool, Fault> {
        let mut before: Option<&[u8]> = None;
        let mut rest = self.entries.as_slice();
        while !rest.is_empty() {
            let (key, value, after) = entry(rest).ok_or_else(malformed)?;
            if before.is_some_and(|before| before >= key) {
                return Err(malformed());
            }
            if show([self.shared, key], value) {
                return Ok(true);
            }
            (before, rest) = (Some(key), after);
        }
        Ok(false)
    }
}

/// The first entry's key, without what is shared, and value; and the entries behind it.
fn entry(entries: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (lengths, mut after) = entries.split_first_chunk::<2>()?;
    let mut value_length = usize::from(lengths[1]);
    if lengths[1] == LONG {
        let (length, rest) = after.split_first_chunk::<2>()?;
        (value_length, after) = (usize::from(u16::from_be_bytes(*length)), rest);
    }
    let (key, after) = after.split_at_checked(usize::from(lengths[0]))?;
    let (value, after) = after.split_at_checked(value_length)?;
    Some((key, value, after))
}

fn malformed() -> Fault {
    Fault::damaged("a page does not have the form of a page")
}

/// A row in a page's bytes: its key, then its value.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: usize,
    value: usize,
    end: usize,
}

impl Page {
    /// Reads a page.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        let stored = StoredPage::new(bytes)?;
        let room = stored.entries.len() + ROOM * stored.shared.len();
        let mut page = Self {
            bytes: Vec::with_capacity(room),
            rows: Vec::with_capacity(ROOM),
        };
        stored.each(|key, value| {
            let span = page.push(&key, value);
            page.rows.push(span);
            false
        })?;
        Ok(page)
    }

    fn push(&mut self, key: &[&[u8]], value: &[u8]) -> Span {
        let start = self.bytes.len();
        key.iter()
            .for_each(|part| self.bytes.extend_from_slice(part));
        let end_of_key = self.bytes.len();
        self.bytes.extend_from_slice(value);
        Span {
            start,
            value: end_of_key,
            end: self.bytes.len(),
        }
    }

    /// The stored form.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Fault> {
        let shared = self.shared();
        let mut entries = Vec::with_capacity(self.bytes.len() + 2 * self.rows.len());
        for (key, value) in self.rows() {
            entries.push(key_length(key)? - key_length(shared)?);
            match u8::try_from(value.len()) {
                Ok(length) if length != LONG => entries.push(length),
                _ => {
                    entries.push(LONG);
                    entries.extend_from_slice(&long_length(value)?.to_be_bytes());
                }
            }
            entries.extend_from_slice(&key[shared.len()..]);
            entries.extend_from_slice(value);
        }
        // Room for the cell's check, too.
        let mut bytes = Vec::with_capacity(1 + shared.len() + entries.len() + CHECK_BYTES);
        bytes.push(key_length(shared)?);
        bytes.extend_from_slice(shared);
        pack(&entries, &mut bytes);
        Ok(bytes)
    }

    /// What all keys begin with.
    fn shared(&self) -> &[u8] {
        let mut rows = self.rows();
        let (Some((first, _)), last) = (rows.next(), rows.last()) else {
            return &[];
        };
        let last = last.map_or(first, |(last, _)| last);
        &first[..same(first, last)]
    }

    /// The rows, ascending by key.
    pub(crate) fn rows(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
        self.rows.iter().map(|span| self.row(*span))
    }

    fn row(&self, span: Span) -> (&[u8], &[u8]) {
        let (key, value) = (span.start..span.value, span.value..span.end);
        (&self.bytes[key], &self.bytes[value])
    }

    /// Writes a row and answers its old value.
    pub(crate) fn insert(&mut self, key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let span = self.push(&[key], value);
        match self.position(key) {
            Ok(at) => {
                let old = std::mem::replace(&mut self.rows[at], span);
                Some(self.row(old).1.to_vec())
            }
            Err(at) => {
                self.rows.insert(at, span);
                None
            }
        }
    }

    fn position(&self, key: &[u8]) -> Result<usize, usize> {
        self.rows
            .binary_search_by(|span| self.row(*span).0.cmp(key))
    }

    /// The pages that a page which is too long becomes besides its own beginning, each with
    /// its key: the shortest that separates it from what stands before.
    pub(crate) fn split(&mut self, entries_max: usize) -> Vec<(Vec<u8>, Self)> {
        let target = self
            .rows
            .len()
            .div_ceil(self.rows.len().div_ceil(entries_max).max(1));
        let mut pages = Vec::new();
        for chunk in self.rows.chunks(target.max(1)).skip(1) {
            let mut page = Self::default();
            for span in chunk {
                let (key, value) = self.row(*span);
                let span = page.push(&[key], value);
                page.rows.push(span);
            }
            let first = self.row(chunk[0]).0;
            let before = self.position(first).ok().and_then(|at| at.checked_sub(1));
            let before = before.map_or(&[][..], |at| self.row(self.rows[at]).0);
            let separator = first[..first.len().min(same(before, first) + 1)].to_vec();
            pages.push((separator, page));
        }
        self.rows.truncate(target);
        pages
    }
}

/// How many bytes two keys have in common at their beginning.
fn same(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(a, b)| a == b).count()
}

fn key_length(key: &[u8]) -> Result<u8, Fault> {
    u8::try_from(key.len()).map_err(|_| too_long("key", key, KEY_BYTES_MAX))
}

fn long_length(value: &[u8]) -> Result<u16, Fault> {
    let length = u16::try_from(value.len()).ok();
    let fits = length.filter(|length| usize::from(*length) <= VALUE_BYTES_MAX);
    fits.ok_or_else(|| too_long("value", value, VALUE_BYTES_MAX))
}

fn too_long(what: &str, bytes: &[u8], max: usize) -> Fault {
    let length = bytes.len();
    Fault::damaged(format!(
        "a {what} of {length} bytes is too long for a page (at most {max})"
    ))
}

fn pack(bytes: &[u8], packed: &mut Vec<u8>) {
    let mut zeros = 0u8;
    for byte in bytes {
        if *byte == 0 && zeros < u8::MAX {
            zeros += 1;
            continue;
        }
        if zeros > 0 {
            packed.extend_from_slice(&[0, zeros]);
            zeros = 0;
        }
        match byte {
            0 => zeros = 1,
            byte => packed.push(*byte),
        }
    }
    if zeros > 0 {
        packed.extend_from_slice(&[0, zeros]);
    }
}

/// Nothing for bytes that `pack` does not make, or for too many.
fn unpack(mut packed: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(packed.len() * 3 / 2);
    while let Some(zero) = packed.iter().position(|byte| *byte == 0) {
        let zeros = usize::from(*packed.get(zero + 1)?);
        if zeros == 0 || bytes.len() + zero + zeros > PAGE_BYTES_MAX {
            return None;
        }
        bytes.extend_from_slice(&packed[..zero]);
        bytes.resize(bytes.len() + zeros, 0);
        packed = &packed[zero + 2..];
    }
    bytes.extend_from_slice(packed);
    (bytes.len() <= PAGE_BYTES_MAX).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRIES_MAX: usize = 16;

    fn page(keys: &[&str]) -> Page {
        let mut page = Page::default();
        for key in keys {
            page.insert(key.as_bytes(), format!("={key}").as_bytes());
        }
        page
    }

    fn rows(page: &Page) -> Vec<(Vec<u8>, Vec<u8>)> {
        let rows = page.rows();
        rows.map(|(key, value)| (key.to_vec(), value.to_vec()))
            .collect()
    }

    #[test]
    fn entries_are_sorted_found_and_replaced() {
        let mut page = page(&["bb", "a", "ba"]);
        assert_eq!(page.insert(b"a", b""), Some(b"=a".to_vec()));
        let expected = [("a", ""), ("ba", "=ba"), ("bb", "=bb")];
        let expected = expected.map(|(key, value)| (key.into(), value.into()));
        assert_eq!(rows(&page), expected);
    }

    #[test]
    fn encoding_reads_back_and_damage_does_not() {
        let zeros = "\0\0\0".repeat(80);
        for keys in [
            &[][..],
            &["same"],
            &["same-1", "same-2", "same-20"],
            &[&zeros, "\0"],
        ] {
            let page = page(keys);
            let read = Page::decode(&page.encode().unwrap()).unwrap();
            assert_eq!(rows(&read), rows(&page));
            let bytes = page.encode().unwrap();
            let stored = StoredPage::new(&bytes).unwrap();
            for seen in 0..=keys.len() {
                let mut shown = Vec::new();
                let enough = stored.each(|key, value| {
                    shown.push((key.concat(), value.to_vec()));
                    shown.len() > seen
                });
                assert_eq!(enough, Ok(seen < keys.len()));
                assert_eq!(shown, rows(&page)[..keys.len().min(seen + 1)]);
            }
        }
        let bytes = page(&["same-1", "same-2"]).encode().unwrap();
        for cut in 0..bytes.len() {
            let cut = Page::decode(&bytes[..cut]);
            assert!(cut.is_err() || rows(&cut.unwrap()).len() < 2);
        }
        let twice = [0, 1, 1, b'k', 9, 1, 1, b'k', 9];
        assert!(Page::decode(&twice[..5]).is_ok());
        assert!(Page::decode(&twice).is_err());
        let mut long = Page::default();
        long.insert(&[1; 256], b"");
        assert!(long.encode().is_err());
    }

    #[test]
    fn values_of_every_length_read_back() {
        for length in [0, 1, 254, 255, 256, 257, 1_000, VALUE_BYTES_MAX] {
            let mut page = Page::default();
            page.insert(b"a", &vec![7; length]);
            page.insert(b"b", b"next");
            let bytes = page.encode().unwrap();
            let read = Page::decode(&bytes).unwrap();
            assert_eq!(rows(&read), rows(&page));
            assert!((0..bytes.len()).all(|cut| {
                let cut = Page::decode(&bytes[..cut]);
                cut.map_or(true, |cut| rows(&cut).len() < 2)
            }));
        }
        let mut page = Page::default();
        page.insert(b"a", &[7; VALUE_BYTES_MAX + 1]);
        assert!(page.encode().is_err());
    }

    #[test]
    fn packing_reads_back_and_is_bounded() {
        for zeros in [0, 1, 2, 255, 256, 600] {
            for around in [&b""[..], b"x", b"xy"] {
                let bytes = [around, &vec![0; zeros], around].concat();
                let mut packed = Vec::new();
                pack(&bytes, &mut packed);
                assert_eq!(unpack(&packed), Some(bytes));
            }
        }
        assert_eq!(unpack(&[0]), None);
        assert_eq!(unpack(&[0, 0]), None);
        assert_eq!(unpack(&[0, 255].repeat(300)), None);
    }

    #[test]
    fn split_keeps_all_entries_in_order_under_short_keys() {
        for count in [0, 1, ENTRIES_MAX, ENTRIES_MAX + 1, 5 * ENTRIES_MAX + 3] {
            let mut first = Page::default();
            for n in 0..count {
                first.insert(blake3::hash(&n.to_be_bytes()).as_bytes(), &[1]);
            }
            let whole = rows(&first);
            let pages = first.split(ENTRIES_MAX);
            assert_eq!(pages.is_empty(), count <= ENTRIES_MAX);
            let mut all = rows(&first);
            assert!(all.len() <= ENTRIES_MAX);
            for (key, page) in pages {
                let entries = rows(&page);
                assert!(key > all.last().unwrap().0 && key <= entries[0].0);
                assert!(key.len() <= 3 && entries.len() <= ENTRIES_MAX);
                all.extend(entries);
            }
            assert_eq!(all, whole);
        }
    }
}
