//! The watermark: what is durable, in a file outside sled.
//!
//! ```text
//! {"height":12,"size":3084,"root":"<64 hex>","state":"<64 hex>","check":"<64 hex>"}
//! ```
//!
//! Written after sled's flush, so sled is never behind it unless sled lost something.
//! `check` is BLAKE3 of the object without it.

use std::io;
use std::path::Path;

use credlog_ledger::ids::{Height, Root};
use credlog_ledger::rows::Head;
use serde::{Deserialize, Serialize};

use crate::digest::StateDigest;
use crate::folder::{self, WATERMARK};

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

    /// Writes the file in a folder.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        folder::write_durably(&dir.join(WATERMARK), &self.to_bytes()?)
    }

    /// Reads the file in a folder. `Ok(None)` if there is none, `Err` in words if it cannot
    /// be read or is not what was written.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, String> {
        match std::fs::read(dir.join(WATERMARK)) {
            Ok(bytes) => Self::from_bytes(&bytes).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("the watermark file cannot be read: {error}")),
        }
    }

    /// The file's bytes, also kept in sled.
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
}
