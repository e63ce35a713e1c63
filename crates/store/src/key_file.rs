//! A file of one of the member's keys, outside sled: `<family>/<key id>/<name>`.
//!
//! What a key has signed must never be forgotten while the key is in use, whatever happens to
//! the rest of the store. So its file is made once, before the key is first used, and a file
//! that is missing later is lost: it is never made again for that key, which has to be
//! replaced. The folder appears at once with the file in it, so no crash looks like a loss.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use credlog_ledger::ids::{Height, KeyId};

use crate::fault::Fault;
use crate::folder::{make_durably, sync_dir};
use crate::slots::{self, Slot};

/// A key whose file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// What the key has signed is not known any more.
    #[error(
        "{what} of key {key} is lost ({path}: {reason}): what this key has signed is not known, \
         so it must sign nothing more. The members have to replace the key",
        path = .path.display()
    )]
    Lost {
        /// What is lost, for example "the newest height that consensus was started at".
        what: &'static str,
        /// The key.
        key: KeyId,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The key is used by another node too, or was used before this store was made.
    #[error(
        "key {key} has voted at height {height}, and not by this node: another node uses it too, \
         or this data folder was made anew under a key that had voted. It must sign nothing more. \
         Stop the other node, if there is one; the members have to replace the key"
    )]
    UsedElsewhere {
        /// The key.
        key: KeyId,
        /// The height of the vote.
        height: Height,
    },
    /// A store that was made anew after a loss does not know yet which keys are new.
    #[error(
        "key {key} has no files in {dir}, and this store is being filled anew: whether the key \
         is a new one is known when it reaches height {until}",
        dir = .dir.display()
    )]
    NotCaughtUp {
        /// The key.
        key: KeyId,
        /// The store's folder.
        dir: PathBuf,
        /// Height that the store had reached before.
        until: Height,
    },
    /// Input or output failed. Nothing may be signed; says nothing about what was.
    #[error("{doing} {path}: {reason}", path = .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system answered.
        reason: String,
    },
}

/// A key's file, open for writing.
#[derive(Debug)]
pub(crate) struct KeyFile<S> {
    folder: PathBuf,
    path: PathBuf,
    newest: S,
    /// Whether the newest value may not be in the file.
    unsure: bool,
}

/// Where a key's file stands.
pub(crate) struct Place<'p> {
    /// Folder of the store.
    pub(crate) dir: &'p Path,
    /// Folder of all keys of that role.
    pub(crate) family: &'static str,
    /// The key.
    pub(crate) key: KeyId,
    /// Name of the file.
    pub(crate) name: &'static str,
}

impl Place<'_> {
    fn folder(&self) -> PathBuf {
        self.dir.join(self.family).join(self.key.to_string())
    }

    /// Whether the key has a folder.
    pub(crate) fn is_there(&self) -> bool {
        self.folder().exists()
    }

    /// Makes the folder of a new key with its file, unless it is there.
    pub(crate) fn make<S: Slot>(&self, first: &S) -> Result<(), KeyFileError> {
        let folder = self.folder();
        let made = (|| {
            if folder.try_exists()? {
                return Ok(());
            }
            let family = self.dir.join(self.family);
            make_durably(&family)?;
            // Not with_extension: the name has none.
            let temporary = family.join(format!("{}.new", self.key));
            match fs::remove_dir_all(&temporary) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            fs::create_dir(&temporary)?;
            slots::create(&temporary.join(self.name), first)?;
            fs::rename(&temporary, &folder)?;
            sync_dir(&family)
        })();
        made.map_err(|error: io::Error| failed("making", &folder, &error))
    }

    /// Opens the file.
    pub(crate) fn open<S: Slot>(&self) -> Result<KeyFile<S>, KeyFileError> {
        let folder = self.folder();
        let path = folder.join(self.name);
        let lost = |reason: String| KeyFileError::Lost {
            what: S::NAME,
            key: self.key,
            path: path.clone(),
            reason,
        };
        let newest = match slots::read::<S>(&path) {
            Ok(Some(newest)) => newest,
            Ok(None) => return Err(lost("the file is missing".to_owned())),
            Err(Fault::Environment { reason, .. }) => {
                return Err(KeyFileError::Io {
                    doing: "reading",
                    path,
                    reason,
                });
            }
            Err(damage) => return Err(lost(damage.to_string())),
        };
        Ok(KeyFile {
            folder,
            path,
            newest,
            unsure: false,
        })
    }
}

impl<S: Slot + PartialEq> KeyFile<S> {
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn newest(&self) -> &S {
        &self.newest
    }

    /// Makes a value the newest; durable when this returns. After an error the value counts
    /// as written: it may be.
    pub(crate) fn write(&mut self, value: S) -> Result<(), KeyFileError> {
        if self.newest == value && !self.unsure {
            return Ok(());
        }
        (self.newest, self.unsure) = (value, true);
        slots::write(&self.path, &self.newest)
            .map_err(|error| failed("writing", &self.path, &error))?;
        self.unsure = false;
        Ok(())
    }
}

fn failed(doing: &'static str, path: &Path, error: &io::Error) -> KeyFileError {
    KeyFileError::Io {
        doing,
        path: path.to_owned(),
        reason: error.to_string(),
    }
}
