//! The watermark: what is durable, in a file outside sled.
//!
//! ```text
//! {"height":12,"size":3084,"root":"<64 hex>","state":"<64 hex>","check":"<64 hex>"}
//! ```
//!
//! Written after sled's flush, so sled is never behind it unless sled lost something.
//! `check` is BLAKE3 of the object without it.
//!
//! The file has two slots of 4,096 bytes, each with such a line and zeros after it. A new
//! watermark goes over the older one, so that a torn write leaves the newer whole; the
//! greatest height counts. The file never changes its size, so one `fdatasync` of one block
//! makes a watermark durable, where a new file and a rename would take two commits of the
//! file system's journal.

use std::fs::OpenOptions;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::SystemTime;

use credlog_ledger::ids::{Height, Root};
use credlog_ledger::rows::Head;
use serde::{Deserialize, Serialize};

use crate::digest::StateDigest;
use crate::fault::Fault;
use crate::folder::{self, WATERMARK};

/// Bytes of a slot: no disk tears what lies 4,096 bytes away.
const SLOT_BYTES: usize = 4_096;
const SLOTS: usize = 2;

/// A committed position: where the log ends, and the digest of the state there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watermark {
    /// Height of the newest block; 0 before the first.
    pub height: Height,
    /// Leaves of the log.
    pub size: u64,
    /// Root of the log at that size.
    pub root: Root,
    /// Digest of the state after that block.
    pub state: StateDigest,
}

#[derive(Serialize, Deserialize)]
struct Checked {
    #[serde(flatten)]
    watermark: Watermark,
    check: Root,
}

impl Watermark {
    pub(crate) fn new(head: &Head, state: StateDigest) -> Self {
        Self {
            height: head.height,
            size: head.size,
            root: head.root,
            state,
        }
    }

    /// Makes the file in a folder, with this in both slots.
    pub(crate) fn create(&self, dir: &Path) -> io::Result<()> {
        let slot = self.to_slot()?;
        folder::write_durably(&dir.join(WATERMARK), &slot.repeat(SLOTS))
    }

    /// Writes over the older one in the file of a folder.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        let path = dir.join(WATERMARK);
        let slots = parse_slots(&std::fs::read(&path)?);
        let older = slots.map_err(io::Error::other)?.older;
        let mut file = OpenOptions::new().write(true).open(&path)?;
        file.seek(SeekFrom::Start((older * SLOT_BYTES) as u64))?;
        file.write_all(&self.to_slot()?)?;
        file.sync_data()
    }

    /// Reads the file in a folder; nothing if there is none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, Fault> {
        match std::fs::read(dir.join(WATERMARK)) {
            Ok(bytes) => parse_slots(&bytes)
                .map(|slots| Some(slots.newest))
                .map_err(Fault::Damaged),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Fault::of_io("reading the watermark", &error)),
        }
    }

    /// When the file in a folder was last written.
    pub(crate) fn written(dir: &Path) -> io::Result<SystemTime> {
        std::fs::metadata(dir.join(WATERMARK))?.modified()
    }

    fn to_slot(self) -> io::Result<Vec<u8>> {
        let mut slot = self.to_bytes()?;
        slot.resize(SLOT_BYTES, 0);
        Ok(slot)
    }

    /// The line in the file, also kept in sled.
    pub(crate) fn to_bytes(self) -> io::Result<Vec<u8>> {
        let check = self.check()?;
        let mut bytes = serde_json::to_vec(&Checked {
            watermark: self,
            check,
        })?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let damaged = || "the watermark is damaged".to_owned();
        let read: Checked = serde_json::from_slice(bytes).map_err(|_| damaged())?;
        let watermark = read.watermark;
        // One spelling only: what was not written by `to_bytes` is not a watermark.
        match watermark.to_bytes() {
            Ok(written) if written == bytes => Ok(watermark),
            _ => Err(damaged()),
        }
    }

    fn check(&self) -> io::Result<Root> {
        let bytes = serde_json::to_vec(self)?;
        Ok(Root(*blake3::hash(&bytes).as_bytes()))
    }
}

/// What the slots hold.
struct Slots {
    newest: Watermark,
    /// The slot that the next one goes to.
    older: usize,
}

fn parse_slots(file: &[u8]) -> Result<Slots, String> {
    let damaged = || "the watermark is damaged".to_owned();
    if file.len() != SLOTS * SLOT_BYTES {
        return Err(damaged());
    }
    let parsed = file.chunks_exact(SLOT_BYTES).map(|slot| {
        let end = slot.iter().rposition(|byte| *byte != 0);
        Watermark::from_bytes(&slot[..end.map_or(0, |end| end + 1)]).ok()
    });
    let parsed: Vec<_> = parsed.collect();
    let slots = parsed.iter().enumerate();
    let whole = slots.filter_map(|(at, found)| found.map(|found| (found, at)));
    let (newest, at) = whole
        .max_by_key(|(found, _)| found.height)
        .ok_or_else(damaged)?;
    Ok(Slots {
        newest,
        older: (at + 1) % SLOTS,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_byte_is_noticed() {
        let watermark = Watermark {
            height: Height(12),
            size: 3084,
            root: Root([7; 32]),
            state: StateDigest::from([9; 32]),
        };
        let bytes = watermark.to_bytes().unwrap();
        assert_eq!(Watermark::from_bytes(&bytes), Ok(watermark));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert!(Watermark::from_bytes(&changed).is_err(), "{at} {bit}");
            }
            assert!(Watermark::from_bytes(&bytes[..at]).is_err());
        }
    }

    #[test]
    fn a_torn_write_leaves_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        let at = |height| Watermark {
            height: Height(height),
            size: height * 10,
            root: Root([7; 32]),
            state: StateDigest::from([9; 32]),
        };
        at(0).create(dir.path()).unwrap();
        let path = dir.path().join(WATERMARK);
        for height in 1..6 {
            let before = std::fs::read(&path).unwrap();
            at(height).write(dir.path()).unwrap();
            let after = std::fs::read(&path).unwrap();
            assert_eq!(Watermark::read(dir.path()), Ok(Some(at(height))));
            assert_eq!(after.len(), 2 * SLOT_BYTES);
            // One slot alone was written.
            let slot = (0..2).filter(|slot| {
                let range = slot * SLOT_BYTES..(slot + 1) * SLOT_BYTES;
                before[range.clone()] != after[range]
            });
            let slot: Vec<usize> = slot.collect();
            assert_eq!(slot.len(), 1, "{height}");
            for torn in [1, 50, 100, 150] {
                let mut bytes = before.clone();
                let start = slot[0] * SLOT_BYTES;
                bytes[start..start + torn].copy_from_slice(&after[start..start + torn]);
                std::fs::write(&path, &bytes).unwrap();
                // The first block also overwrites a copy of the one before.
                assert_eq!(Watermark::read(dir.path()), Ok(Some(at(height - 1))));
                // The next goes over the torn one.
                at(height).write(dir.path()).unwrap();
                assert_eq!(Watermark::read(dir.path()), Ok(Some(at(height))));
            }
            std::fs::write(&path, &after).unwrap();
        }
        for damaged in [vec![], vec![0; 2 * SLOT_BYTES], vec![b'x'; 8_191]] {
            std::fs::write(&path, damaged).unwrap();
            assert!(matches!(
                Watermark::read(dir.path()),
                Err(Fault::Damaged(_))
            ));
        }
    }
}
