//! Files of a ledger by their paths, read with their limits.

use credlog_api::client::{BUNDLE_BYTES_MAX, CERTIFICATE_BUNDLE_BYTES_MAX};
use credlog_api::path;
use credlog_ledger::certificate::CERTIFICATE_BYTES_MAX;
use credlog_ledger::ids::Height;
use credlog_ledger::member::MEMBER_SET_BYTES_MAX;
use credlog_ledger::seal::Seal;
use credlog_tlog::{
    Checkpoint, HASH_BYTES, NOTE_BYTES_MAX, Note, TILE_WIDTH, TileLevel, TilePath, TreeSize,
    decode_bundle,
};

use crate::error::AuditError;
use crate::source::Source;

/// A file that is there, with the path under which it was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
    /// How many hashes or entries its path says that it has; there may be more than were asked
    /// for.
    pub(crate) width: u16,
}

/// A tile or an entry bundle; in the place of a partial one that is not there, the full one, which
/// begins with the same.
pub(crate) fn tile(source: &dyn Source, wanted: TilePath) -> Result<Found, AuditError> {
    let bytes_max = match wanted.level() {
        TileLevel::Hash(_) => usize::from(TILE_WIDTH) * HASH_BYTES,
        TileLevel::Entries => BUNDLE_BYTES_MAX,
    };
    let path = path::tile(&wanted);
    if let Some(bytes) = source.read(&path, bytes_max)? {
        let width = wanted.width();
        return Ok(Found { path, bytes, width });
    }
    if wanted.is_partial()
        && let Ok(whole) = TilePath::new(wanted.level(), wanted.index(), TILE_WIDTH)
    {
        let path = path::tile(&whole);
        if let Some(bytes) = source.read(&path, bytes_max)? {
            let width = TILE_WIDTH;
            return Ok(Found { path, bytes, width });
        }
    }
    Err(AuditError::Missing { path })
}

/// The certificates of up to 256 heights; nothing if there is no such bundle.
pub(crate) fn certificates(
    source: &dyn Source,
    index: u64,
    width: u16,
) -> Result<Option<Found>, AuditError> {
    for width in [width, TILE_WIDTH] {
        if let Some(found) = bundle(source, index, width)? {
            return Ok(Some(found));
        }
    }
    // The width follows from the last seal, which may be what is wrong.
    let partial = path::certificate_bundle(index, 1).unwrap_or_default();
    let names = source.names(partial.trim_end_matches("/1"))?;
    let widest = names.iter().filter_map(|name| name.parse().ok()).max();
    widest.map_or(Ok(None), |width| bundle(source, index, width))
}

fn bundle(source: &dyn Source, index: u64, width: u16) -> Result<Option<Found>, AuditError> {
    let Ok(path) = path::certificate_bundle(index, width) else {
        return Ok(None);
    };
    let bytes = source.read(&path, CERTIFICATE_BUNDLE_BYTES_MAX)?;
    Ok(bytes.map(|bytes| Found { path, bytes, width }))
}

/// The certificate of one height; nothing if it is not there.
pub(crate) fn certificate(
    source: &dyn Source,
    height: Height,
) -> Result<Option<Vec<u8>>, AuditError> {
    Ok(source.read(&path::certificate(height), CERTIFICATE_BYTES_MAX)?)
}

/// The canonical bytes of the set that decides a height; nothing if it is not there.
pub(crate) fn members(source: &dyn Source, height: Height) -> Result<Option<Vec<u8>>, AuditError> {
    Ok(source.read(&path::members_at(height), MEMBER_SET_BYTES_MAX)?)
}

/// The newest checkpoint.
pub(crate) fn checkpoint(source: &dyn Source) -> Result<(Note, Checkpoint, Vec<u8>), AuditError> {
    let path = path::CHECKPOINT;
    let bytes = source.read(path, NOTE_BYTES_MAX)?;
    let bytes = bytes.ok_or_else(|| AuditError::Missing {
        path: path.to_owned(),
    })?;
    let (note, checkpoint) = parse_checkpoint(&bytes)?;
    Ok((note, checkpoint, bytes))
}

/// A checkpoint from its note.
pub(crate) fn parse_checkpoint(bytes: &[u8]) -> Result<(Note, Checkpoint), AuditError> {
    let wrong = |reason: String| AuditError::Checkpoint { reason };
    let note = Note::parse(bytes).map_err(|error| wrong(error.to_string()))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|error| wrong(error.to_string()))?;
    if checkpoint.size().0 > credlog_tlog::TREE_SIZE_MAX {
        return Err(wrong(format!("no log has {} leaves", checkpoint.size())));
    }
    Ok((note, checkpoint))
}

/// The tile or bundle in which a log of this size ends; none of an empty log.
pub(crate) fn last_tile(level: TileLevel, size: TreeSize) -> Option<TilePath> {
    let last = size.0.checked_sub(1)?;
    let width = u64::from(TILE_WIDTH);
    let within = u16::try_from(last % width + 1).ok()?;
    TilePath::new(level, last / width, within).ok()
}

/// The seal with which a log of this size ends, as its last bundle says; none if its last leaf is
/// no seal.
pub(crate) fn last_seal(source: &dyn Source, size: TreeSize) -> Result<Option<Seal>, AuditError> {
    let Some(wanted) = last_tile(TileLevel::Entries, size) else {
        return Ok(None);
    };
    let found = tile(source, wanted)?;
    let entries = decode_bundle(&found.bytes).unwrap_or_default();
    let last = entries.get(usize::from(wanted.width()) - 1);
    Ok(last.and_then(|leaf| Seal::from_leaf(leaf).ok()))
}
