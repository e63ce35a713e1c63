//! The ballot: what keeps a consensus key from voting twice.
//!
//! ```text
//! votes/<consensus key id>/started        the height consensus was last started at
//! votes/<consensus key id>/consensus.wal  the engine's log of its votes of that height
//! ```
//!
//! The engine remembers its votes in its log, and clears the log when it starts another
//! height. A node that lost its blocks begins again at a lower height: it would clear the log
//! of a height in which it has voted. So `started` is written before the engine starts a
//! height, and a node whose log or blocks are lost runs without a vote until `started` itself
//! is decided. A key that is found to vote elsewhere too is disowned in the same file.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use credlog_ledger::ids::{Height, KeyId};
use credlog_ledger::state::{State, ViewError};
use serde::{Deserialize, Serialize};

use crate::folder::{VOTES, sync_dir};
use crate::key_file::{KeyFile, KeyFileError, Place};
use crate::slots::Slot;
use crate::store::Store;

const STARTED: &str = "started";
const WAL: &str = "consensus.wal";
/// The engine's log begins with a version (u32) and its height (u64), big-endian.
const WAL_HEAD_BYTES: usize = 12;

/// A height that was not started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BallotError {
    /// Consensus was started at a later height already.
    #[error("consensus cannot start at height {height}: this key was started at {started}")]
    Earlier {
        /// The height to start.
        height: Height,
        /// The newest height started.
        started: Height,
    },
    /// The key's file fails.
    #[error(transparent)]
    File(#[from] KeyFileError),
}

/// Whether a node may vote with its consensus key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// It may vote, with this file as the engine's log.
    Votes {
        /// The engine's log. No engine without a vote may be given it: it would clear it.
        wal: PathBuf,
    },
    /// It runs without a vote until its tip reaches this height.
    Waits {
        /// The height.
        until: Height,
        /// Why.
        why: Waiting,
    },
}

/// Why a node does not vote yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Waiting {
    /// The store was made anew, or is otherwise behind what the key has voted on.
    Behind,
    /// The engine's log is missing, or is not the one that goes with `started`.
    LostLog,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Started {
    started: Height,
    /// Height of a vote of this key that this node did not cast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    elsewhere: Option<Height>,
}

impl Slot for Started {
    const NAME: &'static str = "the newest height that consensus was started at";
    type Order = (Height, bool);

    fn order(&self) -> Self::Order {
        (self.started, self.elsewhere.is_some())
    }
}

/// The files of one consensus key.
#[derive(Debug)]
pub struct Ballot {
    key: KeyId,
    file: KeyFile<Started>,
    /// What `started` was when this was opened.
    opened_at: Height,
    /// Whether the folder is known to name the engine's log durably.
    synced: bool,
}

fn place(dir: &Path, key: KeyId) -> Place<'_> {
    Place {
        dir,
        family: VOTES,
        key,
        name: STARTED,
    }
}

/// Makes the files of a consensus key, unless they are there.
pub(crate) fn make(dir: &Path, key: KeyId) -> Result<(), KeyFileError> {
    let started = Height(0);
    let elsewhere = None;
    place(dir, key).make(&Started { started, elsewhere })
}

/// The greatest height that any consensus key of a store was started at, as far as it can be
/// read.
pub(crate) fn newest_started(dir: &Path) -> Option<Height> {
    let keys = std::fs::read_dir(dir.join(VOTES)).ok()?;
    let started = keys.filter_map(|entry| {
        let key: KeyId = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let file = place(dir, key).open::<Started>().ok()?;
        Some(file.newest().started)
    });
    started.max()
}

impl Ballot {
    /// Opens the files of a consensus key. They are made if `new_key` says that the ledger, as
    /// far as this store knows it, has never known the key; those of the store's first keys
    /// are made with it ([`Store::create_for`]).
    ///
    /// # Errors
    /// [`KeyFileError::Lost`] and [`KeyFileError::UsedElsewhere`]: the node must not vote with
    /// this key any more. [`KeyFileError::NotCaughtUp`]: not yet. [`KeyFileError::Io`].
    pub fn open(store: &Store, key: KeyId, new_key: bool) -> Result<Self, KeyFileError> {
        let place = place(store.dir(), key);
        if new_key {
            store.may_make_key(&place)?;
            make(store.dir(), key)?;
        }
        let file = place.open::<Started>()?;
        if let Some(height) = file.newest().elsewhere {
            return Err(KeyFileError::UsedElsewhere { key, height });
        }
        Ok(Self {
            key,
            opened_at: file.newest().started,
            file,
            synced: false,
        })
    }

    /// The consensus key.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// The height that consensus was last started at before these files were opened: only at
    /// this height or below may a vote of the key be one that an earlier process cast.
    pub fn opened_at(&self) -> Height {
        self.opened_at
    }

    /// Notes that the key has voted at a height where this node did not: from now on, also
    /// after a restart, this key's files open no more.
    ///
    /// # Errors
    /// [`KeyFileError`] if that cannot be stored.
    pub fn disown(&mut self, height: Height) -> Result<KeyFileError, KeyFileError> {
        self.file.write(Started {
            started: self.started(),
            elsewhere: Some(height),
        })?;
        let key = self.key;
        Ok(KeyFileError::UsedElsewhere { key, height })
    }

    /// The height that consensus was last started at with this key; 0 before the first.
    pub fn started(&self) -> Height {
        self.file.newest().started
    }

    /// Notes that consensus is about to be started at a height; durable when this returns, and
    /// only then may the engine start it.
    ///
    /// # Errors
    /// Every [`BallotError`]: the engine must not start the height.
    pub fn start(&mut self, height: Height) -> Result<(), BallotError> {
        let started = self.started();
        if height < started {
            return Err(BallotError::Earlier { height, started });
        }
        if !self.synced {
            // The engine has made its log by now. Without this, a loss of power could keep
            // `started` and forget the log.
            sync_dir(self.file.folder()).map_err(|error| KeyFileError::Io {
                doing: "syncing",
                path: self.file.folder().to_owned(),
                reason: error.to_string(),
            })?;
            self.synced = true;
        }
        Ok(self.file.write(Started {
            started: height,
            elsewhere: None,
        })?)
    }

    /// Whether the node may vote with this key, given what its store holds. To be asked before
    /// the engine is started, and again after each block while the answer is to wait.
    ///
    /// A sole member has nobody to wait for: it votes once the store has all that it ever
    /// held.
    ///
    /// # Errors
    /// [`ViewError`] if the state or the engine's log cannot be read.
    pub fn standing(&self, store: &Store) -> Result<Standing, ViewError> {
        let wal = self.file.folder().join(WAL);
        let snapshot = store.snapshot();
        let (tip, started) = (snapshot.head().height, self.started());
        let is_sole = State(&snapshot).members()?.members().len() == 1;
        let is_whole = store.resync().is_none();
        if tip >= started || (is_sole && is_whole) {
            return Ok(Standing::Votes { wal });
        }
        let why = match log_height(&wal).map_err(|error| unreadable(&wal, &error))? {
            // It may be one that was not cleared yet when the node ended, but no later one.
            Some(height) if height <= started.0 => Waiting::Behind,
            _ => Waiting::LostLog,
        };
        if why == Waiting::Behind && is_whole && tip.next() == started {
            return Ok(Standing::Votes { wal });
        }
        let until = started;
        Ok(Standing::Waits { until, why })
    }
}

fn unreadable(wal: &Path, error: &io::Error) -> ViewError {
    ViewError::System(format!("reading {}: {error}", wal.display()))
}

/// The height of an engine's log; nothing if there is no whole head.
fn log_height(wal: &Path) -> io::Result<Option<u64>> {
    let mut head = [0; WAL_HEAD_BYTES];
    let read = File::open(wal).and_then(|mut file| file.read_exact(&mut head));
    match read {
        Ok(()) => Ok(head.last_chunk().map(|height| u64::from_be_bytes(*height))),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
