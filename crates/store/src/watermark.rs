//! The watermark: what is durable, in a file outside sled (its form: see `slots`).
//!
//! ```text
//! {"format":1,"height":12,"size":3084,"root":"<64 hex>","state":"<64 hex>","check":"<64 hex>"}
//! ```
//!
//! It also names the format of the data that it stands beside, so that a program of another
//! version neither misreads that data nor takes it for damaged.
//!
//! Written after sled's flush, so sled is never behind it unless sled lost something. sled is
//! ahead of it by one block after a crash in between. While a node catches up, blocks are
//! written without a flush each: the watermark then says `"ahead"`, by how many blocks at
//! most sled may be beyond it.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use credlog_ledger::ids::{Height, Root};
use credlog_ledger::rows::Head;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::folder::WATERMARK;
use crate::slots::{self, Slot};
use credlog_ledger::state::StateDigest;

/// The format of the data that this version writes and reads: what is in sled, in the files
/// beside it, and how. The next number goes with each change after which one version would
/// misread the data of another.
pub(crate) const FORMAT: u32 = 1;

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

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// [`FORMAT`] of the version that wrote it.
    format: u32,
    #[serde(flatten)]
    pub(crate) watermark: Watermark,
    /// Blocks that sled may be beyond the watermark, if more than one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) ahead: Option<u32>,
}

impl Slot for Mark {
    const NAME: &'static str = "the watermark";
    type Order = (Height, Option<u32>);

    fn order(&self) -> Self::Order {
        (self.watermark.height, self.ahead)
    }
}

impl Mark {
    /// Greatest height that sled may stand at.
    pub(crate) fn height_max(&self) -> u64 {
        let ahead = u64::from(self.ahead.unwrap_or(1));
        self.watermark.height.0.saturating_add(ahead)
    }
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

    fn mark(self, ahead: Option<u32>) -> Mark {
        Mark {
            format: FORMAT,
            watermark: self,
            ahead,
        }
    }

    /// Makes the file in a folder, with this in both slots.
    pub(crate) fn create(&self, dir: &Path) -> io::Result<()> {
        slots::create(&dir.join(WATERMARK), &self.mark(None))
    }

    /// Writes over the older one in the file of a folder.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        slots::write(&dir.join(WATERMARK), &self.mark(None))
    }

    /// As [`write`](Self::write), with the blocks that sled may be beyond it from now on.
    pub(crate) fn write_ahead(&self, dir: &Path, ahead: u32) -> io::Result<()> {
        slots::write(&dir.join(WATERMARK), &self.mark(Some(ahead)))
    }

    /// Reads the file in a folder; nothing if there is none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, Fault> {
        Ok(Self::read_mark(dir)?.map(|mark| mark.watermark))
    }

    /// As [`read`](Self::read), with how far sled may be beyond it.
    pub(crate) fn read_mark(dir: &Path) -> Result<Option<Mark>, Fault> {
        let mark: Option<Mark> = slots::read(&dir.join(WATERMARK))?;
        match mark {
            Some(Mark { format, .. }) if format != FORMAT => Err(Fault::OtherFormat(format)),
            mark => Ok(mark),
        }
    }

    /// When the file in a folder was last written.
    pub(crate) fn written(dir: &Path) -> io::Result<SystemTime> {
        std::fs::metadata(dir.join(WATERMARK))?.modified()
    }

    /// The line in the file, also kept in sled.
    pub(crate) fn to_bytes(self) -> io::Result<Vec<u8>> {
        slots::to_line(&self.mark(None))
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let mark: Mark = slots::from_line(bytes)?;
        Ok(mark.watermark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watermark_that_allows_blocks_beyond_it_gives_way_to_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let at = |height| Watermark {
            height: Height(height),
            size: height * 10,
            root: Root([7; 32]),
            state: StateDigest::from([9; 32]),
        };
        let read = || Watermark::read_mark(dir.path()).unwrap().unwrap();
        at(3).create(dir.path()).unwrap();
        assert_eq!(read(), at(3).mark(None));
        assert_eq!(read().height_max(), 4);
        at(3).write_ahead(dir.path(), 256).unwrap();
        assert_eq!((read().watermark, read().height_max()), (at(3), 259));
        at(200).write(dir.path()).unwrap();
        assert_eq!(read(), at(200).mark(None));
        assert_eq!(Watermark::read(dir.path()), Ok(Some(at(200))));
        let line = at(200).to_bytes().unwrap();
        assert_eq!(Watermark::from_bytes(&line), Ok(at(200)));
        let later = Mark {
            format: FORMAT + 1,
            ..at(201).mark(None)
        };
        slots::write(&dir.path().join(WATERMARK), &later).unwrap();
        let refused = Watermark::read(dir.path());
        assert_eq!(refused, Err(Fault::OtherFormat(FORMAT + 1)));
    }
}
