//! Space on the disk, looked at before sled is given anything.
//!
//! sled 0.34.7 on a full disk may answer an error, wait forever, or leave files behind that
//! it cannot read until there is space again. So the last bytes of a disk are never used up:
//! a reserve stays free, and whoever makes blocks stops before it.

use std::io;
use std::path::Path;

use rustix::io::Errno;

/// Of the reserve, opening a store needs one part of so many: a node that stopped at the
/// reserve starts again, and is read from.
const OPENING_PARTS: u64 = 4;

/// Free space on the disk of a folder, and how much of it has to stay free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// Bytes that this process may still use.
    pub free_bytes: u64,
    /// Bytes that have to stay free.
    pub reserve_bytes: u64,
}

impl Space {
    /// Asks the system about a folder's disk.
    ///
    /// # Errors
    /// [`io::Error`] if it does not say.
    pub fn in_folder(folder: &Path, reserve_bytes: u64) -> io::Result<Self> {
        let found = loop {
            match rustix::fs::statvfs(folder) {
                Err(Errno::INTR) => {}
                found => break found?,
            }
        };
        // A file system that has no blocks at all does not know.
        let free_bytes = match found.f_blocks {
            0 => u64::MAX,
            _ => found.f_bavail.saturating_mul(found.f_frsize),
        };
        Ok(Self {
            free_bytes,
            reserve_bytes,
        })
    }

    /// Whether a block may be committed.
    pub fn is_enough(&self) -> bool {
        self.free_bytes >= self.reserve_bytes
    }

    /// Bytes without which a store is not opened.
    pub(crate) fn opening_bytes(&self) -> u64 {
        self.reserve_bytes / OPENING_PARTS
    }

    /// Whether a store may be opened.
    pub(crate) fn is_enough_to_open(&self) -> bool {
        self.free_bytes >= self.opening_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_compared_with_what_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let space = Space::in_folder(dir.path(), 1).unwrap();
        assert!(space.free_bytes > 1 && space.is_enough());
        for (free_bytes, enough, opens) in [
            (400, true, true),
            (399, false, true),
            (100, false, true),
            (99, false, false),
            (0, false, false),
        ] {
            let space = Space {
                free_bytes,
                reserve_bytes: 400,
            };
            assert_eq!(space.is_enough(), enough, "{free_bytes}");
            assert_eq!(space.is_enough_to_open(), opens, "{free_bytes}");
        }
        let missing = dir.path().join("missing");
        assert!(Space::in_folder(&missing, 1).is_err());
    }
}
