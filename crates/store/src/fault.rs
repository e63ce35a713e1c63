//! Errors, and the guard that turns sled's panics into them.

use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use credlog_ledger::genesis::GenesisError;
use credlog_ledger::ids::Height;
use credlog_ledger::state::ViewError;

use crate::key_file::KeyFileError;
use crate::watermark::FORMAT;

/// Something in sled cannot be read, or is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// sled answered an error, or panicked.
    #[error("{doing}: {reason}")]
    Sled { doing: &'static str, reason: String },
    /// sled answered, but not what was stored.
    #[error("{0}")]
    Damaged(String),
    /// The system refused (no space, no permission, too many open files): says nothing
    /// about the data.
    #[error("{doing}: {reason}")]
    Environment { doing: &'static str, reason: String },
    /// Another version wrote the data, in this format; says nothing about it either.
    #[error("the data is of format {0}; this version of credlog reads format {FORMAT}")]
    OtherFormat(u32),
}

impl Fault {
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }

    /// What failing input or output says: about the data if a file is missing, too short
    /// or holds nonsense; else about the system alone.
    pub(crate) fn of_io(doing: &'static str, error: &io::Error) -> Self {
        let reason = error.to_string();
        match error.kind() {
            // sled's words for its lock; its other errors of this kind are nonsense it read.
            ErrorKind::Other if reason.contains(SLED_LOCKED) => Self::Environment { doing, reason },
            ErrorKind::UnexpectedEof
            | ErrorKind::InvalidData
            | ErrorKind::InvalidInput
            | ErrorKind::NotFound
            | ErrorKind::Other => Self::Damaged(format!("{doing}: {reason}")),
            _ => Self::Environment { doing, reason },
        }
    }

    /// Whether another handle of this process or another process has sled's file locked.
    pub(crate) fn is_sled_locked(&self) -> bool {
        matches!(self, Self::Environment { reason, .. } if reason.contains(SLED_LOCKED))
    }

    /// The error for a fault that says nothing about the data; else the fault again.
    pub(crate) fn into_open_error(self, path: &Path) -> Result<OpenError, Self> {
        match self {
            Self::Environment { doing, reason } => Ok(OpenError::Io {
                doing,
                path: path.to_owned(),
                reason,
            }),
            Self::OtherFormat(found) => Ok(OpenError::OtherFormat {
                path: path.to_owned(),
                found,
            }),
            damage => Err(damage),
        }
    }
}

/// What sled says when its file is locked.
const SLED_LOCKED: &str = "could not acquire lock";

impl From<Fault> for ViewError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Environment { .. } => Self::System(fault.to_string()),
            damage => Self::Damaged(damage.to_string()),
        }
    }
}

impl From<ViewError> for Fault {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::System(reason) => Self::Environment {
                doing: "reading the state",
                reason,
            },
            damage @ ViewError::Damaged(_) => Self::Damaged(damage.to_string()),
        }
    }
}

/// Runs a piece of sled; an error or a panic in it becomes a [`Fault`].
pub(crate) fn guarded<T>(
    doing: &'static str,
    work: impl FnOnce() -> sled::Result<T>,
) -> Result<T, Fault> {
    let sled = |reason| Fault::Sled { doing, reason };
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(sled::Error::Io(error))) => Err(Fault::of_io(doing, &error)),
        Ok(Err(error)) => Err(sled(error.to_string())),
        Err(panic) => Err(sled(format!("sled panicked: {}", panic_text(&*panic)))),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".to_owned())
}

/// A commit that failed: the process must exit and open the store again, since only what
/// is on disk counts and that is not known here.
///
/// [`NotNext`](Self::NotNext) and [`Inconsistent`](Self::Inconsistent) are errors of the
/// caller, found before anything is written; the store goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fatal {
    /// An earlier commit failed.
    #[error("the store stopped after a failed commit ({reason}); restart the node")]
    Stopped {
        /// How the earlier commit failed.
        reason: String,
    },
    /// The block does not follow the committed head.
    #[error(
        "the block has height {height} and first leaf {first_leaf}; \
         the store is at height {head} with {size} leaves"
    )]
    NotNext {
        /// Height of the block.
        height: Height,
        /// First leaf of the block.
        first_leaf: u64,
        /// Height of the store.
        head: Height,
        /// Leaves in the store.
        size: u64,
    },
    /// The parts of the block contradict each other.
    #[error("the block of height {height} contradicts itself: {what}")]
    Inconsistent {
        /// Height of the block.
        height: Height,
        /// What does not fit.
        what: String,
    },
    /// Writing or reading failed.
    #[error(
        "the block of height {height} could not be stored: {reason}; the node must stop: \
         check the disk (space, health), then restart it"
    )]
    Storage {
        /// Height of the block.
        height: Height,
        /// What failed.
        reason: String,
    },
}

/// A folder that cannot be opened as a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open.
    #[error("{dir} is in use by another process; stop that node first", dir = .dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// There is no store.
    #[error(
        "{dir} is not a store's folder: genesis.json is not there; name the folder that a node's \
         configuration has as node.data_dir (a store is made when its node starts first)",
        dir = .dir.display()
    )]
    NotAStore {
        /// The folder.
        dir: PathBuf,
    },
    /// The genesis file cannot be used.
    #[error("{dir}/genesis.json: {source}", dir = .dir.display())]
    Genesis {
        /// The folder.
        dir: PathBuf,
        /// What is wrong with it.
        source: Box<GenesisError>,
    },
    /// Genesis is there, the data is not: an earlier open has put it aside.
    #[error(
        "{dir} holds a genesis file and no data{aside}; run `credlog store rebuild` on it",
        dir = .dir.display(),
        aside = match .quarantine {
            Some(path) => format!(" (damaged data was put aside in {})", path.display()),
            None => String::new(),
        }
    )]
    NoData {
        /// The folder.
        dir: PathBuf,
        /// The newest quarantine, if there is one.
        quarantine: Option<PathBuf>,
    },
    /// The data is not what was committed. It was moved aside.
    #[error(
        "the store in {dir} is damaged: {what}. Nothing of it is served. The damaged files \
         were moved to {quarantine}. Run `credlog store rebuild` to build the store again \
         from the blocks that are whole, and check the disk",
        dir = .dir.display(),
        quarantine = .quarantine.display()
    )]
    Damaged {
        /// The folder.
        dir: PathBuf,
        /// What was found.
        what: String,
        /// Where the damaged files are now.
        quarantine: PathBuf,
    },
    /// The disk is too full for sled, which writes when it is opened. Nothing was touched.
    #[error(
        "the disk of {dir} has {free_bytes} bytes free, and opening the store needs \
         {needed_bytes}: free space on it, then try again. The data is not judged by this",
        dir = .dir.display()
    )]
    DiskFull {
        /// The folder.
        dir: PathBuf,
        /// Bytes that are free.
        free_bytes: u64,
        /// Bytes that have to be.
        needed_bytes: u64,
    },
    /// Another version of credlog wrote the data. Nothing was touched.
    #[error(
        "the data in {path} is of format {found}, and this version of credlog reads format \
         {FORMAT} alone. Nothing was touched. Go on with the version that wrote it; or, where \
         other nodes hold the ledger, move `sled` and `watermark` elsewhere and start the node: \
         it fetches the ledger from them",
        path = .path.display()
    )]
    OtherFormat {
        /// Where the data is.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Input or output failed; says nothing about the data.
    #[error(
        "{doing} {path}: {reason}. The data is not judged by this: look at free space, \
         permissions and the limit of open files, then try again",
        path = .path.display()
    )]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system answered.
        reason: String,
    },
}

/// A folder in which nothing could be made, checked or rebuilt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder for a new store holds something.
    #[error("{dir} is not empty; choose an empty folder for the store", dir = .dir.display())]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The files of the member's keys cannot be made.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The data cannot be written or read.
    #[error("{dir}: {reason}", dir = .dir.display())]
    Storage {
        /// The folder.
        dir: PathBuf,
        /// What failed.
        reason: String,
    },
    /// A rebuild would forget blocks that were committed.
    #[error(
        "the log in {dir} is whole up to height {whole} only, and {committed}: {what}. The \
         missing blocks have to come from another node. To go on without them for good, \
         allow the loss explicitly",
        dir = .dir.display(),
        committed = match .committed {
            Some(height) => format!("height {height} was committed"),
            None => "how far it was committed is not known".to_owned(),
        }
    )]
    LogLost {
        /// The folder.
        dir: PathBuf,
        /// Last height whose block and all before it verify.
        whole: Height,
        /// Height of the watermark, if that is known.
        committed: Option<Height>,
        /// What is wrong with the next block.
        what: String,
    },
    /// The blocks are those of another ledger or history than the watermark's.
    #[error(
        "the blocks in {dir} lead to another log than the watermark names at height {height}; \
         nothing was changed",
        dir = .dir.display()
    )]
    OtherLog {
        /// The folder.
        dir: PathBuf,
        /// Height at which the roots differ.
        height: Height,
    },
}

impl OpenError {
    pub(crate) fn genesis(dir: &Path, source: GenesisError) -> Self {
        Self::Genesis {
            dir: dir.to_owned(),
            source: Box::new(source),
        }
    }
}

impl StoreError {
    pub(crate) fn storage(dir: &Path, reason: impl std::fmt::Display) -> Self {
        Self::Storage {
            dir: dir.to_owned(),
            reason: reason.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Once whatever failed below a view counted as damage: with too many open files, a node
    /// put a healthy store in quarantine.
    #[test]
    fn what_the_system_refuses_stays_no_damage_through_every_layer() {
        for (kind, damage) in [
            (ErrorKind::PermissionDenied, false),
            (ErrorKind::StorageFull, false),
            (ErrorKind::UnexpectedEof, true),
        ] {
            let fault = Fault::of_io("reading", &kind.into());
            let seen = ViewError::from(fault);
            assert_eq!(matches!(seen, ViewError::Damaged(_)), damage, "{kind}");
            let fault = Fault::from(seen);
            let opened = fault.into_open_error(Path::new("data"));
            assert_eq!(opened.is_err(), damage, "{kind}");
        }
    }
}
