//! A block in cells: a table of its parts, and the parts.
//!
//! Part 0 is the table: `length u32 ‖ bytes of a part u32 ‖ (leaf u32 ‖ offset u32)` for each
//! part in order. The leaf is the first of the block that begins in the part or after it,
//! the offset where it begins in the block. So one leaf is read with the parts it lies in,
//! not with the whole block, which may have a megabyte.

use std::ops::Range;

use credlog_ledger::block::{BLOCK_BYTES_MAX, split_leaves};
use credlog_ledger::ids::Height;

use crate::cell::{self, block_key, block_part_bytes};
use crate::fault::Fault;
use crate::generation::Cells;

/// Where a leaf begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Start {
    /// Its place within the block, from 0.
    leaf: u32,
    /// Of its length's first byte, in bytes from the block's first.
    offset: u32,
}

/// The table of a block's parts.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Table {
    /// Of the block, in bytes.
    length: u32,
    /// Of each part but the last, in bytes.
    part_bytes: u32,
    /// For each part.
    starts: Vec<Start>,
}

impl Table {
    fn of(block: &[u8]) -> Result<Self, Fault> {
        let leaves = split_leaves(block).map_err(unfit)?;
        let part_bytes = block_part_bytes(block.len());
        let mut table = Self {
            length: u32::try_from(block.len()).map_err(unfit)?,
            part_bytes: u32::try_from(part_bytes).map_err(unfit)?,
            starts: Vec::new(),
        };
        let mut next = Start { leaf: 0, offset: 0 };
        let mut lengths = leaves.iter().map(|leaf| leaf.len());
        for begin in (0..block.len()).step_by(part_bytes) {
            while (next.offset as usize) < begin {
                let Some(length) = lengths.next() else { break };
                next.leaf += 1;
                next.offset += u32::try_from(2 + length).map_err(unfit)?;
            }
            table.starts.push(next);
        }
        Ok(table)
    }

    fn to_bytes(&self) -> Vec<u8> {
        let starts = self.starts.iter();
        let starts = starts.flat_map(|start| [start.leaf, start.offset]);
        let numbers = [self.length, self.part_bytes].into_iter().chain(starts);
        numbers.flat_map(u32::to_be_bytes).collect()
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = bytes.as_chunks::<4>();
        let numbers: Vec<u32> = numbers.iter().copied().map(u32::from_be_bytes).collect();
        let (&[length, part_bytes], starts) = numbers.split_first_chunk::<2>()?;
        let (starts, odd) = starts.as_chunks::<2>();
        let table = Self {
            length,
            part_bytes,
            starts: starts
                .iter()
                .map(|&[leaf, offset]| Start { leaf, offset })
                .collect(),
        };
        let whole = rest.is_empty()
            && odd.is_empty()
            && part_bytes > 0
            && length as usize <= BLOCK_BYTES_MAX
            && table.starts.len() == length.div_ceil(part_bytes) as usize;
        whole.then_some(table)
    }

    /// The last leaf known not to be after this one.
    fn before(&self, leaf: u32) -> Start {
        let known = self.starts.partition_point(|start| start.leaf <= leaf);
        let start = known.checked_sub(1).and_then(|at| self.starts.get(at));
        start.copied().unwrap_or(Start { leaf: 0, offset: 0 })
    }
}

fn unfit(error: impl std::fmt::Display) -> Fault {
    Fault::damaged(format!("a block cannot be stored: {error}"))
}

/// The cells of a block: numbers of parts, and their bytes.
pub(crate) fn parts(block: &[u8]) -> Result<impl Iterator<Item = (u16, Vec<u8>)>, Fault> {
    let table = Table::of(block)?;
    let bytes = block.chunks(table.part_bytes as usize).map(<[u8]>::to_vec);
    Ok((0..=u16::MAX).zip(std::iter::once(table.to_bytes()).chain(bytes)))
}

/// A stored block, read from some place on.
struct Reader<'c> {
    cells: Cells<'c>,
    height: Height,
    table: Table,
    /// How many parts were read or skipped.
    parts: u16,
    read: Vec<u8>,
    /// Where in `read` the next byte is.
    at: usize,
}

impl<'c> Reader<'c> {
    /// Stands at the block's begin; nothing if the block is not stored.
    fn open(cells: Cells<'c>, height: Height) -> Result<Option<Self>, Fault> {
        let Some(table) = cells.value(&block_key(height, 0))? else {
            return Ok(None);
        };
        let table = Table::parse(&table).ok_or_else(|| damaged(height))?;
        Ok(Some(Self {
            cells,
            height,
            table,
            parts: 0,
            read: Vec::new(),
            at: 0,
        }))
    }

    /// Goes to a leaf or one before it; answers which it is.
    fn seek(&mut self, leaf: u32) -> Result<u32, Fault> {
        let Start { leaf, offset } = self.table.before(leaf);
        let part_bytes = self.table.part_bytes;
        let (part, within) = match offset < self.table.length {
            true => (offset / part_bytes, offset % part_bytes),
            false => (self.table.length.div_ceil(part_bytes), 0),
        };
        self.parts = u16::try_from(part).map_err(|_| damaged(self.height))?;
        self.read.clear();
        self.at = within as usize;
        Ok(leaf)
    }

    /// The next bytes; nothing at the block's end.
    fn bytes(&mut self, count: usize) -> Result<Option<&[u8]>, Fault> {
        let damaged = || damaged(self.height);
        while self.read.len() < self.at + count {
            if usize::from(self.parts) >= self.table.starts.len() {
                return match self.at == self.read.len() {
                    true => Ok(None),
                    false => Err(damaged()),
                };
            }
            let whole = self.table.part_bytes as usize;
            let begin = usize::from(self.parts) * whole;
            let left = (self.table.length as usize).saturating_sub(begin);
            self.parts += 1;
            let key = block_key(self.height, self.parts);
            let raw = self.cells.raw(&key)?.ok_or_else(damaged)?;
            let part = cell::open(&key, &raw)?;
            if part.len() != whole.min(left) {
                return Err(damaged());
            }
            // What was given out is not needed any more.
            let given = self.at.min(self.read.len());
            self.read.drain(..given);
            self.at -= given;
            self.read.extend_from_slice(part);
        }
        let given = self.at..self.at + count;
        self.at += count;
        self.read.get(given).map(Some).ok_or_else(damaged)
    }

    /// The next leaf; nothing at the block's end.
    fn leaf(&mut self) -> Result<Option<&[u8]>, Fault> {
        let height = self.height;
        let Some(length) = self.bytes(2)?.and_then(<[u8]>::first_chunk) else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes(*length));
        let leaf = self.bytes(length)?;
        leaf.map(Some).ok_or_else(|| damaged(height))
    }
}

fn damaged(height: Height) -> Fault {
    Fault::damaged(format!("the block of height {height} is damaged"))
}

impl Cells<'_> {
    /// The bytes of a block, whether or not the generation counts it.
    pub(crate) fn stored_block(&self, height: Height) -> Result<Option<Vec<u8>>, Fault> {
        let Some(mut block) = Reader::open(*self, height)? else {
            return Ok(None);
        };
        let length = block.table.length as usize;
        let bytes = block.bytes(length)?.map(<[u8]>::to_vec);
        Ok(Some(bytes.unwrap_or_default()))
    }

    /// Leaves of a block by their places in it; as many as it has of them.
    pub(crate) fn leaves_of(
        &self,
        height: Height,
        wanted: Range<u32>,
    ) -> Result<Vec<Vec<u8>>, Fault> {
        let mut leaves = Vec::new();
        let Some(mut block) = Reader::open(*self, height)? else {
            return Ok(leaves);
        };
        let first = block.seek(wanted.start)?;
        for place in first..wanted.end {
            let Some(leaf) = block.leaf()? else { break };
            if wanted.contains(&place) {
                leaves.push(leaf.to_vec());
            }
        }
        Ok(leaves)
    }
}

#[cfg(test)]
mod tests {
    use credlog_ledger::ids::{Root, UnixMillis};
    use credlog_ledger::rows::Head;
    use credlog_ledger::state::StateDigest;
    use proptest::prelude::*;

    use super::*;
    use crate::batch::Draft;
    use crate::generation::Generation;

    fn head() -> Head {
        let root = Root([0; 32]);
        Head {
            height: Height(0),
            time: UnixMillis(0),
            size: 0,
            root,
            edge: Vec::new(),
            status_root: root,
            status_lists: 0,
            registry_root: root,
            registry_size: 0,
        }
    }

    /// A block with leaves of these lengths, each of other bytes.
    fn block(lengths: &[usize]) -> (Vec<u8>, Vec<Vec<u8>>) {
        let leaf = |(number, length): (usize, &usize)| -> Vec<u8> {
            (0..*length)
                .map(|at| ((number * 31 + at) % 251).to_be_bytes()[7])
                .collect()
        };
        let leaves: Vec<Vec<u8>> = lengths.iter().enumerate().map(leaf).collect();
        let bytes = leaves.iter().flat_map(|leaf| {
            let length = u16::try_from(leaf.len()).unwrap().to_be_bytes();
            [&length[..], leaf].concat()
        });
        (bytes.collect(), leaves)
    }

    /// Stores blocks, and checks that they and their leaves are read as they are.
    fn read_back(blocks: &[(Vec<u8>, Vec<Vec<u8>>)]) {
        let generation = Generation::new(head(), StateDigest::default());
        let db = sled::Config::new().temporary(true).open().unwrap();
        let cells = Cells {
            tree: &db,
            generation: &generation,
        };
        for (height, (block, _)) in (1..).map(Height).zip(blocks) {
            let mut draft = Draft::new(Some(cells), StateDigest::default());
            draft.put_block(height, block).unwrap();
            db.apply_batch(draft.finish().0).unwrap();
        }
        for (height, (block, leaves)) in (1..).map(Height).zip(blocks) {
            assert_eq!(cells.stored_block(height).unwrap().as_ref(), Some(block));
            let count = u32::try_from(leaves.len()).unwrap();
            assert_eq!(&cells.leaves_of(height, 0..count + 9).unwrap(), leaves);
            let places = [0, 1, count / 3, count / 2, count.saturating_sub(1)];
            for first in places.into_iter().filter(|first| *first < count) {
                for length in [1, 2, 300] {
                    let end = count.min(first + length);
                    let found = cells.leaves_of(height, first..end).unwrap();
                    assert_eq!(found, leaves[first as usize..end as usize]);
                }
            }
            assert!(
                cells
                    .leaves_of(height, count..count + 1)
                    .unwrap()
                    .is_empty()
            );
        }
        assert_eq!(cells.stored_block(Height(99)).unwrap(), None);
    }

    #[test]
    fn blocks_of_every_length_read_back_from_their_parts() {
        let short = block_part_bytes(1);
        let limit = (1..).find(|kib| block_part_bytes(kib << 10) > short);
        let limit = (limit.unwrap() << 10) / 1_024;
        let one = |length: usize| block(&[length]);
        let mut blocks = vec![
            block(&[]),
            one(0),
            one(short - 3),
            one(short - 2),
            one(short - 1),
        ];
        blocks.push(one(3 * short));
        blocks.push(block(&[60_000, 1, 0, 60_000, 7]));
        // Just below, at and above the length from which parts are long, and the greatest.
        for count in [limit - 1, limit, limit + 1, 1_024] {
            blocks.push(block(&vec![1_022; count]));
        }
        read_back(&blocks);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn leaves_of_any_lengths_read_back_one_by_one(
            lengths in proptest::collection::vec(prop_oneof![
                4 => 0..400usize, 1 => 1_500..4_500usize, 1 => 60_000..=65_535usize,
            ], 0..16),
            many in 0..3_000usize,
        ) {
            let all: Vec<usize> = lengths.into_iter().chain(vec![200; many]).collect();
            prop_assume!(all.iter().map(|length| length + 2).sum::<usize>() <= BLOCK_BYTES_MAX);
            read_back(&[block(&all)]);
        }

        #[test]
        fn any_bytes_are_a_table_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(table) = Table::parse(&bytes) {
                prop_assert_eq!(table.to_bytes(), bytes);
            }
        }
    }

    #[test]
    fn what_is_no_block_is_not_stored() {
        let generation = Generation::new(head(), StateDigest::default());
        let db = sled::Config::new().temporary(true).open().unwrap();
        let cells = Cells {
            tree: &db,
            generation: &generation,
        };
        let mut draft = Draft::new(Some(cells), StateDigest::default());
        assert!(draft.put_block(Height(1), &[0, 9, 1]).is_err());
    }
}
