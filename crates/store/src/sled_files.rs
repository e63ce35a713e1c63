//! sled's own files, and making them durable.
//!
//! On Linux sled 0.34.7 flushes its file with `sync_file_range`, which neither writes the
//! file's new extents nor empties the disk's cache, and it does not sync blobs (files for
//! nodes over a quarter of a segment) at all. Both survive the end of the process, not a
//! loss of power; so the store syncs them before it writes the watermark.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::folder::sync_dir;

/// The file that sled keeps everything in but blobs.
const FILE: &str = "db";
/// The folder of its blobs.
const BLOBS: &str = "blobs";

/// sled's files, with the blobs that are durable. A blob never changes.
#[derive(Debug)]
pub(crate) struct SledFiles {
    file: File,
    blobs: PathBuf,
    durable: HashSet<OsString>,
}

impl SledFiles {
    /// The files in sled's folder, which must be there.
    pub(crate) fn open(sled: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::open(sled.join(FILE))?,
            blobs: sled.join(BLOBS),
            durable: HashSet::new(),
        })
    }

    /// Makes all that sled has flushed durable.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        let entries = fs::read_dir(&self.blobs)?;
        let names = entries.map(|entry| Ok(entry?.file_name()));
        let names = names.collect::<io::Result<HashSet<_>>>()?;
        let mut synced = false;
        for name in names.difference(&self.durable) {
            match File::open(self.blobs.join(name)) {
                Ok(blob) => blob.sync_data()?,
                // sled removes blobs that it needs no more.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            synced = true;
        }
        if synced {
            sync_dir(&self.blobs)?;
        }
        self.durable = names;
        Ok(())
    }
}
