//! The log over cells: blocks, tiles, and what is made of them.

use credlog_ledger::block::{BLOCK_BYTES_MAX, split_leaves};
use credlog_ledger::ids::{Height, LeafIndex};
use credlog_ledger::state::State;
use credlog_tlog::{
    Hash, LeafIndex as Leaf, TILE_LEVEL_MAX, TILE_WIDTH, TileLevel, TileReader, TreeSize,
    encode_bundle, tile_width,
};

use crate::cell::{TILE_PART_HASHES, block_key, tile_key};
use crate::fault::Fault;
use crate::generation::Cells;
use crate::snapshot::Rows;

/// Bytes of a full part of a tile.
const TILE_PART_BYTES: usize = TILE_PART_HASHES as usize * 32;

impl Cells<'_> {
    /// The bytes of a block, whether or not the generation counts it.
    pub(crate) fn stored_block(&self, height: Height) -> Result<Option<Vec<u8>>, Fault> {
        let damaged = || Fault::damaged(format!("the block of height {height} is damaged"));
        let Some(first) = self.value(&block_key(height, 0))? else {
            return Ok(None);
        };
        let (length, first) = first.split_first_chunk::<4>().ok_or_else(damaged)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| damaged())?;
        if length > BLOCK_BYTES_MAX {
            return Err(damaged());
        }
        let mut block = first.to_vec();
        for part in 1..=u16::MAX {
            if block.len() >= length {
                break;
            }
            let bytes = self.value(&block_key(height, part))?;
            block.extend_from_slice(&bytes.ok_or_else(damaged)?);
        }
        if block.len() != length {
            return Err(damaged());
        }
        Ok(Some(block))
    }

    /// The bytes of a block of this generation.
    pub(crate) fn block(&self, height: Height) -> Result<Option<Vec<u8>>, Fault> {
        if height.0 == 0 || height > self.generation.head.height {
            return Ok(None);
        }
        let missing = || Fault::damaged(format!("the block of height {height} is missing"));
        self.stored_block(height)?.ok_or_else(missing).map(Some)
    }

    /// The block that holds a leaf of this generation, and its first leaf.
    fn block_with(&self, leaf: u64) -> Result<(Vec<u8>, u64), Fault> {
        let missing = || Fault::damaged(format!("the block of leaf {leaf} is missing"));
        let rows = Rows(*self);
        let (height, first) = State(&rows)
            .block_of(LeafIndex(leaf))?
            .ok_or_else(missing)?;
        let block = self.block(height)?.ok_or_else(missing)?;
        Ok((block, first.0))
    }

    /// Leaves from `first` on, `count` of them, all within the log.
    pub(crate) fn leaves(&self, first: u64, count: u64) -> Result<Vec<Vec<u8>>, Fault> {
        let mut found: Vec<Vec<u8>> = Vec::new();
        let mut next = first;
        while next < first + count {
            let (block, start) = self.block_with(next)?;
            let split = split_leaves(&block).map_err(|e| Fault::damaged(e.to_string()))?;
            let skip = usize::try_from(next - start).unwrap_or(usize::MAX);
            let take = usize::try_from(first + count - next).unwrap_or(usize::MAX);
            let before = found.len();
            let inside = split.iter().skip(skip).take(take);
            found.extend(inside.map(|leaf| leaf.to_vec()));
            if found.len() == before {
                let what = format!("leaf {next} is not in its block");
                return Err(Fault::damaged(what));
            }
            next = first + found.len() as u64;
        }
        Ok(found)
    }

    /// One leaf of this generation.
    pub(crate) fn leaf(&self, leaf: Leaf) -> Result<Option<Vec<u8>>, Fault> {
        if leaf.0 >= self.generation.head.size {
            return Ok(None);
        }
        Ok(self.leaves(leaf.0, 1)?.pop())
    }

    /// An entry bundle of this generation.
    pub(crate) fn entries(&self, index: u64, width: u16) -> Result<Option<Vec<u8>>, Fault> {
        let size = TreeSize(self.generation.head.size);
        if width == 0 || width > tile_width(TileLevel::Entries, index, size) {
            return Ok(None);
        }
        let leaves = self.leaves(index * u64::from(TILE_WIDTH), u64::from(width))?;
        let bundle = encode_bundle(&leaves).map_err(|error| Fault::damaged(error.to_string()))?;
        Ok(Some(bundle))
    }

    /// The first `width` hashes of a tile of this generation, 32 bytes each.
    pub(crate) fn tile(&self, level: u8, index: u64, width: u16) -> Result<Option<Vec<u8>>, Fault> {
        let size = TreeSize(self.generation.head.size);
        if level > TILE_LEVEL_MAX
            || width == 0
            || width > tile_width(TileLevel::Hash(level), index, size)
        {
            return Ok(None);
        }
        let damaged = || Fault::damaged(format!("tile {index} of level {level} is damaged"));
        let mut bytes = Vec::with_capacity(usize::from(width) * 32);
        let mut left = usize::from(width) * 32;
        for part in (0..).take(usize::from(width.div_ceil(TILE_PART_HASHES))) {
            let hashes = self.value(&tile_key(level, index, part))?;
            let hashes = hashes.ok_or_else(damaged)?;
            // Every part but the last is full; the last may have grown since.
            let wanted = left.min(TILE_PART_BYTES);
            let whole = hashes.len() % 32 == 0 && hashes.len() <= TILE_PART_BYTES;
            let hashes = hashes.get(..wanted).filter(|_| whole);
            bytes.extend_from_slice(hashes.ok_or_else(damaged)?);
            left -= wanted;
        }
        Ok(Some(bytes))
    }
}

impl TileReader for Cells<'_> {
    type Error = Fault;

    fn hashes(&self, level: u8, tile: u64, width: u16) -> Result<Vec<Hash>, Fault> {
        let missing = || Fault::damaged(format!("tile {tile} of level {level} is not there"));
        let bytes = self.tile(level, tile, width)?.ok_or_else(missing)?;
        let (hashes, _) = bytes.as_chunks::<32>();
        Ok(hashes.iter().map(|hash| Hash(*hash)).collect())
    }
}
