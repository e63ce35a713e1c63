//! Tiles of hashes and where they are published (C2SP tlog-tiles).
//!
//! Hash `i` of tile `n` at level `l` is the tree over the leaves `(n·256+i)·256^l` up to
//! `(n·256+i+1)·256^l`, so the tiles of level 0 hold leaf hashes. A tile is full with 256 hashes;
//! the last of each level may be partial.

use crate::hash::{HASH_BYTES, Hash, TreeSize};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// The highest level that a path may name.
pub const TILE_LEVEL_MAX: u8 = 63;

/// The longest path that is looked at, in bytes: level 63, seven elements and a width.
const PATH_BYTES_MAX: usize = 64;

/// A tile with its hashes, as a store writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Level of the tile: each hash covers `256^level` leaves.
    pub level: u8,
    /// Index of the tile in its level.
    pub index: u64,
    /// The hashes, 1 to 256, from the left.
    pub hashes: Vec<Hash>,
}

impl Tile {
    /// The bytes that are published: the hashes one after the other, 32 bytes each.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.hashes.iter().flat_map(|hash| hash.0).collect()
    }

    /// Reads the bytes of the tile that `path` names; their number must fit its width.
    ///
    /// # Errors
    /// [`TileError::NotHashes`] for the path of a bundle, [`TileError::Bytes`] for a wrong length.
    pub fn from_bytes(path: &TilePath, bytes: &[u8]) -> Result<Self, TileError> {
        let TileLevel::Hash(level) = path.level else {
            return Err(TileError::NotHashes { path: *path });
        };
        let expected = usize::from(path.width) * HASH_BYTES;
        if bytes.len() != expected {
            return Err(TileError::Bytes {
                path: *path,
                expected,
                found: bytes.len(),
            });
        }
        let hashes = bytes
            .as_chunks::<HASH_BYTES>()
            .0
            .iter()
            .copied()
            .map(Hash)
            .collect();
        Ok(Self {
            level,
            index: path.index,
            hashes,
        })
    }

    /// Where the tile is published.
    ///
    /// # Errors
    /// [`TilePathError`] when the level or the number of hashes is out of range.
    pub fn path(&self) -> Result<TilePath, TilePathError> {
        let width = u16::try_from(self.hashes.len()).unwrap_or(u16::MAX);
        TilePath::new(TileLevel::Hash(self.level), self.index, width)
    }
}

/// What a path names: a tile of hashes, or a bundle of the entries themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileLevel {
    /// A tile of hashes of this level, 0 to 63.
    Hash(u8),
    /// A bundle of entries, as wide as the tile of level 0 with the same index.
    Entries,
}

/// The coordinates of a tile or bundle, in range by construction.
///
/// Its text is the path under the log's prefix, without a leading slash: `tile/<L>/<N>` or
/// `tile/entries/<N>`, with `.p/<W>` after it when the tile is partial. `N` is written in elements
/// of three digits, all but the last with an `x` before: 1234067 is `x001/x234/067`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    level: TileLevel,
    index: u64,
    width: u16,
}

impl TilePath {
    /// Coordinates from their parts; `width` is 1 to 256, 256 being the full tile.
    ///
    /// # Errors
    /// [`TilePathError::Level`] above level 63, [`TilePathError::Width`] outside 1 to 256.
    pub fn new(level: TileLevel, index: u64, width: u16) -> Result<Self, TilePathError> {
        if let TileLevel::Hash(level) = level
            && level > TILE_LEVEL_MAX
        {
            return Err(TilePathError::Level);
        }
        if !(1..=TILE_WIDTH).contains(&width) {
            return Err(TilePathError::Width);
        }
        Ok(Self {
            level,
            index,
            width,
        })
    }

    /// What the path names.
    #[must_use]
    pub fn level(&self) -> TileLevel {
        self.level
    }

    /// Index of the tile or bundle in its level.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries it holds, 1 to 256.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.width
    }

    /// Whether it holds less than 256 hashes or entries.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        self.width < TILE_WIDTH
    }

    /// Whether a tree of this size has all the hashes or entries of the tile.
    #[must_use]
    pub fn is_within(&self, size: TreeSize) -> bool {
        self.width <= tile_width(self.level, self.index, size)
    }
}

/// How many hashes or entries the tile has in a tree of this size: 0 to 256, 0 when it has no tile.
#[must_use]
pub fn tile_width(level: TileLevel, index: u64, size: TreeSize) -> u16 {
    let hashes = hashes_at(level, size);
    let before = index.saturating_mul(u64::from(TILE_WIDTH));
    u16::try_from(hashes.saturating_sub(before)).map_or(TILE_WIDTH, |left| left.min(TILE_WIDTH))
}

/// Every tile and bundle that a tree of this size has: hash tiles level by level, then bundles.
///
/// The partial ones have exactly the width of this size; none is empty.
pub fn tiles_of_tree(size: TreeSize) -> impl Iterator<Item = TilePath> {
    let levels = (0..8u8).map(TileLevel::Hash).chain([TileLevel::Entries]);
    levels.flat_map(move |level| {
        let tiles = hashes_at(level, size).div_ceil(u64::from(TILE_WIDTH));
        (0..tiles).map(move |index| {
            let width = tile_width(level, index, size);
            TilePath {
                level,
                index,
                width,
            }
        })
    })
}

/// The number of hashes that a level has in all its tiles.
fn hashes_at(level: TileLevel, size: TreeSize) -> u64 {
    match level {
        TileLevel::Hash(level) => size.0.checked_shr(8 * u32::from(level)).unwrap_or(0),
        TileLevel::Entries => size.0,
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            TileLevel::Hash(level) => write!(f, "tile/{level}/")?,
            TileLevel::Entries => f.write_str("tile/entries/")?,
        }
        let mut elements = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            elements.push(rest % 1000);
            rest /= 1000;
        }
        for element in elements.iter().skip(1).rev() {
            write!(f, "x{element:03}/")?;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.is_partial() {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

impl FromStr for TilePath {
    type Err = TilePathError;

    /// Reads the text that `Display` writes, and no other spelling of it.
    fn from_str(text: &str) -> Result<Self, TilePathError> {
        if text.len() > PATH_BYTES_MAX {
            return Err(TilePathError::Form);
        }
        let rest = text.strip_prefix("tile/").ok_or(TilePathError::Form)?;
        let (level, rest) = rest.split_once('/').ok_or(TilePathError::Form)?;
        let level = match level {
            "entries" => TileLevel::Entries,
            digits => TileLevel::Hash(digits.parse().map_err(|_| TilePathError::Level)?),
        };
        let (elements, width) = match rest.split_once(".p/") {
            Some((elements, width)) => {
                let width = width.parse().map_err(|_| TilePathError::Width)?;
                (elements, width)
            }
            None => (rest, TILE_WIDTH),
        };
        let path = Self::new(level, parse_index(elements)?, width)?;
        // One spelling for each tile: signs, leading zeros and `.p/256` end here.
        if path.to_string() != text {
            return Err(TilePathError::NotCanonical { canonical: path });
        }
        Ok(path)
    }
}

fn parse_index(elements: &str) -> Result<u64, TilePathError> {
    let mut index: u64 = 0;
    for element in elements.split('/') {
        let digits = element.strip_prefix('x').unwrap_or(element);
        if digits.len() != 3 {
            return Err(TilePathError::Form);
        }
        let value: u64 = digits.parse().map_err(|_| TilePathError::Form)?;
        index = index
            .checked_mul(1000)
            .and_then(|index| index.checked_add(value))
            .ok_or(TilePathError::Index)?;
    }
    Ok(index)
}

/// Why a text is not the path of a tile.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TilePathError {
    /// The text has not the form of a tile path.
    #[error("not a tile path; write tile/<level or entries>/<index>, optionally .p/<width>")]
    Form,
    /// The level is not a number from 0 to 63.
    #[error("the level of a tile must be a number from 0 to {TILE_LEVEL_MAX}, or `entries`")]
    Level,
    /// The index does not fit 64 bits.
    #[error("the index of a tile must be less than 2^64")]
    Index,
    /// The width is out of range.
    #[error("the width of a partial tile must be a number from 1 to 255")]
    Width,
    /// The tile is meant, but its path is spelled in another way.
    #[error("the path of this tile is spelled {canonical}")]
    NotCanonical {
        /// The tile; its text is the one spelling.
        canonical: TilePath,
    },
}

/// Why bytes are not the hashes of a tile.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TileError {
    /// The path names a bundle of entries.
    #[error("{path} is a bundle of entries, not a tile of hashes")]
    NotHashes {
        /// The path that was given.
        path: TilePath,
    },
    /// The number of bytes does not fit the width.
    #[error("{path} must have {expected} bytes, these are {found}")]
    Bytes {
        /// The path that was given.
        path: TilePath,
        /// 32 times the width.
        expected: usize,
        /// The number of bytes that came.
        found: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_every_other_spelling() {
        let refused = [
            "",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "/tile/0/000",
            "tile/0/000/",
            "tile/0/0",
            "tile/0/0000",
            "tile/00/000",
            "tile/+1/000",
            "tile/64/000",
            "tile/256/000",
            "tile/-1/000",
            "tile/data/000",
            "tile/Entries/000",
            "tile/8/0/000",
            "tile/0/x000/001",
            "tile/0/001/001",
            "tile/0/x001",
            "tile/0/x001/x001",
            "tile/0/+01",
            "tile/0/X01/001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/+1",
            "tile/0/000.p/",
            "tile/0/000.p",
            "tile/0/000.p/1/",
            "tile/0/x001.p/1/001",
            "tile/0/000.p/1.p/1",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/0/٠٠٠",
            "tile/0/x099/x018/x446/x744/x073/x709/x551/615",
            "tile/0/000?x",
            "tile//000",
        ];
        for text in refused {
            assert!(text.parse::<TilePath>().is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn says_how_a_tile_is_spelled() {
        let error = "tile/0/x000/001".parse::<TilePath>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the path of this tile is spelled tile/0/001"
        );
    }

    #[test]
    fn a_tree_has_the_tiles_of_its_size() {
        let texts = |size| {
            tiles_of_tree(TreeSize(size))
                .map(|t| t.to_string())
                .collect::<Vec<_>>()
        };
        assert!(texts(0).is_empty());
        assert_eq!(texts(1), ["tile/0/000.p/1", "tile/entries/000.p/1"]);
        assert_eq!(
            texts(512),
            [
                "tile/0/000",
                "tile/0/001",
                "tile/1/000.p/2",
                "tile/entries/000",
                "tile/entries/001"
            ]
        );
        let within = |text: &str, size| text.parse::<TilePath>().unwrap().is_within(TreeSize(size));
        assert!(within("tile/1/000.p/2", 512) && !within("tile/1/000.p/3", 512));
        assert!(within("tile/0/001", 512) && !within("tile/0/001", 511));
        assert!(!within("tile/63/000.p/1", u64::MAX));
        assert!(!within(
            "tile/0/x018/x446/x744/x073/x709/x551/615",
            u64::MAX
        ));
    }

    #[test]
    fn bytes_must_fit_the_width() {
        let path: TilePath = "tile/0/000.p/2".parse().unwrap();
        let tile = Tile::from_bytes(&path, &[7; 64]).unwrap();
        assert_eq!((tile.path().unwrap(), tile.to_bytes()), (path, vec![7; 64]));
        assert!(matches!(
            Tile::from_bytes(&path, &[7; 63]),
            Err(TileError::Bytes { .. })
        ));
        let bundle: TilePath = "tile/entries/000.p/2".parse().unwrap();
        assert!(matches!(
            Tile::from_bytes(&bundle, &[7; 64]),
            Err(TileError::NotHashes { .. })
        ));
    }
}
