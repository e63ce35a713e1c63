//! How sled is opened.

use std::path::Path;
use std::time::Duration;

use crate::fault::{Fault, guarded};

/// How often and how long a lock is waited for that an earlier store of this process is
/// still letting go of.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Bytes of a segment of sled's file, its unit of cleaning. Measured with 500,000
/// credentials: 122 MB on disk, and 159 MB with sled's default of 512 KiB.
const SEGMENT_BYTES: usize = 128 << 10;

/// How a store is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Bytes of sled's cache; default 64 MiB. With it a store of a million credentials
    /// stays well below the 512 MiB that a node may take.
    pub cache_bytes: u64,
    /// Bytes of the disk that are left free; default 64 MiB.
    /// [`Store::space`](crate::Store::space) compares, and whoever makes blocks makes none
    /// while there is less: sled cannot be trusted on a full disk.
    pub disk_reserve_bytes: u64,
    /// Whether a store that is damaged or has lost blocks is put aside and made anew from its
    /// genesis file, to be filled by peers; default false. For members of a consortium and
    /// observers: a ledger of one member has no peers that hold its blocks.
    pub resync_from_peers: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_bytes: 64 << 20,
            disk_reserve_bytes: 64 << 20,
            resync_from_peers: false,
        }
    }
}

/// Opens sled's folder.
pub(crate) fn open_sled(path: &Path, options: &Options) -> Result<sled::Db, Fault> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(options.cache_bytes)
        .segment_size(SEGMENT_BYTES)
        .flush_every_ms(None);
    let mut tries = 0;
    loop {
        match guarded("opening sled", || config.open()) {
            Err(fault) if tries < LOCK_TRIES && fault.is_sled_locked() => {
                tries += 1;
                std::thread::sleep(LOCK_PAUSE);
            }
            result => return result,
        }
    }
}
