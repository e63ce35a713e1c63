//! The log over cells: leaves, tiles, and what is made of them.

use credlog_ledger::ids::{Height, LeafIndex};
use credlog_ledger::state::State;
use credlog_tlog::{
    Hash, LeafIndex as Leaf, TILE_LEVEL_MAX, TILE_WIDTH, TileLevel, TileReader, TreeSize,
    encode_bundle, tile_width,
};

use crate::cell::{TILE_PART_HASHES, tile_key};
use crate::fault::Fault;
use crate::generation::Cells;
use crate::snapshot::Rows;

/// Bytes of a full part of a tile.
const TILE_PART_BYTES: usize = TILE_PART_HASHES as usize * 32;

impl Cells<'_> {
    /// The bytes of a block of this generation.
    pub(crate) fn block(&self, height: Height) -> Result<Option<Vec<u8>>, Fault> {
        if height.0 == 0 || height > self.generation.head.height {
            return Ok(None);
        }
        let missing = || Fault::damaged(format!("the block of height {height} is missing"));
        self.stored_block(height)?.ok_or_else(missing).map(Some)
    }

    /// Leaves from `first` on, `count` of them, all within the log.
    pub(crate) fn leaves(&self, first: u64, count: u64) -> Result<Vec<Vec<u8>>, Fault> {
        let rows = Rows(*self);
        let mut found: Vec<Vec<u8>> = Vec::new();
        while (found.len() as u64) < count {
            let next = first + found.len() as u64;
            let missing = || Fault::damaged(format!("leaf {next} is not in its block"));
            let (height, start) = State(&rows)
                .block_of(LeafIndex(next))?
                .filter(|(height, _)| *height <= self.generation.head.height)
                .ok_or_else(missing)?;
            let skip = u32::try_from(next - start.0).map_err(|_| missing())?;
            let left = count - found.len() as u64;
            let end = skip.saturating_add(u32::try_from(left).unwrap_or(u32::MAX));
            let leaves = self.leaves_of(height, skip..end)?;
            if leaves.is_empty() {
                return Err(missing());
            }
            found.extend(leaves);
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
