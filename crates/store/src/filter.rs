//! A filter: which rows are surely not there.
//!
//! A Bloom filter in lines of the processor's cache: a row's hash picks one line of 512 bits
//! and [`BITS_A_ROW`] bits in it, so a question costs one access to memory for each segment.
//! It grows by whole segments, each as large as all before it up to a limit. The hash has a
//! key of this process, so nobody can choose rows that look alike.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

/// Rows that the first segment is made for.
const FIRST_ROWS: usize = 1 << 16;
/// Rows that the largest segments are made for.
const LARGEST_ROWS: usize = 1 << 22;
/// Rows that share a line: 12.8 bits each, of which about one in 150 answers wrongly that a
/// row may be there (tested below).
const ROWS_A_LINE: usize = 40;
/// Bits that a row sets.
const BITS_A_ROW: u32 = 6;

/// What rows there may be. It never forgets a row; it may think of one that is not there.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    keys: RandomState,
    segments: RwLock<Vec<Segment>>,
}

#[derive(Debug)]
struct Segment {
    lines: Vec<Line>,
    /// Rows that it still has room for.
    room: AtomicU64,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([AtomicU64; 8]);

impl Filter {
    /// Notes a row; seen by whoever asks after this returned.
    pub(crate) fn note(&self, row: &[u8]) {
        let hash = self.keys.hash_one(row);
        loop {
            let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(last) = segments.last()
                && last.take_room()
            {
                let (line, bits) = last.place(hash);
                for (word, bits) in line.0.iter().zip(bits) {
                    if bits != 0 {
                        word.fetch_or(bits, Ordering::Release);
                    }
                }
                return;
            }
            let seen = segments.len();
            drop(segments);
            self.grow(seen);
        }
    }

    /// Whether a row may be there; false is certain.
    pub(crate) fn may_hold(&self, row: &[u8]) -> bool {
        let hash = self.keys.hash_one(row);
        let segments = self.segments.read().unwrap_or_else(PoisonError::into_inner);
        segments.iter().any(|segment| {
            let (line, bits) = segment.place(hash);
            let mut words = line.0.iter().zip(bits);
            words.all(|(word, bits)| word.load(Ordering::Acquire) & bits == bits)
        })
    }

    /// Adds a segment, unless somebody did since `seen` were there.
    fn grow(&self, seen: usize) {
        let segments = self.segments.write();
        let mut segments = segments.unwrap_or_else(PoisonError::into_inner);
        if segments.len() == seen {
            let doubled = FIRST_ROWS << seen.saturating_sub(1).min(16);
            segments.push(Segment::of(doubled.min(LARGEST_ROWS)));
        }
    }
}

impl Segment {
    fn of(rows: usize) -> Self {
        let mut lines = Vec::new();
        lines.resize_with(rows.div_ceil(ROWS_A_LINE), Line::default);
        Self {
            lines,
            room: AtomicU64::new(rows as u64),
        }
    }

    fn take_room(&self) -> bool {
        let less = |room: u64| room.checked_sub(1);
        let room = &self.room;
        let taken = room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.is_ok()
    }

    /// The line of a hash, and the bits for it in each word. The line comes from the upper
    /// half of the hash, the bits from a product of the whole.
    fn place(&self, hash: u64) -> (&Line, [u64; 8]) {
        let upper = usize::try_from(hash >> 32).unwrap_or_default();
        let line = &self.lines[(upper * self.lines.len()) >> 32];
        let mut bits = [0; 8];
        let mut rest = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for _ in 0..BITS_A_ROW {
            // Nine bits from the top, then the next nine.
            let bit = (rest >> 55) as usize;
            bits[bit / 64] |= 1 << (bit % 64);
            rest <<= 9;
        }
        (line, bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u64) -> [u8; 8] {
        number.to_be_bytes()
    }

    #[test]
    fn no_row_is_forgotten_over_many_segments_and_few_others_are_taken_for_there() {
        let filter = Filter::default();
        assert!(!filter.may_hold(&row(0)));
        let rows = 10 * FIRST_ROWS as u64;
        (0..rows).for_each(|number| filter.note(&row(number)));
        assert_eq!(filter.segments.read().unwrap().len(), 5);
        assert!((0..rows).all(|number| filter.may_hold(&row(number))));
        let others = rows..2 * rows;
        let wrong = others.filter(|number| filter.may_hold(&row(*number)));
        // Five segments, of which four are full.
        let wrong = wrong.count() as f64 / rows as f64;
        assert!(wrong < 0.04, "{wrong} of all others");
    }

    #[test]
    fn rows_are_noted_from_many_threads() {
        let filter = Filter::default();
        let each = FIRST_ROWS as u64;
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let filter = &filter;
                scope.spawn(move || {
                    (0..each).for_each(|number| filter.note(&row(thread * each + number)));
                });
            }
        });
        assert!((0..4 * each).all(|number| filter.may_hold(&row(number))));
    }
}
