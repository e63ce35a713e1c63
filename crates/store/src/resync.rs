//! A store that is filled anew: what it was is damaged or lost, and peers have the blocks.
//!
//! ```text
//! resync   {"until":<height>,"quarantine":<name or null>,"check":…} until it has caught up
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use credlog_ledger::ids::Height;
use serde::{Deserialize, Serialize};

use crate::ballot;
use crate::fault::{Fault, OpenError};
use crate::folder::{self, RESYNC, io_error, sync_dir};
use crate::slots::{self, Slot};
use crate::watermark::Watermark;

/// A store that was damaged or lost blocks, and was made anew from its genesis file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resync {
    /// Height that it had reached before, as far as the watermark or `started` still said it.
    pub until: Height,
    /// Where the damaged files are; nothing if there was nothing to put aside.
    pub quarantine: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    until: Height,
    /// Name of the folder.
    quarantine: Option<String>,
}

impl Slot for Note {
    const NAME: &'static str = "the note of a store that is filled anew";
    type Order = Height;

    fn order(&self) -> Height {
        self.until
    }
}

impl Resync {
    /// Notes that a store was lost, durably. One that is lost again while it is filled keeps
    /// the height it had first.
    pub(crate) fn begin(dir: &Path, quarantine: Option<PathBuf>) -> Result<Self, OpenError> {
        let before = Self::read(dir)?.map(|before| before.until);
        let watermark = quarantine.as_deref().and_then(|aside| {
            let read = Watermark::read(aside);
            read.ok().flatten().map(|watermark| watermark.height)
        });
        let heights = [before, watermark, ballot::newest_started(dir)];
        let until = heights.into_iter().flatten().max().unwrap_or_default();
        let name = quarantine.as_deref().and_then(Path::file_name);
        let note = Note {
            until,
            quarantine: name.and_then(|name| Some(name.to_str()?.to_owned())),
        };
        let path = dir.join(RESYNC);
        slots::create(&path, &note).map_err(io_error("writing", &path))?;
        Ok(Self { until, quarantine })
    }

    /// The note in a folder. A damaged one says nothing of heights any more: what the keys
    /// have started still does.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, OpenError> {
        let path = dir.join(RESYNC);
        match slots::read::<Note>(&path) {
            Ok(found) => Ok(found.map(|note| Self {
                until: note.until,
                quarantine: note.quarantine.map(|name| dir.join(name)),
            })),
            Err(fault @ Fault::Environment { .. }) => Err(fault
                .into_open_error(&path)
                .unwrap_or_else(|fault| OpenError::Io {
                    doing: "reading",
                    path,
                    reason: fault.to_string(),
                })),
            Err(_) => Ok(Some(Self {
                until: ballot::newest_started(dir).unwrap_or_default(),
                quarantine: folder::newest_quarantine_with(dir, folder::SLED),
            })),
        }
    }

    /// Removes the note.
    pub(crate) fn end(dir: &Path) -> io::Result<()> {
        match fs::remove_file(dir.join(RESYNC)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => sync_dir(dir),
        }
    }
}
