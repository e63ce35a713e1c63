//! Which keys have been used: noted beside the keys, for the day the data folder is gone.
//!
//! What a key has signed stands in the data folder. A data folder that is lost whole, or a volume
//! that is not mounted, looks like a first start; a member that votes then could contradict
//! itself. So a file `used/<key id>-<ledger id>` in the folder of keys says that there was a data
//! folder once.

use std::io;
use std::path::{Path, PathBuf};

use credlog_ledger::ids::{KeyId, LedgerId};
use credlog_store::FirstKeys;

use crate::config::MemberSection;

/// Folder of these files in the folder of keys.
pub const USED_FOLDER: &str = "used";

/// What is noted of the keys of one ledger.
#[derive(Debug, Clone)]
pub struct KeyUse {
    folder: PathBuf,
    ledger: LedgerId,
}

/// The folder of keys cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("whether the key was used before is not known: {path}: {source}", path = .path.display())]
pub struct KeyUseError {
    path: PathBuf,
    source: io::Error,
}

impl KeyUse {
    /// Of the keys that a member's configuration names, on a ledger.
    pub fn of(member: &MemberSection, ledger: LedgerId) -> Self {
        Self {
            folder: member.keys_dir.join(USED_FOLDER),
            ledger,
        }
    }

    fn path(&self, key: KeyId) -> PathBuf {
        self.folder.join(format!("{key}-{}", self.ledger))
    }

    /// Whether a data folder has kept what this key signs.
    ///
    /// # Errors
    /// [`KeyUseError`].
    pub fn is_known(&self, key: KeyId) -> Result<bool, KeyUseError> {
        let path = self.path(key);
        let found = path.try_exists();
        found.map_err(|source| KeyUseError { path, source })
    }

    /// The same of either of a store's first keys.
    ///
    /// # Errors
    /// [`KeyUseError`].
    pub fn knows(&self, keys: &FirstKeys) -> Result<bool, KeyUseError> {
        Ok(self.is_known(keys.consensus)? || self.is_known(keys.cosigner)?)
    }

    /// Whether the use of any key of this ledger is noted here.
    ///
    /// # Errors
    /// [`KeyUseError`].
    pub fn has_notes(&self) -> Result<bool, KeyUseError> {
        let failed = |source| KeyUseError {
            path: self.folder.clone(),
            source,
        };
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            entries => entries.map_err(failed)?,
        };
        let of_ledger = format!("-{}", self.ledger);
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            if name.to_str().is_some_and(|name| name.ends_with(&of_ledger)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Notes that `data_dir` keeps what this key signs. Where the folder of keys cannot be
    /// written, a warning says what will not be noticed.
    pub fn note(&self, key: KeyId, data_dir: &Path) {
        let path = self.path(key);
        let noted = (|| {
            if path.try_exists()? {
                return Ok(());
            }
            std::fs::create_dir_all(&self.folder)?;
            let text = format!(
                "What this key has signed on ledger {} stands in the folder votes or cosigner of\n\
                 {}\n\
                 If that folder is lost, the key must not be used again: the members replace it.\n",
                self.ledger,
                std::path::absolute(data_dir)?.display(),
            );
            std::fs::write(&path, text)
        })();
        if let Err(error) = noted {
            let error: io::Error = error;
            tracing::warn!(
                %error,
                path = %path.display(),
                "it cannot be noted beside the keys that this data folder exists: should it be \
                 lost, the next start would look like the first one"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_known_once_it_is_noted() {
        let dir = tempfile::tempdir().unwrap();
        let member = MemberSection {
            id: None,
            keys_dir: dir.path().to_owned(),
            passphrase_file: None,
        };
        let of = |ledger| KeyUse::of(&member, LedgerId([ledger; 32]));
        let key = credlog_ledger::key::PublicKey::ed25519(&[1; 32]).id();
        assert!(!of(1).is_known(key).unwrap() && !of(1).has_notes().unwrap());
        for _ in 0..2 {
            of(1).note(key, Path::new("data"));
        }
        assert!(of(1).is_known(key).unwrap() && of(1).has_notes().unwrap());
        assert!(!of(2).has_notes().unwrap());
        assert!(!of(2).is_known(key).unwrap(), "another ledger's");
    }
}
