//! A piece of the log: one bundle of entries, decoded, hashed, and compared with its tile.
//!
//! Pieces do not depend on one another: threads make them side by side.

use credlog_ledger::record::{EncodedRecord, RECORD_LEAF, RecordError};
use credlog_ledger::seal::{SEAL_LEAF, Seal};
use credlog_tlog::{
    Frontier, Hash, TILE_WIDTH, Tile, TileLevel, TilePath, TreeSize, decode_bundle, leaf_hash,
    tile_width,
};

use crate::error::AuditError;
use crate::files;
use crate::finding::{Finding, Kind};
use crate::lane::Weigh;
use crate::source::Source;

/// What a decoded record takes in memory beside its bytes, which it holds twice, roughly.
const RECORD_WEIGHT: usize = 512;

/// One bundle of the log.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) index: u64,
    /// Hashes of the leaves as they are served.
    pub(crate) hashes: Vec<Hash>,
    /// Hashes of the tile, if they are others.
    pub(crate) published: Option<Vec<Hash>>,
    /// The records, without gaps.
    pub(crate) records: Vec<EncodedRecord>,
    /// What stands between the records, by its place in the piece.
    pub(crate) others: Vec<(usize, Other)>,
    /// What is wrong with the files.
    pub(crate) findings: Vec<Finding>,
    /// The tile was there.
    bytes: usize,
}

/// A leaf that is no record.
#[derive(Debug)]
pub(crate) enum Other {
    /// A seal.
    Seal(Box<Seal>),
    /// It begins like a seal.
    BadSeal(String),
    /// It begins like a record, or like nothing.
    Bad(String),
}

impl Weigh for Result<Piece, AuditError> {
    fn weight(&self) -> usize {
        self.as_ref().map_or(1, Piece::weight)
    }
}

impl Piece {
    /// What it takes in memory, roughly.
    pub(crate) fn weight(&self) -> usize {
        2 * self.bytes + self.hashes.len() * RECORD_WEIGHT
    }

    /// Reads a piece of the log of this size.
    pub(crate) fn read(
        source: &dyn Source,
        index: u64,
        size: TreeSize,
    ) -> Result<Self, AuditError> {
        let width = tile_width(TileLevel::Entries, index, size);
        let path = |level| TilePath::new(level, index, width).map_err(|error| path_error(&error));
        let entries = files::tile(source, path(TileLevel::Entries)?)?;
        let tile_path = path(TileLevel::Hash(0))?;
        let tile = files::tile(source, tile_path)?;
        let mut piece = Self {
            index,
            hashes: Vec::with_capacity(usize::from(width)),
            published: None,
            records: Vec::new(),
            others: Vec::new(),
            findings: Vec::new(),
            bytes: entries.bytes.len(),
        };
        match leaves(&entries.bytes, width, entries.width) {
            Ok(leaves) => piece.take(&leaves),
            Err(reason) => {
                let text = format!("the bundle of leaves is not as long as the log: {reason}");
                let finding = Finding::new(Kind::File, text).file(entries.path);
                piece.findings.push(finding);
            }
        }
        match hashes(&tile.bytes, tile_path, tile.width) {
            Ok(published) if published == piece.hashes => {}
            Ok(published) => piece.published = Some(published),
            Err(reason) => {
                let text = format!("the tile of hashes is not as long as the log: {reason}");
                piece
                    .findings
                    .push(Finding::new(Kind::File, text).file(tile.path));
            }
        }
        Ok(piece)
    }

    /// Whether its leaves could be read.
    pub(crate) fn is_whole(&self) -> bool {
        !self.hashes.is_empty()
    }

    fn take(&mut self, leaves: &[&[u8]]) {
        self.records.reserve(leaves.len());
        for (at, leaf) in leaves.iter().enumerate() {
            let other = match leaf {
                [RECORD_LEAF, record @ ..] => match EncodedRecord::decode(record) {
                    Ok(record) => {
                        self.hashes.push(record.leaf_hash());
                        self.records.push(record);
                        continue;
                    }
                    Err(error) => Other::Bad(not_a_record(&error)),
                },
                [SEAL_LEAF, ..] => match Seal::from_leaf(leaf) {
                    Ok(seal) => Other::Seal(Box::new(seal)),
                    Err(error) => Other::BadSeal(error.to_string()),
                },
                [first, ..] => Other::Bad(format!("no leaf begins with the byte {first:#04x}")),
                [] => Other::Bad("the leaf is empty".to_owned()),
            };
            self.hashes.push(leaf_hash(leaf));
            self.others.push((at, other));
        }
    }

    /// The roots of the leaves as they are served and as their tile has them, of a full piece.
    pub(crate) fn roots(&self) -> Option<(Hash, Option<Hash>)> {
        let full =
            |hashes: &[Hash]| (hashes.len() == usize::from(TILE_WIDTH)).then(|| root_of(hashes));
        let root = full(&self.hashes)?;
        Some((root, self.published.as_deref().and_then(full)))
    }
}

/// The root over hashes.
pub(crate) fn root_of(hashes: &[Hash]) -> Hash {
    let mut edge = Frontier::new();
    edge.append_many(hashes.iter().copied());
    edge.root()
}

/// The first `width` leaves of a bundle that has exactly as many as its path says.
fn leaves(bytes: &[u8], width: u16, expected: u16) -> Result<Vec<&[u8]>, String> {
    let mut leaves = decode_bundle(bytes).map_err(|error| error.to_string())?;
    if leaves.len() != usize::from(expected) {
        let found = leaves.len();
        return Err(format!("it holds {found} leaves, its path says {expected}"));
    }
    leaves.truncate(usize::from(width));
    Ok(leaves)
}

/// The hashes of a tile: exactly as many as its path says, cut to those that were wanted.
pub(crate) fn hashes(bytes: &[u8], wanted: TilePath, width: u16) -> Result<Vec<Hash>, String> {
    let read = TilePath::new(wanted.level(), wanted.index(), width).map_err(|e| e.to_string())?;
    let tile = Tile::from_bytes(&read, bytes).map_err(|error| error.to_string())?;
    let mut hashes = tile.hashes;
    hashes.truncate(usize::from(wanted.width()));
    Ok(hashes)
}

fn not_a_record(error: &RecordError) -> String {
    format!("the leaf is no record: {error}")
}

/// Paths of a log within its limits always exist.
pub(crate) fn path_error(error: &credlog_tlog::TilePathError) -> AuditError {
    AuditError::Checkpoint {
        reason: error.to_string(),
    }
}
