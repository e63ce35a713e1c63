//! How far a webhook's receiver has taken the events: one small file, replaced whole.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use credlog_api::event::{EventId, EventIdError};
use credlog_ledger::ids::LeafIndex;

use super::WebhookError;
use crate::events::Place;

/// Folder of these files in the data folder.
pub const WEBHOOKS_FOLDER: &str = "webhooks";
/// Longest such file in bytes.
const FILE_BYTES_MAX: u64 = 64;

/// The file of one webhook: the place in the log from which to read on, leaf and credential of its
/// record (`17.0`), and a line feed.
#[derive(Debug, Clone)]
pub(super) struct Cursor {
    path: PathBuf,
    place: Place,
}

impl Cursor {
    /// Reads the file; without one, the webhook begins at `size` leaves, and the file says so.
    pub(super) fn open(data_dir: &Path, name: &str, size: u64) -> Result<Self, WebhookError> {
        let path = data_dir.join(WEBHOOKS_FOLDER).join(name);
        let failed = |reason: String| WebhookError::Cursor {
            name: name.to_owned(),
            path: path.clone(),
            reason,
        };
        let read = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Ok(metadata) if metadata.len() > FILE_BYTES_MAX => {
                return Err(failed(format!("it has {} bytes", metadata.len())));
            }
            _ => Some(fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?),
        };
        let cursor = |place| Self {
            path: path.clone(),
            place,
        };
        match read {
            Some(text) => {
                let place = parse(&text).map_err(|error| failed(error.to_string()))?;
                Ok(cursor(place))
            }
            None => {
                let cursor = cursor(Place::at(size));
                let written = cursor.write(cursor.place);
                written.map_err(|error| failed(error.to_string()))?;
                Ok(cursor)
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where it was when the file was read.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Replaces the file; durable when this returns.
    pub(super) fn write(&self, place: Place) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let temporary = self.path.with_extension("new");
        let mut file = File::create(&temporary)?;
        file.write_all(text(place).as_bytes())?;
        file.sync_all()?;
        drop(file);
        fs::rename(&temporary, &self.path)?;
        File::open(folder)?.sync_all()
    }
}

fn text(Place { leaf, item }: Place) -> String {
    let leaf = LeafIndex(leaf);
    format!("{}\n", EventId { leaf, item })
}

fn parse(text: &str) -> Result<Place, EventIdError> {
    let EventId { leaf, item } = text.trim_end().parse()?;
    Ok(Place { leaf: leaf.0, item })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_where_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Cursor::open(dir.path(), "hr", 9);
        assert_eq!(open().unwrap().place(), Place::at(9));
        for place in [Place::at(0), Place::at(12), Place { leaf: 11, item: 4 }] {
            open().unwrap().write(place).unwrap();
            assert_eq!(open().unwrap().place(), place);
        }
        let path = dir.path().join(WEBHOOKS_FOLDER).join("hr");
        for bad in ["", "x", "17", &"1".repeat(65)] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(open(), Err(WebhookError::Cursor { .. })), "{bad}");
        }
    }
}
